"""Domain types to and from the bytes of contract version 1.

Encoders take what our own packages made and raise `MessageRefused` when it may not leave. Decoders take anything a
network can bring and raise `MalformedMessage` and nothing else. All functions are pure and thread-safe.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from pydantic import ValidationError

from gridwatch.bus.errors import MalformedMessage, MessageRefused
from gridwatch.bus.message import Importance, OutgoingMessage
from gridwatch.bus.schema import (
    EVENT_TYPE,
    INCIDENT_SCHEMA,
    CameraStateData,
    ClipData,
    IncidentData,
    IncidentEvent,
    NodeState,
    NodeStateData,
    OutboxState,
    PositionData,
    WireBox,
    WireDetector,
    WireEvidence,
    WireModel,
    WirePosition,
    utc,
)
from gridwatch.bus.topics import (
    CameraPath,
    CameraStateTopic,
    ClipTopic,
    EvidenceTopic,
    IncidentTopic,
    NodeStateTopic,
    PositionTopic,
    parse_topic,
)
from gridwatch.domain import (
    Box,
    CameraHealth,
    DetectorInfo,
    Evidence,
    Incident,
    IncidentBox,
    Mute,
    Phase,
    Position,
    PositionFix,
    SitePath,
)

MAX_EVENT_BYTES = 64 * 1024
"""CloudEvents 1.0, section "Size limits": what every intermediary must forward."""
MAX_EVIDENCE_BYTES = 4 * 1024 * 1024
EVENT_CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
STATE_CONTENT_TYPE = "application/json; charset=utf-8"
EVIDENCE_CONTENT_TYPE = "image/jpeg"
_JPEG_START = b"\xff\xd8\xff"

_Model = TypeVar("_Model", bound=WireModel)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedEvidence:
    """A picture that arrived. Whether an incident names it is for the receiver to check by its hash."""

    camera: CameraPath
    incident: UUID
    jpeg: bytes

    @property
    def sha256(self) -> str:
        """Lower-case hex of the bytes."""
        return hashlib.sha256(self.jpeg).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptClip:
    """Word of a clip that a worker keeps."""

    camera: CameraPath
    incident: UUID
    node: str
    """The worker."""
    evidence: Evidence
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeStatus:
    """What is known of a worker node."""

    node: str
    site: SitePath
    state: NodeState
    started_at: datetime
    outbox: OutboxState = OutboxState.OK
    outbox_lost: int = 0
    """Messages since the start that will never arrive."""


def encode_incident(incident: Incident) -> OutgoingMessage:
    """The message of an incident. Raises MessageRefused when it breaks the schema or exceeds MAX_EVENT_BYTES."""
    topic = IncidentTopic(camera=CameraPath(site=incident.site, camera=incident.camera), kind=incident.kind)
    try:
        event = IncidentEvent(
            specversion="1.0",
            id=incident.message_id,
            source=incident.source,
            type=EVENT_TYPE + incident.phase,
            subject=incident.kind,
            time=utc(incident.observed_at),
            dataschema=INCIDENT_SCHEMA,
            datacontenttype="application/json",
            data=_incident_data(incident),
        )
    except (ValidationError, OverflowError) as exc:
        raise MessageRefused(f"incident {incident.message_id} breaks the schema: {first_error(exc)}") from exc
    payload = event.model_dump_json().encode()
    if len(payload) > MAX_EVENT_BYTES:
        raise MessageRefused(f"incident {incident.message_id} has {len(payload)} bytes, over {MAX_EVENT_BYTES}")
    return OutgoingMessage(
        topic=str(topic),
        payload=payload,
        content_type=EVENT_CONTENT_TYPE,
        importance=Importance.UPDATE if incident.phase is Phase.UPDATED else Importance.INCIDENT,
    )


def decode_incident(topic: str, payload: bytes, content_type: str | None) -> Incident:
    """Read an incident; topic and payload must agree. Raises MalformedMessage."""
    where = parse_topic(topic)
    if not isinstance(where, IncidentTopic):
        raise MalformedMessage("not an incident topic")
    data = read_event(IncidentEvent, payload, content_type).data
    if data.source != str(where.camera) or data.kind is not where.kind:
        raise MalformedMessage("topic and payload name different cameras or kinds")
    try:
        return _incident(data)
    except (ValueError, OverflowError) as exc:
        raise MalformedMessage("a time is outside the calendar") from exc


def encode_evidence(incident: Incident, jpeg: bytes) -> OutgoingMessage:
    """The message of a picture that `incident` names by hash. Raises MessageRefused.

    A picture that is not masked is refused here whatever the caller thinks of it: nothing unmasked leaves a worker.
    """
    sha256 = hashlib.sha256(jpeg).hexdigest()
    named = next((one for one in incident.evidence if one.sha256 == sha256), None)
    if named is None:
        raise MessageRefused(f"incident {incident.message_id} does not name evidence {sha256}")
    if not named.masked:
        raise MessageRefused(f"evidence {sha256} of incident {incident.message_id} is not masked")
    if not jpeg.startswith(_JPEG_START) or len(jpeg) > MAX_EVIDENCE_BYTES:
        raise MessageRefused(f"evidence {sha256} is not a JPEG of at most {MAX_EVIDENCE_BYTES} bytes")
    topic = EvidenceTopic(camera=CameraPath(site=incident.site, camera=incident.camera), incident=incident.id)
    return OutgoingMessage(
        topic=str(topic), payload=jpeg, content_type=EVIDENCE_CONTENT_TYPE, importance=Importance.EVIDENCE
    )


def decode_evidence(topic: str, payload: bytes) -> ReceivedEvidence:
    """Read a picture. Raises MalformedMessage."""
    where = parse_topic(topic)
    if not isinstance(where, EvidenceTopic):
        raise MalformedMessage("not an evidence topic")
    if len(payload) > MAX_EVIDENCE_BYTES:
        raise MalformedMessage(f"evidence exceeds {MAX_EVIDENCE_BYTES} bytes")
    if not payload.startswith(_JPEG_START):
        raise MalformedMessage("evidence is not a JPEG")
    return ReceivedEvidence(camera=where.camera, incident=where.incident, jpeg=payload)


def encode_clip(clip: KeptClip) -> OutgoingMessage:
    """Word of a clip; of the video itself only hash and measures. Raises MessageRefused when it breaks the schema."""
    about = clip.evidence
    try:
        data = ClipData.model_validate(
            {
                "incident": clip.incident, "camera": clip.camera.camera, "site": str(clip.camera.site),
                "node": clip.node, "sha256": about.sha256, "media_type": about.media_type, "bytes": about.bytes,
                "width": about.width, "height": about.height, "captured_at": utc(about.captured_at),
                "seconds": round(clip.seconds, 3), "masked": about.masked,
            }
        )  # fmt: skip
    except (ValidationError, OverflowError) as exc:
        raise MessageRefused(f"the clip of incident {clip.incident} breaks the schema: {first_error(exc)}") from exc
    topic = ClipTopic(camera=clip.camera, incident=clip.incident)
    return OutgoingMessage(
        topic=str(topic), payload=data.model_dump_json().encode(), content_type=STATE_CONTENT_TYPE,
        importance=Importance.EVIDENCE,
    )  # fmt: skip


def decode_clip(topic: str, payload: bytes) -> KeptClip:
    """Read word of a clip. Raises MalformedMessage."""
    where = parse_topic(topic)
    if not isinstance(where, ClipTopic):
        raise MalformedMessage("not a clip topic")
    data = read_payload(ClipData, payload)
    if CameraPath(site=SitePath.parse(data.site), camera=data.camera) != where.camera:
        raise MalformedMessage("topic and payload name different cameras")
    if UUID(int=data.incident.int) != where.incident:
        raise MalformedMessage("topic and payload name different incidents")
    about = Evidence(
        sha256=data.sha256, media_type=data.media_type, bytes=data.bytes, width=data.width, height=data.height,
        captured_at=_utc(data.captured_at), masked=data.masked,
    )  # fmt: skip
    return KeptClip(
        camera=where.camera, incident=where.incident, node=data.node, evidence=about, seconds=data.seconds
    )  # fmt: skip


def encode_health(health: CameraHealth) -> OutgoingMessage:
    """The retained state of a camera. Raises MessageRefused when it breaks the schema."""
    fields = {name: getattr(health, name) for name in CameraStateData.model_fields}
    reason = one_line(health.reason)
    topic = CameraStateTopic(camera=CameraPath(site=health.site, camera=health.camera))
    try:
        mutes = tuple({"rule": one.rule, "until": utc(one.until)} for one in health.mutes)
        data = CameraStateData.model_validate({**fields, "site": str(health.site), "reason": reason, "mutes": mutes})
    except ValidationError as exc:
        raise MessageRefused(f"state of camera {health.camera} breaks the schema: {first_error(exc)}") from exc
    return _state(str(topic), data)


def decode_health(topic: str, payload: bytes) -> CameraHealth:
    """Read a camera's state. Raises MalformedMessage."""
    where = parse_topic(topic)
    if not isinstance(where, CameraStateTopic):
        raise MalformedMessage("not a camera state topic")
    data = read_payload(CameraStateData, payload)
    site = SitePath.parse(data.site)
    if CameraPath(site=site, camera=data.camera) != where.camera:
        raise MalformedMessage("topic and payload name different cameras")
    return CameraHealth(
        camera=data.camera, site=site, state=data.state, reason=data.reason, since=_utc(data.since),
        observed_at=_utc(data.observed_at), frames=data.frames, analysed=data.analysed, dropped=data.dropped,
        detected=data.detected, detections=data.detections, incidents=data.incidents, fps=data.fps,
        clips=data.clips, clips_lost=data.clips_lost, suppressed=data.suppressed,
        muted=data.muted, mutes=tuple(Mute(rule=one.rule, until=_utc(one.until)) for one in data.mutes),
    )  # fmt: skip


