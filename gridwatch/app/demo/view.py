"""The demo on a terminal: cameras, what happens, cases, and where to look further."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gridwatch.api.views import CameraView, CaseView, IncidentRecordView
from gridwatch.app.board import SEVERITY_STYLE
from gridwatch.app.demo.client import Snapshot
from gridwatch.app.demo.observer import Latency
from gridwatch.domain import CHINESE, CameraState

FEED = 8
"""Incidents shown."""

_STATE_STYLE = {CameraState.UP: "green", CameraState.CONNECTING: "yellow"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """What the demo says of itself."""

    url: str
    login: str
    elapsed: float
    seconds: int | None
    """How long it will run, None until Ctrl-C."""
    bus: Latency | None
    stream: Latency | None


def render(heading: Heading, seen: Snapshot) -> RenderableType:
    """The whole screen."""
    return Group(_heading(heading), _cameras(seen.cameras), _feed(seen.incidents), _cases(seen.cases))


def status_line(heading: Heading, seen: Snapshot) -> str:
    """The same in a line, for output that is no terminal."""
    up = sum(one.health is not None and one.health.state is CameraState.UP for one in seen.cameras)
    fps = sum(one.health.fps for one in seen.cameras if one.health)
    return (
        f"{heading.elapsed:5.0f} s  cameras up {up}/{len(seen.cameras)}  {fps:4.0f} frames/s  "
        f"incidents {len(seen.incidents)}  cases {len(seen.cases)}  to subscriber: {heading.bus or '-'}"
    )


def _heading(heading: Heading) -> Panel:
    until = f" of {heading.seconds} s" if heading.seconds else " s, Ctrl-C ends it"
    text = Text.assemble(
        ("API and page  ", "dim"), (heading.url, "bold cyan"), ("   log in as  ", "dim"), (heading.login, "bold"),
        ("\nframe to MQTT subscriber  ", "dim"), str(heading.bus or "-"),
        ("   to live stream  ", "dim"), str(heading.stream or "-"),
    )  # fmt: skip
    return Panel(text, title=f"gridwatch demo  {heading.elapsed:.0f}{until}", title_align="left", border_style="cyan")


def _cameras(cameras: Sequence[CameraView]) -> Table:
    table = Table(title="Cameras 摄像机", title_justify="left", expand=True, border_style="dim")
    for name in ("camera", "site", "state"):
        table.add_column(name)
    for name in ("frames/s", "frames", "to detector", "detections", "incidents", "dropped"):
        table.add_column(name, justify="right")
    for one in cameras:
        health = one.health
        if health is None:
            table.add_row(one.id, one.site, Text("waiting", "yellow"))
            continue
        state = Text(f"{health.state} {CHINESE[health.state]}", _STATE_STYLE.get(health.state, "bold red"))
        if health.reason:
            state.append(f"\n{health.reason}", "dim")
        table.add_row(
            one.id, one.site, state, f"{health.fps:.1f}", str(health.frames), str(health.detected),
            str(health.detections), str(health.incidents), str(health.dropped),
        )  # fmt: skip
    return table


def _feed(incidents: Sequence[IncidentRecordView]) -> Table:
    table = Table(title="Incidents 事件", title_justify="left", expand=True, border_style="dim")
    for name in ("time (UTC)", "camera", "kind", "severity", "phase", "count", "grid"):
        table.add_column(name)
    for record in incidents[:FEED]:
        one = record.incident
        table.add_row(
            one.occurred_at.strftime("%H:%M:%S"), one.camera, f"{one.kind} {CHINESE[one.kind]}",
            Text(f"{one.severity} {CHINESE[one.severity]}", SEVERITY_STYLE.get(one.severity, "")),
            f"{one.phase} {CHINESE[one.phase]}", str(one.count), record.grid or "-",
        )  # fmt: skip
    return table


def _cases(cases: Sequence[CaseView]) -> Table:
    table = Table(title="Cases 案件", title_justify="left", expand=True, border_style="dim")
    for name in ("number", "kind", "step taken", "waits for", "due (UTC)", "incidents"):
        table.add_column(name)
    for one in cases[:FEED]:
        clock = one.clock
        due = Text("-") if clock is None else _due(clock.due_at, late=clock.late)
        waits = f"{clock.step} {CHINESE[clock.step]}" if clock else "-"
        table.add_row(
            one.number, f"{one.kind} {CHINESE[one.kind]}", f"{one.step} {CHINESE[one.step]}", waits, due,
            str(len(one.incidents)),
        )  # fmt: skip
    more = Counter(one.grid for one in cases[FEED:])
    if more:
        table.caption = "and " + ", ".join(f"{count} in {grid}" for grid, count in more.items())
    return table


def _due(at: datetime, *, late: bool) -> Text:
    return Text(f"{at:%H:%M:%S}{' late' if late else ''}", "bold red" if late else "")
