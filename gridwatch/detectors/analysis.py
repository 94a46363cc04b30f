"""One camera's way from frames to incidents: gate, detector, tracker, rules, evidence."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from gridwatch.config.classes import GROUP_OF
from gridwatch.config.model import CameraConfig, HealthConfig
from gridwatch.config.rules import StillObjectRule
from gridwatch.detectors import rules
from gridwatch.detectors.best_shot import BestShots
from gridwatch.detectors.closer import look_closer
from gridwatch.detectors.detector import Detector
from gridwatch.detectors.evidence import EvidenceError, Snapshot, snapshot
from gridwatch.detectors.gate import GateReason, MotionGate
from gridwatch.detectors.labels import PERSON
from gridwatch.detectors.motion import MotionOnly, as_detections
from gridwatch.detectors.picture_watch import PICTURE_RULES, PictureWatch
from gridwatch.detectors.pixels import INFO, PixelStage, is_seen_in_pixels
from gridwatch.detectors.rules import LASTING, Moment, Resumed, Rule, RuleEvent
from gridwatch.detectors.rules.base import Episode
from gridwatch.detectors.still_objects import SOMEBODY
from gridwatch.detectors.tracker import TrackerSettings, TrackerState, hold, kin_of, track
from gridwatch.domain import (
    Box,
    Detection,
    Frame,
    Incident,
    IncidentBox,
    IncidentKind,
    OpenIncident,
    Phase,
    Position,
    Track,
    incident_id,
)

log = structlog.get_logger(__name__)

_WEAK: Final = 0.4
_SAME_OBJECT_IOU: Final = 0.5
_OUTAGE_SECONDS: Final = 60.0
"""Open incidents outlive a connection for this long; after more, what is seen then is another incident."""
_CUT_SECONDS: Final = 2.0
"""A longer gap between pictures is a cut: tracks do not reach over it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """What one frame gave."""

    incidents: tuple[Incident, ...]
    """Messages in order; the raised ones carry their evidence."""
    snapshots: tuple[tuple[UUID, Snapshot], ...]
    """Incident id and picture: for each raised incident the frame it was raised in, and perhaps a close-up."""
    detected: bool
    """True when the detector looked at the frame, False when the gate was closed."""
    detections: int
    """Detections that a rule could use."""
    seen: tuple[Detection, ...] = ()
    """All that the detector saw in the frame, at any score it gives."""
    tracks: tuple[Track, ...] = ()
    """What the rules were shown, coasting tracks too."""
    pts: float = 0.0
    """When the frame was, on the timeline of `tracks`: those last seen before it coast."""
    gate: GateReason | None = None
    """Why the detector looked at the frame, or not; None without a gate or without rules."""
    has_open: bool = False
    """Some incident of this camera is open after the frame."""
    suppressed: int = 0
    """Incidents not raised, since one was cleared at their place a moment ago (`cooldown_seconds`)."""
    idle: bool = False
    """True when nothing has moved for a while, nobody is tracked and no incident is open: until something moves,
    pictures may be left out (`Frame.quiet`)."""


