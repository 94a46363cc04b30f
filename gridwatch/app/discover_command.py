"""The discover command: where to look, with which passwords, and what was found as a table and a skeleton."""

import asyncio
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import typer
from pydantic import SecretStr, TypeAdapter, ValidationError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from gridwatch.app.discover_skeleton import describe_profile, skeleton
from gridwatch.config import ConfigError
from gridwatch.config.base import Section
from gridwatch.config.document import plain_message, read_document, validation_problems
from gridwatch.domain import Clock, SitePath, UsageError
from gridwatch.ingest.discovery import MAX_TRIES, PORTS, Finding, Survey
from gridwatch.ingest.discovery_targets import Target, distinct, expand_network, parse_target, read_targets
from gridwatch.ingest.discovery_ws import probe
from gridwatch.ingest.onvif_media import choose_profile, plain
from gridwatch.ingest.urls import Credentials

CLOCK_WARNING_SECONDS = 2.0
"""Further off, a camera's own times are not believed."""
_PIPE_WIDTH = 220
"""Columns of the table where the output is no terminal that says how many it has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoverOptions:
    """What the person asked for."""

    networks: Sequence[str] = ()
    addresses: Sequence[str] = ()
    file: Path | None = None
    ws: bool = False
    ports: Sequence[int] = ()
    """Empty: the usual ones."""
    credentials: Path | None = None
    """None: asked for on a terminal, else none."""
    out: Path | None = None
    site: str | None = None


class _Login(Section):
    """One user of the credentials file."""

    username: str
    password: SecretStr


def run_discover(options: DiscoverOptions, clock: Clock) -> int:
    """Look, tell, and write the skeleton; 0 when a camera was found and described, else 1.

    Raises UsageError before anything was sent.
    """
    site = _site_of(options)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    status = Console(stderr=True, highlight=False, soft_wrap=True)
    named = [parse_target(one) for one in options.addresses]
    named += [target for one in options.networks for target in expand_network(one)]
    named += read_targets(options.file) if options.file else []
    distinct(named)
    logins = _logins(options.credentials, status)
    _hush()
    announced: list[Target] = []
    if options.ws or not named:
        status.print("Asking the local networks by WS-Discovery...")
        announced = asyncio.run(probe())
        status.print(f"{len(announced)} answered.")
    targets = distinct([*announced, *named])
    survey = Survey(clock=clock, logins=logins, ports=tuple(options.ports) or PORTS)
    findings = _run(survey, targets, status)
    _tell(findings, console, status)
    if options.out is not None and site is not None:
        _write(options.out, skeleton(findings, logins, site, clock.now()))
        status.print(f"Wrote {options.out}.", markup=False)
    return 0 if any(one.said for one in findings) else 1


def _site_of(options: DiscoverOptions) -> SitePath | None:
    """The site of the skeleton. Raises UsageError for a skeleton that could not be written."""
    if options.out is None and options.site is None:
        return None
    if options.out is None or options.site is None:
        raise UsageError("--out and --site go together: the skeleton is for the cameras of one site")
    if options.out.exists():
        raise UsageError(f"{options.out} exists; name a file that does not")
    if not options.out.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {options.out.absolute().parent}")
    try:
        return SitePath.parse(options.site)
    except ValueError as error:
        raise UsageError(f"--site: {error}") from error


def _logins(path: Path | None, status: Console) -> list[Credentials]:
    """From the file, else from the person at the terminal. Raises ConfigError."""
    if path is None:
        if not sys.stdin.isatty():
            return []
        username = typer.prompt("User name of the cameras (empty: none)", default="", show_default=False, err=True)
        if not username:
            return []
        return [Credentials(username=username, password=SecretStr(typer.prompt("Password", hide_input=True, err=True)))]
    document = read_document(path, variables=True)
    try:
        given = TypeAdapter(list[_Login]).validate_python(document.data)
    except ValidationError as error:
        # `from None`: it holds what was read.
        raise ConfigError(validation_problems(document, error, lambda one, _: plain_message(one))) from None
    if len(given) > MAX_TRIES:
        status.print(f"Only the first {MAX_TRIES} of {len(given)} users are tried, lest devices lock their accounts.")
    return [Credentials(username=one.username, password=one.password) for one in given[:MAX_TRIES]]


def _hush() -> None:
    """Leave the terminal to the table: what a survey logs for information would be lines by the thousand."""
    if not structlog.get_logger().is_enabled_for(logging.DEBUG):
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def _run(survey: Survey, targets: Sequence[Target], status: Console) -> list[Finding]:
    with Progress(console=status, transient=True, disable=not status.is_terminal) as progress:
        task = progress.add_task("Asking", total=len(targets))
        return asyncio.run(survey.run(targets, lambda: progress.advance(task)))


def _tell(findings: Sequence[Finding], console: Console, status: Console) -> None:
    described = [one for one in findings if one.said is not None]
    if described:
        console.print(_table(described))
    for one in findings:
        if one.said is None:
            console.print(Text(f"{one.host}:{one.port}: {one.problem}"), soft_wrap=True)
    status.print(f"{len(described)} described, {len(findings) - len(described)} not.")


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(title="ONVIF devices", caption="→ is the profile that is analysed unless another is named")
    for heading in ("address", "make", "model", "firmware", "serial", "profiles", "clock", "services"):
        table.add_column(heading, overflow="fold")
    for one in findings:
        said = one.said
        if said is None:
            continue
        chosen = choose_profile(said.profiles)
        profiles = [f"{'→' if p is chosen else ' '} {plain(p.token)}: {describe_profile(p)}" for p in said.profiles]
        offset = said.clock_offset_seconds
        style = "bold red" if abs(offset) > CLOCK_WARNING_SECONDS else ""
        # Text, not str: what a device says of itself is no markup.
        table.add_row(
            Text(f"{one.host}:{one.port}"), Text(said.make), Text(said.model), Text(said.firmware), Text(said.serial),
            Text("\n".join(profiles) or "none"), Text(f"{offset:+.1f} s", style=style), Text(" ".join(said.services)),
        )  # fmt: skip
    return table


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
