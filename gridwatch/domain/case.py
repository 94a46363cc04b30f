"""Grid cases: work in a grid, followed from discovery through six steps until somebody has evaluated it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from gridwatch.domain.incident import IncidentKind, Severity
from gridwatch.domain.site import SitePath


class CaseStep(StrEnum):
    """The latest step a case has taken. Discovery starts it; the six steps after it each have a clock."""

    DISCOVER = "discover"  # 信息采集: something was seen, nobody has confirmed it as work
    FILE = "file"  # 案卷建立: confirmed as a case
    DISPATCH = "dispatch"  # 任务派遣: given to a unit
    HANDLE = "handle"  # 任务处理: the unit reports it handled
    REVIEW = "review"  # 处理反馈: somebody looked at the result
    CLOSE = "close"  # 核查结案: accepted as done
    EVALUATE = "evaluate"  # 综合评价: evaluated; nothing follows

    @property
    def next(self) -> "CaseStep | None":
        """The step a case takes after this one, None after the last."""
        steps = list(CaseStep)
        index = steps.index(self) + 1
        return steps[index] if index < len(steps) else None


class CaseSource(StrEnum):
    """Who or what brought the case."""

    INCIDENT = "incident"  # an incident from a camera
    OPERATOR = "operator"  # an operator filed it by hand
    PHONE = "phone"  # a phone call
    LETTER = "letter"  # a letter
    COUNTER = "counter"  # somebody came to the counter
    WEB_FORM = "web_form"  # a public web form
    GRID_WORKER = "grid_worker"  # a grid worker saw it
    OPEN311 = "open311"  # an Open311 client


@dataclass(frozen=True, kw_only=True, slots=True)
class Category:
    """A kind of work: which incidents belong to it and how long each step may take."""

    id: str
    name: str
    kinds: tuple[IncidentKind, ...]
    clocks: dict[CaseStep, timedelta]
    """Calendar time each step may take after the step before it; a step without one has no clock."""
    auto_file: bool
    """True: an incident is filed by the recorder. False: it waits at `discover` for a person."""
    join_window: timedelta
    """An incident of the same kind and grid joins an open case whose latest incident is at most this old."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepClock:
    """The deadline of the step a case waits for."""

    step: CaseStep
    started_at: datetime
    due_at: datetime

    def is_late(self, now: datetime) -> bool:
        """True from the deadline on."""
        return now >= self.due_at


@dataclass(frozen=True, kw_only=True, slots=True)
class StepEntry:
    """Who took a step, when and why. Never changed after it is written."""

    step: CaseStep
    at: datetime
    by: str
    """Account name, or `recorder` for a step taken by policy."""
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """Work in one grid."""

    id: UUID
    number: str
    """Human-readable, unique: `<grid code>-<yyyymmdd>-<serial>`."""
    grid: str
    """Code of the grid."""
    site: SitePath
    """Site whose camera or account brought it; scopes who sees the case."""
    category: str
    kind: IncidentKind
    severity: Severity
    """The worst severity of its incidents."""
    source: CaseSource
    unit: str | None
    """Code of the unit responsible, None until known."""
    step: CaseStep
    clock: StepClock | None
    """Of the step it waits for; None when that step has no clock or nothing follows."""
    opened_at: datetime
    """`occurred_at` of its first incident."""
    latest_at: datetime
    """`occurred_at` of its latest incident."""
    incidents: tuple[UUID, ...]
    history: tuple[StepEntry, ...]
    """Oldest first; the last entry's step is `step`."""
