"""The integrity job: every evidence file hashed again once a month, slowly, by one of the recorders."""

import asyncio
from datetime import timedelta

import structlog
from prometheus_client import CollectorRegistry, Gauge

from gridwatch.app.chores import Chores
from gridwatch.app.opening import pause
from gridwatch.domain import Clock
from gridwatch.store.integrity import IntegrityStore

log = structlog.get_logger(__name__)

EVERY = timedelta(days=30)
BATCH = 20
"""Files between two looks at the clock."""
BYTES_A_SECOND = 4_000_000
"""Read at most: a disk has better to do. A month holds 10 TB of it."""
LOOK_SECONDS = 300.0
"""How often it is asked whether a file is due."""


class IntegrityJob:
    """Looks at what is due. For one event loop."""

    def __init__(self, store: IntegrityStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def run(self, stop: asyncio.Event, chores: Chores) -> None:
        """Look whenever files are due, until `stop` is set; after an error it goes on where it was."""
        await chores.repeat("integrity", lambda: self.run_due(stop), LOOK_SECONDS, stop)

    async def run_due(self, stop: asyncio.Event) -> int | None:
        """Look at every file that is due; how many. None when another process is at it."""
        async with self._store.exclusive() as mine:
            if not mine:
                return None
            total = 0
            while not stop.is_set():
                began = self._clock.monotonic()
                looked = await self._store.check(EVERY, BATCH)
                total += len(looked)
                for one in looked:
                    if one.damage is not None:
                        log.error("evidence_damaged", sha256=one.sha256, damage=one.damage)
                if len(looked) < BATCH:
                    break
                due = sum(one.bytes for one in looked) / BYTES_A_SECOND
                await pause(stop, max(0.0, due - (self._clock.monotonic() - began)))
            return total


class EvidenceWatch:
    """Tells `/healthz` and `/metrics` how many evidence files are changed or missing."""

    def __init__(self, store: IntegrityStore, registry: CollectorRegistry) -> None:
        self._store = store
        self._damaged = Gauge(
            "gridwatch_evidence_damaged", "Evidence files found changed or missing.", registry=registry
        )  # fmt: skip

    async def sound(self) -> bool:
        """True when none is known to be damaged. Raises StoreUnavailable."""
        damaged = await self._store.damaged()
        self._damaged.set(damaged)
        return damaged == 0

    async def run(self, stop: asyncio.Event, chores: Chores) -> None:
        """Keep the metric up to date until `stop` is set."""
        await chores.repeat("evidence_watch", self.sound, 60.0, stop)
