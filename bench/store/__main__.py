"""`python -m bench.store [--quick] [--json FILE] [--dsn DSN]`: recording, on a database of its own."""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.figures import Figure, show, write
from bench.store.recorder import recorder_figures
from bench.store.server import bench_database

_console = Console(stderr=True, highlight=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How much to measure."""

    messages: int
    """A turn of the recorder."""
    rounds: int


FULL = Plan(messages=30_000, rounds=7)
QUICK = Plan(messages=6_000, rounds=3)


def run(plan: Plan, dsn: str | None) -> Sequence[Figure]:
    """All figures, printed on the way."""
    figures: list[Figure] = []
    with bench_database(dsn) as fresh, tempfile.TemporaryDirectory(prefix="gridwatch-bench-") as folder:
        load = os.getloadavg()[0]
        _console.print(f"recording {plan.messages} messages, {plan.rounds} rounds, load {load:.1f} ...")
        done = asyncio.run(recorder_figures(fresh, plan.messages, plan.rounds, Path(folder)))
        show("recorder", done)
        figures += [*done, Figure.of("load_recording", [load])]
    return figures


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.store", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within a minute, and rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help='write {"figure name": number}')
    parser.add_argument("--dsn", help="a server that may CREATE DATABASE; default: one of our own")
    chosen = parser.parse_args()
    figures = run(QUICK if chosen.quick else FULL, chosen.dsn)
    if chosen.json is not None:
        write(chosen.json, figures)


if __name__ == "__main__":
    main()
