"""`python -m bench.store [--quick] [--json FILE] [--dsn DSN] [--rows N] [--history DATABASE] [--only PART]`.

Grids, recording, questions to a history and on TimescaleDB late messages; on databases of its own, but for `--history`.
Beside the JSON it keeps the plans, as FILE with `.plans.txt`.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.figures import Figure, show, write
from bench.store.grids import grid_figures
from bench.store.history import incidents_in, is_timescale, make_history, sizes
from bench.store.late import late_figures
from bench.store.questions import plans, question_figures
from bench.store.recorder import recorder_figures
from bench.store.server import bench_database, kept_database
from gridwatch.domain import SystemClock
from gridwatch.store.migrate import migrate

_PARTS = ("grids", "recording", "questions")
_console = Console(stderr=True, highlight=False)
_SHOWN = (
    "incident_message", "messages_before", "messages_compressed", "incident", "site_hour_count", "site_day_count",
    "grid_day_count", "site_hours", "substation_hours", "site_days", "district_days", "grid_days", "grid_hours",
    "grid_totals", "cases",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How much to measure."""

    messages: int
    """A turn of the recorder."""
    rounds: int
    incidents: int
    """In the history."""
    times: int
    """Each question is asked."""


FULL = Plan(messages=30_000, rounds=7, incidents=10_000_000, times=100)
QUICK = Plan(messages=6_000, rounds=3, incidents=100_000, times=20)


def recording(plan: Plan, dsn: str | None) -> list[Figure]:
    """The recorder."""
    with bench_database(dsn) as fresh, tempfile.TemporaryDirectory(prefix="gridwatch-bench-") as folder:
        load = os.getloadavg()[0]
        _console.print(f"recording {plan.messages} messages, {plan.rounds} rounds, load {load:.1f} ...")
        figures = asyncio.run(recorder_figures(fresh, plan.messages, plan.rounds, Path(folder)))
        figures.append(Figure.of("load_recording", [load], note="of the machine, when it began"))
    show("recorder", figures)
    return figures


def asking(plan: Plan, incidents: int, dsn: str | None, kept: str | None) -> tuple[list[Figure], str]:
    """The questions; and the plans. With `kept` to a history that stays in the database of that name."""
    with bench_database(dsn) if dsn is None or kept is None else kept_database(dsn, kept) as database:
        there = asyncio.run(incidents_in(database))
        if there is None:
            _console.print(f"making {incidents} incidents ...")
            asyncio.run(migrate(database, SystemClock()))
            asyncio.run(make_history(database, incidents, _console.print))
        load = os.getloadavg()[0]
        _console.print(f"asking, load {load:.1f} ...")
        figures = [
            Figure.of("history_incidents", [there or incidents]),
            Figure.of("load_asking", [load], note="of the machine, when it began"),
            *asyncio.run(question_figures(database, plan.times)),
            *_sizes(asyncio.run(sizes(database))),
        ]
        if asyncio.run(is_timescale(database)):
            figures += asyncio.run(late_figures(database, plan.times))
        explained = asyncio.run(plans(database))
    show(f"{there or incidents} incidents over 400 days, {plan.times} times each", figures)
    return figures, explained


def _sizes(bytes_of: Mapping[str, float]) -> list[Figure]:
    found = [Figure.of(f"{name}_mib", [bytes_of[name] / 2**20], unit="MiB") for name in _SHOWN if bytes_of.get(name)]
    if before := bytes_of.get("messages_before"):
        found.append(Figure.of("compressed_share", [bytes_of["messages_compressed"] / before]))
    return found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.store", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within a minute, and rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help='write {"figure name": number}')
    parser.add_argument("--dsn", help="a server that may CREATE DATABASE; default: one of our own")
    parser.add_argument("--rows", type=int, metavar="N", help="incidents in the history instead")
    parser.add_argument(
        "--history", metavar="DATABASE", help="of --dsn: the history stays there, and is made only where it is not"
    )
    parser.add_argument("--only", choices=_PARTS, action="append", help="leave out the other parts; may be repeated")
    chosen = parser.parse_args()
    if chosen.history is not None and chosen.dsn is None:
        parser.error("--history needs the server: --dsn")
    plan = QUICK if chosen.quick else FULL
    parts = chosen.only or _PARTS
    figures: list[Figure] = []
    explained = ""
    if "grids" in parts:
        figures += grid_figures(20_000 if plan is FULL else 2_000, plan.rounds)
        show("grids", figures)
    if "recording" in parts:
        figures += recording(plan, chosen.dsn)
    if "questions" in parts:
        asked, explained = asking(plan, chosen.rows or plan.incidents, chosen.dsn, chosen.history)
        figures += asked
    if chosen.json is not None:
        write(chosen.json, figures)
        if explained:
            chosen.json.with_suffix(".plans.txt").write_text(explained, encoding="utf-8")


if __name__ == "__main__":
    main()
