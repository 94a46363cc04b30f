"""No request waits for ever: what does not begin to answer in time is answered with 503."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gridwatch.api.context import Context
from gridwatch.api.errors import unavailable

log = structlog.get_logger(__name__)


class Deadline:
    """ASGI middleware. A database that takes no answer and closes no connection would otherwise hold its callers.

    The work that is late is cancelled, and not waited for: cancelling may itself wait for the database. It holds its
    connection until then, of which there are as many as the pool has.
    """

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        work = asyncio.create_task(_run(self._app, scope, receive, answer.send), name="api-request")
        begun = asyncio.create_task(answer.begun.wait(), name="api-answer-begun")
        try:
            await asyncio.wait(
                {work, begun}, timeout=self._context.settings.answer_s, return_when=asyncio.FIRST_COMPLETED
            )  # fmt: skip
            if work.done() or begun.done():
                await work
                return
            answer.refused = True
        except asyncio.CancelledError:
            work.cancel()
            raise
        finally:
            begun.cancel()
        log.warning("request_late", path=scope["path"], seconds=self._context.settings.answer_s)
        self._abandon(work)
        await unavailable(Request(scope))(scope, receive, send)

    def _abandon(self, work: asyncio.Task[None]) -> None:
        self._late.add(work)
        work.cancel()

        def ended(task: asyncio.Task[None]) -> None:
            self._late.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.warning("late_request_failed", error=repr(error))

        work.add_done_callback(ended)


async def _run(app: ASGIApp, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


class _Answer:
    """What the work sends: passed on, until it was too late."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = asyncio.Event()
        self.refused = False

    async def send(self, message: Message) -> None:
        """Pass `message` on."""
        if not self.refused:
            self.begun.set()
            await self._send(message)
