"""`python -m bench.store [--quick] [--json FILE] [--dsn DSN] [--rows N]`: grids, recording, questions to a history.

On databases of its own. Beside the JSON it keeps the plans, as FILE with `.plans.txt`.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.figures import Figure, show, write
from bench.store.grids import grid_figures
from bench.store.history import make_history
from bench.store.questions import plans, question_figures
from bench.store.recorder import recorder_figures
from bench.store.server import bench_database
from gridwatch.domain import SystemClock
from gridwatch.store.migrate import migrate

_console = Console(stderr=True, highlight=False)
_SHOWN_TABLES = ("incident_message", "incident", "site_hour_count", "site_day_count", "grid_day_count", "cases")


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


def asking(plan: Plan, incidents: int, dsn: str | None) -> tuple[list[Figure], str]:
    """The questions; and the plans."""
    with bench_database(dsn) as fresh:
        _console.print(f"making {incidents} incidents ...")
        asyncio.run(migrate(fresh, SystemClock()))
        sizes = asyncio.run(make_history(fresh, incidents, _console.print))
        load = os.getloadavg()[0]
        _console.print(f"asking, load {load:.1f} ...")
        figures = [
            Figure.of("history_incidents", [incidents]),
            Figure.of("load_asking", [load], note="of the machine, when it began"),
            *asyncio.run(question_figures(fresh, plan.times)),
            *(Figure.of(f"{name}_mib", [sizes[name] / 2**20], unit="MiB") for name in _SHOWN_TABLES if name in sizes),
        ]
        explained = asyncio.run(plans(fresh))
    show(f"{incidents} incidents over 400 days, {plan.times} times each", figures)
    return figures, explained


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.store", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within a minute, and rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help='write {"figure name": number}')
    parser.add_argument("--dsn", help="a server that may CREATE DATABASE; default: one of our own")
    parser.add_argument("--rows", type=int, metavar="N", help="incidents in the history instead")
    chosen = parser.parse_args()
    plan = QUICK if chosen.quick else FULL
    placing = grid_figures(20_000 if plan is FULL else 2_000, plan.rounds)
    show("grids", placing)
    figures: Sequence[Figure] = [*placing, *recording(plan, chosen.dsn)]
    asked, explained = asking(plan, chosen.rows or plan.incidents, chosen.dsn)
    if chosen.json is not None:
        write(chosen.json, [*figures, *asked])
        chosen.json.with_suffix(".plans.txt").write_text(explained, encoding="utf-8")


if __name__ == "__main__":
    main()
