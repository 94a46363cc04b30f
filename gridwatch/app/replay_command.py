"""The replay command: progress, tables, and the files that were asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gridwatch.app.expected import Comparison, ExpectedIncident, FoundIncident
from gridwatch.app.parallel import in_order
from gridwatch.app.progress import bars
from gridwatch.app.recordings import gather
from gridwatch.app.replay_job import Job, Outcome, run_job
from gridwatch.app.replay_reports import report_json, report_junit
from gridwatch.app.score import Score, scores
from gridwatch.app.writing import write_text
from gridwatch.domain import CHINESE, SystemClock
from gridwatch.ingest import duration_seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayOptions:
    """What a person asked for; see `gridwatch replay --help`."""

    paths: Sequence[Path]
    config: Path | None
    camera: str | None
    expect: Path | None
    json: Path | None
    junit: Path | None
    sheets: Path | None
    video: Path | None
    jobs: int | None


def run_replay(options: ReplayOptions) -> int:
    """Replay and print; 1 when something was missed or false. Raises UsageError, UnreadableFile, RigError."""
    recordings = gather(options.paths, options.config, options.camera, options.expect)
    jobs = [Job(recording=one, sheets=options.sheets, video=options.video) for one in recordings]
    lengths = [duration_seconds(one.watched.file) for one in recordings]
    clock = SystemClock()
    began = clock.monotonic()
    outcomes = _run(jobs, lengths, options.jobs)
    took = clock.monotonic() - began
    if options.json is not None:
        write_text(options.json, report_json(outcomes))
    if options.junit is not None:
        write_text(options.junit, report_junit(outcomes))
    return _tell(outcomes, sum(lengths), took)


def _run(jobs: Sequence[Job], lengths: Sequence[float], processes: int | None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with bars() as progress:
        task = progress.add_task(jobs[0].recording.name, total=sum(lengths))
        if len(jobs) == 1:
            outcomes.append(run_job(jobs[0], lambda done: progress.update(task, completed=done)))
            progress.update(task, completed=lengths[0])
            return outcomes
        for outcome, length in zip(in_order(run_job, jobs, processes), lengths, strict=True):
            outcomes.append(outcome)
            progress.update(task, advance=length, description=outcome.recording.name)
    return outcomes


def _tell(outcomes: Sequence[Outcome], seconds: float, took: float) -> int:
    console = Console(highlight=False, soft_wrap=True)
    frames, detected = sum(one.replay.frames for one in outcomes), sum(one.replay.detected for one in outcomes)
    what = outcomes[0].recording.watched.file.name if len(outcomes) == 1 else f"{len(outcomes)} clips"
    console.print(
        f"{what}: {seconds:.1f} s in {took:.1f} s, {seconds / max(took, 0.001):.1f} times real time; "
        f"{frames} frames analysed, {detected} through the gate"
    )
    unjudged = [one for one in outcomes if one.comparison is None]
    if unjudged:
        console.print(_raised(unjudged))
    compared = [(one.recording.name, one.comparison) for one in outcomes if one.comparison is not None]
    if not compared:
        return 0
    rows = [row for name, comparison in compared for row in _rows(name, comparison, all_of_them=len(outcomes) == 1)]
    if rows:
        console.print(_filled(("clip", "", "truth (s)", "raised (s)", "late (s)", "kind", "rule"), rows))
    totals = scores(comparison for _, comparison in compared)
    console.print(_scored(totals))
    for path in (path for one in outcomes for path in one.pictures):
        console.print(f"sheet {path}")
    total = totals[-1]
    console.print(f"{total.found} found, {total.missed} missed, {total.false} false")
    return 0 if all(comparison.agrees for _, comparison in compared) else 1


def _filled(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(border_style="dim")
    for name in columns:
        table.add_column(name, justify="right" if name.endswith(")") or name in _NUMBERS else "left")
    for row in rows:
        table.add_row(*row)
    return table


_NUMBERS = {"true", "found", "missed", "false", "precision", "recall"}


def _raised(outcomes: Iterable[Outcome]) -> Table:
    """What was raised where nobody wrote down what should be."""
    rows = [
        (one.recording.name, f"{found.raised_at:.1f}", _kind(found), found.rule)
        for one in outcomes
        for found in one.replay.found()
    ]
    return _filled(("clip", "raised (s)", "kind", "rule"), rows)


def _rows(clip: str, comparison: Comparison, *, all_of_them: bool) -> list[tuple[str, ...]]:
    """Missed and false, by time; with `all_of_them` found too."""
    rows: list[tuple[float, tuple[str, ...]]] = []
    for want, one in comparison.found if all_of_them else ():
        late = f"{one.raised_at - want.raised_at:+.1f}"
        rows.append((want.raised_at, (clip, "[green]found[/]", f"{want.raised_at:.1f}", f"{one.raised_at:.1f}", late,
                                      _kind(one), one.rule)))  # fmt: skip
    rows += [
        (want.raised_at, (clip, "[red]missed[/]", f"{want.raised_at:.1f}", "", "", _kind(want), want.rule or ""))
        for want in comparison.missed
    ]
    rows += [
        (one.raised_at, (clip, "[yellow]false[/]", "", f"{one.raised_at:.1f}", "", _kind(one), one.rule))
        for one in comparison.false
    ]
    return [row for _, row in sorted(rows)]


def _scored(totals: Sequence[Score]) -> Table:
    columns = ("kind", "true", "found", "missed", "false", "precision", "recall", "median (s)", "max (s)")
    table = _filled(columns, [
        (
            "total" if one.kind is None else f"{one.kind} {CHINESE[one.kind]}", str(one.expected), str(one.found),
            str(one.missed), str(one.false), _share(one.precision), _share(one.recall), _seconds(one.median_delay),
            _seconds(one.longest_delay),
        )
        for one in totals
    ])  # fmt: skip
    table.caption = "median and max: from when an incident was due to when it was raised"
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"


def _kind(one: FoundIncident | ExpectedIncident) -> str:
    return f"{one.kind} {CHINESE[one.kind]}"
