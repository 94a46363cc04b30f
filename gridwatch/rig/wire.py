"""The message syntax that RTSP/1.0 took from HTTP/1.1: one reader and one writer for both."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from gridwatch.rig.errors import RigError

MAX_HEAD_BYTES = 32 * 1024
MAX_BODY_BYTES = 256 * 1024


class MessageError(RigError):
    """The peer's bytes are not a request that this server reads."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request."""

    method: str
    target: str
    """A path (HTTP), an absolute URL (RTSP) or `*`."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """One answer; `Content-Length` is added when it is rendered."""

    status: int
    reason: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def render(self, protocol: str) -> bytes:
        """The bytes on the wire; `protocol` is `HTTP/1.1` or `RTSP/1.0`."""
        body = self.body.encode()
        lines = [f"{protocol} {self.status} {self.reason}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def read_request(reader: asyncio.StreamReader, idle_seconds: float) -> Request | None:
    """The next request, or None when the peer closed between two.

    Interleaved RTP/RTCP from an RTSP client (RFC 2326, 10.12) is skipped, and is no sign of life.
    Raises MessageError, TimeoutError when nothing whole came in `idle_seconds`, and ConnectionError.
    """
    async with asyncio.timeout(idle_seconds):
        while True:
            first = await reader.read(1)
            if first == b"":
                return None
            try:
                if first == b"$":
                    header = await reader.readexactly(3)
                    await reader.readexactly(int.from_bytes(header[1:]))
                elif first not in b"\r\n":
                    return await _read_message(first, reader)
            except asyncio.IncompleteReadError as error:
                raise ConnectionResetError("the peer closed inside a message") from error


async def _read_message(first: bytes, reader: asyncio.StreamReader) -> Request:
    try:
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.LimitOverrunError as error:
        raise MessageError(f"the head is over {MAX_HEAD_BYTES} bytes") from error
    except UnicodeDecodeError as error:
        raise MessageError("the head is not UTF-8") from error
    start, *lines = head.strip().split("\r\n")
    parts = start.split(" ")
    if len(parts) != 3 or not parts[2].startswith(("HTTP/1.", "RTSP/1.")):
        raise MessageError("the first line is not METHOD TARGET VERSION")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "transfer-encoding" in headers:
        raise MessageError("send a Content-Length, not chunks")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY_BYTES:
        raise MessageError(f"Content-Length is not a number up to {MAX_BODY_BYTES}")
    body = await reader.readexactly(int(length))
    return Request(method=parts[0], target=parts[1], headers=headers, body=body)
