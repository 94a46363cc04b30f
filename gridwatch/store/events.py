"""The live stream's log, in commit order."""

import asyncio

import psycopg
import structlog

from gridwatch.domain import Clock, EventRecord, IncidentFilter
from gridwatch.store.archive import event_of
from gridwatch.store.errors import StoreUnavailable
from gridwatch.store.pool import Pool, configure, translated
from gridwatch.store.queries import queries
from gridwatch.store.rows import incident_filter_parameters

log = structlog.get_logger(__name__)

_POLL_SECONDS = 1.0
"""How long a lost notification, or a lost connection, can go unnoticed."""

_MOST = 10_000
"""Messages looked at by one statement, then more and more: TimescaleDB sorts all that it finds in compressed chunks."""


class EventLogStore:
    """The log of messages. Satisfies `api.ports.EventLog`. For one event loop.

    One task listens for all who wait; it starts with the first of them and ends in `close`.
    """

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._sql = queries("incidents")
        self._head = 0
        self._moved = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None

    async def head(self) -> int:
        """The newest cursor, 0 when empty."""
        row = await self._pool.row(self._sql["head"])
        return 0 if row is None else int(row["cursor"])

    async def events(self, after: int, upto: int, where: IncidentFilter, limit: int) -> list[EventRecord]:
        """Messages with `after` < cursor <= `upto` that match, by cursor."""
        found: list[EventRecord] = []
        most = _MOST
        while after < upto and len(found) < limit:
            until = min(after + most, upto)
            bounds = {"after": after, "upto": until, "limit": limit - len(found)}
            rows = await self._pool.rows(self._sql["events"], {**incident_filter_parameters(where), **bounds})
            found += [event_of(row) for row in rows]
            after, most = until, most * 4
        return found

    async def wait(self, after: int, timeout: float) -> int:
        """The head as soon as it is above `after`, or the head after `timeout` seconds.

        While the database is away this is the head last seen; nothing is raised and listening resumes by itself.
        """
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen(), name="store-listener")
        deadline = self._clock.monotonic() + timeout
        while self._head <= after and (left := deadline - self._clock.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._moved.wait()
            except TimeoutError:
                break
        return self._head

    async def close(self) -> None:
        """Stop listening. May be called again."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    def _advance(self, head: int) -> None:
        if head > self._head:
            self._head = head
            # Whoever waits now holds this event; those who come later get the next one.
            self._moved.set()
            self._moved = asyncio.Event()

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except StoreUnavailable as error:
                log.warning("store_listener_lost", reason=str(error))
                await asyncio.sleep(_POLL_SECONDS)

    async def _listen_once(self) -> None:
        with translated("cannot listen for events"):
            async with await psycopg.AsyncConnection.connect(
                self._pool.dsn, autocommit=True, connect_timeout=5, application_name="gridwatch-listener"
            ) as connection:
                await configure(connection)
                await connection.execute(queries("session")["listen"])
                while True:
                    # Also after (re)connecting: what was committed before LISTEN sent no notification here.
                    row = await (await connection.execute(self._sql["head"])).fetchone()
                    self._advance(row[0] if row else 0)
                    async for notification in connection.notifies(timeout=_POLL_SECONDS):
                        self._advance(int(notification.payload))
