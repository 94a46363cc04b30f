"""A recorder of the bench, as a process."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.store.recorder import messages
from gridwatch.domain import Incident, SystemClock
from gridwatch.store import Database

BATCH = 200
"""What a recorder writes in one transaction at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What one recorder did."""

    began: float
    ended: float
    stored: int


def record(dsn: str, count: int) -> Turn:
    """Record the first `count` messages of the bench; in a process of its own."""
    return asyncio.run(_record(dsn, messages(count)))


async def _record(dsn: str, sent: Sequence[Incident]) -> Turn:
    with tempfile.TemporaryDirectory(prefix="gridwatch-bench-") as folder:
        database = Database(dsn=dsn, pool_size=1, clock=SystemClock(), evidence_dir=Path(folder))
        await database.open()
        try:
            began, stored = time.perf_counter(), 0
            for start in range(0, len(sent), BATCH):
                async with database.recording() as recording:
                    stored += len(await recording.add_messages(sent[start : start + BATCH]))
            return Turn(began=began, ended=time.perf_counter(), stored=stored)
        finally:
            await database.close()
