"""Getting a database ready at start, and running roles that live in an event loop."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from gridwatch.app.backoff import Backoff
from gridwatch.config import Settings
from gridwatch.config.services import S3Config
from gridwatch.domain import Clock, UsageError
from gridwatch.store import Database, EvidenceBytes, StoreUnavailable
from gridwatch.store.evidence_s3 import Bucket, EvidenceBucket

log = structlog.get_logger(__name__)


def make_database(settings: Settings, clock: Clock) -> Database:
    """The deployment's database, not yet open."""
    services = settings.deployment.services
    return Database(
        dsn=services.database.dsn.get_secret_value(), pool_size=services.database.pool_size, clock=clock,
        evidence_dir=services.data_dir / "evidence", evidence=_bucket(services.evidence.s3),
    )  # fmt: skip


def _bucket(config: S3Config | None) -> EvidenceBytes | None:
    if config is None:
        return None
    return EvidenceBucket(
        Bucket(
            name=config.bucket, endpoint=config.endpoint, region=config.region, access_key=config.access_key,
            secret_key=config.secret_key.get_secret_value(), prefix=config.prefix,
        )
    )  # fmt: skip


@asynccontextmanager
async def opened_database(settings: Settings, clock: Clock) -> AsyncIterator[Database]:
    """The deployment's database for a command: open inside. Raises StoreUnavailable when it is away."""
    database = make_database(settings, clock)
    await database.migrate()
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def open_database(database: Database, data_dir: Path, clock: Clock, stop: asyncio.Event) -> bool:
    """Migrate and open, waiting for a server that is away; False when `stop` was set first.

    Raises MigrationError and StoreError when it answers and refuses, UsageError when `data_dir` cannot be made.
    """
    try:
        await asyncio.to_thread(data_dir.mkdir, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"services.data_dir {data_dir} cannot be made: {error.strerror}") from error
    backoff = Backoff(cap=10.0)
    while not stop.is_set():
        began = clock.monotonic()
        try:
            applied = await database.migrate()
            await database.open()
        except StoreUnavailable as error:
            delay = backoff.next_delay(clock.monotonic() - began)
            log.warning("database_away", retry_in_seconds=round(delay, 1), reason=str(error))
            await pause(stop, delay)
        else:
            if applied:
                log.info("database_migrated", applied=applied)
            return True
    return False


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, or return at once when `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def run_until_signalled(role: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run an asyncio role in the main thread until it ends, or SIGINT or SIGTERM asks it to."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await role(stop)

    asyncio.run(main())
