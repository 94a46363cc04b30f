"""Where an answer may go."""

from dataclasses import dataclass

import structlog

from gridwatch.bus import (
    EVENT_CONTENT_TYPE,
    MAX_CORRELATION,
    AnswerTopic,
    CommandTopic,
    Delivery,
    Headers,
    MalformedMessage,
    OutgoingMessage,
    parse_answer_topic,
)
from gridwatch.bus.wire import EVIDENCE_CONTENT_TYPE

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ToSend:
    """A message on its way to an asker."""

    message: OutgoingMessage
    headers: Headers


def response_topic(delivery: Delivery, asked: CommandTopic) -> AnswerTopic | None:
    """Where whoever sent `delivery` wants its answer; None for nowhere, or where it may not go.

    We may write what an asker may not, so only an answer topic of that very account and camera will do.
    """
    if delivery.response_topic is None or len(delivery.correlation or b"") > MAX_CORRELATION:
        return None
    try:
        topic = parse_answer_topic(delivery.response_topic)
    except MalformedMessage as error:
        log.warning("response_topic_refused", topic=delivery.topic, reason=error.reason)
        return None
    if (topic.camera, topic.account) != (asked.camera, asked.account):
        log.warning("response_topic_refused", topic=delivery.topic, reason="it is of another account or camera")
        return None
    return topic


def echoed(delivery: Delivery) -> Headers:
    """What goes beside the answer."""
    return Headers(correlation=delivery.correlation)


def as_message(payload: bytes, to: AnswerTopic) -> OutgoingMessage:
    """An answer that was encoded before."""
    return OutgoingMessage(topic=str(to), payload=payload, content_type=EVENT_CONTENT_TYPE)


def nowhere(asked: CommandTopic) -> AnswerTopic:
    """A topic to encode an answer for that nobody waits for."""
    return AnswerTopic(camera=asked.camera, account=asked.account, inbox="-")


def as_picture(jpeg: bytes, to: AnswerTopic) -> OutgoingMessage:
    """A picture that was checked before."""
    return OutgoingMessage(topic=to.picture, payload=jpeg, content_type=EVIDENCE_CONTENT_TYPE)
