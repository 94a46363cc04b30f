"""What passes between an RTSP client that knows no Digest with SHA-256 and a camera that wants it. No I/O.

Requests are readdressed and signed; a 401 that a signature answers is not passed on. Everything else, above all the
interleaved media (RFC 2326, 10.12), passes as it came.
"""

import re
from dataclasses import dataclass

from gridwatch.ingest.digest import Challenge, Signer, read_challenges
from gridwatch.ingest.urls import Credentials

MAX_MESSAGE = 64 * 1024
"""Bytes of a head, or of a request's body; more is no RTSP."""
_MAX_PENDING = 32
"""Requests that may wait for an answer; the oldest is given up for one more."""
_INTERLEAVED = 0x24
_BETWEEN = b"\r\n\0"
"""What some servers put between messages."""
_END = b"\r\n\r\n"
_CSEQ = re.compile(rb"(?<=\r\n)cseq[ \t]*:[ \t]*(\d{1,9})[ \t]*(?=\r\n)", re.IGNORECASE)
_CHALLENGE = re.compile(rb"(?<=\r\n)www-authenticate[ \t]*:[^\r\n]*\r\n", re.IGNORECASE)
_REPLACED = frozenset({b"cseq", b"authorization"})
"""Headers of a request that are not passed on."""
_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)
_STATUS = re.compile(rb"RTSP/\d\.\d (\d{3})")


class NotRtspError(ValueError):
    """The client's bytes are no RTSP."""


@dataclass(slots=True)
class _Request:
    """One request of the client."""

    method: str
    uri: str
    """As the camera is to see it."""
    rest: bytes
    """The head after its first line, without CSeq and Authorization, its empty line, and the body."""
    number: bytes
    """The client's CSeq."""
    signed_for: str | None = None
    """The nonce it was last signed for."""
    tries: int = 0


