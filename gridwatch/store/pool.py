"""The connection pool, and the one place where psycopg's exceptions become ours."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from gridwatch.store.errors import StoreError, StoreUnavailable
from gridwatch.store.queries import queries

Connection = psycopg.AsyncConnection[DictRow]
Parameters = Mapping[str, object]

CHECKOUT_SECONDS = 5.0
"""How long a caller waits for a connection before the store counts as unavailable."""
ANSWER_SECONDS = 45.0
"""How long a statement waits for its server: longer than the server itself lets one run (`statement_timeout`)."""


_ELSEWHERE = (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.IdleInTransactionSessionTimeout)
"""Of the server, not of the statement: a standby, or one that was stood down; a transaction that it gave up."""
_DEFAULTS = {
    "connect_timeout": "5",
    # A host that vanished is noticed within half a minute instead of a quarter of an hour.
    "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3", "tcp_user_timeout": "20000",
}  # fmt: skip
"""Of every connection, where the DSN does not say otherwise."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn psycopg's exceptions into StoreUnavailable (worth trying again) or StoreError (not)."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, *_ELSEWHERE) as error:
        raise StoreUnavailable(f"{what}: {_line(error)}") from error
    except psycopg.Error as error:
        raise StoreError(f"{what}: {_line(error)}") from error


def _line(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _parse_dsn(dsn: str) -> None:
    try:
        psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.Error as error:
        # The text of the error may quote the DSN, password and all.
        raise StoreError("the database address (DSN) does not read as postgresql://user@host/database") from error


def _completed(dsn: str) -> str:
    """With the defaults; and of several hosts the one that takes writes, after a failover too."""
    try:
        given = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        return dsn  # said when it is opened
    wanted = dict(_DEFAULTS)
    if "," in str(given.get("host", "")) or "," in str(given.get("hostaddr", "")):
        wanted["target_session_attrs"] = "read-write"
    return psycopg.conninfo.make_conninfo(dsn, **{key: value for key, value in wanted.items() if key not in given})


async def _works(connection: Connection) -> None:
    """Raises OperationalError for a connection to a server that is gone, or that takes no writes (any more)."""
    row = await (await connection.execute(queries("session")["writable"])).fetchone()
    if row is None or row["transaction_read_only"] != "off":
        raise psycopg.OperationalError("the server takes no writes: a standby, or one that was stood down")


async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
    """Give a connection the settings every query of ours relies on."""
    await connection.execute(queries("session")["configure"])


class _Impatient(psycopg.AsyncConnection[DictRow]):
    """Gives up a server that keeps the connection open and says nothing: it is closed within ten seconds more."""

    answer_seconds = ANSWER_SECONDS

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        try:
            async with asyncio.timeout(self.answer_seconds):
                return await super().wait(gen, interval, timeout)
        except TimeoutError as error:
            raise psycopg.OperationalError(f"the server said nothing for {self.answer_seconds:g} s") from error


class Pool:
    """A pool of autocommit connections. For one event loop; not for several threads."""

    def __init__(self, dsn: str, size: int, answer_seconds: float = ANSWER_SECONDS) -> None:
        """`answer_seconds`: how long a statement may wait for the server before it is given up for gone."""
        self._dsn = _completed(dsn)
        self._size = size
        self._answer_seconds = answer_seconds
        self._pool: AsyncConnectionPool[Connection] | None = None

    @property
    def dsn(self) -> str:
        """Where it connects to. Holds a password: never log it."""
        return self._dsn

    async def open(self) -> None:
        """Connect. Raises StoreUnavailable when the server does not answer within `CHECKOUT_SECONDS`."""
        _parse_dsn(self._dsn)
        pool = AsyncConnectionPool[Connection](
            self._dsn, min_size=1, max_size=self._size, open=False, timeout=CHECKOUT_SECONDS,
            name="gridwatch-store", configure=configure,
            connection_class=type("Impatient", (_Impatient,), {"answer_seconds": self._answer_seconds}),
            kwargs={"autocommit": True, "row_factory": dict_row, "application_name": "gridwatch"},
            # A connection from before a restart or a failover is found here rather than in the caller's statement.
            check=_works, reconnect_timeout=CHECKOUT_SECONDS,
        )  # fmt: skip
        with translated("cannot connect to the database"):
            try:
                await pool.open(wait=True, timeout=CHECKOUT_SECONDS)
            except BaseException:
                await pool.close(timeout=1.0)
                raise
        self._pool = pool

    async def close(self) -> None:
        """Close every connection; those in use get two seconds. May be called again."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close(timeout=2.0)

    @asynccontextmanager
    async def connection(self, what: str) -> AsyncIterator[Connection]:
        """A connection in autocommit; `what` names the work in errors."""
        if self._pool is None:
            raise StoreUnavailable(f"{what}: the store is not open")
        with translated(what):
            async with self._pool.connection() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self, what: str) -> AsyncIterator[Connection]:
        """A connection inside one transaction, committed at the end, rolled back on an exception."""
        async with self.connection(what) as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def single(self, what: str) -> AsyncIterator[Connection]:
        """A connection of its own beside the pool, for what lasts: it takes none from those who record and read."""
        with translated(what):
            async with await psycopg.AsyncConnection.connect(
                self._dsn, autocommit=True, row_factory=dict_row, application_name="gridwatch-job"
            ) as connection:
                await configure(connection)
                yield connection

    async def rows(self, query: bytes, parameters: Parameters | None = None) -> list[DictRow]:
        """Every row of one statement."""
        async with self.connection("a query failed") as connection:
            return await (await connection.execute(query, parameters)).fetchall()

    async def row(self, query: bytes, parameters: Parameters | None = None) -> dict[str, Any] | None:
        """The first row of one statement."""
        async with self.connection("a query failed") as connection:
            return await (await connection.execute(query, parameters)).fetchone()

    async def execute(self, query: bytes, parameters: Parameters | None = None) -> int:
        """Run one statement; the number of rows it touched."""
        async with self.connection("a statement failed") as connection:
            return (await connection.execute(query, parameters)).rowcount

    async def ready(self, seconds: float) -> bool:
        """True when a connection answers within `seconds`; never raises."""
        try:
            async with asyncio.timeout(seconds), self.connection("ready") as connection:
                await connection.execute(queries("session")["ping"])
        except (StoreError, TimeoutError):
            return False
        return True