def decode_position(topic: str, payload: bytes) -> tuple[CameraPath, PositionFix]:
    """Read where a camera was. Raises MalformedMessage."""
    where = parse_topic(topic)
    if not isinstance(where, PositionTopic):
        raise MalformedMessage("not a position topic")
    data = read_payload(PositionData, payload)
    if CameraPath(site=SitePath.parse(data.site), camera=data.camera) != where.camera:
        raise MalformedMessage("topic and payload name different cameras")
    position = Position(lon=data.position.lon, lat=data.position.lat)
    return where.camera, PositionFix(at=_utc(data.at), position=position)


def encode_node(status: NodeStatus) -> OutgoingMessage:
    """The retained state of a node, also used as its last will."""
    data = NodeStateData(
        node=status.node, site=str(status.site), state=status.state, started_at=utc(status.started_at),
        outbox=status.outbox, outbox_lost=status.outbox_lost,
    )  # fmt: skip
    return _state(str(NodeStateTopic(site=status.site, node=status.node)), data)


def decode_node(topic: str, payload: bytes) -> NodeStatus:
    """Read a node's state. Raises MalformedMessage."""
    where = parse_topic(topic)
    if not isinstance(where, NodeStateTopic):
        raise MalformedMessage("not a node state topic")
    data = read_payload(NodeStateData, payload)
    site = SitePath.parse(data.site)
    if (site, data.node) != (where.site, where.node):
        raise MalformedMessage("topic and payload name different nodes")
    return NodeStatus(
        node=data.node, site=site, state=data.state, started_at=_utc(data.started_at), outbox=data.outbox,
        outbox_lost=data.outbox_lost,
    )  # fmt: skip


