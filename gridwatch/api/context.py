"""What every endpoint works with."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, cast

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from gridwatch.api.login import LoginLimiter, Passwords
from gridwatch.api.metrics import ApiMetrics
from gridwatch.api.ports import (
    Accounts,
    AuditLog,
    CaseBook,
    Counts,
    Directory,
    EventLog,
    Holds,
    IncidentArchive,
    Observations,
)
from gridwatch.api.streams import Streams
from gridwatch.domain import Category, Clock

HealthCheck = Callable[[], Awaitable[bool]]
"""True when the part works. Given two seconds; an exception counts as False."""


@dataclass(frozen=True, kw_only=True)
class ApiServices:
    """The ports the API reads and writes through, one object may serve them all. Owned by whoever made them."""

    directory: Directory
    archive: IncidentArchive
    log: EventLog
    cases: CaseBook
    accounts: Accounts
    audit: AuditLog
    holds: Holds
    counts: Counts
    observations: Observations
    checks: Mapping[str, HealthCheck] = field(default_factory=dict)
    """Further parts `/healthz` reports, by name; the database is always there."""
    concerns: Mapping[str, HealthCheck] = field(default_factory=dict)
    """Parts `/healthz` reports that do not keep the API from working: where one fails, it says `degraded` with 200."""
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    """What `/metrics` shows; the API registers its own figures in it."""


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """How the API behaves."""

    categories: Mapping[str, Category]
    """By id; the clocks of case steps."""
    session: timedelta = timedelta(hours=12)
    """How long a login lasts."""
    heartbeat_s: float = 15.0
    """A stream that was silent this long sends a comment."""
    session_check_s: float = 5.0
    """How long a stream outlives its session at most."""
    answer_s: float = 15.0
    """What has not begun to answer by then is answered with 503."""
    max_streams: int = 500
    """Open live streams at a time; further ones are refused with 503."""
    login_failures: int = 5
    """Failed logins, by name and by address, before a wait."""
    login_wait_s: float = 60.0
    """The wait after the latest of them."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """Everything one app shares among its requests."""

    services: ApiServices
    settings: ApiSettings
    clock: Clock
    passwords: Passwords
    limiter: LoginLimiter
    metrics: ApiMetrics
    streams: Streams


def context_of(request: Request) -> Context:
    """The context `create_app` hung on the app."""
    return cast("Context", request.app.state.context)


async def _context(request: Request) -> Context:
    # A coroutine, because FastAPI sends plain functions to a thread.
    return context_of(request)


Ctx = Annotated[Context, Depends(_context)]
"""Parameter type of an endpoint that needs the context."""
