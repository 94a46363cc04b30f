"""What rules need that no detector sees: things left and taken away, flames. Only on cameras with such a rule."""

from collections.abc import Sequence
from typing import Final

from gridwatch.config.model import CameraConfig
from gridwatch.config.rules import FireSmokeRule, RuleConfig, StillObjectRule
from gridwatch.detectors.flames import Flames
from gridwatch.detectors.rules.base import Moment, Zone
from gridwatch.detectors.still_objects import StillObjects, StillSettings
from gridwatch.detectors.still_resumed import ResumedThings
from gridwatch.domain import Detection, DetectorInfo, Image, IncidentBox, Track

INFO: Final = DetectorInfo(name="pixels", version="1", weights_sha256=None)
"""Who saw what is found here."""
_SETTLING_SECONDS: Final = 5.0
"""What was left is known as such so much later, when nobody is in front of it."""


def is_seen_in_pixels(rule: RuleConfig) -> bool:
    """True for rules about what is found here."""
    return isinstance(rule, StillObjectRule) or (isinstance(rule, FireSmokeRule) and rule.by_colour)


class PixelStage:
    """Between tracker and rules of one camera. Not thread-safe; deterministic; stream time only."""

    def __init__(self, camera: CameraConfig) -> None:
        """`camera`: its rules say what is looked for, if anything."""
        still = [rule for rule in camera.rules if isinstance(rule, StillObjectRule)]
        self._still = StillObjects(_settings(still)) if still else None
        fire = any(isinstance(rule, FireSmokeRule) and rule.by_colour for rule in camera.rules)
        self._flames = Flames() if fire else None
        self._blank = [Zone(zone) for zone in (*camera.privacy, *camera.ignore)]
        self._patience = _SETTLING_SECONDS + max((_longest(rule) for rule in still), default=0.0)
        self._stirred = float("-inf")
        self._resumed = ResumedThings(())

    def resume(self, boxes: Sequence[IncidentBox]) -> None:
        """Things that an earlier run told were left or taken; before the first picture."""
        self._resumed = ResumedThings(boxes)

    def look(
        self, image: Image, moment: Moment, seen: Sequence[Detection] | None, tracks: Sequence[Track]
    ) -> tuple[Track, ...]:
        """Tracks besides those of the tracker, outside of what is private or to be ignored. Ids are negative."""
        found: list[Track] = []
        if self._still is not None:
            found += self._still.look(image, moment, seen, tracks)
        if self._flames is not None:
            found += self._flames.look(image, moment, seen, tracks)
        found = [one for one in found if not any(zone.contains(one.box.foot) for zone in self._blank)]
        if found:
            since = moment.pts if any(one.label == "person" for one in tracks) else max(one.first_seen for one in found)
            self._stirred = max(self._stirred, since)
        # Nothing may be raised on these: they are open.
        return (*found, *self._resumed.look(image, moment, tracks))

    def is_waiting(self, pts: float) -> bool:
        """True while a rule may raise soon on what was found, so that every picture is wanted."""
        return pts - self._stirred <= self._patience


def _longest(rule: StillObjectRule) -> float:
    return max(rule.seconds, getattr(rule, "unattended_seconds", None) or 0.0)


def _settings(wanted: Sequence[StillObjectRule]) -> StillSettings:
    return StillSettings(
        min_area=min(rule.min_area for rule in wanted), max_area=max(rule.max_area for rule in wanted),
        absorb_seconds=3600.0 * max(rule.absorb_hours for rule in wanted),
    )  # fmt: skip
