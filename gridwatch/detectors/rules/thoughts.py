"""What a rule makes of what it sees, in words: for the person who tunes it. Nothing decides by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from gridwatch.config.rules import RuleBase
from gridwatch.detectors.rules.base import Moment, is_believed, is_watched
from gridwatch.detectors.tracker import CONFIRMED_HITS
from gridwatch.domain import Track


class Stance(StrEnum):
    """How near a rule is to an incident."""

    RAISED = "raised"  # its incident is open, or was raised in this picture
    NEARS = "nears"  # part of its condition holds; the rest is a matter of time, count or belief
    NO = "no"  # its condition does not hold
    UNCOUNTED = "uncounted"  # it does not look at this object, or not now


@dataclass(frozen=True, kw_only=True, slots=True)
class Thought:
    """One rule about one object, or about the whole picture, after a picture."""

    rule: str
    """Its id."""
    subject: int | None
    """Id of the track; None: no single one."""
    stance: Stance
    text: str
    """A phrase in plain ASCII, with the numbers it speaks of."""
    value: float | None = None
    """What is measured, where there is a limit for it..."""
    threshold: float | None = None
    """...and that limit, in the same unit: at `value` >= `threshold` this part of the condition holds."""


@runtime_checkable
class Explains(Protocol):
    """A rule that can say what it thinks."""

    def explain(self, moment: Moment, tracks: Sequence[Track]) -> tuple[Thought, ...]:
        """After `step` with the same two. Pure; changes nothing."""


def unbelieved(rule: RuleBase, track: Track) -> Thought | None:
    """Why the rule does not (yet) raise on `track` at all; None when it may."""
    if not is_watched(rule, track):
        return Thought(rule=rule.id, subject=track.id, stance=Stance.UNCOUNTED, text=f"{track.label} is not watched")
    if is_believed(rule, track):
        return None
    least = rule.class_scores.get(track.label, rule.min_score)
    belief = max(track.best_score, track.borne_out)
    if belief < least:
        text = f"best score {track.best_score:.2f} of {least:.2f}"
        if track.borne_out > track.best_score:
            text = f"score borne out by motion {track.borne_out:.2f} of {least:.2f}"
        value, threshold = belief, least
    else:
        text = f"detected {track.hits} of {CONFIRMED_HITS} times"
        value, threshold = float(track.hits), float(CONFIRMED_HITS)
    return Thought(
        rule=rule.id, subject=track.id, stance=Stance.UNCOUNTED, text=text, value=value, threshold=threshold
    )  # fmt: skip
