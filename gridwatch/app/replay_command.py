"""The replay command: progress, the list, the comparison."""

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from gridwatch.app.expected import Comparison, ExpectedIncident, FoundIncident, compare, read_expected
from gridwatch.app.replay import Replay, choose_camera, replay
from gridwatch.config import Settings
from gridwatch.detectors import load_detectors
from gridwatch.domain import CHINESE, SystemClock, UsageError
from gridwatch.ingest import duration_seconds

START = datetime(2000, 1, 1, tzinfo=UTC)
"""Wall clock of the first frame: fixed, so that the same file gives the same bytes."""


def run_replay(file: Path, settings: Settings, camera: str | None, expect: Path | None, output: Path | None) -> int:
    """Replay and print; returns 1 when `expect` and what was found differ. Raises UsageError."""
    expected = None if expect is None else read_expected(expect)
    chosen = choose_camera(settings.deployment, file, camera)
    detector = load_detectors(settings.deployment, [chosen])[chosen.id]
    seconds = duration_seconds(file)
    clock = SystemClock()
    began = clock.monotonic()
    bars = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*bars, console=Console(stderr=True)) as progress:
        task = progress.add_task(file.name, total=seconds)
        health = settings.deployment.health_of(chosen)
        result = replay(file, chosen, health, detector, START, lambda done: progress.update(task, completed=done))
        progress.update(task, completed=seconds)
    took = clock.monotonic() - began
    if output is not None:
        _write(output, result.to_json())
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{file.name}: {seconds:.1f} s in {took:.1f} s, {seconds / max(took, 0.001):.1f} times real time; "
        f"{result.frames} frames analysed, {result.detected} through the gate"
    )
    if expected is None:
        console.print(_incidents(result))
        return 0
    comparison = compare(expected, result.found())
    console.print(_compared(comparison))
    console.print(f"{len(comparison.found)} found, {len(comparison.missed)} missed, {len(comparison.false)} false")
    return 0 if comparison.agrees else 1


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def _table(*columns: str) -> Table:
    table = Table(border_style="dim")
    for name in columns:
        table.add_column(name, justify="right" if name.endswith("(s)") else "left")
    return table


def _incidents(result: Replay) -> Table:
    table = _table("raised (s)", "kind", "rule")
    for one in result.found():
        table.add_row(f"{one.raised_at:.1f}", _kind(one), one.rule)
    return table


def _compared(comparison: Comparison) -> Table:
    """Found, missed and false, by time."""
    rows: list[tuple[float, tuple[str, ...]]] = []
    for want, one in comparison.found:
        late = f"{one.raised_at - want.raised_at:+.1f}"
        rows.append((want.raised_at, ("[green]found[/]", f"{want.raised_at:.1f}", f"{one.raised_at:.1f}", late,
                                      _kind(one), one.rule)))  # fmt: skip
    rows += [
        (want.raised_at, ("[red]missed[/]", f"{want.raised_at:.1f}", "", "", _kind(want), want.rule or ""))
        for want in comparison.missed
    ]
    rows += [
        (one.raised_at, ("[yellow]false[/]", "", f"{one.raised_at:.1f}", "", _kind(one), one.rule))
        for one in comparison.false
    ]
    table = _table("", "truth (s)", "raised (s)", "late (s)", "kind", "rule")
    for _, row in sorted(rows):
        table.add_row(*row)
    return table


def _kind(one: FoundIncident | ExpectedIncident) -> str:
    return f"{one.kind} {CHINESE[one.kind]}"
