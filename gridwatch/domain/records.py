"""What the store hands back: rows with the cursors and joins that the API needs."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from gridwatch.domain.case import CaseStep
from gridwatch.domain.command import Acknowledgement
from gridwatch.domain.geometry import Position
from gridwatch.domain.health import CameraHealth
from gridwatch.domain.incident import Incident, IncidentKind, Severity
from gridwatch.domain.site import SitePath


class Role(StrEnum):
    """What an account may do, within its site's subtree."""

    OPERATOR = "operator"  # watches, confirms, files and dispatches
    OFFICER = "officer"  # substation duty officer: acknowledges, handles, reports back
    GRID_WORKER = "grid_worker"  # handles dispatched cases
    INTEGRATOR = "integrator"  # reads incidents and schemas; no evidence
    ADMINISTRATOR = "administrator"  # cameras, accounts, retention
    AUDITOR = "auditor"  # reads who viewed or exported what


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Somebody who may log in. The hash is argon2id; there is no default password."""

    name: str
    role: Role
    site: SitePath
    password_hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteRecord:
    """A node of the tree as the store knows it."""

    path: SitePath
    name: str
    position: Position | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraRecord:
    """A camera as the store knows it, with its latest health."""

    id: str
    name: str
    site: SitePath
    position: Position
    health: CameraHealth | None
    """None until its worker has reported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EventRecord:
    """One stored incident message with its place in the live stream."""

    cursor: int
    """Grows in commit order; a reader that has seen cursor N has seen everything up to N."""
    incident: Incident
    grid: str | None
    case: UUID | None
    acknowledgement: Acknowledgement | None = None
    """Of its incident, where that was asked for; the live stream does not tell of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentRecord:
    """The current state of an incident: its latest message, and what it belongs to."""

    incident: Incident
    grid: str | None
    """Code of the grid that contains it, None outside every grid."""
    case: UUID | None
    acknowledgement: Acknowledgement | None = None
    """None while nobody has acknowledged it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentFilter:
    """Which incidents; an empty tuple or None means any."""

    scope: SitePath
    """The account's site, or a site below it."""
    kinds: tuple[IncidentKind, ...] = ()
    severities: tuple[Severity, ...] = ()
    camera: str | None = None
    since: datetime | None = None
    """`occurred_at` >= this."""
    until: datetime | None = None
    """`occurred_at` < this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseFilter:
    """Which cases; an empty tuple or None means any."""

    scope: SitePath
    grid: str | None = None
    steps: tuple[CaseStep, ...] = ()
    late_at: datetime | None = None
    """Only cases whose clock has run out at this time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PageKey:
    """Where a keyset page continues: strictly after this row, newest first."""

    at: datetime
    id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """Who did what to which thing, when and why. Append-only."""

    at: datetime
    account: str
    action: str
    """E.g. `evidence.view`, `login`, `case.step`."""
    subject: str
    """What it was done to: an id or a path."""
    reason: str
