"""`python -m bench.recorders [--quick] [--json FILE] `: one recorder, one that comes second, two at once.

Each takes all messages, in batches, up to the last commit. Recorders are processes, as in production.
"""

import argparse
import asyncio
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import psycopg
from rich.console import Console

from bench.figures import Figure, show, write
from bench.recorders.subject import BATCH, record
from bench.store.recorder import messages
from bench.store.server import bench_database
from gridwatch.domain import SystemClock
from gridwatch.store import Database

_console = Console(stderr=True, highlight=False)


def run(dsn: str, count: int, rounds: int) -> Sequence[Figure]:
    """All figures. Raises AssertionError when two recorders stored anything twice, or not at all."""
    asyncio.run(Database(dsn=dsn, pool_size=1, clock=SystemClock(), evidence_dir=Path()).migrate())
    alone, second, both, share = [], [], [], []
    total = len(messages(count))
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for _ in range(rounds):
            _empty(dsn)
            first = pool.submit(record, dsn, count).result()
            again = pool.submit(record, dsn, count).result()
            _empty(dsn)
            pair = [one.result() for one in [pool.submit(record, dsn, count) for _ in range(2)]]
            assert (first.stored, again.stored, sum(one.stored for one in pair)) == (total, 0, total)  # noqa: S101
            seconds = first.ended - first.began
            alone.append(total / seconds)
            second.append((again.ended - again.began) / seconds)
            both.append((max(one.ended for one in pair) - min(one.began for one in pair)) / seconds)
            share.append(min(one.stored for one in pair) / total)
    return [
        Figure.of("one_recorder", alone, unit="/s", note=f"batches of {BATCH}"),
        Figure.of("second_after_first", second, note="time for messages that are all known, over new ones"),
        Figure.of("two_at_once", both, note="time until both have committed all, over one alone"),
        Figure.of("share_of_the_slower", share, note="of the messages it was first with"),
        Figure.of("load", [os.getloadavg()[0]]),
    ]


def _empty(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("TRUNCATE incident_message, incident")
        connection.execute("VACUUM ANALYZE incident_message, incident")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.recorders", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within a minute, and rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help='write {"figure name": number}')
    parser.add_argument("--dsn", help="a server that may CREATE DATABASE; default: one of our own")
    chosen = parser.parse_args()
    count, rounds = (4_000, 3) if chosen.quick else (20_000, 5)
    _console.print(f"{count} messages, {rounds} rounds ...")
    with bench_database(chosen.dsn) as dsn:
        figures = run(dsn, count, rounds)
    show("recorders", figures)
    if chosen.json is not None:
        write(chosen.json, figures)


if __name__ == "__main__":
    main()