def _state(topic: str, data: WireModel) -> OutgoingMessage:
    payload = data.model_dump_json().encode()
    return OutgoingMessage(topic=topic, payload=payload, content_type=STATE_CONTENT_TYPE, retain=True)


def read_event(model: type[_Model], payload: bytes, content_type: str | None) -> _Model:
    """A CloudEvent in structured mode as `model`. Raises MalformedMessage."""
    if (content_type or "").partition(";")[0].strip().lower() != "application/cloudevents+json":
        raise MalformedMessage("content type is not application/cloudevents+json")
    return read_payload(model, payload)


def read_payload(model: type[_Model], payload: bytes) -> _Model:
    """Plain JSON as `model`. Raises MalformedMessage."""
    if len(payload) > MAX_EVENT_BYTES:
        raise MalformedMessage(f"payload exceeds {MAX_EVENT_BYTES} bytes")
    if not payload:
        raise MalformedMessage("payload is empty")
    try:
        return model.model_validate_json(payload)
    except ValidationError as exc:
        raise MalformedMessage(first_error(exc)) from exc


def one_line(reason: str) -> str:
    """What may quote a library's error, without what a terminal would obey."""
    return "".join(c for c in " ".join(reason.split()) if c.isprintable())[:500]


def first_error(exc: Exception) -> str:
    """Where and what, without the input: that may be anything, and it ends up in logs."""
    if not isinstance(exc, ValidationError):
        return "a time is outside the calendar"
    first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])[:200]
    message = f"{place}: {first['msg']}" if place else str(first["msg"])
    # Some messages quote a character of the input all the same.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in message)[:400]


