"""The AsyncAPI document says of topics and payloads what the code does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gridwatch.bus import Channel, parse_topic, subscriptions
from gridwatch.bus.schemas import render_schemas
from gridwatch.domain import IncidentKind

EXAMPLES = {
    "district": "harbour", "substation": "north", "checkpoint": "gate", "camera": "gate-1", "kind": "loitering",
    "incident": "019cb6d5-3a12-7abc-8def-0123456789ab", "node": "all",
    "onvif_topic": "RuleEngine/LineDetector/Crossed", "source": "gate-1/gridwatch/fence",
}  # fmt: skip


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    files: dict[str, Any] = json.loads(render_schemas()["asyncapi.json"])
    return files


@pytest.mark.parametrize("channel", list(Channel), ids=str)
def test_an_address_filled_in_is_a_topic_of_the_contract_and_is_subscribed_to(
    channel: Channel, document: dict[str, Any]
) -> None:
    described = document["channels"][str(channel)]
    named = set(re.findall(r"\{(\w+)\}", described["address"]))
    topic = described["address"].format(**EXAMPLES)

    assert named == set(described["parameters"])
    assert str(parse_topic(topic)) == topic
    (filter_,) = subscriptions(None, channel)
    assert re.fullmatch(filter_.replace("+", "[^/]+").replace("#", ".+"), topic)


def test_every_kind_of_incident_is_named(document: dict[str, Any]) -> None:
    assert document["channels"]["incident"]["parameters"]["kind"]["enum"] == [str(kind) for kind in IncidentKind]


def test_payloads_refer_to_files_published_beside_it(document: dict[str, Any]) -> None:
    published = render_schemas()
    references = [
        one["payload"]["$ref"] for one in document["components"]["messages"].values() if "$ref" in one["payload"]
    ]

    assert {Path(reference).name for reference in references} == published.keys() - {"asyncapi.json"}


def test_only_states_and_positions_are_retained_and_everything_is_qos_1(document: dict[str, Any]) -> None:
    bindings = {name: one["bindings"]["mqtt"] for name, one in document["operations"].items()}

    assert {name for name, one in bindings.items() if one["retain"]} == {
        "send-state", "receive-position", "send-node", "send-onvif-ej",
    }  # fmt: skip
    assert all(one["qos"] == 1 for one in bindings.values())