class Dialogue:
    """One connection. Not thread-safe."""

    def __init__(self, ours: str, theirs: str, credentials: Credentials) -> None:
        """`ours` is what the client's URLs begin with, `theirs` (scheme, host, port) what the camera's do."""
        self._ours = ours
        self._theirs = theirs
        self._credentials = credentials
        self._signer: Signer | None = None
        self._proved: str | None = None
        """The latest nonce that a proof was taken for."""
        self._number = 0
        self._pending: dict[int, _Request] = {}
        self._asked = b""
        """Bytes of the client that are no whole message yet."""
        self._held = b""
        """The same of the camera."""
        self._to_come = 0
        """Bytes of the camera's present message that are still to come."""
        self._swallowing = False
        """Whether those are not for the client."""
        self._lost = False
        """The place in the camera's stream is lost: all passes as it comes."""

    def from_client(self, data: bytes) -> bytes:
        """What goes to the camera for it. Raises NotRtspError."""
        self._asked += data
        out = []
        while (size := _message_size(self._asked)) is not None:
            message, self._asked = self._asked[:size], self._asked[size:]
            is_request = message[0] != _INTERLEAVED and not message.startswith(b"RTSP/")
            out.append(self._send(self._request(message)) if is_request else message)
        return b"".join(out)

    def from_camera(self, data: bytes) -> tuple[bytes, bytes]:
        """What goes to the client for it, and what back to the camera."""
        if self._lost:
            return data, b""
        if self._held:
            data, self._held = self._held + data, b""
        for_client: list[bytes] = []
        back: list[bytes] = []
        end = len(data)
        start = at = 0  # what lies between passes as it is
        while at < end:
            if self._to_come:
                step = min(self._to_come, end - at)
                at, self._to_come = at + step, self._to_come - step
                if self._swallowing:
                    start = at
                    self._swallowing = self._to_come > 0
            elif size := _plain_size(data, at):
                self._to_come = size
            else:
                stop = None if size is None else _head_end(data, at)
                if stop is None:
                    break
                if stop == at:
                    self._lost = True
                    at = end
                else:
                    for_client += (data[start:at], self._answer(data[at:stop], back))
                    start = at = stop
        self._held = data[at:]
        if start == 0 and at == end and not for_client:
            return data, b"".join(back)
        for_client.append(data[start:at])
        return b"".join(for_client), b"".join(back)

    def _answer(self, head: bytes, back: list[bytes]) -> bytes:
        """What the client gets of an answer's head; its body is to come. A new try of the request goes `back`."""
        length = _LENGTH.search(head)
        self._to_come = int(length[1]) if length else 0
        request = self._answered(head)
        if request is None:
            return head
        status = _STATUS.match(head)
        refused = status is not None and status[1] == b"401"
        if refused and self._learn(request, head):
            self._swallowing = self._to_come > 0
            back.append(self._send(request))
            return b""
        if refused:
            # The client, which has no password, would only ask again, and wrong proofs lock accounts.
            head = _CHALLENGE.sub(b"", head)
        else:
            self._proved = request.signed_for or self._proved
        return _CSEQ.sub(b"CSeq: " + request.number, head, count=1)

    def _answered(self, head: bytes) -> _Request | None:
        """The request that it answers; the oldest, where it does not say."""
        if not head.startswith(b"RTSP/") or not self._pending:
            return None
        number = _CSEQ.search(head)
        return self._pending.pop(int(number[1]) if number else next(iter(self._pending)), None)

    def _learn(self, request: _Request, head: bytes) -> bool:
        """Take the challenge of a refusal; whether the request may be tried (again) with it."""
        challenge = next((one for one in read_challenges(head) if one.provable), None)
        if challenge is None or not self._hopeful(request, challenge):
            return False
        if self._signer is None:
            self._signer = Signer(self._credentials, challenge)
        elif challenge.nonce != self._signer.challenge.nonce:
            self._signer.renew(challenge)
        return True

    def _hopeful(self, request: _Request, challenge: Challenge) -> bool:
        """Whether its refusal was not one of the password."""
        if request.signed_for is None:
            return True
        # A nonce that was good before has run out, whether the camera says so or not.
        return request.tries < 3 and challenge.nonce != request.signed_for and (
            challenge.stale or request.signed_for == self._proved
        )  # fmt: skip

    def _send(self, request: _Request) -> bytes:
        self._number += 1
        while len(self._pending) >= _MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        self._pending[self._number] = request
        head = f"{request.method} {request.uri} RTSP/1.0\r\nCSeq: {self._number}\r\n"
        if self._signer is not None:
            head += f"Authorization: {self._signer.sign(request.method, request.uri)}\r\n"
            request.signed_for = self._signer.challenge.nonce
            request.tries += 1
        return head.encode(errors="surrogateescape") + request.rest

    def _request(self, message: bytes) -> _Request:
        first, _, rest = message.partition(b"\r\n")
        parts = first.decode(errors="surrogateescape").split(" ")
        number = _CSEQ.search(message)
        if len(parts) != 3 or number is None:
            raise NotRtspError("a request without method, URL, version and CSeq")
        method, uri, _ = parts
        if uri.startswith(self._ours):
            uri = self._theirs + uri[len(self._ours) :]
        headers, _, body = rest.partition(_END)
        kept = [line for line in headers.split(b"\r\n") if line.partition(b":")[0].strip().lower() not in _REPLACED]
        return _Request(method=method, uri=uri, rest=b"\r\n".join((*kept, b"", b"")) + body, number=number[1])


def _plain_size(data: bytes, at: int) -> int | None:
    """Bytes of what begins at `at` and is no head: a packet, or what lies between; 0 for others, None when cut."""
    if data[at] == _INTERLEAVED:
        return 4 + int.from_bytes(data[at + 2 : at + 4]) if len(data) - at >= 4 else None
    return int(data[at] in _BETWEEN)


def _head_end(data: bytes, at: int) -> int | None:
    """Where the head that begins at `at` ends; `at` when none does, None when it is not whole."""
    if not data[at : at + 1].isalpha():
        return at
    stop = data.find(_END, at, at + MAX_MESSAGE)
    if stop >= 0:
        return stop + len(_END)
    return None if len(data) - at < MAX_MESSAGE else at


def _message_size(data: bytes) -> int | None:
    """Bytes of the first message of a client in `data`, None when it is not whole. Raises NotRtspError."""
    if not data:
        return None
    if data[0] == _INTERLEAVED:
        return size if len(data) >= 4 and (size := 4 + int.from_bytes(data[2:4])) <= len(data) else None
    head = data.find(_END)
    if head < 0:
        if len(data) > MAX_MESSAGE:
            raise NotRtspError("a head without end")
        return None
    length = _LENGTH.search(data, 0, head + 2)
    size = head + len(_END) + (int(length[1]) if length else 0)
    if size > 2 * MAX_MESSAGE:
        raise NotRtspError("a body without end")
    return size if size <= len(data) else None
