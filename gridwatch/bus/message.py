"""A message ready to go, whatever it is about."""

from dataclasses import dataclass
from enum import StrEnum


class Importance(StrEnum):
    """What an outbox that runs full gives up first, most important first."""

    ALARM = "alarm"  # that the outbox itself is in trouble: the last to be refused
    INCIDENT = "incident"  # raised or cleared: refused when all but the reserve for alarms is full
    EVIDENCE = "evidence"  # pictures: refused from nine tenths full
    UPDATE = "update"  # `updated` messages: refused from eight tenths full


@dataclass(frozen=True, kw_only=True, slots=True)
class OutgoingMessage:
    """Topic, bytes and how to send them (always QoS 1)."""

    topic: str
    payload: bytes
    content_type: str
    retain: bool = False
    importance: Importance = Importance.INCIDENT
