"""The live stream: incidents as they are committed, by cursor, with no gap and no repeat."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import Field

from gridwatch.api.access import Login, Watcher, scope_of
from gridwatch.api.context import Context, Ctx
from gridwatch.api.errors import BadRequest, Busy, problems
from gridwatch.api.routes_incidents import EventQuery
from gridwatch.api.views import StreamView
from gridwatch.domain import EventRecord, IncidentFilter
from gridwatch.store import StoreUnavailable

log = structlog.get_logger(__name__)
router = APIRouter(tags=["live stream"])

BATCH = 200
"""Messages read at once; all a client can make us hold."""
RETRY_MS = 2000
"""How long a client waits before it reconnects."""
OUTAGE_POLL_S = 1.0
"""How often a stream looks whether the database is back."""

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="Cursor of the last message received; wins over the query.")
]


class StreamQuery(EventQuery):
    """Filters of the stream, and where to start."""

    last_event_id: str | None = Field(
        default=None, description="As the header, for clients that cannot set one. Without either: from now on."
    )


class LiveStream(StreamingResponse):
    """Server-sent events. Not FastAPI's own response: that reads ahead into a queue and pings from a task."""

    media_type = "text/event-stream"


def _message(record: EventRecord) -> bytes:
    data = StreamView.at(record).model_dump_json()
    return format_sse_event(event="incident", data_str=data, id=str(record.cursor))


def _comment(text: str, cursor: int) -> bytes:
    # An id without data moves a client's Last-Event-ID and dispatches nothing (HTML standard, 9.2.6). So a client that
    # reconnects after a long filtered-out stretch, or before its first message, starts from the right place.
    return format_sse_event(comment=text, id=str(cursor))


@dataclass
class _Reader:
    """One client: its place in the log, and when it was last spoken to and looked up."""

    ctx: Context
    login: Login
    where: IncidentFilter
    cursor: int
    sent_at: float = 0.0
    checked_at: float = 0.0

    async def run(self) -> AsyncIterator[bytes]:
        """What to send, until the session ends or streams are to end."""
        ctx = self.ctx
        ctx.streams.open += 1
        ctx.metrics.streams.inc()
        self.sent_at = self.checked_at = ctx.clock.monotonic()
        try:
            yield format_sse_event(comment="gridwatch live stream", id=str(self.cursor), retry=RETRY_MS)
            while not ctx.streams.closing:
                try:
                    batch, cursor = await self._look()
                    # After the wait and before sending: what is sent belongs to a session that lives.
                    lives = await self._session_lives()
                except StoreUnavailable as error:
                    log.warning("stream_waits_for_store", account=self.login.account.name, error=str(error))
                    yield _comment("the database is away; waiting for it", self.cursor)
                    await ctx.streams.pause(OUTAGE_POLL_S)
                    continue
                if not lives:
                    yield _comment("the session has ended; log in again", self.cursor)
                    return
                for record in batch:
                    yield _message(record)
                    ctx.metrics.stream_messages.inc()
                self.cursor = cursor
                if batch:
                    self.sent_at = ctx.clock.monotonic()
                elif ctx.clock.monotonic() - self.sent_at >= ctx.settings.heartbeat_s:
                    yield _comment("heartbeat", self.cursor)
                    self.sent_at = ctx.clock.monotonic()
        finally:
            ctx.streams.open -= 1
            ctx.metrics.streams.dec()

    async def _look(self) -> tuple[list[EventRecord], int]:
        """Messages after the cursor that match, waiting for some for a while; and the cursor after them."""
        log_of_events, settings = self.ctx.services.log, self.ctx.settings
        timeout = min(settings.heartbeat_s, settings.session_check_s)
        head = await self.ctx.streams.until_closing(log_of_events.wait(self.cursor, timeout))
        if head is None or head <= self.cursor:
            return [], self.cursor
        batch = await log_of_events.events(self.cursor, head, self.where, BATCH)
        # A full batch may have more behind it; a short one means nothing else up to `head` matches.
        return batch, batch[-1].cursor if len(batch) == BATCH else head

    async def _session_lives(self) -> bool:
        now = self.ctx.clock.monotonic()
        if now - self.checked_at < self.ctx.settings.session_check_s:
            return True
        account = await self.ctx.services.accounts.session(self.login.token_sha256, self.ctx.clock.now())
        self.checked_at = now
        # An account that was moved or given another role reconnects and is judged anew.
        same = self.login.account
        return account is not None and (account.site, account.role) == (same.site, same.role)


async def _start(ctx: Context, last_event_id: str | None) -> int:
    head = await ctx.services.log.head()
    if last_event_id is None:
        return head
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= 18):
        raise BadRequest(
            f"Last-Event-ID {last_event_id[:40]!r} is not a cursor.",
            "Give back the `id` of a message of this stream, or leave it out to start from now.",
        )
    cursor = int(last_event_id)
    if cursor > head:
        raise BadRequest(
            f"Last-Event-ID {cursor} is beyond the newest message, {head}: it comes from another or an older database.",
            "Read /v1/incidents again, then connect without it.",
        )
    return cursor


@router.get(
    "/v1/events/stream",
    response_class=LiveStream,
    responses={
        **problems(400, 401, 403, 404),
        200: {
            "model": StreamView,
            "description": "Server-sent events: `id` is the cursor, `event` is `incident`, `data` is this as JSON.",
        },
    },
)
async def stream(
    ctx: Ctx, login: Watcher, query: Annotated[StreamQuery, Query()], header: LastEventId = None
) -> LiveStream:
    """Incident messages as they are committed.

    Reconnecting with `Last-Event-ID` continues with no gap and no repeat, also after a restart and on another replica.
    A comment comes at least every 15 seconds. The stream ends when the session does, and when the server stops.
    """
    if ctx.streams.closing or ctx.streams.open >= ctx.streams.limit:
        raise Busy("No more live streams can be opened here.", "Try again in a while.", {"Retry-After": "10"})
    where = IncidentFilter(
        scope=await scope_of(ctx, login, query.site), kinds=tuple(query.kind), severities=tuple(query.severity)
    )
    cursor = await _start(ctx, header if header is not None else query.last_event_id)
    reader = _Reader(ctx=ctx, login=login, where=where, cursor=cursor)
    return LiveStream(reader.run(), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
