"""Incidents to and from MQTT: topics, schemas, outbox, client. The only importer of paho."""

from gridwatch.bus.command_topics import (
    ANSWER_ROOT,
    AnswerTopic,
    CommandTopic,
    account_level,
    answer_filter,
    command_filter,
    parse_answer_topic,
    parse_command_topic,
)
from gridwatch.bus.command_wire import (
    MAX_CORRELATION,
    decode_answer,
    decode_command,
    encode_answer,
    encode_command,
    encode_picture,
)
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
from gridwatch.bus.observation_wire import decode_observation, encode_observation
from gridwatch.bus.onvif_mirror import OnvifMirror
from gridwatch.bus.outbox import Outbox
from gridwatch.bus.outbox_entry import Appended, OutboxEntry, OutboxStats
from gridwatch.bus.positions import PositionFeed
from gridwatch.bus.publisher import Publisher, PublisherStatus
from gridwatch.bus.requests import CommandClient, NoAnswer, Reply
from gridwatch.bus.schema import NodeState, OutboxState
from gridwatch.bus.subscriber import RECEIVE_MAXIMUM, Delivery, Headers, Subscriber
from gridwatch.bus.topics import (
    CameraPath,
    CameraStateTopic,
    Channel,
    ClipTopic,
    EvidenceTopic,
    IncidentTopic,
    NodeStateTopic,
    ObservationTopic,
    OnvifTopic,
    PositionTopic,
    Topic,
    parse_topic,
    subscriptions,
)
from gridwatch.bus.wire import (
    EVENT_CONTENT_TYPE,
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
    "ANSWER_ROOT", "EVENT_CONTENT_TYPE", "MAX_CORRELATION", "MAX_EVENT_BYTES", "MAX_EVIDENCE_BYTES",
    "RECEIVE_MAXIMUM", "AnswerTopic",
    "Appended", "BadBrokerAddress", "BadTopicLevel", "BrokerAddress", "BusError", "CameraPath", "CameraStateTopic",
    "Channel", "ClipTopic", "CommandClient", "CommandTopic", "Delivery", "DiscoveredCamera", "EvidenceTopic",
    "Headers", "Importance", "IncidentTopic", "KeptClip", "LinkState", "LinkStatus", "MalformedMessage",
    "MessageRefused", "NoAnswer", "NodeState", "NodeStateTopic", "NodeStatus", "ObservationTopic", "OnvifMirror",
    "OnvifTopic", "Outbox", "OutboxEntry", "OutboxError", "OutboxFull", "OutboxState", "OutboxStats",
    "OutgoingMessage", "PositionFeed", "PositionTopic", "Publisher", "PublisherStatus", "ReceivedEvidence", "Reply",
    "Subscriber", "Topic", "account_level", "answer_filter", "command_filter", "decode_answer", "decode_clip",
    "decode_command", "decode_evidence", "decode_health", "decode_incident", "decode_node", "decode_observation",
    "decode_position", "discovery", "discovery_topics", "encode_answer", "encode_clip", "encode_command",
    "encode_evidence", "encode_health", "encode_incident", "encode_node", "encode_observation", "encode_picture",
    "parse_answer_topic", "parse_command_topic", "parse_topic", "subscriptions",
]  # fmt: skip
