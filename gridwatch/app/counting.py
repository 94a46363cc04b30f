"""Counting incidents up, so that reading the counts stays fast; see `gridwatch.store.statistics`."""

import asyncio

import structlog

from gridwatch.app.opening import pause
from gridwatch.store import StoreError
from gridwatch.store.statistics import StatisticsStore

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 60.0
"""What is recorded meanwhile is added by each who reads: some thousand rows, a few milliseconds."""


class CountingJob:
    """Counts up every period; of several recorders one does it at a time. For one event loop."""

    def __init__(self, statistics: StatisticsStore, period_seconds: float = PERIOD_SECONDS) -> None:
        self._statistics = statistics
        self._period = period_seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Errors are logged; the next turn counts what this one did not."""
        while not stop.is_set():
            try:
                await self._statistics.count_up()
            except StoreError as error:
                log.warning("counting_failed", retry_in_seconds=self._period, reason=str(error))
            await pause(stop, self._period)
