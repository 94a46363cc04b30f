"""Observations, there and back."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gridwatch.bus import Importance, MalformedMessage, MessageRefused, decode_observation, encode_observation
from gridwatch.domain import ClassCount, Observation
from tests.unit.bus.samples import WHEN, incident

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schemas/observation-1.json").read_text(encoding="utf-8"))
SEEN = Observation(
    camera="gate-1", site=incident().site, minute=WHEN.replace(second=0, microsecond=0), frames=900, analysed=300,
    detected=120, dropped=2, moving=0.5, fps=14.98,
    classes=(ClassCount(label="car", most=2, sightings=31), ClassCount(label="person", most=4, sightings=207)),
)  # fmt: skip
TOPIC = "gridwatch/v1/harbour/north/gate/gate-1/observation"


def payload(**changes: Any) -> bytes:
    return json.dumps(json.loads(encode_observation(SEEN).payload) | changes).encode()


def test_an_observation_comes_back_as_it_was_and_fits_its_schema() -> None:
    message = encode_observation(SEEN)
    assert (message.topic, message.retain, message.importance) == (TOPIC, False, Importance.UPDATE)
    assert decode_observation(message.topic, message.payload) == SEEN
    jsonschema.validate(json.loads(message.payload), SCHEMA, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        (TOPIC.replace("gate-1", "gate-2"), payload()),
        (TOPIC.replace("/observation", "/state"), payload()),
        (TOPIC, payload(moving=1.5)),
        (TOPIC, payload(frames=-1)),
        (TOPIC, payload(minute="yesterday")),
        (TOPIC, payload(minute="0001-01-01T00:00:00+14:00")),
        (TOPIC, payload(classes=[{"label": "person", "most": -1, "sightings": 0}])),
        (TOPIC, b"\xff"),
        (TOPIC, b""),
    ],
)
def test_what_does_not_agree_or_is_no_observation_is_malformed(topic: str, said: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_observation(topic, said)


def test_an_observation_that_breaks_the_schema_is_not_sent() -> None:
    with pytest.raises(MessageRefused, match="frames"):
        encode_observation(replace(SEEN, frames=-1, minute=SEEN.minute + timedelta(minutes=1)))
