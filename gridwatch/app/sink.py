"""From an analysis to the outbox: on disk before anything else sees it."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog

from gridwatch.bus import (
    CameraPath,
    Importance,
    KeptClip,
    MessageRefused,
    OnvifMirror,
    Outbox,
    OutboxError,
    OutgoingMessage,
    encode_clip,
    encode_evidence,
    encode_incident,
)
from gridwatch.detectors import Analysis, Snapshot
from gridwatch.domain import HEALTH_RULE_PREFIX, Evidence, Frame, Incident, Phase

log = structlog.get_logger(__name__)

HELD_BYTES: Final = 8 * 1024 * 1024
"""What is held in memory, at most, while the disk takes nothing: some six thousand incidents without pictures."""
OUTBOX_RULES: Final = f"{HEALTH_RULE_PREFIX}outbox-"
"""Rules that tell of the outbox itself; there is always room for them."""
_KEPT = (Importance.ALARM, Importance.INCIDENT)
_TOUCH = timedelta(seconds=5)


class Wakes(Protocol):
    """Whoever sends what is in the outbox."""

    def wake(self) -> None:
        """There is something new."""


class MakesClips(Protocol):
    """Whoever makes clips of what happened."""

    def raised(self, incidents: Sequence[Incident], at: datetime | None) -> None:
        """These messages were put on disk; the picture they speak of arrived at `at` (None: about now)."""


@dataclass(slots=True)
class AnalysisTally:
    """What one camera gave. Written by the sink, one thread at a time; reading may be a frame late."""

    detected: int = 0
    """Frames the gate let through to the detector."""
    detections: int = 0
    incidents: int = 0
    """Incidents raised."""
    suppressed: int = 0
    """Incidents not raised, since one was cleared at their place a moment ago."""
    lost: int = 0
    """Messages that could not be put on disk."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Put:
    """What one call brought."""

    camera: str
    incidents: tuple[Incident, ...]
    messages: tuple[OutgoingMessage, ...]
    at: datetime | None

    @property
    def size(self) -> int:
        return sum(len(one.payload) for one in self.messages)


