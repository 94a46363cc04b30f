"""The store as a whole."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from gridwatch.domain import CameraHealth, CameraRecord, Clock, Evidence, Grid, Position, SiteRecord, Unit
from gridwatch.store.accounts import AccountStore, AuditStore
from gridwatch.store.archive import IncidentStore
from gridwatch.store.casebook import CaseStore
from gridwatch.store.commands import CommandStore
from gridwatch.store.directory import DirectoryStore
from gridwatch.store.errors import EvidenceRefused
from gridwatch.store.events import EventLogStore
from gridwatch.store.evidence import EvidenceBytes, EvidenceFiles
from gridwatch.store.export import ExportStore
from gridwatch.store.figures import Figures
from gridwatch.store.holds import HoldStore
from gridwatch.store.integrity import IntegrityStore
from gridwatch.store.migrate import migrate
from gridwatch.store.observations import ObservationStore
from gridwatch.store.pool import Pool
from gridwatch.store.quarantine import BadMessage, QuarantineStore
from gridwatch.store.queries import queries
from gridwatch.store.recording import Recording
from gridwatch.store.retention import RetentionStore
from gridwatch.store.rows import evidence_object, health_row
from gridwatch.store.statistics import StatisticsStore


class Database:
    """PostgreSQL or TimescaleDB, and the evidence files beside it. For one event loop.

    Its parts satisfy the ports of `gridwatch.api`. Every method raises StoreUnavailable when the database cannot answer
    (trying again may help) and StoreError when it refuses. Open it before use; its owner closes it.
    """

    def __init__(
        self, *, dsn: str, pool_size: int, clock: Clock, evidence_dir: Path, evidence: EvidenceBytes | None = None
    ) -> None:
        """`evidence` keeps the bytes instead of files in `evidence_dir`."""
        self._clock = clock
        self._pool = Pool(dsn, pool_size)
        self._sql = queries("recording")
        self._retention = queries("retention")
        self.files: EvidenceBytes = evidence or EvidenceFiles(evidence_dir)
        self.directory = DirectoryStore(self._pool, clock)
        self.archive = IncidentStore(self._pool, self.files)
        self.events = EventLogStore(self._pool, clock)
        self.cases = CaseStore(self._pool)
        self.accounts = AccountStore(self._pool, clock)
        self.audit = AuditStore(self._pool)
        self.quarantine = QuarantineStore(self._pool, clock)
        self.commands = CommandStore(self._pool, clock)
        self.figures = Figures(self._pool)
        self.statistics = StatisticsStore(self._pool)
        self.observations = ObservationStore(self._pool)
        self.exports = ExportStore(self._pool)
        self.integrity = IntegrityStore(self._pool, self.files, clock)
        self.holds = HoldStore(self._pool, clock)
        self.retention = RetentionStore(self._pool, self.files, clock)

    async def migrate(self) -> list[str]:
        """Bring the schema up to date; the names of the migrations applied now. Needs no `open`."""
        return await migrate(self._pool.dsn, self._clock)

    async def open(self) -> None:
        """Connect to a migrated database and load the grids."""
        await self._pool.open()
        try:
            await self.directory.load_grids()
        except BaseException:
            await self._pool.close()
            raise

    async def close(self) -> None:
        """Stop listening and disconnect. May be called again."""
        await self.events.close()
        await self._pool.close()

    async def sync_directory(
        self,
        sites: Sequence[SiteRecord],
        cameras: Sequence[CameraRecord],
        grids: Sequence[Grid] | None,
        units: Sequence[Unit],
    ) -> None:
        """Make the directory what the configuration says; see `DirectoryStore.sync`."""
        await self.directory.sync(sites, cameras, grids, units)

    def locate(self, position: Position) -> Grid | None:
        """The grid that contains `position`, None outside every grid."""
        return self.directory.locate(position)

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[Recording]:
        """One transaction for a batch. Leaving it commits and tells the live stream; an exception undoes all of it."""
        async with self._pool.transaction("cannot record incidents") as connection:
            recording = Recording(connection, self.directory, self._clock.now())
            yield recording
            await recording.finish()

    async def store_evidence(self, incident: UUID, sha256: str, data: bytes) -> bool:
        """Keep evidence bytes, whether or not the incident is known yet.

        False when they do not have that hash: they are then quarantined instead.
        """
        try:
            await self.files.check(sha256, data)
        except EvidenceRefused as error:
            bad = BadMessage(topic=f"evidence/{incident}", content_type=None, payload=data, reason=str(error))
            await self.quarantine.add([bad])
            return False
        # Before the bytes, so that no file is there that nobody knows of; and after them, so that one that is gone is
        # told from one that never came.
        await self._pool.execute(self._retention["file_arrives"], {"sha256": sha256, "now": self._clock.now()})
        await self.files.put(sha256, data)
        await self.integrity.stored(sha256)
        return True

    async def store_clip(self, incident: UUID, about: Evidence) -> None:
        """Remember that a worker keeps a clip of `incident`, known or not yet; again changes nothing."""
        row = {"incident_id": str(incident), **evidence_object(about)}
        await self._pool.execute(self._sql["add_evidence"], {"evidence": json.dumps([row])})

    async def save_health(self, health: CameraHealth) -> None:
        """Keep the latest report of a camera, and that it changed; one older than the stored changes nothing."""
        await self._pool.execute(self._sql["keep_health"], health_row(health))
