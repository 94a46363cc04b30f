"""What a role does beside its work, again and again."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from gridwatch.app.opening import pause
from gridwatch.store import StoreError

log = structlog.get_logger(__name__)


class Chores:
    """Each goes on at its next turn, whatever became of this one: what fails is logged and counted at once.

    For one event loop.
    """

    def __init__(self) -> None:
        self.failed: Counter[str] = Counter()
        """Turns that failed, by chore."""

    async def repeat(
        self, name: str, turn: Callable[[], Awaitable[object]], seconds: float, stop: asyncio.Event
    ) -> None:
        """Await `turn()`, then `seconds`, until `stop` is set."""
        while not stop.is_set():
            try:
                await turn()
            except StoreError as error:
                self.failed[name] += 1
                log.warning(
                    "chore_failed", chore=name, failed=self.failed[name], retry_in_seconds=seconds, reason=str(error)
                )  # fmt: skip
            except Exception:  # a loop of turns: a bug in one chore must end neither it nor what it runs beside
                self.failed[name] += 1
                log.exception("chore_failed", chore=name, failed=self.failed[name], retry_in_seconds=seconds)
            await pause(stop, seconds)
