"""Whoever reads or writes version 1 goes on doing so: held against examples and schemas that are frozen."""

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat

from gridwatch.bus import (
    AnswerTopic,
    CameraStateTopic,
    Channel,
    ClipTopic,
    CommandTopic,
    EvidenceTopic,
    IncidentTopic,
    NodeState,
    NodeStateTopic,
    ObservationTopic,
    OnvifMirror,
    OnvifTopic,
    OutgoingMessage,
    PositionTopic,
    Topic,
    decode_answer,
    decode_clip,
    decode_command,
    decode_evidence,
    decode_health,
    decode_incident,
    decode_node,
    decode_observation,
    decode_position,
    encode_answer,
    encode_clip,
    encode_command,
    encode_health,
    encode_incident,
    encode_node,
    encode_observation,
    parse_answer_topic,
    parse_command_topic,
    parse_topic,
)
from gridwatch.bus.command_topics import ANSWER_ROOT, COMMAND_ROOT
from gridwatch.bus.schemas import render_schemas
from gridwatch.domain import CameraState, CommandName, IncidentKind, Outcome, Phase
from tests.unit.bus.frozen import Example, broken, examples, missing, schemas

FROZEN = examples()
TODAY = {name: json.loads(text) for name, text in render_schemas().items()}
SCHEMA_OF = {
    IncidentTopic: "incident-1.json", ClipTopic: "clip-1.json", ObservationTopic: "observation-1.json",
    CameraStateTopic: "camera-state-1.json",
    PositionTopic: "position-1.json", NodeStateTopic: "node-state-1.json", OnvifTopic: "onvif-event-1.json",
    CommandTopic: "command-1.json", AnswerTopic: "answer-1.json",
}  # fmt: skip


def topic_of(example: Example) -> Topic | CommandTopic | AnswerTopic:
    """Where it was sent."""
    if example.topic.startswith(f"{COMMAND_ROOT}/"):
        return parse_command_topic(example.topic)
    if example.topic.startswith(f"{ANSWER_ROOT}/"):
        return parse_answer_topic(example.topic)
    return parse_topic(example.topic)


def again(example: Example) -> OutgoingMessage | None:
    """The example read by today's decoder and written by today's encoder; None where this program only reads."""
    topic = topic_of(example)
    if isinstance(topic, CommandTopic):
        return encode_command(decode_command(example.topic, example.payload, example.content_type))
    if isinstance(topic, AnswerTopic):
        return encode_answer(decode_answer(example.topic, example.payload, example.content_type), topic, b"asked")
    return told_again(example, topic)


def told_again(example: Example, topic: Topic) -> OutgoingMessage | None:
    """The same, of what tells what happens."""
    match topic:
        case IncidentTopic():
            return encode_incident(decode_incident(example.topic, example.payload, example.content_type))
        case CameraStateTopic():
            return encode_health(decode_health(example.topic, example.payload))
        case NodeStateTopic():
            return encode_node(decode_node(example.topic, example.payload))
        case ClipTopic():
            return encode_clip(decode_clip(example.topic, example.payload))
        case ObservationTopic():
            return encode_observation(decode_observation(example.topic, example.payload))
        case EvidenceTopic():
            read = decode_evidence(example.topic, example.payload)
            assert (read.jpeg, read.incident, read.camera) == (example.payload, topic.incident, topic.camera)
        case PositionTopic():
            camera, fix = decode_position(example.topic, example.payload)
            assert (camera, fix.position.lon, fix.position.lat) == (topic.camera, 121.4737, 31.2304)
    return None


def test_there_is_an_example_of_every_message_that_version_1_has() -> None:
    said = [(topic_of(one), one.said) for one in FROZEN]

    kinds = {(topic.kind, one["data"]["phase"]) for topic, one in said if isinstance(topic, IncidentTopic)}
    assert kinds == {(kind, phase) for kind in IncidentKind for phase in Phase}, "freeze an example of a new kind"
    assert {one["state"] for topic, one in said if isinstance(topic, CameraStateTopic)} == set(CameraState)
    assert {one["state"] for topic, one in said if isinstance(topic, NodeStateTopic)} == set(NodeState)
    assert {topic.name for topic, _ in said if isinstance(topic, CommandTopic)} == set(CommandName)
    assert {one["data"]["outcome"] for topic, one in said if isinstance(topic, AnswerTopic)} == set(Outcome)
    assert len({type(topic) for topic, _ in said}) == len(Channel) + 2


