"""The live streams of one app: how many are open, and the word to end them all."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Streams:
    """Ends every open stream at shutdown. Event-loop only."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End every open stream at its next step, and every later one at its first. Safe to call again."""
        self._closing.set()

    @property
    def closing(self) -> bool:
        """True from `close()` on."""
        return self._closing.is_set()

    async def until_closing(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` returns, or None (and `work` cancelled) as soon as streams are to end."""
        doing = asyncio.create_task(work, name="stream-wait")
        closing = asyncio.create_task(self._closing.wait(), name="stream-closing")
        try:
            await asyncio.wait({doing, closing}, return_when=asyncio.FIRST_COMPLETED)
            return doing.result() if doing.done() else None
        finally:
            for task in (doing, closing):
                task.cancel()
            await asyncio.gather(doing, closing, return_exceptions=True)

    async def pause(self, seconds: float) -> None:
        """Let `seconds` pass, fewer when streams are to end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
