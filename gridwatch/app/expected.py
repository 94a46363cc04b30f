"""What a recording should show, and how what was found compares with it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gridwatch.domain import IncidentKind, UsageError

DEFAULT_TOLERANCE = 2.0
"""Seconds between truth and detection that count as the same incident, where the file says nothing."""


class _Loose(BaseModel):
    """Truth files hold more than a comparison needs (boxes by frame, how it was made)."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class ExpectedIncident(_Loose):
    """An incident that should be found, in seconds from the start of the recording."""

    kind: IncidentKind
    rule: str | None = None
    """Id of the rule that should raise it; any rule of the kind when absent."""
    start: Annotated[float, Field(ge=0, alias="from")]
    """When the condition began to hold."""
    due: Annotated[float, Field(ge=0)] | None = None
    """When it had held as long as the rule asks, so when it should be raised; `from` when absent."""
    tolerance: Annotated[float, Field(gt=0)] = DEFAULT_TOLERANCE
    optional: bool = False
    """Too close to call: right when found, not wrong when missed."""

    @property
    def raised_at(self) -> float:
        """When it should be raised."""
        return self.start if self.due is None else self.due


class _Expected(_Loose):
    incidents: tuple[ExpectedIncident, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundIncident:
    """An incident that was raised, in seconds from the start of the recording."""

    kind: IncidentKind
    rule: str
    raised_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Each expected incident is found or missed; each found one is matched or false."""

    found: tuple[tuple[ExpectedIncident, FoundIncident], ...]
    missed: tuple[ExpectedIncident, ...]
    false: tuple[FoundIncident, ...]

    @property
    def agrees(self) -> bool:
        """True when nothing was missed and nothing is false."""
        return not self.missed and not self.false


def read_expected(path: Path) -> tuple[ExpectedIncident, ...]:
    """Read a truth file (docs/samples.md). Raises UsageError naming the place."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return _Expected.model_validate(document).incidents
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc
    except (json.JSONDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} is not JSON: {exc}") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {place}: {first['msg']}; docs/samples.md describes the file") from exc


def compare(expected: Sequence[ExpectedIncident], found: Sequence[FoundIncident]) -> Comparison:
    """Pair each expected incident with at most one found of its kind (and rule) within its tolerance, nearest first."""
    pairs = sorted(
        (abs(one.raised_at - want.raised_at), w, f)
        for w, want in enumerate(expected)
        for f, one in enumerate(found)
        if one.kind is want.kind
        and want.rule in {None, one.rule}
        and abs(one.raised_at - want.raised_at) <= want.tolerance
    )
    matched: dict[int, int] = {}
    for _, w, f in pairs:
        if w not in matched and f not in matched.values():
            matched[w] = f
    return Comparison(
        found=tuple((want, found[matched[w]]) for w, want in enumerate(expected) if w in matched),
        missed=tuple(want for w, want in enumerate(expected) if w not in matched and not want.optional),
        false=tuple(one for f, one in enumerate(found) if f not in matched.values()),
    )
