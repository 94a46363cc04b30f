"""A year and more of incidents in the database, made on the server, as an installation would have them by then."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg
from psycopg.rows import DictRow, dict_row

from gridwatch.domain import SystemClock
from gridwatch.store.queries import parse_queries

START: Final = datetime(2025, 1, 1, tzinfo=UTC)
DAYS: Final = 400
END: Final = START + timedelta(days=DAYS)
"""What the questions take for now."""
_PART: Final = 500_000
_HERE: Final = Path(__file__).parent
SQL: Final = parse_queries((_HERE / "history.sql").read_text("utf-8"), "bench/store/history.sql")
TIMESCALE: Final = parse_queries((_HERE / "timescale.sql").read_text("utf-8"), "bench/store/timescale.sql")

Connection = psycopg.AsyncConnection[DictRow]
_STATES: Final = ("states", "cases", "case_incidents", "case_steps")


async def make_history(dsn: str, incidents: int, tell: Callable[[str], None]) -> None:
    """Fill a migrated, empty database, marked when it is whole (`incidents_in`)."""
    clock = SystemClock()
    began = clock.monotonic()

    def said(what: str) -> None:
        tell(f"{what} after {clock.monotonic() - began:.0f} s")

    async with _connected(dsn) as connection:
        timescale = await _is_timescale(connection)
        await connection.execute(SQL["tables"])
        await connection.execute(SQL["without_indexes"])
        if timescale:
            await connection.execute(TIMESCALE["pause_jobs"])
            await connection.execute(TIMESCALE["chunks"], {"start": START, "days": DAYS})
            await connection.execute(TIMESCALE["chunks_only"])
    half = incidents // 2
    lanes = [_states(dsn, incidents, said)]
    lanes += [_messages(dsn, (first, last), incidents, said) for first, last in ((0, half), (half, incidents))]
    await asyncio.gather(*lanes)
    async with _connected(dsn) as connection:
        await connection.execute(SQL["head"], {"total": incidents})
        if timescale:
            await _aggregate(dsn, said)
        else:
            await connection.execute(SQL["count"])
        await connection.execute(SQL["settle"])
        await connection.execute(SQL["mark"], {"total": incidents})
    said("counted and analysed")


async def is_timescale(dsn: str) -> bool:
    """Whether the database has chunks that may be compressed."""
    async with _connected(dsn) as connection:
        return await _is_timescale(connection)


async def incidents_in(dsn: str) -> int | None:
    """How many the whole history holds; None where there is none, or a part of one."""
    async with _connected(dsn) as connection:
        row = await (await connection.execute(SQL["marked"])).fetchone()
        if row is None or not row["there"]:
            return None
        row = await (await connection.execute(SQL["incidents_in"])).fetchone()
    return None if row is None else int(row["incidents"])


async def sizes(dsn: str) -> dict[str, float]:
    """Bytes by table, indexes and all; on TimescaleDB also those of its chunks before they were compressed."""
    async with _connected(dsn) as connection:
        found = await (await connection.execute(SQL["size"])).fetchall()
        if await _is_timescale(connection):
            found += await (await connection.execute(TIMESCALE["size"])).fetchall()
    return {row["name"]: float(row["bytes"]) for row in found}


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(
        dsn, autocommit=True, row_factory=dict_row, cursor_factory=psycopg.AsyncClientCursor
    ) as connection:
        await connection.execute(SQL["session"])
        yield connection


async def _is_timescale(connection: Connection) -> bool:
    row = await (await connection.execute(SQL["is_timescale"])).fetchone()
    return bool(row and row["timescale"])


async def _make(connection: Connection, names: Sequence[str], parameters: Mapping[str, object]) -> None:
    async with connection.transaction():
        for name in ("incidents", *names):
            await connection.execute(SQL[name], parameters)


async def _states(dsn: str, incidents: int, said: Callable[[str], None]) -> None:
    """What has a row an incident, in the order of time, as it lies in an installation."""
    async with _connected(dsn) as connection:
        for first in range(0, incidents, _PART):
            last = min(first + _PART, incidents) - 1
            await _make(connection, _STATES, {"first": first, "last": last, "total": incidents, "days": DAYS})
            said(f"states of {last + 1} incidents")
        await connection.execute(SQL["indexes"])
    said("indexes of states")


async def _messages(dsn: str, span: tuple[int, int], incidents: int, said: Callable[[str], None]) -> None:
    """Messages of the incidents from and to a number; what is old by now is compressed as soon as it is there."""
    async with _connected(dsn) as connection:
        timescale = await _is_timescale(connection)
        for first in range(span[0], span[1], _PART):
            last = min(first + _PART, span[1]) - 1
            await _make(connection, ("messages",), {"first": first, "last": last, "total": incidents, "days": DAYS})
            if timescale:
                since, until = (START + timedelta(days=DAYS * n // incidents) for n in (span[0], last + 1))
                until = min(END - timedelta(days=7), until)
                await connection.execute(TIMESCALE["compress"], {"since": since, "until": until})
            said(f"messages of incidents {span[0]} to {last}")


async def _aggregate(dsn: str, said: Callable[[str], None]) -> None:
    """As the policies have done by now: up to the last whole hour before the last, up to the last whole day."""

    async def refresh(*names: str) -> None:
        async with _connected(dsn) as connection:
            for name in names:
                newest = timedelta(hours=1) if name.endswith("_hours") else timedelta(days=1)
                await connection.execute(TIMESCALE["refresh"], {"name": name, "since": START, "until": END - newest})
                said(f"{name} refreshed")

    by_site = ("site_hours", "substation_hours", "site_days", "district_days")
    await asyncio.gather(refresh(*by_site), refresh("grid_days", "grid_hours", "grid_totals"))
