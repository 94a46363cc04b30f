"""The retention job: once a day, in one of all recorders, in batches that leave room for recording."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

import structlog

from gridwatch.app.chores import Chores
from gridwatch.app.opening import pause
from gridwatch.domain import AuditEntry, Clock, PageKey, RetentionPolicy
from gridwatch.store import Removal
from gridwatch.store.retention import RetentionStore

log = structlog.get_logger(__name__)

EVERY = timedelta(days=1)
LOOK_SECONDS = 300.0
"""How often it is asked whether a day has passed; another process may have done it."""
BY_POLICY = "retention"
"""Stands in the audit for the account of what the job deletes."""


@dataclass(kw_only=True, slots=True)
class RunCounts:
    """What a run deleted."""

    incidents: int = 0
    messages: int = 0
    evidence: int = 0
    unnamed: int = 0
    """Files whose incident never came; among `files`, once they are gone."""
    files: int = 0


class RetentionJob:
    """Runs retention when it is due. For one event loop."""

    def __init__(self, store: RetentionStore, policies: Sequence[RetentionPolicy], clock: Clock) -> None:
        self._store = store
        self._policies = tuple(policies)
        self._clock = clock

    async def run(self, stop: asyncio.Event, chores: Chores) -> None:
        """Run it whenever a day has passed since it last ended, until `stop` is set."""
        await chores.repeat("retention", lambda: self.run_if_due(stop), LOOK_SECONDS, stop)

    async def run_if_due(self, stop: asyncio.Event) -> RunCounts | None:
        """Run it, unless it ended less than a day ago or another process is at it: then None."""
        async with self._store.exclusive() as mine:
            last = await self._store.last_run()
            if not mine or (last is not None and self._clock.now() - last < EVERY):
                return None
            return await self._run(stop, None, None)

    async def run_now(
        self, stop: asyncio.Event, by: AuditEntry | None = None, older_than: timedelta | None = None
    ) -> RunCounts | None:
        """Run it whether or not a day has passed; None when another process is at it.

        With `older_than` instead of the ceilings: then `by` says who and why. Raises RetentionRefused below a floor.
        """
        async with self._store.exclusive() as mine:
            return await self._run(stop, by, older_than) if mine else None

    async def _run(self, stop: asyncio.Event, by: AuditEntry | None, older_than: timedelta | None) -> RunCounts:
        counts = RunCounts()
        by = by or AuditEntry(
            at=self._clock.now(), account=BY_POLICY, action="", subject="", reason="older than its ceiling"
        )  # fmt: skip
        for index in range(len(self._policies)):
            after: PageKey | None = None
            while not stop.is_set():
                began = self._clock.monotonic()
                removed = await self._store.remove(self._policies, index, after, by, older_than)
                if removed is None:
                    break
                after = removed.last
                _add(counts, removed)
                # As long again for whoever records and reads.
                await pause(stop, self._clock.monotonic() - began)
        counts.unnamed += await self._store.doom_unnamed(self._policies, by)
        await self._store.forget_chunks(self._policies)
        counts.files += await self._remove_files(stop, by)
        if not stop.is_set():
            await self._store.finish()
        log.info("retention_ran", **asdict(counts))
        return counts

    async def _remove_files(self, stop: asyncio.Event, by: AuditEntry) -> int:
        total = 0
        while not stop.is_set() and (removed := await self._store.remove_files(by)) is not None:
            total += removed
        return total


def _add(counts: RunCounts, removed: Removal) -> None:
    counts.incidents += removed.incidents
    counts.messages += removed.messages
    counts.evidence += removed.evidence
