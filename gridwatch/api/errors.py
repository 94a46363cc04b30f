"""What goes wrong with a request, told as RFC 9457 problem details that name the remedy."""

# ruff: noqa: N818  (refusals are named as a reader of the OpenAPI document knows them)

from collections.abc import Mapping

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from gridwatch.domain import GridwatchError
from gridwatch.store import StoreError, StoreUnavailable

log = structlog.get_logger(__name__)

PROBLEM_JSON = "application/problem+json"
RETRY_SECONDS = 5
"""What a client is told to wait when the database is away; the pool has reconnected by then if it can."""


class FieldError(BaseModel):
    """One thing wrong with what was sent."""

    where: str = Field(description="Part of the request, e.g. `query.limit` or `body.to`.")
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details, with the remedy spelt out."""

    type: str = Field(description="`urn:gridwatch:problem:<word>`; stable, for programs.")
    title: str = Field(description="The kind of problem; the same for every occurrence.")
    status: int
    detail: str = Field(description="What happened this time.")
    remedy: str = Field(description="What to do about it.")
    instance: str = Field(description="Path of the request.")
    errors: list[FieldError] = Field(default=[], description="For refused parameters: each of them.")


class ApiError(GridwatchError):
    """A refusal with its HTTP status. Root of this package's errors."""

    status = 500
    word = "error"
    title = "Something went wrong"

    def __init__(self, detail: str, remedy: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{detail} {remedy}")
        self.detail = detail
        self.remedy = remedy
        self.headers = dict(headers or {})


class BadRequest(ApiError):
    """A parameter reads well but means nothing here."""

    status, word, title = 400, "bad-request", "The request cannot be used"


class NotLoggedIn(ApiError):
    """No session, or one that has ended."""

    status, word, title = 401, "not-logged-in", "A login is needed"

    def __init__(self, detail: str, remedy: str = "Log in with POST /v1/session.") -> None:
        super().__init__(detail, remedy, {"WWW-Authenticate": 'Bearer realm="gridwatch"'})


class Forbidden(ApiError):
    """The account may not do this."""

    status, word, title = 403, "forbidden", "Not allowed for this account"


class CrossSite(ApiError):
    """A browser was sent here by another site's page."""

    status, word, title = 403, "cross-site", "The request comes from another site"


class NotFound(ApiError):
    """No such thing among what the account may see."""

    status, word, title = 404, "not-found", "No such thing"


class Conflict(ApiError):
    """The thing has moved on, or does not allow this now."""

    status, word, title = 409, "conflict", "The state does not allow it"


class TooManyAttempts(ApiError):
    """Too many failed logins."""

    status, word, title = 429, "too-many-attempts", "Too many failed logins"


class Busy(ApiError):
    """A bound was reached; the same request works later."""

    status, word, title = 503, "busy", "No room at the moment"


class EvidenceDamaged(ApiError):
    """Stored evidence no longer has the hash it was stored with."""

    status, word, title = 500, "evidence-damaged", "The evidence was altered"


def problem_response(request: Request, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """`problem` as a response of its media type."""
    body = problem.model_copy(update={"instance": request.url.path}).model_dump_json(exclude_defaults=True)
    return Response(body, problem.status, {"Cache-Control": "no-store", **(headers or {})}, PROBLEM_JSON)


def _problem(status: int, word: str, title: str, detail: str, remedy: str) -> Problem:
    return Problem(
        type=f"urn:gridwatch:problem:{word}", title=title, status=status, detail=detail, remedy=remedy, instance=""
    )


async def _on_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101  FastAPI hands over what it was registered for
    problem = _problem(error.status, error.word, error.title, error.detail, error.remedy)
    return problem_response(request, problem, error.headers)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = [
        FieldError(where=".".join(str(part) for part in one["loc"]), message=str(one["msg"])) for one in error.errors()
    ]
    detail = "; ".join(f"{one.where}: {one.message}" for one in found)
    problem = _problem(
        422, "invalid", "The request does not read", detail, "Correct the named parts; see /openapi.json."
    )
    return problem_response(request, problem.model_copy(update={"errors": found}))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    remedies = {404: "Look the path up in /openapi.json.", 405: "Use a method /openapi.json lists for this path."}
    remedy = remedies.get(error.status_code, "See /openapi.json.")
    problem = _problem(error.status_code, "http", "The request cannot be served", str(error.detail), remedy)
    return problem_response(request, problem, error.headers)


async def _on_unavailable(request: Request, error: Exception) -> Response:
    log.warning("store_unavailable", path=request.url.path, error=str(error))
    return unavailable(request)


def unavailable(request: Request) -> Response:
    """The answer when the database cannot: 503, with the time after which to try again."""
    problem = _problem(
        503, "database-unavailable", "The database cannot be reached", "It did not answer, or not in time.",
        f"Try again in {RETRY_SECONDS} seconds; if it lasts, look at /healthz and at the database.",
    )  # fmt: skip
    return problem_response(request, problem, {"Retry-After": str(RETRY_SECONDS)})


async def _on_store_error(request: Request, error: Exception) -> Response:
    log.error("store_failed", path=request.url.path, error=str(error), exc_info=error)
    problem = _problem(
        500, "store", "The database refused", "The request could not be answered from the database.",
        "This is a defect here, not in the request: the log has the details at this time.",
    )  # fmt: skip
    return problem_response(request, problem)


async def _on_anything(request: Request, _error: Exception) -> Response:
    # Starlette re-raises after this answer, so the server logs the traceback; nothing of it reaches the client.
    problem = _problem(
        500, "internal", "A defect", "The request could not be answered.",
        "This is a defect here, not in the request: the log has the details at this time.",
    )  # fmt: skip
    return problem_response(request, problem)


def register(app: FastAPI) -> None:
    """Turn every error of `app` into problem details."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(StoreUnavailable, _on_unavailable)
    app.add_exception_handler(StoreError, _on_store_error)
    app.add_exception_handler(Exception, _on_anything)


REFUSALS: dict[int, str] = {
    400: "A parameter means nothing here.",
    401: "No session, or one that has ended.",
    403: "The account may not do this, or the site is outside its own.",
    404: "No such thing among what the account may see.",
    409: "The state does not allow it (any more).",
    429: "Too many failed logins; `Retry-After` says how long to wait.",
    503: "The database is away, or a bound was reached; `Retry-After` says when to try again.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, object]]:
    """For `responses=`: those refusals, documented. 503 always can happen."""
    return {status: {"model": Problem, "description": REFUSALS[status]} for status in (*statuses, 503)}
