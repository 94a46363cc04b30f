"""Commands and answers to and from the bytes of contract version 1; as `gridwatch.bus.wire` for what happens.

Encoders raise `MessageRefused`, decoders `MalformedMessage`. All functions are pure and thread-safe.
"""

import hashlib
from typing import Final
from uuid import UUID

from pydantic import ValidationError

from gridwatch.bus.command_schema import (
    ANSWER_SCHEMA,
    ANSWER_TYPE,
    COMMAND_SCHEMA,
    COMMAND_TYPE,
    AcknowledgeData,
    AnswerData,
    AnswerEvent,
    CommandEvent,
    MuteData,
    SnapshotData,
)
from gridwatch.bus.command_topics import (
    AnswerTopic,
    CommandTopic,
    account_level,
    parse_answer_topic,
    parse_command_topic,
)
from gridwatch.bus.errors import MalformedMessage, MessageRefused
from gridwatch.bus.message import OutgoingMessage
from gridwatch.bus.schema import utc
from gridwatch.bus.topics import CameraPath
from gridwatch.bus.wire import (
    EVENT_CONTENT_TYPE,
    EVIDENCE_CONTENT_TYPE,
    MAX_EVENT_BYTES,
    MAX_EVIDENCE_BYTES,
    first_error,
    one_line,
    read_event,
)
from gridwatch.domain import (
    Acknowledge,
    Acknowledgement,
    Answer,
    Command,
    Detail,
    Evidence,
    Mute,
    MuteRule,
    Reload,
    Reloaded,
    SitePath,
    TakeSnapshot,
    Wish,
)

MAX_CORRELATION: Final = 128
"""Bytes of correlation data that are echoed."""


def encode_command(command: Command) -> OutgoingMessage:
    """The message of a command, for its own topic. Raises MessageRefused when it breaks the schema, BadTopicLevel."""
    camera = CameraPath(site=command.site, camera=command.camera)
    topic = str(CommandTopic(camera=camera, name=command.name, account=command.account))
    data: dict[str, object] = {
        "command": command.name, "site": str(command.site), "camera": command.camera, "account": command.account,
        "expires_at": utc(command.expires_at), "reason": command.reason,
    }  # fmt: skip
    match command.wish:
        case Acknowledge(incident=incident):
            data["incident"] = incident
        case MuteRule(rule=rule, until=until):
            data |= {"rule": rule, "until": utc(until)}
    try:
        event = CommandEvent.model_validate(
            {
                "specversion": "1.0", "id": str(command.id), "source": f"/{account_level(command.account)}",
                "type": COMMAND_TYPE + command.name, "subject": str(camera), "time": utc(command.asked_at),
                "dataschema": COMMAND_SCHEMA, "datacontenttype": "application/json", "data": data,
            }
        )  # fmt: skip
    except (ValidationError, OverflowError) as exc:
        raise MessageRefused(f"the command {command.name} breaks the schema: {first_error(exc)}") from exc
    return OutgoingMessage(topic=topic, payload=event.model_dump_json().encode(), content_type=EVENT_CONTENT_TYPE)


def decode_command(topic: str, payload: bytes, content_type: str | None) -> Command:
    """Read a command; topic and payload must agree on who asks what of which camera. Raises MalformedMessage."""
    where = parse_command_topic(topic)
    event = read_event(CommandEvent, payload, content_type)
    data = event.data
    camera = CameraPath(site=SitePath.parse(data.site), camera=data.camera)
    if (camera, data.command, data.account) != (where.camera, where.name, where.account):
        raise MalformedMessage("topic and payload name different cameras, commands or accounts")
    wish: Wish
    try:
        if isinstance(data, AcknowledgeData):
            wish = Acknowledge(incident=UUID(int=data.incident.int))
        elif isinstance(data, MuteData):
            wish = MuteRule(rule=data.rule, until=utc(data.until))
        else:
            wish = TakeSnapshot() if isinstance(data, SnapshotData) else Reload()
        return Command(
            id=UUID(event.id), site=camera.site, camera=camera.camera, account=data.account, wish=wish,
            reason=data.reason, asked_at=utc(event.time), expires_at=utc(data.expires_at),
        )  # fmt: skip
    except OverflowError as exc:
        raise MalformedMessage("a time is outside the calendar") from exc


