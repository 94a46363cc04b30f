"""How good detection is: precision, recall and time to detect, by kind and in total."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from gridwatch.app.expected import Comparison
from gridwatch.domain import IncidentKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """Of a set of comparisons. Optional incidents count neither way."""

    kind: IncidentKind | None
    """None: of all kinds."""
    found: int
    missed: int
    false: int
    delays: tuple[float, ...]
    """Seconds from when each found one was due to the picture that raised it; below 0 where it came early."""

    @property
    def expected(self) -> int:
        """How many there were to find."""
        return self.found + self.missed

    @property
    def precision(self) -> float | None:
        """Share of what was raised that was right; None when nothing was raised."""
        return self.found / (self.found + self.false) if self.found + self.false else None

    @property
    def recall(self) -> float | None:
        """Share of what there was that was found; None when there was nothing."""
        return self.found / self.expected if self.expected else None

    @property
    def median_delay(self) -> float | None:
        """Median time to detect in seconds; None when nothing was found."""
        return round(statistics.median(self.delays), 3) if self.delays else None

    @property
    def longest_delay(self) -> float | None:
        """Longest time to detect in seconds; None when nothing was found."""
        return max(self.delays) if self.delays else None


def scores(comparisons: Iterable[Comparison]) -> list[Score]:
    """One for each kind there is, in the order of IncidentKind, then the total."""
    all_of_them = list(comparisons)
    each = [_score(all_of_them, kind) for kind in IncidentKind]
    return [*(one for one in each if one.expected or one.false), _score(all_of_them, None)]


def _score(comparisons: list[Comparison], kind: IncidentKind | None) -> Score:
    pairs = [
        (want, one) for c in comparisons for want, one in c.found if kind in {None, want.kind} and not want.optional
    ]
    return Score(
        kind=kind, found=len(pairs),
        missed=sum(kind in {None, want.kind} for c in comparisons for want in c.missed),
        false=sum(kind in {None, one.kind} for c in comparisons for one in c.false),
        delays=tuple(sorted(round(one.raised_at - want.raised_at, 3) for want, one in pairs)),
    )  # fmt: skip
