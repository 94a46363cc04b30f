"""Incidents in ONVIF's own JSON: topics and payloads as Core 9.12 has them, and states that are true."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gridwatch.bus import Importance, OnvifMirror, OnvifTopic, OutgoingMessage, parse_topic
from gridwatch.domain import ONVIF_TOPICS, Incident, IncidentKind, Phase
from tests.unit.bus.samples import WHEN, incident

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schemas/onvif-event-1.json").read_text(encoding="utf-8"))
UNDER = "gridwatch/v1/harbour/north/gate/gate-1/onvif-ej"


def told(*incidents: Incident, mirror: OnvifMirror | None = None) -> tuple[OutgoingMessage, ...]:
    return (mirror or OnvifMirror()).tell(incidents)[1]


def body(message: OutgoingMessage) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(message.payload)
    return read


def states(messages: Sequence[OutgoingMessage], item: str = "IsInside") -> list[str]:
    return [body(one)["Data"][item] for one in messages]


def test_a_crossed_line_is_told_as_in_the_specifications_example() -> None:
    crossed = incident(kind=IncidentKind.LINE_CROSSING, rule="fence")
    (message,) = told(crossed, replace(crossed, phase=Phase.UPDATED, seq=1), replace(crossed.cleared(WHEN), seq=2))

    assert message.topic == f"{UNDER}/RuleEngine/LineDetector/Crossed/&gate-1/gridwatch/fence"
    assert not message.retain
    assert body(message) == {
        "UtcTime": "2026-03-04T05:06:07.890123Z",
        "Source": {"VideoSource": "gate-1", "AnalyticsConfiguration": "gridwatch", "Rule": "fence"},
        "Data": {"Incident": str(crossed.id)},
    }


def test_what_lasts_is_a_retained_property_that_ends_when_it_is_cleared() -> None:
    inside = incident()
    begin, end = told(inside, replace(inside, phase=Phase.UPDATED, seq=1), replace(inside.cleared(WHEN), seq=2))

    assert begin.topic == end.topic == f"{UNDER}/RuleEngine/FieldDetector/ObjectsInside/&gate-1/gridwatch/yard"
    assert begin.retain
    assert end.retain
    assert states([begin, end]) == ["true", "false"]
    assert "PropertyOperation" not in begin.payload.decode()


def test_of_several_at_once_only_the_first_and_the_last_change_the_state() -> None:
    first, second = incident(1), incident(2)
    messages = told(first, second, first.cleared(WHEN), second.cleared(WHEN))

    assert states(messages) == ["true", "false"]
    assert [body(one)["Data"]["Incident"] for one in messages] == [str(first.id), str(second.id)]


def test_rules_cameras_and_kinds_have_states_of_their_own() -> None:
    others = [incident(1, rule="other"), incident(2, camera="gate-2"), incident(3, kind=IncidentKind.LOITERING)]
    assert len({one.topic for one in told(incident(), *others)}) == 4


def test_after_a_restart_what_was_still_open_is_known() -> None:
    first, second = incident(1), incident(2)
    mirror = OnvifMirror.resumed([first, second])

    assert told(first.cleared(WHEN), mirror=mirror) == ()
    assert states(told(first.cleared(WHEN), second.cleared(WHEN), mirror=mirror)) == ["false"]


def test_a_message_told_again_says_nothing_new() -> None:
    mirror, _ = OnvifMirror().tell([incident()])
    assert told(incident(), mirror=mirror) == ()
    assert told(incident().cleared(WHEN)) == ()


def test_a_crowd_is_counted_and_its_counts_give_way_first_when_the_outbox_fills() -> None:
    crowd = incident(kind=IncidentKind.CROWDING, count=12)
    begin, more, end = told(
        crowd, replace(crowd, phase=Phase.UPDATED, seq=1, count=15), replace(crowd.cleared(WHEN), seq=2)
    )

    assert [body(one)["Data"].get("Count") for one in (begin, more, end)] == ["12", "15", None]
    assert [one.importance for one in (begin, more, end)] == [
        Importance.INCIDENT, Importance.UPDATE, Importance.INCIDENT,
    ]  # fmt: skip


@pytest.mark.parametrize("kind", list(IncidentKind), ids=str)
def test_every_kind_has_the_onvif_topic_that_names_it_and_keeps_the_schema(kind: IncidentKind) -> None:
    (message,) = told(incident(kind=kind))
    topic = parse_topic(message.topic)

    assert isinstance(topic, OnvifTopic)
    assert str(topic) == message.topic
    assert f"tns1:{topic.topic}" == ONVIF_TOPICS[kind]
    assert topic.source == tuple(body(message)["Source"].values())
    jsonschema.validate(body(message), SCHEMA, cls=jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**body(message), "More": 1}, SCHEMA)
