"""Observations to and from the bytes of contract version 1; as `gridwatch.bus.wire` for what happens."""

from pydantic import ValidationError

from gridwatch.bus.errors import MalformedMessage, MessageRefused
from gridwatch.bus.message import Importance, OutgoingMessage
from gridwatch.bus.schema import ObservationData, WireClassCount, utc
from gridwatch.bus.topics import CameraPath, ObservationTopic, parse_topic
from gridwatch.bus.wire import STATE_CONTENT_TYPE, first_error, read_payload
from gridwatch.domain import ClassCount, Observation, SitePath


def encode_observation(observation: Observation) -> OutgoingMessage:
    """The message of a minute; an outbox that runs full gives it up as it does `updated`. Raises MessageRefused."""
    try:
        data = ObservationData(
            camera=observation.camera, site=str(observation.site), minute=utc(observation.minute),
            frames=observation.frames, analysed=observation.analysed, detected=observation.detected,
            dropped=observation.dropped, moving=round(observation.moving, 3), fps=round(observation.fps, 2),
            classes=tuple(
                WireClassCount(label=one.label, most=one.most, sightings=one.sightings) for one in observation.classes
            ),
        )  # fmt: skip
    except (ValidationError, OverflowError) as exc:
        raise MessageRefused(f"an observation of {observation.camera} breaks the schema: {first_error(exc)}") from exc
    topic = ObservationTopic(camera=CameraPath(site=observation.site, camera=observation.camera))
    return OutgoingMessage(
        topic=str(topic), payload=data.model_dump_json().encode(), content_type=STATE_CONTENT_TYPE,
        importance=Importance.UPDATE,
    )  # fmt: skip


def decode_observation(topic: str, payload: bytes) -> Observation:
    """Read one; topic and payload must agree. Raises MalformedMessage."""
    where = parse_topic(topic)
    if not isinstance(where, ObservationTopic):
        raise MalformedMessage("not an observation topic")
    data = read_payload(ObservationData, payload)
    site = SitePath.parse(data.site)
    if CameraPath(site=site, camera=data.camera) != where.camera:
        raise MalformedMessage("topic and payload name different cameras")
    try:
        minute = utc(data.minute)
    except OverflowError as exc:
        raise MalformedMessage("a time is outside the calendar") from exc
    return Observation(
        camera=data.camera, site=site, minute=minute, frames=data.frames, analysed=data.analysed,
        detected=data.detected, dropped=data.dropped, moving=data.moving, fps=data.fps,
        classes=tuple(ClassCount(label=one.label, most=one.most, sightings=one.sightings) for one in data.classes),
    )  # fmt: skip