def _utc(value: datetime) -> datetime:
    try:
        return utc(value)
    except OverflowError as exc:
        raise MalformedMessage("a time is outside the calendar") from exc


def _incident_data(incident: Incident) -> IncidentData:
    return IncidentData(
        id=incident.id,
        kind=incident.kind,
        severity=incident.severity,
        phase=incident.phase,
        seq=incident.seq,
        site=str(incident.site),
        camera=incident.camera,
        rule=incident.rule,
        position=WirePosition(lon=incident.position.lon, lat=incident.position.lat),
        occurred_at=utc(incident.occurred_at),
        observed_at=utc(incident.observed_at),
        boxes=tuple(_wire_box(one) for one in incident.boxes),
        score=incident.score,
        count=incident.count,
        evidence=tuple(_wire_evidence(one) for one in incident.evidence),
        detector=_wire_detector(incident.detector),
    )


def _wire_box(one: IncidentBox) -> WireBox:
    box = one.box
    return WireBox(x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2, label=one.label, score=one.score)


def _wire_evidence(one: Evidence) -> WireEvidence:
    return WireEvidence.model_validate(
        {
            "sha256": one.sha256,
            "media_type": one.media_type,
            "bytes": one.bytes,
            "width": one.width,
            "height": one.height,
            "captured_at": utc(one.captured_at),
            "masked": one.masked,
        }
    )


def _wire_detector(info: DetectorInfo | None) -> WireDetector | None:
    if info is None:
        return None
    return WireDetector(name=info.name, version=info.version, weights_sha256=info.weights_sha256)


def _incident(data: IncidentData) -> Incident:
    return Incident(
        id=UUID(int=data.id.int),
        kind=data.kind,
        severity=data.severity,
        phase=data.phase,
        seq=data.seq,
        site=SitePath.parse(data.site),
        camera=data.camera,
        rule=data.rule,
        position=Position(lon=data.position.lon, lat=data.position.lat),
        occurred_at=utc(data.occurred_at),
        observed_at=utc(data.observed_at),
        boxes=tuple(
            IncidentBox(box=Box(x1=b.x1, y1=b.y1, x2=b.x2, y2=b.y2), label=b.label, score=b.score) for b in data.boxes
        ),
        score=data.score,
        count=data.count,
        evidence=tuple(
            Evidence(
                sha256=e.sha256,
                media_type=e.media_type,
                bytes=e.bytes,
                width=e.width,
                height=e.height,
                captured_at=utc(e.captured_at),
                masked=e.masked,
            )
            for e in data.evidence
        ),
        detector=_detector(data.detector),
    )


def _detector(wire: WireDetector | None) -> DetectorInfo | None:
    if wire is None:
        return None
    return DetectorInfo(name=wire.name, version=wire.version, weights_sha256=wire.weights_sha256)
