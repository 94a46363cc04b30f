"""What a message costs that comes into a compressed chunk, beside one into an open chunk, through the recorder."""

import random
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from bench.figures import Figure
from bench.store.history import DAYS, END, START
from bench.store.questions import DISTRICT
from gridwatch.domain import Incident, IncidentFilter, Phase, SystemClock
from gridwatch.store import Database

_OPEN = timedelta(days=6)
"""Younger than what is compressed."""


class _Undo(Exception):  # noqa: N818 - nothing went wrong
    """Ends a transaction without keeping what it did."""


async def late_figures(dsn: str, times: int) -> list[Figure]:
    """`times` messages into each, in turn; each in a transaction that is undone, so that all can be repeated.

    `late_row_` is all a recorder does but the commit, `late_copy_` the COPY alone with taking its cursor.
    """
    database = Database(dsn=dsn, pool_size=1, clock=SystemClock(), evidence_dir=Path())
    await database.open()
    try:
        spans = {"open": (END - _OPEN, END), "compressed": (START, END - timedelta(days=DAYS // 8))}
        late = {name: await _late(database, span, times) for name, span in spans.items()}
        for messages in late.values():
            await _record(database, messages[0])
        whole: dict[str, list[float]] = {name: [] for name in late}
        copy: dict[str, list[float]] = {name: [] for name in late}
        for place in range(times):
            for name, messages in late.items():
                took, copied = await _record(database, messages[place])
                whole[name].append(took)
                copy[name].append(copied)
    finally:
        await database.close()
    return [*_pair("late_row", whole), *_pair("late_copy", copy)]


def _pair(what: str, took: dict[str, list[float]]) -> list[Figure]:
    ratio = statistics.median(took["compressed"]) / statistics.median(took["open"])
    return [
        *(Figure.of(f"{what}_{name}_ms", times, unit="ms") for name, times in took.items()),
        Figure.of(f"{what}_compressed_vs_open", [ratio]),
    ]


async def _late(database: Database, span: tuple[datetime, datetime], count: int) -> Sequence[Incident]:
    """One more message each of incidents that occurred in `span`."""
    chance = random.Random(8)  # noqa: S311 - not for secrets
    found: list[Incident] = []
    while len(found) < count:
        until = span[0] + (span[1] - span[0]) * chance.random()
        records = await database.archive.incidents(IncidentFilter(scope=DISTRICT, since=span[0], until=until), None, 1)
        found += [replace(one.incident, seq=9, phase=Phase.UPDATED, evidence=()) for one in records]
    return found


async def _record(database: Database, message: Incident) -> tuple[float, float]:
    """Milliseconds of all, and of appending alone."""
    took = copied = 0.0
    began = time.perf_counter()
    with suppress(_Undo):
        async with database.recording() as recording:
            if not await recording.add_messages([message]):
                raise RuntimeError(f"message {message.message_id} is there already")
            appending = time.perf_counter()
            await recording.finish()
            ended = time.perf_counter()
            took, copied = (ended - began) * 1000.0, (ended - appending) * 1000.0
            raise _Undo
    return took, copied
