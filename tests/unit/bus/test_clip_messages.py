"""Word of a clip, there and back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gridwatch.bus import CameraPath, Importance, KeptClip, MalformedMessage, MessageRefused, decode_clip, encode_clip
from gridwatch.domain import Evidence
from tests.unit.bus.samples import WHEN, incident

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schemas/clip-1.json").read_text(encoding="utf-8"))
INCIDENT = incident()
CLIP = KeptClip(
    camera=CameraPath(site=INCIDENT.site, camera=INCIDENT.camera), incident=INCIDENT.id, node="ingest", seconds=10.4,
    evidence=Evidence(
        sha256="ab" * 32, media_type="video/mp4", bytes=2_000_000, width=1920, height=1080, captured_at=WHEN,
        masked=False,
    ),
)  # fmt: skip
TOPIC = f"gridwatch/v1/harbour/north/gate/gate-1/clip/{INCIDENT.id}"


def payload(**changes: Any) -> bytes:
    return json.dumps(json.loads(encode_clip(CLIP).payload) | changes).encode()


def test_word_of_a_clip_comes_back_as_it_was_and_fits_its_schema() -> None:
    message = encode_clip(CLIP)
    assert message.topic == TOPIC
    assert not message.retain
    assert message.importance is Importance.EVIDENCE
    assert decode_clip(message.topic, message.payload) == CLIP
    jsonschema.validate(json.loads(message.payload), SCHEMA, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        (TOPIC.replace("gate-1", "gate-2"), payload()),
        (TOPIC.replace(str(INCIDENT.id), str(incident(1).id)), payload()),
        (TOPIC.replace("/clip/", "/evidence/"), payload()),
        (TOPIC, payload(media_type="text/html")),
        (TOPIC, payload(sha256="x")),
        (TOPIC, payload(bytes=-1)),
        (TOPIC, b"\xff\xd8\xff"),
        (TOPIC, b""),
    ],
)
def test_what_does_not_agree_or_is_no_clip_is_malformed(topic: str, said: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_clip(topic, said)


def test_word_that_breaks_the_schema_is_not_sent() -> None:
    with pytest.raises(MessageRefused, match="media_type"):
        encode_clip(replace(CLIP, evidence=replace(CLIP.evidence, media_type="image/jpeg")))
