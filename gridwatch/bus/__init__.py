"""Incidents to and from MQTT: topics, schemas, outbox, client. The only importer of paho."""

from gridwatch.bus.connection import BrokerAddress, LinkState, LinkStatus
from gridwatch.bus.errors import (
    BadBrokerAddress,
    BadTopicLevel,
    BusError,
    MalformedMessage,
    MessageRefused,
    OutboxError,
    OutboxFull,
)
from gridwatch.bus.home_assistant import DiscoveredCamera, discovery, discovery_topics
from gridwatch.bus.message import Importance, OutgoingMessage
from gridwatch.bus.onvif_mirror import OnvifMirror
from gridwatch.bus.outbox import Appended, Outbox, OutboxEntry, OutboxStats
from gridwatch.bus.positions import PositionFeed
from gridwatch.bus.publisher import Publisher, PublisherStatus
from gridwatch.bus.schema import NodeState
from gridwatch.bus.subscriber import Delivery, Subscriber
from gridwatch.bus.topics import (
    CameraPath,
    CameraStateTopic,
    Channel,
    ClipTopic,
    EvidenceTopic,
    IncidentTopic,
    NodeStateTopic,
    OnvifTopic,
    PositionTopic,
    Topic,
    parse_topic,
    subscriptions,
)
from gridwatch.bus.wire import (
    MAX_EVENT_BYTES,
    MAX_EVIDENCE_BYTES,
    KeptClip,
    NodeStatus,
    ReceivedEvidence,
    decode_clip,
    decode_evidence,
    decode_health,
    decode_incident,
    decode_node,
    decode_position,
    encode_clip,
    encode_evidence,
    encode_health,
    encode_incident,
    encode_node,
)

__all__ = [
    "MAX_EVENT_BYTES", "MAX_EVIDENCE_BYTES", "Appended", "BadBrokerAddress", "BadTopicLevel", "BrokerAddress",
    "BusError", "CameraPath", "CameraStateTopic", "Channel", "ClipTopic", "Delivery", "DiscoveredCamera",
    "EvidenceTopic", "Importance", "IncidentTopic", "KeptClip", "LinkState", "LinkStatus", "MalformedMessage",
    "MessageRefused", "NodeState", "NodeStateTopic", "NodeStatus", "OnvifMirror", "OnvifTopic", "Outbox",
    "OutboxEntry", "OutboxError", "OutboxFull", "OutboxStats", "OutgoingMessage", "PositionFeed", "PositionTopic",
    "Publisher", "PublisherStatus", "ReceivedEvidence", "Subscriber", "Topic", "decode_clip", "decode_evidence",
    "decode_health", "decode_incident", "decode_node", "decode_position", "discovery", "discovery_topics",
    "encode_clip", "encode_evidence", "encode_health", "encode_incident", "encode_node", "parse_topic",
    "subscriptions",
]  # fmt: skip
