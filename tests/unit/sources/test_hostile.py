"""Whatever sources send: no crash, nothing told that was not meant, and no word of a stranger on the way out."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwatch.bus import encode_incident
from gridwatch.sources import Arrived, Unread
from tests.unit.sources.builders import FRIGATE, MAPPED, NOON, ONVIF, Desk, adapter, frigate, read

TOPIC = "site/cam7/onvif-ej/RuleEngine/FieldDetector/ObjectsInside/&1/2/Yard"
EVENT = {"UtcTime": "2026-03-04T11:59:59Z", "Source": {"Rule": "Yard"}, "Data": {"IsInside": "true"}}
SMOKE = {"sensor": "s1", "at": "2026-03-04T11:59:00Z", "state": {"alarm": True, "level": 0.5, "heads": 2}}
GOOD: list[tuple[dict[str, Any], Any]] = [(FRIGATE, frigate()), (ONVIF, EVENT), (MAPPED, SMOKE)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=12), inside, max_size=4),
    max_leaves=20,
)
PIECES = (b"{", b"}", b"[", b'"', b"null", b"1e999", b"\x00", b"\xff", b"-", b"\\ud800", b'"a":')


def mutated(payload: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, lost, doubled or replaced by what breaks parsers."""
    data = bytearray(payload)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                data[at:at] = chance.choice(PIECES)
            case 1:
                del data[at : at + chance.randint(1, 20)]
            case 2:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case _:
                data[at:at] = data[max(0, at - chance.randint(1, 40)) : at]
    return bytes(data)


@pytest.mark.parametrize(("source", "message"), GOOD, ids=["frigate", "onvif", "mapped"])
def test_3000_mutated_messages_are_read_or_counted_and_what_is_told_can_be_sent(
    source: dict[str, Any], message: object, tmp_path: Path
) -> None:
    chance, payload = random.Random(20260304), json.dumps(message).encode()
    desk = Desk(tmp_path, {**source, "burst": 1000, "per_minute": 6000})
    for _ in range(3000):
        desk.hear(source["id"], mutated(payload, chance), TOPIC)
    tally = desk.teller.tallies[source["id"]]
    assert tally.messages == 3000
    assert tally.unread[Unread.MALFORMED] > 1000
    for one in desk.put:
        encode_incident(one)
        assert one.camera == "gate-1"


@settings(max_examples=150, deadline=None)
@given(message=JSON)
def test_any_json_is_read_or_counted(message: object) -> None:
    payload = json.dumps(message).encode("utf-8", "surrogatepass")
    for source, _ in GOOD:
        reading = adapter(source).read(Arrived(topic=TOPIC, payload=payload, received_at=NOON))
        assert reading.told or reading.unread is not None


@settings(max_examples=100, deadline=None)
@given(replaced=st.dictionaries(st.sampled_from(sorted(frigate()["after"])), JSON, min_size=1, max_size=3))
def test_any_value_in_place_of_a_field_of_frigate_is_read_or_counted(replaced: dict[str, Any]) -> None:
    payload = json.dumps(frigate(**replaced)).encode("utf-8", "surrogatepass")
    adapter(FRIGATE).read(Arrived(topic="frigate/events", payload=payload, received_at=NOON))


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 200_000, b'{"a":' * 40_000, b'{"type":"new","after":' + b"[" * 5000 + b"]" * 5000 + b"}", b"",
        b"\xff\xfe", b"NaN", b'{"state":{"alarm":1e999}}', b'"\\ud800"', b"1" * 5000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("source", [FRIGATE, MAPPED], ids=["frigate", "mapped"])
def test_what_breaks_parsers_is_malformed(source: dict[str, Any], payload: bytes) -> None:
    assert read(source, payload, TOPIC).unread in {Unread.MALFORMED, Unread.UNKNOWN}


@pytest.mark.parametrize("source", [FRIGATE, ONVIF, MAPPED], ids=["frigate", "onvif", "mapped"])
def test_what_is_too_large_is_not_even_parsed(source: dict[str, Any]) -> None:
    assert read(source, b"[" * (256 * 1024 + 1), TOPIC).unread is Unread.TOO_LARGE


def test_no_word_of_a_stranger_leaves_but_the_name_of_a_rule(tmp_path: Path) -> None:
    """Every text of every message is a marker; of those, only the rule of ONVIF may be seen again."""
    desk = Desk(tmp_path, FRIGATE, ONVIF, MAPPED)
    person = ["MARK-john", 0.9]
    desk.hear(
        "lobby",
        frigate(
            "update", 1, id="MARK-id", sub_label=person, recognized_license_plate=person, attributes={"MARK-face": 1},
            current_attributes=[{"label": "MARK-plate"}], thumbnail="MARK-picture",
            entered_zones=["steps", "MARK-zone"], path_data=[["MARK-path"]], **{"MARK-key": "MARK-value"},
        ),
    )  # fmt: skip
    event = {**EVENT, "Source": {"Rule": "fence", "VideoSource": "MARK-1"}, "Data": {"IsInside": "true", "O": "MARK-2"}}
    desk.hear("cams", event, TOPIC.replace("Yard", "MARK-level"))
    desk.hear("smoke", {**SMOKE, "sensor": "MARK-sensor", "name": "MARK-name", "extra": {"MARK-key": "MARK-x"}})

    assert len(desk.put) == 3
    for one in desk.put:
        message = encode_incident(one)
        assert b"MARK" not in message.payload
        assert "MARK" not in message.topic
    assert desk.teller.tallies["lobby"].identities == 5
    desk.memory.close()
    assert b"MARK" not in (tmp_path / "memory").read_bytes()