class CameraAnalysis:
    """Turns the frames of one camera, in order, into incidents. Not thread-safe: one frame at a time.

    A new connection (frame index 0) or a cut in the stream drops the tracks, which mean nothing any more, and keeps
    the open incidents: the time nobody looked counts for nothing, so an object found again near where it was
    continues its incident, and one that is gone clears `clear_seconds` after looking resumed. After an outage of more
    than a minute they are cleared as of the last frame instead.
    """

    def __init__(
        self,
        camera: CameraConfig,
        detector: Detector,
        position_at: Callable[[datetime], Position] | None = None,
        health: HealthConfig | None = None,
        people: Detector | None = None,
        still_open: Sequence[OpenIncident] = (),
    ) -> None:
        """`camera` is checked: its rules name zones and lines that it has.

        `position_at` tells where a moving camera was; called once an incident, for `occurred_at`, in `analyse`.
        `health` says when a picture's own state is an incident, gate open or not; None: never. `people` finds whose
        heads to blur in evidence, when `detector` does not know persons; None: `detector` does.
        `still_open`: what an earlier run left open, of this camera and of rules that it has or of its picture. The
        time in between is an outage like any other.
        """
        self._camera = camera
        self._detector = detector
        self._people_detector = people or detector
        self._position_at = position_at or (lambda _: camera.place)
        self._places: dict[UUID, Position] = {}
        """Where each open incident occurred."""
        self._still_open = tuple(one for one in still_open if one.latest.rule not in PICTURE_RULES)
        of_picture = next((one.latest for one in still_open if one.latest.rule in PICTURE_RULES), None)
        self._picture = None if health is None else PictureWatch(camera, health, self._position_at, of_picture)
        self._unsaid: tuple[Incident, ...] = ()
        """About the picture; kept until said, even when the detector fails on the frame."""
        self._sees_motion = isinstance(detector, MotionOnly)
        self._gate = MotionGate((*camera.privacy, *camera.ignore))
        self._privacy = [rules.Zone(zone) for zone in camera.privacy]
        self._ignore = [rules.Zone(zone) for zone in camera.ignore]
        self._kinds = {rule.id: rule for rule in camera.rules}
        self._pixels = PixelStage(camera) if any(is_seen_in_pixels(rule) for rule in camera.rules) else None
        # Persons are always tracked: a track knows where a head is in the picture in which the detector missed it.
        self._watched = {kin_of(label) for rule in camera.rules for label in (*rule.classes, PERSON)}
        self._interval = 1.0 / camera.analysis_fps
        self._settings = TrackerSettings()
        self._tracker = TrackerState()
        self._rules: Mapping[str, Rule] = {}
        self._last: tuple[float, datetime] | None = None
        """PTS and arrival of the latest frame: all of it would be a picture more in memory, for each camera."""
        self._moment: Moment | None = None
        self._shots = BestShots(camera.privacy)
        self._reason: GateReason | None = None
        self._open: set[UUID] = {one.latest.id for one in still_open}
        """Incidents raised and not cleared."""

    @property
    def camera(self) -> CameraConfig:
        """As given."""
        return self._camera

    def analyse(self, frame: Frame) -> Analysis:
        """The next frame of this camera. Raises what the detector raises; the frame then counts as not seen."""
        if self._picture is not None:
            self._unsaid += self._picture.look(frame)
        if not self._camera.rules:
            return self._picture_only(frame)
        overdue = self._resume(frame)
        moment = self._next_moment(frame)
        seen = self._look(frame, moment)
        if seen is None:
            tracked = hold(self._tracker, moment.pts, self._settings)
        else:
            share = self._gate.share_moving
            tracked = track(self._tracker, moment.pts, self._usable(seen), self._settings, share)
        self._tracker, self._moment = tracked.state, moment
        self._last = frame.pts, frame.arrived_at
        tracks = tracked.tracks
        if self._pixels is not None:
            tracks = (*tracks, *self._pixels.look(frame.image, moment, seen, tracks))

        events: list[tuple[str, RuleEvent]] = []
        following: dict[str, Rule] = {}
        suppressed = 0
        for rule_id, rule in self._rules.items():
            step = rule.step(moment, tracks)
            following[rule_id] = step.rule
            events += [(rule_id, event) for event in step.events]
            suppressed += step.suppressed
        self._rules = following
        if seen is not None and self._people_detector is self._detector:
            self._shots.look(frame, moment.pts, tracked.tracks, self._people(frame, seen, tracked.tracks))
        incidents = [*self._unsaid, *(self._incident(rule_id, event) for rule_id, event in events)]
        incidents, snapshots = self._with_evidence(frame, incidents, seen, tracks)
        self._unsaid = ()
        return Analysis(
            incidents=(*overdue, *incidents), snapshots=tuple(snapshots), detected=seen is not None,
            detections=0 if seen is None else len(self._usable(seen)), idle=self._is_idle((*overdue, *incidents)),
            has_open=bool(self._open), seen=seen or (), tracks=tracks, pts=moment.pts,
            gate=self._reason, suppressed=suppressed,
        )  # fmt: skip

    def explain(self, analysis: Analysis) -> tuple[rules.Thought, ...]:
        """What each rule made of the latest frame, which gave `analysis`. Nothing is changed by asking."""
        moment = self._moment
        if moment is None:
            return ()
        return tuple(
            thought
            for rule in self._rules.values() if isinstance(rule, rules.Explains)
            for thought in rule.explain(moment, analysis.tracks)
        )  # fmt: skip

    def people(self, frame: Frame, analysis: Analysis) -> list[Box]:
        """Everybody to mask in `frame`, the latest, which gave `analysis`. Detects when the gate was closed."""
        return self._people(frame, analysis.seen if analysis.detected else None, analysis.tracks)

    def picture(self, frame: Frame, analysis: Analysis) -> Snapshot:
        """`frame`, masked as evidence is; as `people`. Raises EvidenceError."""
        return snapshot(frame, [], self.people(frame, analysis), self._camera.privacy)

    def finish(self) -> tuple[Incident, ...]:
        """No more frames: clear every open incident as of the last one. Safe to call again."""
        unsaid, self._unsaid = self._unsaid, ()
        about_picture = () if self._picture is None else self._picture.finish()
        return (*unsaid, *about_picture, *self._finish_rules())

    def _picture_only(self, frame: Frame) -> Analysis:
        """Without rules nothing is detected, except to mask whoever is in the picture of an incident."""
        incidents, snapshots = self._with_evidence(frame, list(self._unsaid), None, ())
        self._unsaid = ()
        if self._camera.gate:
            if frame.index == 0:
                self._gate.reset()
            self._gate.judge(frame.image, frame.pts, tracked=False, unsettled=False)
        return Analysis(
            incidents=tuple(incidents), snapshots=tuple(snapshots), detected=False, detections=0,
            idle=self._is_idle(incidents), has_open=bool(self._open),
        )  # fmt: skip

    def _is_idle(self, incidents: Iterable[Incident]) -> bool:
        """Whether pictures may be left out after the one that gave `incidents`."""
        for one in incidents:
            if one.phase is Phase.CLEARED:
                self._open.discard(one.id)
            else:
                self._open.add(one.id)
        is_tracking = self._tracker.is_tracking(self._settings)
        if self._pixels is not None and self._moment is not None and self._pixels.is_waiting(self._moment.pts):
            return False
        return self._camera.gate and self._gate.is_idle and not is_tracking and not self._open

    def _finish_rules(self, *, but: Container[IncidentKind] = ()) -> tuple[Incident, ...]:
        """Clear what rules have open as of the last frame, except kinds in `but`."""
        if self._moment is None:
            return ()
        ending = {rule_id: rule for rule_id, rule in self._rules.items() if self._kinds[rule_id].kind not in but}
        steps = {rule_id: rule.finish(self._moment) for rule_id, rule in ending.items()}
        self._rules = {**self._rules, **{rule_id: step.rule for rule_id, step in steps.items()}}
        return tuple(self._incident(rule_id, event) for rule_id, step in steps.items() for event in step.events)

    def _resume(self, frame: Frame) -> tuple[Incident, ...]:
        """Get ready for `frame`; returns what must be cleared first."""
        aspect = frame.image.shape[1] / frame.image.shape[0]
        blind = self._blind(frame)
        if blind > 0:
            self._tracker = self._tracker.forget()
            self._shots.forget()
            self._gate.reset()
        if self._rules and abs(aspect - self._settings.aspect) < 0.01:
            return self._finish_rules(but=LASTING) if blind > _OUTAGE_SECONDS else ()
        overdue = self._finish_rules()
        patience = max(TrackerSettings().coast_seconds, 3.5 * self._interval)
        tentative = max(TrackerSettings().tentative_seconds, 1.5 * self._interval)
        longest = max(TrackerSettings().longest_step, self._interval)
        self._settings = TrackerSettings(
            aspect=aspect, coast_seconds=patience, tentative_seconds=tentative, longest_step=longest
        )
        is_first, self._rules = not self._rules, rules.build(self._camera, aspect)
        return overdue + (self._go_on(frame) if is_first else ())

    def _go_on(self, frame: Frame) -> tuple[Incident, ...]:
        """Give the rules what an earlier run left open; returns what too long a time has ended."""
        overdue: list[Incident] = []
        things: list[IncidentBox] = []
        for rule_id, rule in self._rules.items():
            resumed = []
            for one in self._still_open:
                latest = one.latest
                if latest.rule != rule_id:
                    continue
                if _away(one, frame) > _OUTAGE_SECONDS and latest.kind not in LASTING:
                    overdue.append(latest.cleared(one.seen_at))
                    continue
                episode = Episode(
                    subject=str(latest.id), occurred_at=latest.occurred_at, seq=latest.seq, last_pts=float("-inf"),
                    score=latest.score, identity=latest.id,
                )  # fmt: skip
                resumed.append(Resumed(episode=episode, boxes=latest.boxes))
                self._places[latest.id] = latest.position
            self._rules = {**self._rules, rule_id: rule.resume(resumed)}
            if isinstance(self._kinds[rule_id], StillObjectRule):
                things += [box for one in resumed for box in one.boxes]
        if self._pixels is not None:
            self._pixels.resume(things)
        return tuple(overdue)

    def _blind(self, frame: Frame) -> float:
        """Seconds before `frame` in which nobody looked; 0 while the stream goes on."""
        if self._last is None:
            return max((_away(one, frame) for one in self._still_open), default=0.0)
        pts, arrived_at = self._last
        if frame.index == 0 or frame.pts < pts:
            return max((frame.arrived_at - arrived_at).total_seconds(), self._interval)
        gap = frame.pts - pts - frame.quiet
        return gap if gap > max(_CUT_SECONDS, 3 * self._interval) else 0.0

    def _next_moment(self, frame: Frame) -> Moment:
        """Stream times of all connections on one timeline, without the time nobody looked."""
        if self._moment is None or self._last is None:
            return Moment(pts=0.0, at=frame.captured_at, blind=self._blind(frame))
        blind = self._blind(frame)
        elapsed = self._interval if blind > 0 else frame.pts - self._last[0]
        return Moment(pts=self._moment.pts + elapsed, at=frame.captured_at, blind=blind)

    def _look(self, frame: Frame, moment: Moment) -> tuple[Detection, ...] | None:
        """What the detector sees, None when the gate is closed."""
        # Judged even where the gate is off: the tracker asks it what moves.
        self._reason = reason = self._gate.judge(
            frame.image, moment.pts,
            tracked=self._tracker.is_tracking(self._settings), unsettled=self._tracker.is_unsettled(self._settings),
        )  # fmt: skip
        if self._camera.gate and not reason.is_open:
            return None
        if self._sees_motion:
            return as_detections(self._gate.moving())
        closer = self._camera.closer_looks
        return look_closer(self._detector, frame.image, self._gate.moving() if closer else (), closer)

    def _usable(self, seen: Sequence[Detection]) -> list[Detection]:
        """Of a class that matters here, not mistaken, and neither in a privacy zone nor in one to ignore."""
        # A bag does not move by itself: what looks more like one may still be what is watched.
        movers = [one for one in seen if one.label == PERSON or GROUP_OF.get(one.label, "bag") != "bag"]
        return [
            one for one in seen
            if kin_of(one.label) in self._watched
            and not any(_is_mistaken(one, other) for other in movers)
            and not any(zone.contains(one.box.centre) for zone in self._privacy)
            and not any(zone.contains(one.box.foot) for zone in self._ignore)
        ]  # fmt: skip

    def _incident(self, rule_id: str, event: RuleEvent) -> Incident:
        rule = self._kinds[rule_id]
        identity = event.identity or incident_id(event.occurred_at, self._camera.id, rule_id, event.subject)
        return Incident(
            id=identity,
            kind=rule.kind, severity=rule.severity, phase=event.phase, seq=event.seq,
            site=self._camera.site_path, camera=self._camera.id, rule=rule_id, position=self._place(identity, event),
            occurred_at=event.occurred_at, observed_at=event.observed_at, boxes=event.boxes, score=event.score,
            count=event.count, evidence=(),
            detector=INFO if is_seen_in_pixels(rule) else self._detector.info,
        )  # fmt: skip

    def _place(self, identity: UUID, event: RuleEvent) -> Position:
        """The same in every message of an incident: where it occurred, not where the camera has gone since."""
        place = self._places.pop(identity, None) or self._position_at(event.occurred_at)
        if event.phase is not Phase.CLEARED:
            self._places[identity] = place
        return place

    def _with_evidence(
        self, frame: Frame, incidents: list[Incident], seen: tuple[Detection, ...] | None, tracks: Iterable[Track]
    ) -> tuple[list[Incident], list[tuple[UUID, Snapshot]]]:
        """The raised ones with a picture each, some with a close-up. An incident without is better than none."""
        if not any(one.phase is Phase.RAISED for one in incidents):
            return incidents, []
        people = self._people(frame, seen, tracks)
        shown, snapshots = [], []
        for one in incidents:
            if one.phase is Phase.RAISED:
                try:
                    picture = snapshot(frame, [part.box for part in one.boxes], people, self._camera.privacy)
                    pictures = [picture, *self._close_up(frame, one, tracks)]
                except EvidenceError:
                    log.exception("evidence_failed", camera=self._camera.id, incident=str(one.id))
                else:
                    snapshots += [(one.id, each) for each in pictures]
                    shown.append(one.with_evidence(*(each.evidence for each in pictures)))
                    continue
            shown.append(one)
        return shown, snapshots

    def _close_up(self, frame: Frame, incident: Incident, tracks: Iterable[Track]) -> list[Snapshot]:
        """A better look at the one object of `incident`, where there was one a moment ago."""
        if self._moment is None or len(incident.boxes) != 1:
            return []
        track = next((one for one in tracks if one.box == incident.boxes[0].box), None)
        better = None if track is None else self._shots.better(frame, self._moment.pts, track)
        return [] if better is None else [better]

    def _people(self, frame: Frame, seen: tuple[Detection, ...] | None, tracks: Iterable[Track]) -> list[Box]:
        """Everybody to mask: whatever may be a person in this frame, and persons tracked but missed in it."""
        if seen is None or self._people_detector is not self._detector:
            # Raised while the gate was closed: a head is masked where it is now, not where it was.
            seen = self._people_detector.detect([frame.image])[0]
        boxes = [one.box for one in seen if one.label == PERSON]
        return boxes + [one.box for one in tracks if one.label in (PERSON, SOMEBODY)]


def _is_mistaken(one: Detection, other: Detection) -> bool:
    """True when `other` gives the same object another name with more confidence, and `one` is a weak one."""
    return (
        one.score < min(other.score, _WEAK)
        and kin_of(one.label) != kin_of(other.label)
        and one.box.iou(other.box) > _SAME_OBJECT_IOU
    )


def _away(one: OpenIncident, frame: Frame) -> float:
    """Seconds between when it was last watched and `frame`."""
    return max(0.0, (frame.arrived_at - one.seen_at).total_seconds())
