"""Numbered migrations: applied once, in order, by one starter at a time, all or none; and undone the same way."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

import psycopg
import structlog
from psycopg.rows import dict_row

from gridwatch.domain import Clock
from gridwatch.store.errors import MigrationError
from gridwatch.store.pool import Connection, configure, translated
from gridwatch.store.queries import queries

log = structlog.get_logger(__name__)

TIMESCALE = "timescale"
_EXTENSION = "timescaledb"
_LOCK = 0x67726964  # "grid": any number that nobody else in this database uses for advisory locks
_AGAIN_SECONDS = 0.2
_FILE = re.compile(r"^(\d{4})_\w+\.sql$")
_LOSES = re.compile(r"^-- loses ([^:]+): (.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """One SQL file, and the one that undoes it."""

    name: str
    """File name without `.sql`."""
    sql: str
    down: str | None = None
    """None: it cannot be undone. Lines `-- loses WHAT: SELECT EXISTS (...)` say what would be lost if it is there."""

    @property
    def sha256(self) -> str:
        """Of what applies it; a changed file is a different migration."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def number(self) -> int:
        """What orders them."""
        return int(self.name[:4])


class Direction(StrEnum):
    """What a step does."""

    UP = "up"  # applies a migration
    DOWN = "down"  # undoes it


@dataclass(frozen=True, kw_only=True, slots=True)
class MigrationStep:
    """One thing to be done to a database."""

    name: str
    direction: Direction
    sql: str
    sha256: str
    """Of the migration it belongs to."""


def packaged_migrations() -> tuple[Migration, ...]:
    """The migrations of this program, in order."""
    directory = files("gridwatch.store") / "sql" / "migrations"
    texts = {file.name: file.read_text("utf-8") for file in directory.iterdir() if file.name.endswith(".sql")}
    return tuple(
        Migration(name=name[:-4], sql=text, down=texts.get(f"{name[:-4]}.down.sql"))
        for name, text in sorted(texts.items())
        if _FILE.match(name)
    )


def timescale_variant() -> Migration:
    """What differs on TimescaleDB; repeatable, so a changed file is applied again."""
    return Migration(name=TIMESCALE, sql=(files("gridwatch.store") / "sql" / "timescale.sql").read_text("utf-8"))


async def migrate(
    dsn: str, clock: Clock, migrations: tuple[Migration, ...] | None = None, *, to: int | None = None,
    allow_loss: bool = False,
) -> list[str]:  # fmt: skip
    """Bring the database up to date, or to the migration numbered `to`, up or down; the names of what was done.

    What differs on TimescaleDB comes after the newest of the packaged migrations; others that are given stand alone.
    Everything happens in one transaction under an advisory lock, so a second starter waits and then finds nothing to
    do. Raises MigrationError when an applied migration was changed or is unknown here (a newer program's database),
    when a step fails (nothing was done), or when going down would lose what is stored and `allow_loss` is not given;
    StoreUnavailable when there is no server.
    """
    sql = queries("migrate")
    wanted = packaged_migrations() if migrations is None else migrations
    with translated("cannot migrate the database"):
        async with await _connect(dsn) as connection:
            timescale = await _timescale(connection) if migrations is None else None
            if timescale == _EXTENSION:
                async with _alone(connection):
                    await connection.execute(sql["create_timescale"])
            async with _alone(connection):
                await connection.execute(sql["create_list"])
                steps = _steps(wanted, await _applied(connection), to, timescale=timescale is not None)
                for step in steps:
                    await _take(connection, step, clock, allow_loss=allow_loss)
                uncounted = await _uncounted(connection) if any(step.name == TIMESCALE for step in steps) else []
            for refresh in uncounted:
                await _refresh(connection, refresh)
    if steps:
        log.info("database_migrated", steps=[f"{one.direction} {one.name}" for one in steps], to=to)
    return [step.name for step in steps]


async def plan(
    dsn: str, migrations: tuple[Migration, ...] | None = None, *, to: int | None = None
) -> list[MigrationStep]:
    """What `migrate` would do now; changes nothing. Raises as it does."""
    wanted = packaged_migrations() if migrations is None else migrations
    with translated("cannot look at the database"):
        async with await _connect(dsn) as connection:
            timescale = await _timescale(connection) if migrations is None else None
            row = await (await connection.execute(queries("migrate")["has_list"])).fetchone()
            applied = await _applied(connection) if row and row["there"] else {}
    steps = _steps(wanted, applied, to, timescale=timescale is not None)
    if timescale == _EXTENSION:
        create = queries("migrate")["create_timescale"].decode()
        steps.insert(0, MigrationStep(name=_EXTENSION, direction=Direction.UP, sql=create, sha256=""))
    return steps


@asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[None]:
    """A transaction that no other starter is in: IF NOT EXISTS is no lock, two can find that something is not there."""
    async with connection.transaction():
        await connection.execute(queries("migrate")["lock"], {"key": _LOCK})
        yield


async def _uncounted(connection: Connection) -> list[bytes]:
    """Statements that count what is older than the continuous aggregates that were just made over it."""
    rows = await (await connection.execute(queries("migrate")["never_refreshed"])).fetchall()
    return [row["refresh"].encode() for row in rows]


async def _refresh(connection: Connection, refresh: bytes) -> None:
    """Not in a transaction: TimescaleDB refuses that, and refuses while the job that it just got is at the same."""
    while True:
        with suppress(psycopg.errors.LockNotAvailable):
            await connection.execute(refresh)
            return
        await asyncio.sleep(_AGAIN_SECONDS)


async def _connect(dsn: str) -> Connection:
    connection = await psycopg.AsyncConnection.connect(
        dsn, autocommit=True, row_factory=dict_row, connect_timeout=5, application_name="gridwatch-migrate"
    )
    await configure(connection)
    await connection.execute(queries("migrate")["unlimited"])
    return connection


async def _timescale(connection: Connection) -> str | None:
    """None on plain PostgreSQL; "" with the extension; its name where it is still to be made."""
    row = await (await connection.execute(queries("migrate")["timescale"])).fetchone()
    if row is None or not (row["installed"] or row["installable"]):
        return None
    return "" if row["installed"] else _EXTENSION


async def _applied(connection: Connection) -> dict[str, str]:
    rows = await (await connection.execute(queries("migrate")["applied"])).fetchall()
    return {row["name"]: row["sha256"] for row in rows}


def _steps(
    wanted: Sequence[Migration], applied: dict[str, str], to: int | None, *, timescale: bool
) -> list[MigrationStep]:
    if to is not None and to != 0 and to not in {one.number for one in wanted}:
        raise MigrationError(f"there is no migration {to:04}: the newest is {wanted[-1].name}")
    upto = wanted[-1].number if to is None and wanted else to or 0
    pending = _pending([one for one in wanted if one.number <= upto], applied, {one.name for one in wanted})
    undone = [_undoing(one) for one in reversed(wanted) if one.number > upto and one.name in applied]
    variant = timescale_variant()
    if timescale and not undone and upto == wanted[-1].number and applied.get(TIMESCALE) != variant.sha256:
        pending.append(variant)
    applying = [MigrationStep(name=one.name, direction=Direction.UP, sql=one.sql, sha256=one.sha256) for one in pending]
    return undone + applying


def _undoing(migration: Migration) -> MigrationStep:
    if migration.down is None:
        raise MigrationError(f"{migration.name} cannot be undone: restore a back-up from before it")
    return MigrationStep(name=migration.name, direction=Direction.DOWN, sql=migration.down, sha256=migration.sha256)


def _pending(wanted: Sequence[Migration], applied: dict[str, str], known: set[str]) -> list[Migration]:
    if unknown := sorted(set(applied) - known - {TIMESCALE}):
        raise MigrationError(f"the database has {', '.join(unknown)}, unknown here: it belongs to a newer gridwatch")
    pending: list[Migration] = []
    for migration in wanted:
        if migration.name not in applied:
            pending.append(migration)
        elif applied[migration.name] != migration.sha256:
            raise MigrationError(f"{migration.name} was applied with other contents: never change it, add a new one")
        elif pending:
            raise MigrationError(f"{pending[0].name} is missing below {migration.name}, which the database has")
    return pending


async def _take(connection: Connection, step: MigrationStep, clock: Clock, *, allow_loss: bool) -> None:
    sql = queries("migrate")
    try:
        if step.direction is Direction.DOWN and not allow_loss:
            await _refuse_loss(connection, step)
        await connection.execute(step.sql.encode())
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise MigrationError(
            f"{step.name} ({step.direction}) failed, nothing was done: {' '.join(str(error).split())}"
        ) from error
    if step.direction is Direction.UP:
        await connection.execute(sql["record"], {"name": step.name, "sha256": step.sha256, "at": clock.now()})
    else:
        # What differs on TimescaleDB rests on all migrations, so it is due again once they are.
        await connection.execute(sql["unrecord"], {"names": [step.name, TIMESCALE]})


async def _refuse_loss(connection: Connection, step: MigrationStep) -> None:
    lost = []
    for what, question in _LOSES.findall(step.sql):
        row = await (await connection.execute(question.encode())).fetchone()
        if row and row["exists"]:
            lost.append(what)
    if lost:
        raise MigrationError(
            f"undoing {step.name} would lose {' and '.join(lost)}, nothing was done: back up, then allow the loss"
        )
