"""From an analysis to the outbox: on disk before anything else sees it."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from gridwatch.bus import (
    CameraPath,
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
from gridwatch.domain import Evidence, Frame, Incident, Phase

log = structlog.get_logger(__name__)

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


class IncidentSink:
    """Puts incidents and their pictures into the outbox, and counts. Any thread; order is kept within each."""

    def __init__(
        self, outbox: Outbox, sender: Wakes, cameras: Iterable[str], clips: MakesClips | None = None,
        mirror: OnvifMirror | None = None,
    ) -> None:  # fmt: skip
        """`mirror`: incidents are told in ONVIF's JSON too, going on from there."""
        self._outbox = outbox
        self._sender = sender
        self._clips = clips
        self.tallies: Mapping[str, AnalysisTally] = {camera: AnalysisTally() for camera in cameras}
        """By camera id."""
        self._counting = threading.Lock()
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
        """Take incidents that have no picture. Returns when they are on disk, or counted as lost."""
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
        tally = self.tallies[camera]
        messages = _encode(incidents, snapshots)
        try:
            self._append(messages, incidents)
        except OutboxError as error:
            with self._counting:
                tally.lost += len(messages)
            log.critical("incidents_lost", camera=camera, messages=len(messages), reason=str(error))
            return
        with self._counting:
            tally.incidents += sum(one.phase is Phase.RAISED for one in incidents)
        self._sender.wake()
        if self._clips is not None:
            self._clips.raised(incidents, at)

    def _append(self, messages: list[OutgoingMessage], incidents: Sequence[Incident]) -> None:
        if self._mirror is None:
            self._outbox.append(messages, incidents)
            return
        # What the mirror has told follows what is on disk, so nothing comes in between.
        with self._mirroring:
            mirror, mirrored = self._mirror.tell(incidents)
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
    messages = [encode_incident(one) for one in incidents]
    for owner, picture in snapshots:
        try:
            messages.append(encode_evidence(raised[owner], picture.jpeg))
        except MessageRefused as error:
            # An incident without its picture is better than none.
            log.error("evidence_refused", incident=str(owner), reason=str(error))
    return messages
