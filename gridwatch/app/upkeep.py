"""What TimescaleDB does by itself, for plain PostgreSQL: counting incidents up, and forgetting observations.

On TimescaleDB both do nothing (`store/sql/timescale.sql`), so this need not know where it runs.
"""

import asyncio

from gridwatch.app.chores import Chores
from gridwatch.domain import Clock
from gridwatch.store.observations import ObservationStore
from gridwatch.store.statistics import StatisticsStore

PERIOD_SECONDS = 60.0
"""What is recorded meanwhile is counted by each who reads: some thousand rows, a few milliseconds."""


class UpkeepJob:
    """Does both every period; of several recorders one counts at a time. For one event loop."""

    def __init__(
        self, statistics: StatisticsStore, observations: ObservationStore, clock: Clock,
        period_seconds: float = PERIOD_SECONDS,
    ) -> None:  # fmt: skip
        self._statistics = statistics
        self._observations = observations
        self._clock = clock
        self._period = period_seconds

    async def run(self, stop: asyncio.Event, chores: Chores) -> None:
        """Until `stop` is set; the next turn does what one that failed did not."""
        await chores.repeat("upkeep", self._turn, self._period, stop)

    async def _turn(self) -> None:
        await self._statistics.count_up()
        await self._observations.forget(self._clock.now())
