"""What the demo shows at its end, and whether all went well."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from gridwatch.api.views import CameraView
from gridwatch.app.demo.observer import Latency, MessageId
from gridwatch.domain import CHINESE, IncidentKind
from gridwatch.store import Summary

MUST_HAVE = (IncidentKind.INTRUSION, IncidentKind.LINE_CROSSING, IncidentKind.CROWDING)
"""At least one incident of each must have gone all the way to a case."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What a process cost."""

    cores: float
    """CPU seconds a second, start-up included."""
    megabytes: float
    """Resident memory, at the end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Everything that was measured."""

    cameras: Sequence[CameraView]
    summary: Summary
    stored: set[MessageId]
    """Incident messages in the database."""
    on_bus: set[MessageId]
    """Those the MQTT subscriber saw."""
    on_stream: set[MessageId]
    """Those the live stream gave."""
    bus: Latency | None
    stream: Latency | None
    first_incident: float | None
    """Seconds from start to the first incident in the API."""
    restarts: int
    """Times a role died and was started again."""
    ingest: Load | None
    """What the ingest process cost while the cameras ran."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that must be true."""

    name: str
    good: bool
    found: str


def checks(outcome: Outcome) -> list[Check]:
    """Every condition of success."""
    silent = [one.id for one in outcome.cameras if one.health is None or one.health.frames == 0]
    in_cases: Counter[IncidentKind] = Counter()
    for row in outcome.summary.incidents:
        in_cases[row.kind] += row.in_cases
    frames = f"silent: {', '.join(silent)}" if silent else f"{len(outcome.cameras)} cameras"
    result = [Check(name="every camera delivered frames", good=bool(outcome.cameras) and not silent, found=frames)]
    result += [
        Check(name=f"{kind} went all the way to a case", good=in_cases[kind] > 0, found=f"{in_cases[kind]} incidents")
        for kind in MUST_HAVE
    ]
    result += [
        _same("the MQTT subscriber saw exactly what the database holds", outcome.stored, outcome.on_bus),
        _same("the live stream gave exactly what the database holds", outcome.stored, outcome.on_stream),
        Check(name="no role died", good=outcome.restarts == 0, found=f"{outcome.restarts} restarts"),
    ]
    return result


def _same(name: str, stored: set[MessageId], seen: set[MessageId]) -> Check:
    missing, extra = len(stored - seen), len(seen - stored)
    found = f"{len(stored)} messages" if seen == stored else f"{missing} missing, {extra} only there"
    return Check(name=name, good=bool(stored) and seen == stored, found=found)


def show(console: Console, outcome: Outcome) -> bool:
    """Print the summary; True when every check is good."""
    console.print(_cameras(outcome))
    console.print(_cases(outcome))
    first = "-" if outcome.first_incident is None else f"{outcome.first_incident:.1f} s after the start"
    console.print(f"frame to MQTT subscriber  {outcome.bus or '-'}")
    console.print(f"frame to live stream      {outcome.stream or '-'}")
    console.print(f"first incident            {first}")
    if outcome.ingest is not None and outcome.cameras:
        load, cameras = outcome.ingest, len(outcome.cameras)
        console.print(
            f"ingest process            {load.cores:.2f} cores and {load.megabytes:.0f} MB for {cameras} cameras: "
            f"{load.cores / cameras:.3f} cores and {load.megabytes / cameras:.0f} MB each"
        )
    results = checks(outcome)
    for one in results:
        mark = "[green]ok[/]    " if one.good else "[bold red]FAILED[/]"
        console.print(f"{mark} {one.name}: {one.found}")
    return all(one.good for one in results)


def _cameras(outcome: Outcome) -> Table:
    table = Table(title="By camera", title_justify="left", border_style="dim")
    table.add_column("camera")
    kinds = sorted({row.kind for row in outcome.summary.incidents})
    for name in ("frames", "analysed", "to detector", "dropped", "detections", *kinds):
        table.add_column(name, justify="right")
    counts = {(row.camera, row.kind): row.incidents for row in outcome.summary.incidents}
    for one in outcome.cameras:
        health = one.health
        numbers = (
            (health.frames, health.analysed, health.detected, health.dropped, health.detections)
            if health
            else (0, 0, 0, 0, 0)
        )
        table.add_row(one.id, *map(str, numbers), *(str(counts.get((one.id, kind), 0)) for kind in kinds))
    return table


def _cases(outcome: Outcome) -> Table:
    table = Table(title="Cases by grid", title_justify="left", border_style="dim")
    for name in ("grid", "kind"):
        table.add_column(name)
    for name in ("cases", "incidents in them"):
        table.add_column(name, justify="right")
    for row in outcome.summary.cases:
        table.add_row(row.grid, f"{row.kind} {CHINESE[row.kind]}", str(row.cases), str(row.incidents))
    return table
