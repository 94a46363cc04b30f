"""Numbered migrations: applied once, in order, by one starter at a time, all or none."""

import hashlib
import re
from dataclasses import dataclass
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
_LOCK = 0x67726964  # "grid": any number that nobody else in this database uses for advisory locks
_FILE = re.compile(r"^(\d{4})_\w+\.sql$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """One SQL file."""

    name: str
    """File name without `.sql`."""
    sql: str

    @property
    def sha256(self) -> str:
        """Of the text; a changed file is a different migration."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def packaged_migrations() -> tuple[Migration, ...]:
    """The migrations of this program, in order."""
    directory = files("gridwatch.store") / "sql" / "migrations"
    found = [Migration(name=f.name[:-4], sql=f.read_text("utf-8")) for f in directory.iterdir() if _FILE.match(f.name)]
    return tuple(sorted(found, key=lambda m: m.name))


def timescale_variant() -> Migration:
    """What differs on TimescaleDB; repeatable, so a changed file is applied again."""
    return Migration(name=TIMESCALE, sql=(files("gridwatch.store") / "sql" / "timescale.sql").read_text("utf-8"))


async def migrate(dsn: str, clock: Clock, migrations: tuple[Migration, ...] | None = None) -> list[str]:
    """Bring the database up to date; the names of what was applied now.

    Everything happens in one transaction under an advisory lock, so a second starter waits and then finds nothing to
    do. Raises MigrationError when an applied migration was changed or is unknown here (a newer program's database),
    or when a migration fails (nothing was applied), StoreUnavailable when there is no server.
    """
    sql = queries("migrate")
    wanted = packaged_migrations() if migrations is None else migrations
    with translated("cannot migrate the database"):
        async with await psycopg.AsyncConnection.connect(
            dsn, autocommit=True, row_factory=dict_row, connect_timeout=5, application_name="gridwatch-migrate"
        ) as connection:
            await configure(connection)
            await connection.execute(sql["unlimited"])
            timescale = await _timescale(connection)
            async with connection.transaction():
                await connection.execute(sql["lock"], {"key": _LOCK})
                applied = await _applied(connection)
                pending = _pending(wanted, applied)
                variant = timescale_variant()
                if timescale and applied.get(TIMESCALE) != variant.sha256:
                    pending.append(variant)
                for migration in pending:
                    await _apply(connection, migration, clock)
    if pending:
        log.info("database_migrated", applied=[m.name for m in pending], timescale=timescale)
    return [m.name for m in pending]


async def _timescale(connection: Connection) -> bool:
    row = await (await connection.execute(queries("migrate")["timescale"])).fetchone()
    if row is None or not (row["installed"] or row["installable"]):
        return False
    if not row["installed"]:
        await connection.execute(queries("migrate")["create_timescale"])
    return True


async def _applied(connection: Connection) -> dict[str, str]:
    await connection.execute(queries("migrate")["create_list"])
    rows = await (await connection.execute(queries("migrate")["applied"])).fetchall()
    return {row["name"]: row["sha256"] for row in rows}


def _pending(wanted: tuple[Migration, ...], applied: dict[str, str]) -> list[Migration]:
    known = {m.name for m in wanted} | {TIMESCALE}
    if unknown := sorted(set(applied) - known):
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


async def _apply(connection: Connection, migration: Migration, clock: Clock) -> None:
    try:
        await connection.execute(migration.sql.encode())
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise MigrationError(f"{migration.name} failed, nothing was applied: {' '.join(str(error).split())}") from error
    await connection.execute(
        queries("migrate")["record"], {"name": migration.name, "sha256": migration.sha256, "at": clock.now()}
    )
