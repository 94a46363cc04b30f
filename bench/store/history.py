"""A year and more of incidents in the database, made on the server."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg
from psycopg.rows import dict_row

from gridwatch.domain import SystemClock
from gridwatch.store.queries import parse_queries

START: Final = datetime(2025, 1, 1, tzinfo=UTC)
DAYS: Final = 400
END: Final = START + timedelta(days=DAYS)
_PART: Final = 500_000
SQL: Final = parse_queries((Path(__file__).parent / "history.sql").read_text("utf-8"), "bench/store/history.sql")


async def make_history(dsn: str, incidents: int, tell: Callable[[str], None]) -> dict[str, float]:
    """Fill a migrated, empty database; bytes by table."""
    clock = SystemClock()
    began = clock.monotonic()
    async with await psycopg.AsyncConnection.connect(
        dsn, autocommit=True, row_factory=dict_row, cursor_factory=psycopg.AsyncClientCursor
    ) as connection:
        for setting in ("synchronous_commit = off", "maintenance_work_mem = '512MB'", "work_mem = '256MB'"):
            await connection.execute(f"SET {setting}".encode())
        await connection.execute(SQL["tables"])
        await connection.execute(SQL["without_indexes"])
        for first in range(0, incidents, _PART):
            last = min(first + _PART, incidents) - 1
            parameters = {"first": first, "last": last, "total": incidents, "days": DAYS}
            async with connection.transaction():
                for name in ("incidents", "messages", "states", "cases", "case_incidents", "case_steps", "head"):
                    await connection.execute(SQL[name], parameters)
            tell(f"{last + 1} incidents after {clock.monotonic() - began:.0f} s")
        await connection.execute(SQL["indexes"])
        await connection.execute(SQL["count"])
        await connection.execute(SQL["settle"])
        tell(f"indexed, counted and analysed after {clock.monotonic() - began:.0f} s")
        sizes = await (await connection.execute(SQL["size"])).fetchall()
    return {row["name"]: row["bytes"] for row in sizes}
