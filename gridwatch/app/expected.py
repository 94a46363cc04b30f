"""What a recording should show, and how what was found compares with it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self

import lap
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gridwatch.domain import IncidentKind, UsageError

DEFAULT_TOLERANCE = 2.0
"""Seconds between truth and detection that count as the same incident, where the file says nothing."""

_IMPOSSIBLE: Final = 1.0
"""Cost of a pair that is none; more than all real ones together."""


class _Loose(BaseModel):
    """Truth files hold more than a comparison needs (how it was made, who took part)."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class ExpectedIncident(_Loose):
    """An incident that should be found, in seconds from the start of the recording."""

    kind: IncidentKind
    rule: str | None = None
    """Id of the rule that should raise it; any rule of the kind when absent."""
    zone: str | None = None
    line: str | None = None
    """What the rule that should raise it watches, for truth that does not know the rules' ids."""
    start: Annotated[float, Field(ge=0, alias="from")]
    """When the condition began to hold."""
    due: Annotated[float, Field(ge=0)] | None = None
    """When it had held as long as the rule asks, so when it should be raised; `from` when absent."""
    end: float | None = Field(default=None, alias="to")
    """When the condition last held; not compared."""
    tolerance: Annotated[float, Field(gt=0)] = DEFAULT_TOLERANCE
    optional: bool = False
    """Too close to call: right when found, not wrong when missed."""
    actors: tuple[str, ...] = ()
    """Who took part, by the names of `TruthFrame.boxes`."""

    @model_validator(mode="after")
    def _times_rise(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise ValueError(f"to {self.end} is before from {self.start}")
        if self.due is not None and self.due < self.start:
            raise ValueError(f"due {self.due} is before from {self.start}")
        return self

    @property
    def raised_at(self) -> float:
        """When it should be raised."""
        return self.start if self.due is None else self.due

    def is_meant_by(self, one: "FoundIncident") -> bool:
        """Whether `one` may be this incident: kind, rule and place agree, and the time within the tolerance."""
        return (
            one.kind is self.kind
            and self.rule in {None, one.rule}
            and self.zone in {None, one.zone}
            and self.line in {None, one.line}
            and abs(one.raised_at - self.raised_at) <= self.tolerance
        )


class TruthFrame(_Loose):
    """Who is where in one picture."""

    t: float
    boxes: dict[str, tuple[float, float, float, float, float]] = Field(default_factory=dict)
    """By name: x1, y1, x2, y2 in fractions, and the share in sight."""


class Truth(_Loose):
    """A truth file (docs/samples.md)."""

    incidents: tuple[ExpectedIncident, ...]
    frames: tuple[TruthFrame, ...] = ()
    zones: dict[str, Any] = Field(default_factory=dict)
    lines: dict[str, Any] = Field(default_factory=dict)
    rules: tuple[dict[str, Any], ...] = ()
    """What is watched, with the keys of the configuration, which checks them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundIncident:
    """An incident that was raised, in seconds from the start of the recording."""

    kind: IncidentKind
    rule: str
    zone: str | None = None
    line: str | None = None
    """What the rule watches."""
    raised_at: float
    """The picture that raised it: when somebody would have been told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Each expected incident is found or missed; each found one is matched or false."""

    found: tuple[tuple[ExpectedIncident, FoundIncident], ...]
    missed: tuple[ExpectedIncident, ...]
    """Without those that are optional."""
    false: tuple[FoundIncident, ...]

    @property
    def agrees(self) -> bool:
        """True when nothing was missed and nothing is false."""
        return not self.missed and not self.false


def read_truth(path: Path) -> Truth:
    """Read a truth file (docs/samples.md). Raises UsageError naming the place."""
    try:
        return Truth.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc
    except (json.JSONDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} is not JSON: {exc}") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {place}: {first['msg']}; docs/samples.md describes the file") from exc


def compare(expected: Sequence[ExpectedIncident], found: Sequence[FoundIncident]) -> Comparison:
    """Pair each expected incident with at most one found: as many pairs as can be, and of those the nearest in time.

    That is the assignment problem, solved exactly (Jonker and Volgenant 1987).
    """
    matched = _assign(expected, found)
    return Comparison(
        found=tuple((want, found[matched[w]]) for w, want in enumerate(expected) if w in matched),
        missed=tuple(want for w, want in enumerate(expected) if w not in matched and not want.optional),
        false=tuple(one for f, one in enumerate(found) if f not in matched.values()),
    )


def _assign(expected: Sequence[ExpectedIncident], found: Sequence[FoundIncident]) -> dict[int, int]:
    """Index of the found incident for each expected one that has one."""
    if not expected or not found:
        return {}
    # Real pairs cost less than one together, and no number is large, which lap would take for infinite.
    scale = 1.0 + sum(want.tolerance for want in expected)
    costs = np.array(
        [
            [abs(one.raised_at - want.raised_at) / scale if want.is_meant_by(one) else _IMPOSSIBLE for one in found]
            for want in expected
        ],
        dtype=np.float64,
    )
    _, columns, _ = lap.lapjv(costs, extend_cost=True)
    return {row: int(column) for row, column in enumerate(columns) if column >= 0 and costs[row, column] < _IMPOSSIBLE}