class IncidentSink:
    """Puts incidents and their pictures into the outbox, and counts. Any thread; order is kept within each.

    While the outbox takes nothing (its disk is full), what happens is held in memory, in order and unsent, until it
    takes it or `held_bytes` are held: nothing is seen before it is on disk.
    """

    def __init__(
        self, outbox: Outbox, sender: Wakes, cameras: Iterable[str], clips: MakesClips | None = None,
        mirror: OnvifMirror | None = None, held_bytes: int = HELD_BYTES,
    ) -> None:  # fmt: skip
        """`mirror`: incidents are told in ONVIF's JSON too, going on from there."""
        self._most_held = held_bytes
        self._outbox = outbox
        self._sender = sender
        self._clips = clips
        self.tallies: Mapping[str, AnalysisTally] = {camera: AnalysisTally() for camera in cameras}
        """By camera id."""
        self._counting = threading.Lock()
        self._holding = threading.Lock()
        self._held: deque[_Put] = deque()
        self._held_bytes = 0
        self._mirror = mirror
        self._mirroring = threading.Lock()
        self._touched: dict[str, datetime] = {}

    def on_analysis(self, frame: Frame, analysis: Analysis) -> None:
        """Take what one frame gave. Called in order within a camera."""
        tally = self.tallies[frame.camera]
        tally.detected += analysis.detected
        tally.detections += analysis.detections
        tally.suppressed += analysis.suppressed
        self._put(frame.camera, analysis.incidents, analysis.snapshots, frame.arrived_at)
        if analysis.has_open:
            self._touch(frame.camera, frame.arrived_at)

    def put(self, camera: str, incidents: Sequence[Incident]) -> None:
        """Take incidents that have no picture. Returns when they are on disk, held, or counted as lost."""
        self._put(camera, incidents, ())

    def _touch(self, camera: str, at: datetime) -> None:
        """Note now and then that what is open was still watched, for whoever goes on with it after a crash."""
        last = self._touched.get(camera)
        if last is not None and timedelta(0) <= at - last < _TOUCH:
            return
        self._touched[camera] = at
        try:
            self._outbox.touch(camera, at)
        except OutboxError as error:
            log.error("open_incidents_untouched", camera=camera, reason=str(error))

    def _put(
        self, camera: str, incidents: Sequence[Incident], snapshots: Sequence[tuple[UUID, Snapshot]],
        at: datetime | None = None,
    ) -> None:  # fmt: skip
        if not incidents:
            return
        put = _Put(
            camera=camera, incidents=tuple(incidents), messages=tuple(_encode(incidents, snapshots)), at=at
        )  # fmt: skip
        with self._holding:
            if self._held:  # nothing overtakes what waits
                self._hold(put)
                return
        try:
            self._store(put)
        except OutboxError as error:
            log.critical("incidents_held", camera=camera, messages=len(put.messages), reason=str(error))
            with self._holding:
                self._hold(put)

    @property
    def held(self) -> int:
        """Messages that could not be put on disk yet."""
        with self._holding:
            return sum(len(one.messages) for one in self._held)

    def retry(self) -> None:
        """Put on disk what is held, if that works again. To be called now and then, by one thread."""
        while True:
            with self._holding:
                if not self._held:
                    return
                put = self._held[0]
            try:
                self._store(put)
            except OutboxError as error:
                log.error("incidents_still_held", messages=self.held, reason=str(error))
                return
            with self._holding:
                self._held_bytes -= self._held.popleft().size

    def close(self, _: float) -> None:
        """Try a last time; what cannot be put on disk now is lost, and counted."""
        self.retry()
        with self._holding:
            while self._held:
                self._lose(self._held.popleft())
            self._held_bytes = 0

    def _hold(self, put: _Put) -> None:
        """Updates and pictures go first, as in the outbox; what has no room at all is lost."""
        if self._held_bytes + put.size > self._most_held / 2:
            put = replace(put, messages=tuple(one for one in put.messages if one.importance in _KEPT))
        if self._held_bytes + put.size > self._most_held:
            self._lose(put)
        elif put.messages:
            self._held.append(put)
            self._held_bytes += put.size

    def _lose(self, put: _Put) -> None:
        with self._counting:
            self.tallies[put.camera].lost += len(put.messages)
        log.critical("incidents_lost", camera=put.camera, messages=len(put.messages))

    def _store(self, put: _Put) -> None:
        self._append(list(put.messages), put.incidents)
        with self._counting:
            self.tallies[put.camera].incidents += sum(one.phase is Phase.RAISED for one in put.incidents)
        self._sender.wake()
        if self._clips is not None:
            self._clips.raised(put.incidents, put.at)

    def _append(self, messages: list[OutgoingMessage], incidents: Sequence[Incident]) -> None:
        if self._mirror is None:
            self._outbox.append(messages, incidents)
            return
        # What the mirror has told follows what is on disk, so nothing comes in between.
        with self._mirroring:
            mirror, mirrored = self._mirror.tell(incidents)
            if any(one.rule.startswith(OUTBOX_RULES) for one in incidents):  # all or none of them fit
                mirrored = tuple(replace(one, importance=Importance.ALARM) for one in mirrored)
            self._outbox.append([*messages, *mirrored], incidents)
            self._mirror = mirror


def tells_of_clips(outbox: Outbox, sender: Wakes, node: str) -> Callable[[Sequence[Incident], Evidence, float], None]:
    """What a `ClipKeeper` of worker `node` calls: puts word of a clip into the outbox for each of its incidents."""

    def tell(incidents: Sequence[Incident], about: Evidence, seconds: float) -> None:
        clips = [
            KeptClip(
                camera=CameraPath(site=one.site, camera=one.camera), incident=one.id, node=node, evidence=about,
                seconds=seconds,
            )
            for one in incidents
        ]  # fmt: skip
        try:
            outbox.append([encode_clip(one) for one in clips])
        except (OutboxError, MessageRefused) as error:
            log.error("clip_untold", sha256=about.sha256, incidents=len(clips), reason=str(error))
            return
        sender.wake()

    return tell


def _encode(incidents: Sequence[Incident], snapshots: Sequence[tuple[UUID, Snapshot]]) -> list[OutgoingMessage]:
    raised = {one.id: one for one in incidents if one.phase is Phase.RAISED}
    messages = [_encode_one(one) for one in incidents]
    for owner, picture in snapshots:
        try:
            messages.append(encode_evidence(raised[owner], picture.jpeg))
        except MessageRefused as error:
            # An incident without its picture is better than none.
            log.error("evidence_refused", incident=str(owner), reason=str(error))
    return messages


def _encode_one(incident: Incident) -> OutgoingMessage:
    message = encode_incident(incident)
    return replace(message, importance=Importance.ALARM) if incident.rule.startswith(OUTBOX_RULES) else message
