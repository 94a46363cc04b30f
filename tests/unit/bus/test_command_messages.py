"""Commands and their answers, there and back; and what is none."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwatch.bus import (
    EVENT_CONTENT_TYPE,
    AnswerTopic,
    BadTopicLevel,
    CameraPath,
    CommandTopic,
    MalformedMessage,
    MessageRefused,
    account_level,
    answer_filter,
    command_filter,
    decode_answer,
    decode_command,
    encode_answer,
    encode_command,
    encode_picture,
    parse_answer_topic,
    parse_command_topic,
)
from gridwatch.bus.schemas import render_schemas
from gridwatch.domain import CommandName, MuteRule, Outcome, SitePath
from tests.unit.bus.command_samples import GATE, OFFICER, WISHES, answer, command
from tests.unit.bus.samples import JPEG, WHEN, evidence

SCHEMAS = {name: json.loads(text) for name, text in render_schemas().items()}
CAMERA = CameraPath(site=GATE, camera="gate-1")
INBOX = AnswerTopic(camera=CAMERA, account=OFFICER, inbox="desk-7")
TOPIC = "gridwatch/command/v1/harbour/north/gate/gate-1/snapshot/officer@harbour:north"


@pytest.mark.parametrize("name", list(CommandName))
def test_a_command_comes_back_as_it_was_and_fits_its_schema(name: CommandName) -> None:
    asked = command(WISHES[name])
    message = encode_command(asked)

    assert asked.name is name
    assert message.topic == TOPIC.replace("snapshot", name)
    assert not message.retain
    assert decode_command(message.topic, message.payload, message.content_type) == asked
    said = json.loads(message.payload)
    jsonschema.validate(said, SCHEMAS["command-1.json"], cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("name", list(CommandName))
@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_answer_comes_back_as_it_was_and_fits_its_schema(name: CommandName, outcome: Outcome) -> None:
    given_ = answer(name, outcome=outcome)
    if outcome is not Outcome.DONE:
        given_ = replace(given_, detail=None, reason="why not", command=None)
    message = encode_answer(given_, INBOX, b"asked")

    assert message.topic == "gridwatch/answer/v1/harbour/north/gate/gate-1/officer@harbour:north/desk-7"
    assert decode_answer(message.topic, message.payload, message.content_type) == given_
    said = json.loads(message.payload)
    jsonschema.validate(said, SCHEMAS["answer-1.json"], cls=jsonschema.Draft202012Validator)


def test_the_official_cloudevents_sdk_reads_both() -> None:
    asked, answered = encode_command(command()), encode_answer(answer(), INBOX, b"")
    events = [
        from_structured(HTTPMessage(headers={"content-type": one.content_type}, body=one.payload), JSONFormat())
        for one in (asked, answered)
    ]

    assert [one.get_type() for one in events] == ["io.gridwatch.command.snapshot", "io.gridwatch.answer.done"]
    assert [one.get_source() for one in events] == ["/officer@harbour:north", "/harbour/north/gate/gate-1"]
    assert events[0].get_id() == str(command().id)


def changed(**changes: Any) -> bytes:
    """A mute with values of its data changed; None takes one away."""
    event = json.loads(encode_command(command(WISHES[CommandName.MUTE])).payload)
    for name, value in changes.items():
        place = event if name in event else event["data"]
        if value is None:
            del place[name]
        else:
            place[name] = value
    return json.dumps(event).encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reason", "no"), ("reason", None), ("reason", "a\x1b[31m reason"), ("reason", "x" * 501), ("rule", "a/b"),
        ("rule", None), ("until", "tomorrow"), ("until", "0001-01-01T00:00:00+14:00"), ("account", "officer"),
        ("account", "Officer@harbour"), ("camera", "gate-2"), ("site", "harbour"), ("command", "snapshot"),
        ("command", "dance"), ("expires_at", None), ("expires_at", 7), ("id", "7"), ("id", None),
        ("id", "B8F1D6EE-34F4-4ED0-8A4C-9B4B4A7C2F10"), ("type", "io.gridwatch.command.reload"), ("source", "/other"),
        ("subject", "/harbour/north/gate/gate-2"), ("specversion", "0.3"), ("data", []),
    ],
)  # fmt: skip
def test_a_wrong_value_is_malformed(name: str, value: object) -> None:
    topic = TOPIC.replace("snapshot", "mute")
    decode_command(topic, changed(), EVENT_CONTENT_TYPE)
    with pytest.raises(MalformedMessage) as caught:
        decode_command(topic, changed(**{name: value}), EVENT_CONTENT_TYPE)
    assert "\n" not in caught.value.reason


@pytest.mark.parametrize(
    "topic",
    [
        "", "gridwatch/command/v1", TOPIC + "/x", TOPIC.replace("v1", "v2"), TOPIC.replace("snapshot", "dance"),
        TOPIC.replace("gate-1", "-"), TOPIC.replace("gate-1", "+"), TOPIC.replace("harbour/", "-/"),
        TOPIC.replace("officer@", "Officer@"), TOPIC.replace("officer@harbour:north", "a:b"),
        TOPIC.replace("command/v1", "v1"),
    ],
)  # fmt: skip
def test_what_is_no_topic_of_a_command_is_malformed(topic: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_command_topic(topic)
    with pytest.raises(MalformedMessage):
        parse_answer_topic(topic)


@pytest.mark.parametrize("site", ["harbour", "harbour/north", "harbour/north/gate"])
@pytest.mark.parametrize("account", ["wang.li", "operator@harbour", "officer@harbour/north/gate"])
def test_topics_are_read_as_they_were_written(site: str, account: str) -> None:
    camera = CameraPath(site=SitePath.parse(site), camera="c-1")
    asked = CommandTopic(camera=camera, name=CommandName.MUTE, account=account)
    answered = AnswerTopic(camera=camera, account=account, inbox="a1")

    assert parse_command_topic(str(asked)) == asked
    assert parse_answer_topic(str(answered)) == answered


def test_a_name_or_inbox_that_is_no_level_is_refused() -> None:
    for bad in ("", "a/b", "a@b/c/d/e", "+", "#", "a@#", "a" * 70):
        with pytest.raises(BadTopicLevel):
            account_level(bad)
    with pytest.raises(BadTopicLevel):
        str(AnswerTopic(camera=CAMERA, account=OFFICER, inbox="a/b"))


def test_filters_name_one_camera_or_all_below_a_site_and_one_account_or_all() -> None:
    assert command_filter(SitePath(district="harbour")) == "gridwatch/command/v1/harbour/+/+/+/+/+"
    assert command_filter(CAMERA) == "gridwatch/command/v1/harbour/north/gate/gate-1/+/+"
    assert command_filter(GATE, OFFICER) == "gridwatch/command/v1/harbour/north/gate/+/+/officer@harbour:north"
    assert answer_filter(CAMERA, OFFICER, "x") == f"{str(INBOX).removesuffix('desk-7')}x"


def test_a_picture_that_is_unmasked_or_another_does_not_leave() -> None:
    assert encode_picture(evidence(), JPEG, INBOX).topic == f"{INBOX}/picture"
    for about, jpeg in ((evidence(masked=False), JPEG), (evidence(), JPEG + b"x")):
        with pytest.raises(MessageRefused):
            encode_picture(about, jpeg, INBOX)


def test_a_command_out_of_schema_does_not_leave() -> None:
    with pytest.raises(MessageRefused, match="reason"):
        encode_command(command(reason="no"))
    with pytest.raises(MessageRefused, match="rule"):
        encode_command(command(MuteRule(rule="a/b", until=datetime(2026, 1, 1, tzinfo=UTC))))


def test_the_same_wish_is_the_same_whenever_and_whyever_it_is_asked() -> None:
    asked = command()

    assert replace(asked, reason="another reason", asked_at=WHEN.replace(year=2027)).essence == asked.essence
    for other in (
        command(WISHES[CommandName.RELOAD]), replace(asked, camera="gate-2"), replace(asked, account="wang.li")
    ):  # fmt: skip
        assert other.essence != asked.essence


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_commands_and_answers_raise_nothing_but_malformed(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(CommandName))
    for message, decode in (
        (encode_command(command(WISHES[name])), decode_command),
        (encode_answer(answer(name), INBOX, b""), decode_answer),
    ):
        payload = bytearray(message.payload)
        for _ in range(data.draw(st.integers(1, 6))):
            at = data.draw(st.integers(0, len(payload) - 1))
            payload[at : at + data.draw(st.integers(0, 20))] = data.draw(
                st.binary(max_size=12) | st.sampled_from([b"1e999", b"null", b"\\u0000", b'"', b"}"])
            )
            payload = payload or bytearray(b"x")
        topic = data.draw(st.just(message.topic) | st.text(max_size=80))
        try:
            decode(topic, bytes(payload), EVENT_CONTENT_TYPE)
        except MalformedMessage:
            continue
