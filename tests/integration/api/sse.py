"""A small client of the live stream, written from the HTML standard and not from our code."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

DEADLINE = 10.0


@dataclass
class EventStream:
    """An open stream. `last_id` is what a browser would send as Last-Event-ID (HTML standard, 9.2.6)."""

    response: httpx.Response
    last_id: str = ""
    comments: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lines = self.response.aiter_lines()

    async def message(self) -> dict[str, Any]:
        """Data of the next message, within the deadline. Raises EOFError at the end of the stream."""
        async with asyncio.timeout(DEADLINE):
            while True:
                event, data = await self._block()
                if data:
                    assert event == "incident"
                    message: dict[str, Any] = json.loads("\n".join(data))
                    assert str(message["cursor"]) == self.last_id
                    return message

    async def cursors(self, count: int) -> list[int]:
        """Cursors of the next `count` messages."""
        return [(await self.message())["cursor"] for _ in range(count)]

    async def comment(self, text: str) -> None:
        """Wait until a comment with `text` has come."""
        async with asyncio.timeout(DEADLINE):
            while not any(text in comment for comment in self.comments):
                await self._block()

    async def end(self) -> None:
        """Wait for the end of the stream; no message may come before it."""
        async with asyncio.timeout(DEADLINE):
            while True:
                try:
                    _, data = await self._block()
                except EOFError:
                    return
                assert not data

    async def _block(self) -> tuple[str, list[str]]:
        event, data = "", []
        async for line in self._lines:
            if not line:
                return event, data
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match name:
                case "":
                    self.comments.append(value)
                case "event":
                    event = value
                case "data":
                    data.append(value)
                case "id":
                    self.last_id = value
        raise EOFError


@asynccontextmanager
async def listen(
    url: str, login: dict[str, str], last_id: str | None = None, **params: Any
) -> AsyncIterator[EventStream]:
    """Open the stream of the server at `url` and see its greeting."""
    headers = login | ({"Last-Event-ID": last_id} if last_id is not None else {})
    async with (
        httpx.AsyncClient(base_url=url, timeout=DEADLINE) as client,
        client.stream("GET", "/v1/events/stream", headers=headers, params=params) as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = EventStream(response)
        await stream.comment("gridwatch")
        yield stream
