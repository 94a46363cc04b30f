"""The door for other systems' reports: `POST /v1/sources/<source>`, proven by a token or a signature, bounded.

A report is answered with 202 once what it tells is on disk; whoever does not hear that sends it again under the same
`Idempotency-Key` and nothing is told twice.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from gridwatch.api.access import is_loopback
from gridwatch.api.errors import Problem, problem_response
from gridwatch.domain import Clock, Phase

log = structlog.get_logger(__name__)

MAX_BODY: Final = 64 * 1024
MAX_KEY: Final = 200
WRONG_PER_MINUTE: Final = 60.0
"""Reports that prove nothing and are answered with 401; more of them are answered with 429."""
RETRY_SECONDS: Final = 5
_SIGNATURE: Final = "X-Hub-Signature-256"


class CannotKeep(Exception):  # noqa: N818  (names what is wrong)
    """The report could not be put on disk; nothing of it was told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """Who may report for a source."""

    source: str
    secret: bytes
    signs: bool
    """The secret is the key of an HMAC-SHA256 over the body; else it is a bearer token."""
    per_minute: float
    """Reports taken in; a minute's worth may come at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What became of a report."""

    incidents: tuple[tuple[UUID, int, Phase], ...]
    """Id, seq and phase of each message that it made."""
    repeated: bool
    refused: str | None
    """Why it cannot be used, in words and without quoting it."""


Take = Callable[[str, bytes, str | None], Awaitable[Receipt]]
"""Takes source, body and idempotency key; what it tells is on disk when it returns. Raises CannotKeep."""


class _Bucket:
    """So many at once, refilled by the minute. Event-loop only."""

    def __init__(self, per_minute: float, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._left = per_minute
        self._at = clock.monotonic()

    def take(self) -> bool:
        """Whether there was one left."""
        now = self._clock.monotonic()
        self._left = min(self._per_minute, self._left + (now - self._at) * self._per_minute / 60)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class _Refused(Exception):  # noqa: N818  (names what happened)
    """What a report is answered with instead."""

    def __init__(self, status: int, word: str, detail: str = "") -> None:
        super().__init__(word)
        self.status, self.word, self.detail = status, word, detail


class _Porter:
    """Lets in who proves that it may, as often as it may. Event-loop only."""

    def __init__(self, doors: Sequence[Door], clock: Clock) -> None:
        self._doors = {door.source: door for door in doors}
        self._allowed = {door.source: _Bucket(door.per_minute, clock) for door in doors}
        self._wrong = _Bucket(WRONG_PER_MINUTE, clock)

    async def admit(self, source: str, request: Request) -> bytes:
        """The body of a report that may come in. Raises _Refused."""
        door = self._doors.get(source)
        # Before anything is proven, a body is read only to prove it, and never more of it than may be used.
        body = await _body(request) if door is not None and door.signs else b""
        if door is None or not _is_proven(door, request, body):
            raise _Refused(401 if self._wrong.take() else 429, "not-authorised")
        if not self._allowed[source].take():
            raise _Refused(429, "too-many", "Too many reports of this source.")
        return body if door.signs else await _body(request)


def create_webhook_app(doors: Sequence[Door], take: Take, clock: Clock, registry: CollectorRegistry) -> FastAPI:
    """An app with the door and, for this machine alone, the figures of `registry`.

    Serve it with `ApiServer`, on an address of its own.
    """
    porter = _Porter(doors, clock)
    app = FastAPI(title="gridwatch sources", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/v1/sources/{source}", status_code=202)
    async def report(source: str, request: Request) -> Response:
        """One report of another system."""
        try:
            body = await porter.admit(source, request)
            receipt = await take(source, body, _key(request))
        except _Refused as refusal:
            return _problem(request, refusal)
        except CannotKeep:
            return _problem(request, _Refused(503, "not-kept", "Nothing of it was kept; send it again."))
        if receipt.refused is not None:
            return _problem(request, _Refused(422, "unusable", f"The report cannot be used: {receipt.refused}."))
        incidents = [{"id": str(one), "seq": seq, "phase": phase} for one, seq, phase in receipt.incidents]
        return JSONResponse({"incidents": incidents, "repeated": receipt.repeated}, 202)

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        """Prometheus text."""
        if not is_loopback(request):
            return _problem(request, _Refused(403, "not-here", "Figures are for this machine alone."))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


def _key(request: Request) -> str | None:
    """The idempotency key, if there is one. Raises _Refused."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= MAX_KEY:
        raise _Refused(422, "bad-key", f"An Idempotency-Key has 1 to {MAX_KEY} characters.")
    return key


async def _body(request: Request) -> bytes:
    """Raises _Refused for one that is too large, without reading more of it than that."""
    too_large = _Refused(413, "too-large", f"A report has at most {MAX_BODY} bytes.")
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length[:12]) > MAX_BODY:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise too_large
    return bytes(body)


def _is_proven(door: Door, request: Request, body: bytes) -> bool:
    """In a time that does not tell how much of a secret was right."""
    if door.signs:
        given = request.headers.get(_SIGNATURE, "").removeprefix("sha256=").lower()
        meant = hmac.new(door.secret, body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(given.encode(), meant.encode())
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    digests = (hashlib.sha256(one).digest() for one in (token.strip().encode(), door.secret))
    return hmac.compare_digest(*digests) and scheme.lower() == "bearer"


def _problem(request: Request, refusal: _Refused) -> Response:
    status = refusal.status
    titles = {
        401: "Not authorised",
        403: "Not from there",
        413: "Too large",
        422: "Cannot be used",
        429: "Too many",
        503: "Not now",
    }
    problem = Problem(
        type=f"urn:gridwatch:problem:{refusal.word}", title=titles[status], status=status, detail=refusal.detail,
        remedy="", instance="",
    )  # fmt: skip
    headers = {"Retry-After": str(RETRY_SECONDS)} if status in (429, 503) else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return problem_response(request, problem, headers)
