import json
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwatch.bus import (
    MAX_EVENT_BYTES,
    MAX_EVIDENCE_BYTES,
    Importance,
    MalformedMessage,
    MessageRefused,
    NodeState,
    NodeStatus,
    decode_evidence,
    decode_health,
    decode_incident,
    decode_node,
    encode_evidence,
    encode_health,
    encode_incident,
    encode_node,
)
from gridwatch.bus.schemas import render_schemas, write_schemas
from gridwatch.domain import CameraState, Incident, IncidentKind, Phase, Position, Severity, SitePath
from tests.unit.bus.samples import JPEG, WHEN, evidence, health, incident

ROOT = Path(__file__).parents[3]
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


def decoded(message: Any) -> Incident:
    return decode_incident(message.topic, message.payload, message.content_type)


@pytest.mark.parametrize("kind", list(IncidentKind))
@pytest.mark.parametrize("site", ["harbour", "harbour/north", "harbour/north/gate"])
def test_an_incident_survives_the_wire_exactly(kind: IncidentKind, site: str) -> None:
    original = incident(kind=kind, site=SitePath.parse(site), evidence=(evidence(),))

    assert decoded(encode_incident(original)) == original


@given(
    score=st.floats(0, 1), lon=st.floats(-180, 180), lat=st.floats(-90, 90), count=st.integers(0, 2**31 - 1),
    phase=st.sampled_from(Phase), severity=st.sampled_from(Severity), offset=st.integers(-12 * 60, 14 * 60),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_value_in_range_survives_the_wire(
    score: float, lon: float, lat: float, count: int, phase: Phase, severity: Severity, offset: int
) -> None:
    original = incident(
        score=score, position=Position(lon=lon, lat=lat), count=count, phase=phase, seq=int(phase is not Phase.RAISED),
        severity=severity, observed_at=WHEN.astimezone(timezone(timedelta(minutes=offset))),
        detector=None, boxes=(),
    )  # fmt: skip

    again = decoded(encode_incident(original))

    assert again == original
    assert again.observed_at.utcoffset() == timedelta(0)


def test_the_official_cloudevents_sdk_reads_the_payload() -> None:
    original = incident(phase=Phase.CLEARED, seq=3)
    message = encode_incident(original)

    event = from_structured(
        HTTPMessage(headers={"content-type": message.content_type}, body=message.payload), JSONFormat()
    )

    assert event.get_id() == f"{original.id}.3"
    assert event.get_source() == "/harbour/north/gate/gate-1"
    assert event.get_type() == "io.gridwatch.incident.cleared"
    assert event.get_subject() == "intrusion"
    assert event.get_time() == original.observed_at
    assert event.get_datacontenttype() == "application/json"
    data = event.get_data()
    assert isinstance(data, dict)
    assert data["id"] == str(original.id)


def test_only_updates_may_be_shed_before_evidence() -> None:
    assert encode_incident(incident()).importance is Importance.INCIDENT
    assert encode_incident(incident(phase=Phase.CLEARED, seq=1)).importance is Importance.INCIDENT
    assert encode_incident(incident(phase=Phase.UPDATED, seq=1)).importance is Importance.UPDATE
    assert encode_evidence(incident(evidence=(evidence(),)), JPEG).importance is Importance.EVIDENCE


def changed(path: str, value: object) -> bytes:
    """The message of `incident()` with one value changed; `...` deletes it."""
    event = json.loads(encode_incident(incident(evidence=(evidence(),))).payload)
    place: Any = event
    *parents, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    for part in parents:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(event).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("specversion", "0.3"), ("id", "x"), ("source", "/harbour/north/gate/other"), ("type", "io.gridwatch.other"),
        ("type", "io.gridwatch.incident.cleared"), ("subject", "crowding"), ("time", "2020-01-01T00:00:00Z"),
        ("dataschema", "urn:gridwatch:schema:incident:2"), ("datacontenttype", "text/plain"), ("data", None),
        ("data", []), ("data", ...), ("specversion", ...), ("data.id", "x"), ("data.id", 7),
        ("data.id", "b8f1d6ee-34f4-4ed0-8a4c-9b4b4a7c2f10"), ("data.kind", "face"), ("data.seq", 1), ("data.seq", -1),
        ("data.seq", "0"), ("data.seq", 2**31), ("data.seq", False), ("data.score", 1.5), ("data.score", "0.5"),
        ("data.score", float("nan")), ("data.score", float("inf")), ("data.count", 1.5), ("data.site", "harbour//gate"),
        ("data.site", "a/b/c/d"), ("data.site", ""), ("data.camera", "gate-2"), ("data.rule", "a/b"),
        ("data.position.lat", 91), ("data.position.lon", float("-inf")), ("data.position", ...),
        ("data.occurred_at", "yesterday"), ("data.occurred_at", "2026-03-04T05:06:07"), ("data.occurred_at", 1),
        ("data.occurred_at", "1772600767"), ("data.occurred_at", "2026-03-04 05:06:07Z"),
        ("data.occurred_at", "0001-01-01T00:00:00+14:00"), ("data.boxes", None), ("data.boxes.0.x1", 0.9),
        ("data.boxes.0.label", "per\x00son"), ("data.boxes.0.label", "x" * 201), ("data.boxes.0.y2", ...),
        ("data.evidence.0.sha256", "AB" * 32), ("data.evidence.0.media_type", "text/html"),
        ("data.evidence.0.masked", "yes"), ("data.evidence.0.bytes", 0), ("data.detector", "nanodet"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_malformed(path: str, value: object) -> None:
    topic = encode_incident(incident()).topic

    with pytest.raises(MalformedMessage) as caught:
        decode_incident(topic, changed(path, value), CONTENT_TYPE)

    assert caught.value.reason
    assert "\n" not in caught.value.reason


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b"\x00" * 10, b"{}", b"[" * 100_000, b"[" * 60_000,
        b'{"id":"\xc3\x28"}', b'{"id":"\\ud800"}', b" " * (MAX_EVENT_BYTES + 1),
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_no_event_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_incident(encode_incident(incident()).topic, payload, CONTENT_TYPE)


@pytest.mark.parametrize("content_type", [None, "", "application/json", "application/cloudevents-batch+json"])
def test_another_content_type_is_malformed(content_type: str | None) -> None:
    message = encode_incident(incident())
    with pytest.raises(MalformedMessage, match="content type"):
        decode_incident(message.topic, message.payload, content_type)


@pytest.mark.parametrize("content_type", ["application/cloudevents+json", "Application/CloudEvents+JSON;charset=UTF-8"])
def test_content_type_parameters_and_case_do_not_matter(content_type: str) -> None:
    message = encode_incident(incident())
    assert decode_incident(message.topic, message.payload, content_type) == incident()


@pytest.mark.parametrize(
    "topic",
    [
        "gridwatch/v1/harbour/north/gate/gate-2/incident/intrusion",
        "gridwatch/v1/harbour/north/-/gate-1/incident/intrusion",
        "gridwatch/v1/harbour/north/gate/gate-1/incident/crowding",
        "gridwatch/v1/harbour/north/gate/gate-1/state",
    ],
)
def test_topic_and_payload_must_agree(topic: str) -> None:
    with pytest.raises(MalformedMessage):
        decode_incident(topic, encode_incident(incident()).payload, CONTENT_TYPE)


def test_fields_of_a_newer_producer_are_ignored() -> None:
    event = json.loads(encode_incident(incident()).payload)
    event["traceparent"] = "00-ab-cd-01"
    event["data"]["weather"] = {"rain": True}
    event["data"]["boxes"][0]["speed"] = 1.5

    assert decode_incident(encode_incident(incident()).topic, json.dumps(event).encode(), CONTENT_TYPE) == incident()


def test_an_incident_too_large_or_out_of_schema_does_not_leave() -> None:
    with pytest.raises(MessageRefused, match="bytes"):
        encode_incident(incident(boxes=incident().boxes * 2000))
    with pytest.raises(MessageRefused, match="score"):
        encode_incident(incident(score=float("nan")))
    with pytest.raises(MessageRefused, match="id"):
        encode_incident(incident(id=UUID("b8f1d6ee-34f4-4ed0-8a4c-9b4b4a7c2f10")))


def test_evidence_that_its_incident_names_survives_the_wire() -> None:
    owner = incident(evidence=(evidence(),))
    message = encode_evidence(owner, JPEG)

    received = decode_evidence(message.topic, message.payload)

    assert message.content_type == "image/jpeg"
    assert (str(received.camera), received.incident, received.jpeg) == (owner.source, owner.id, JPEG)
    assert received.sha256 == owner.evidence[0].sha256


def test_evidence_that_is_unmasked_unnamed_or_no_picture_does_not_leave() -> None:
    with pytest.raises(MessageRefused, match="not masked"):
        encode_evidence(incident(evidence=(evidence(masked=False),)), JPEG)
    with pytest.raises(MessageRefused, match="does not name"):
        encode_evidence(incident(), JPEG)
    text = b"no picture"
    with pytest.raises(MessageRefused, match="not a JPEG"):
        encode_evidence(incident(evidence=(evidence(text),)), text)
    large = JPEG + bytes(MAX_EVIDENCE_BYTES)
    with pytest.raises(MessageRefused, match="not a JPEG"):
        encode_evidence(incident(evidence=(evidence(large),)), large)


@pytest.mark.parametrize("payload", [b"", b"GIF89a", JPEG + bytes(MAX_EVIDENCE_BYTES)], ids=["empty", "gif", "large"])
def test_received_evidence_must_be_a_picture_of_bounded_size(payload: bytes) -> None:
    topic = encode_evidence(incident(evidence=(evidence(),)), JPEG).topic
    with pytest.raises(MalformedMessage):
        decode_evidence(topic, payload)
    with pytest.raises(MalformedMessage, match="not an evidence topic"):
        decode_evidence(encode_incident(incident()).topic, JPEG)


def test_states_survive_the_wire_and_are_retained() -> None:
    for state in CameraState:
        message = encode_health(health(state=state))
        assert message.retain
        assert decode_health(message.topic, message.payload) == health(state=state)
    status = NodeStatus(node="n1", site=SitePath(district="harbour"), state=NodeState.LOST, started_at=WHEN)
    message = encode_node(status)
    assert message.retain
    assert decode_node(message.topic, message.payload) == status


def test_a_reason_is_cut_to_one_printable_line() -> None:
    message = encode_health(health(state=CameraState.NO_VIDEO, reason="refused\n\x1b[31mby\tpeer" + "x" * 999))

    reason = decode_health(message.topic, message.payload).reason

    assert reason.startswith("refused [31mby peerxxx")
    assert len(reason) == 500


def test_a_state_for_another_camera_or_node_is_malformed() -> None:
    other = encode_health(health(camera="gate-2")).topic
    with pytest.raises(MalformedMessage):
        decode_health(other, encode_health(health()).payload)
    with pytest.raises(MalformedMessage):
        decode_health(other, b"")
    one, two = (
        encode_node(NodeStatus(node=node, site=SitePath(district="d"), state=NodeState.UP, started_at=WHEN))
        for node in ("n1", "n2")
    )
    with pytest.raises(MalformedMessage):
        decode_node(one.topic, two.payload)


@given(data=st.data())
@settings(max_examples=250, deadline=None)
def test_mutated_messages_raise_nothing_but_malformed(data: st.DataObject) -> None:
    message = encode_incident(incident(evidence=(evidence(),)))
    payload = bytearray(message.payload)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(payload) - 1))
        end = data.draw(st.integers(at, min(len(payload), at + 20)))
        payload[at:end] = data.draw(
            st.binary(max_size=12) | st.sampled_from([b"1e999", b"null", b"\\u0000", b'"', b"}"])
        )
        payload = payload or bytearray(b"x")
    topic = data.draw(st.just(message.topic) | st.text(max_size=80))

    for decode in (
        lambda: decode_incident(topic, bytes(payload), CONTENT_TYPE),
        lambda: decode_health(topic, bytes(payload)),
        lambda: decode_health(encode_health(health()).topic, bytes(payload)),
        lambda: decode_evidence(topic, bytes(payload)),
    ):
        try:
            result = decode()
        except MalformedMessage:
            continue
        if isinstance(result, Incident):
            assert decoded(encode_incident(result)) == result


