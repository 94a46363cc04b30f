"""Work that one of all processes does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gridwatch.store.pool import Pool
from gridwatch.store.queries import queries


class Exclusive:
    """An advisory lock of a connection of its own: gone with its process, and no connection of the pool is taken."""

    def __init__(self, pool: Pool, key: int) -> None:
        self._pool = pool
        self._key = key
        self._sql = queries("retention")["try_exclusive"]

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[bool]:
        """True inside for one of all processes on this database; False for the others, who go away."""
        async with self._pool.single("cannot ask whose turn it is") as connection:
            row = await (await connection.execute(self._sql, {"key": self._key})).fetchone()
            yield bool(row and row["mine"])