def encode_answer(answer: Answer, to: AnswerTopic, asked: bytes) -> OutgoingMessage:
    """The message of an answer to the command whose payload was `asked`. Raises MessageRefused."""
    about = str(answer.command or hashlib.sha256(asked).hexdigest()[:32])
    try:
        data = AnswerData.model_validate(
            {
                "command": None if answer.command is None else str(answer.command), "name": answer.name,
                "site": str(answer.site), "camera": answer.camera, "account": answer.account, "node": answer.node,
                "outcome": answer.outcome, "reason": one_line(answer.reason), **_detail(answer.detail),
            }
        )  # fmt: skip
        event = AnswerEvent(
            specversion="1.0", id=f"{about}.{answer.node}", source=data.source, type=ANSWER_TYPE + answer.outcome,
            subject=answer.name, time=utc(answer.at), dataschema=ANSWER_SCHEMA, datacontenttype="application/json",
            data=data,
        )  # fmt: skip
    except (ValidationError, OverflowError) as exc:
        raise MessageRefused(f"the answer to {about} breaks the schema: {first_error(exc)}") from exc
    payload = event.model_dump_json().encode()
    if len(payload) > MAX_EVENT_BYTES:
        raise MessageRefused(f"the answer to {about} has {len(payload)} bytes, over {MAX_EVENT_BYTES}")
    return OutgoingMessage(topic=str(to), payload=payload, content_type=EVENT_CONTENT_TYPE)


def encode_picture(about: Evidence, jpeg: bytes, to: AnswerTopic) -> OutgoingMessage:
    """The message of a snapshot's picture. Raises MessageRefused when it is not masked or not what `about` says."""
    if not about.masked or hashlib.sha256(jpeg).hexdigest() != about.sha256 or len(jpeg) > MAX_EVIDENCE_BYTES:
        raise MessageRefused(f"picture {about.sha256} is not masked, is another, or exceeds {MAX_EVIDENCE_BYTES} bytes")
    return OutgoingMessage(topic=to.picture, payload=jpeg, content_type=EVIDENCE_CONTENT_TYPE)


def decode_answer(topic: str, payload: bytes, content_type: str | None) -> Answer:
    """Read an answer. Raises MalformedMessage."""
    where = parse_answer_topic(topic)
    event = read_event(AnswerEvent, payload, content_type)
    data = event.data
    camera = CameraPath(site=SitePath.parse(data.site), camera=data.camera)
    if (camera, data.account) != (where.camera, where.account):
        raise MalformedMessage("topic and payload name different cameras or accounts")
    try:
        return Answer(
            command=None if data.command is None else UUID(data.command), name=data.name, site=camera.site,
            camera=camera.camera, account=data.account, node=data.node, outcome=data.outcome, reason=data.reason,
            at=utc(event.time), detail=_detail_of(data),
        )  # fmt: skip
    except OverflowError as exc:
        raise MalformedMessage("a time is outside the calendar") from exc


def _detail(detail: Detail | None) -> dict[str, object]:
    """The field of an answer that says it."""
    match detail:
        case Acknowledgement(at=at, by=by):
            return {"acknowledged": {"at": utc(at), "by": by}}
        case Evidence():
            fields = ("sha256", "media_type", "bytes", "width", "height", "masked")
            picture = {name: getattr(detail, name) for name in fields}
            return {"picture": {**picture, "captured_at": utc(detail.captured_at)}}
        case Mute(rule=rule, until=until):
            return {"mute": {"rule": rule, "until": utc(until)}}
        case Reloaded(changed=changed, needs_restart=needs_restart):
            return {"reloaded": {"changed": changed, "needs_restart": tuple(one_line(one) for one in needs_restart)}}
    return {}


def _detail_of(data: AnswerData) -> Detail | None:
    if data.acknowledged is not None:
        return Acknowledgement(at=utc(data.acknowledged.at), by=data.acknowledged.by)
    if (picture := data.picture) is not None:
        return Evidence(
            sha256=picture.sha256, media_type=picture.media_type, bytes=picture.bytes, width=picture.width,
            height=picture.height, captured_at=utc(picture.captured_at), masked=picture.masked,
        )  # fmt: skip
    if data.mute is not None:
        return Mute(rule=data.mute.rule, until=utc(data.mute.until))
    if data.reloaded is not None:
        return Reloaded(changed=data.reloaded.changed, needs_restart=data.reloaded.needs_restart)
    return None