def test_encoding_today_gives_the_frozen_bytes() -> None:
    example = json.loads((ROOT / "tests/data/messages/v1/raised.json").read_text(encoding="utf-8"))
    message = encode_incident(incident(evidence=(evidence(),)))

    assert message.topic == example["topic"]
    assert json.loads(message.payload) == example["payload"]


def test_committed_schemas_are_the_generated_ones(tmp_path: Path) -> None:
    written = write_schemas(tmp_path)

    assert {file.name for file in written} == {file.name for file in (ROOT / "docs/schemas").glob("*.json")}
    for file in written:
        assert file.read_text(encoding="utf-8") == (ROOT / "docs/schemas" / file.name).read_text(encoding="utf-8"), (
            "run: python -m gridwatch.bus.schemas docs/schemas"
        )


def test_states_match_their_schemas() -> None:
    schemas = {name: json.loads(text) for name, text in render_schemas().items()}
    status = NodeStatus(node="n1", site=SitePath(district="d"), state=NodeState.UP, started_at=WHEN)
    for name, message in (("camera-state-1.json", encode_health(health())), ("node-state-1.json", encode_node(status))):
        jsonschema.Draft202012Validator.check_schema(schemas[name])
        jsonschema.validate(json.loads(message.payload), schemas[name], cls=jsonschema.Draft202012Validator)
