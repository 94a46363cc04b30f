import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
import typer
from typer.testing import CliRunner

from gridwatch.app.cli import app


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command and group; `command` is of the click that typer brings."""
    yield path
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, (*path, name))


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Even for help the program sets up its log, on an output that is gone afterwards."""
    yield
    structlog.reset_defaults()
    for handler in [one for one in logging.root.handlers if type(one) is logging.StreamHandler]:
        logging.root.removeHandler(handler)


@pytest.mark.parametrize(
    "path", [*commands(typer.main.get_command(app))], ids=lambda path: " ".join(path) or "gridwatch"
)
def test_every_command_says_how_it_is_used(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0, shown.exception
    assert "Usage: " in shown.output


def test_what_stands_in_brackets_is_shown() -> None:
    shown = CliRunner().invoke(app, ["discover", "--help"], terminal_width=200)
    assert "district[/substation[/checkpoint]]" in shown.output