@pytest.mark.parametrize("example", FROZEN, ids=lambda one: one.name)
def test_todays_reader_understands_it_and_todays_writer_still_says_all_of_it(example: Example) -> None:
    message = again(example)

    if message is not None:
        assert (message.topic, message.content_type, message.retain) == (
            example.topic, example.content_type, example.retain
        )  # fmt: skip
        assert missing(example.said, json.loads(message.payload)) == []


def test_the_mirror_says_of_the_frozen_incidents_what_it_said() -> None:
    incidents = [
        decode_incident(one.topic, one.payload, one.content_type) for one in FROZEN if one.name.startswith("incidents-")
    ]
    _, messages = OnvifMirror().tell(sorted(incidents, key=lambda one: (one.occurred_at, str(one.id), one.seq)))
    frozen = [one for one in FROZEN if one.name.startswith("onvif-events-")]

    assert [(one.topic, one.content_type, one.retain) for one in messages] == [
        (one.topic, one.content_type, one.retain) for one in frozen
    ]
    assert [json.loads(one.payload) for one in messages] == [one.said for one in frozen]


@pytest.mark.parametrize("example", [one for one in FROZEN if "base64" not in one.said], ids=lambda one: one.name)
def test_it_is_valid_by_todays_schema_and_what_is_written_today_by_the_frozen_one(example: Example) -> None:
    name = SCHEMA_OF[type(topic_of(example))]
    jsonschema.validate(example.said, TODAY[name], cls=jsonschema.Draft202012Validator)

    message = again(example)
    if message is not None:
        jsonschema.validate(json.loads(message.payload), schemas()[name], cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "example", [one for one in FROZEN if "cloudevents" in one.content_type], ids=lambda one: one.name
)
def test_the_official_cloudevents_sdk_reads_it(example: Example) -> None:
    headers = {"content-type": example.content_type}
    event = from_structured(HTTPMessage(headers=headers, body=example.payload), JSONFormat())

    assert event.get_id() == example.said["id"]
    assert event.get_type() == example.said["type"]
    assert event.get_data() == example.said["data"]


@pytest.mark.parametrize("name", sorted(schemas()))
def test_a_schema_has_only_gained_what_nobody_needs(name: str) -> None:
    assert broken(schemas()[name], TODAY[name]) == [], "this is version 2: a new topic root and new schema files"


def changed(change: Callable[[Any], object]) -> list[str]:
    """What is said of today's incident schema after `change`."""
    schema = copy.deepcopy(TODAY["incident-1.json"])
    change(schema["$defs"]["IncidentData"])
    return broken(TODAY["incident-1.json"], schema)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["properties"].pop("rule"),
        lambda data: data["properties"].update(score={"type": "string"}),
        lambda data: data["properties"]["score"].update(maximum=0.5),
        lambda data: data["properties"]["camera"].update(pattern="^x$"),
        lambda data: data["properties"]["count"].pop("maximum"),
        lambda data: data["properties"]["rule"].update(maxLength=5),
        lambda data: data["required"].append("weather"),
        lambda data: data["required"].remove("rule"),
        lambda data: data.update(additionalProperties=False),
    ],
)
def test_a_breaking_change_of_a_schema_is_seen(change: Callable[[Any], object]) -> None:
    assert changed(change) != []


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["properties"].update(weather={"type": "string"}),
        lambda data: data["properties"].update(title={"type": "string"}),
        lambda data: data.update(description="other words"),
    ],
)
def test_an_addition_that_may_be_ignored_is_no_breaking_change(change: Callable[[Any], object]) -> None:
    assert changed(change) == []


def test_a_value_of_an_enumeration_may_be_added_and_none_taken_away() -> None:
    old, new = ({"$defs": {"Kind": {"enum": kinds}}} for kinds in (["a", "b"], ["b", "a", "c"]))

    assert broken(old, new) == []
    assert broken(new, old) == ["$.$defs.Kind.enum has no 'c' any more"]


def test_a_field_that_is_left_out_renamed_or_retyped_is_missed() -> None:
    said = {"data": {"count": 1, "boxes": [{"x1": 0.1}], "detector": None}}

    assert missing(said, {"data": {"count": 1, "boxes": [{"x1": 0.1, "z": 1}], "detector": None, "more": 1}}) == []
    for other in (
        {"data": {"number": 1, "boxes": [{"x1": 0.1}], "detector": None}},
        {"data": {"count": 1.0, "boxes": [{"x1": 0.1}], "detector": None}},
        {"data": {"count": 1, "boxes": [], "detector": None}},
        {"data": {"count": 1, "boxes": [{"x1": 0.1}], "detector": {}}},
    ):
        assert missing(said, other) != []
