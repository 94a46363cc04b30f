"""The recorder against COPY of the same messages into the same table, in turns on one database."""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg

from bench.figures import Figure
from gridwatch.domain import (
    Box,
    DetectorInfo,
    Grid,
    Incident,
    IncidentBox,
    IncidentKind,
    Phase,
    Position,
    Severity,
    SitePath,
    SystemClock,
    Unit,
    incident_id,
)
from gridwatch.store import Database
from gridwatch.store.message_rows import copy_line, message_row
from gridwatch.store.queries import queries

_CAMERAS: Final = 300
_SIDE: Final = 15
"""Grids in a row, and rows: 225, one to one or two cameras."""
_START: Final = datetime(2026, 3, 1, 8, tzinfo=UTC)
_A_SECOND: Final = 2
"""Incidents raised in a second. Each is raised, updated and cleared, a minute or so apart."""
_DETECTOR: Final = DetectorInfo(name="onnx", version="1", weights_sha256="0" * 64)
_UNIT: Final = Unit(code="u", name="Unit")
_COPY: Final = queries("recording")["append_messages"]

Connection = psycopg.AsyncConnection[tuple[object, ...]]


def messages(count: int) -> list[Incident]:
    """About `count` messages of many incidents in the order of their times; the same each time."""
    chance = random.Random(6)  # noqa: S311 - not for secrets
    places = [Position(lon=chance.uniform(0, _SIDE), lat=chance.uniform(0, _SIDE)) for _ in range(_CAMERAS)]
    found = [one for n in range(count // 3) for one in _life(n, chance.randrange(_CAMERAS), places, chance)]
    return sorted(found, key=lambda one: one.observed_at)


def _life(number: int, camera: int, places: Sequence[Position], chance: random.Random) -> list[Incident]:
    raised = _START + timedelta(seconds=number / _A_SECOND)
    times = [raised]
    for _ in range(2):
        times.append(times[-1] + timedelta(seconds=1 + chance.expovariate(1 / 30)))
    phases = (Phase.RAISED, Phase.UPDATED, Phase.CLEARED)
    return [
        Incident(
            id=incident_id(raised, str(number)), kind=IncidentKind.INTRUSION, severity=Severity.MAJOR, phase=phase,
            seq=seq, site=SitePath(district="d", substation=f"s{camera % 20}", checkpoint=f"c{camera % 100}"),
            camera=f"camera-{camera}", rule="yard", position=places[camera], occurred_at=raised, observed_at=at,
            boxes=(IncidentBox(box=Box(x1=0.125, y1=0.25, x2=0.375, y2=0.5), label="person", score=0.84375),),
            score=0.84375, count=1 + seq, evidence=(), detector=_DETECTOR,
        )
        for seq, (phase, at) in enumerate(zip(phases, times, strict=True))
    ]  # fmt: skip


def _grids() -> list[Grid]:
    def square(x: int, y: int) -> Grid:
        corners = ((x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y))
        ring = tuple(Position(lon=lon, lat=lat) for lon, lat in corners)
        return Grid(code=f"g{x}-{y}", name="Grid", unit=_UNIT.code, people=(), rings=(ring,))

    return [square(x, y) for x in range(_SIDE) for y in range(_SIDE)]


async def recorder_figures(dsn: str, count: int, rounds: int, evidence: Path) -> list[Figure]:
    """`count` messages a turn, in batches as a recorder takes them, each batch committed."""
    sent = messages(count)
    figures = []
    async with _opened(dsn, evidence) as (database, connection):
        for batch in (200, 500):
            batches = [sent[start : start + batch] for start in range(0, len(sent), batch)]
            rates: dict[str, list[float]] = {"recorder": [], "copy": [], "text": []}
            for _ in range(rounds):
                for name, seconds in (await _round(database, connection, batches)).items():
                    rates[name].append(len(sent) / seconds)
            ratios = [mine / copy for mine, copy in zip(rates["recorder"], rates["copy"], strict=True)]
            floor = [mine / copy for mine, copy in zip(rates["recorder"], rates["text"], strict=True)]
            figures += [
                Figure.of(f"recorder_vs_copy_{batch}", ratios, goal=0.5, at_least=True, note=f"batches of {batch}"),
                Figure.of(f"recorder_vs_copy_of_text_{batch}", floor, note="text made beforehand, not counted"),
                Figure.of(f"recorder_rate_{batch}", rates["recorder"], unit="/s"),
                Figure.of(f"copy_rate_{batch}", rates["copy"], unit="/s"),
            ]
    return figures


@asynccontextmanager
async def _opened(dsn: str, evidence: Path) -> AsyncIterator[tuple[Database, Connection]]:
    database = Database(dsn=dsn, pool_size=1, clock=SystemClock(), evidence_dir=evidence)
    await database.migrate()
    await database.open()
    try:
        await database.sync_directory([], [], _grids(), [_UNIT])
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            yield database, connection
    finally:
        await database.close()


async def _round(database: Database, connection: Connection, batches: Sequence[Sequence[Incident]]) -> dict[str, float]:
    """Seconds each way took."""
    now = _START.isoformat()

    async def record() -> None:
        for batch in batches:
            async with database.recording() as recording:
                await recording.add_messages(batch)

    async def copy() -> None:
        cursor = 1
        for batch in batches:
            lines = [copy_line(message_row(one, "g0-0"), now, n) for n, one in enumerate(batch, cursor)]
            cursor += len(batch)
            await _copy(connection, "".join(lines))

    texts = [
        "".join(copy_line(message_row(one, "g0-0"), now, n) for n, one in enumerate(batch, number * len(batch)))
        for number, batch in enumerate(batches)
    ]

    async def copy_text() -> None:
        for text in texts:
            await _copy(connection, text)

    ways: dict[str, Callable[[], Awaitable[None]]] = {"copy": copy, "recorder": record, "text": copy_text}
    seconds = {}
    for name, way in ways.items():
        await connection.execute("TRUNCATE incident_message, incident")
        began = time.perf_counter()
        await way()
        seconds[name] = time.perf_counter() - began
    return seconds


async def _copy(connection: Connection, text: str) -> None:
    async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        await copy.write(text)
