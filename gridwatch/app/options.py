"""What the groups of commands in modules of their own share."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

DEFAULT_CONFIG = Path("gridwatch.yaml")
ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="The deployment's YAML.", envvar="GRIDWATCH_CONFIG", show_default=True)
]
AccountName = Annotated[
    str, typer.Option("--account", help="Who asks. The password is asked for, or read from a pipe.")
]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit.")]

out = Console(highlight=False, soft_wrap=True)


def ask_password() -> str:
    """From the person, or the first line of a pipe."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True))
    return sys.stdin.readline().rstrip("\n")
