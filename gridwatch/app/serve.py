"""The serve role: the API over the database."""

import asyncio

import structlog
from prometheus_client import CollectorRegistry

from gridwatch.api import ApiServer, ApiServices, ApiSettings, create_app
from gridwatch.app.chores import Chores
from gridwatch.app.integrity import EvidenceWatch
from gridwatch.app.opening import make_database, open_database
from gridwatch.config import Settings
from gridwatch.domain import Clock

log = structlog.get_logger(__name__)


class ServeRole:
    """Owns the database and the HTTP server of one API process. Lives in one event loop."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._database = make_database(settings, clock)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Waits for a database that is away. Raises CannotListen, StoreError."""
        if not await open_database(self._database, self._settings.deployment.services.data_dir, self._clock, stop):
            return
        try:
            await self._serve(stop)
        finally:
            await self._database.close()

    async def _serve(self, stop: asyncio.Event) -> None:
        deployment = self._settings.deployment
        api = deployment.services.api
        database = self._database
        registry = CollectorRegistry()
        watch = EvidenceWatch(database.integrity, registry)
        services = ApiServices(
            directory=database.directory, archive=database.archive, log=database.events, cases=database.cases,
            accounts=database.accounts, audit=database.audit, holds=database.holds, counts=database.statistics,
            observations=database.observations,
            concerns={"evidence": watch.sound}, registry=registry,
        )  # fmt: skip
        settings = ApiSettings(
            categories={one.id: one.to_domain() for one in deployment.cases.categories}, session=api.session
        )
        server = ApiServer(create_app(services, settings, self._clock), api.host, api.port)
        await server.start()
        stopped = asyncio.create_task(stop.wait(), name="serve-stop")
        ended = asyncio.create_task(server.wait(), name="serve-ended")
        watching = asyncio.create_task(watch.run(stop, Chores()), name="serve-evidence")
        try:
            await asyncio.wait({stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                await ended
        finally:
            stopped.cancel()
            watching.cancel()
            await server.close(timeout=3.0)
