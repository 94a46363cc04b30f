from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwatch.domain import Position, PositionFix
from gridwatch.ingest.events.messages import Arrival
from gridwatch.ingest.metadata import MAX_DOCUMENT, MetadataDocuments, read_fixes
from tests.unit.ingest.event_messages import TOPICS, notification

NAMESPACES = (
    'xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" '
    f'xmlns:tns1="{TOPICS}"'
)
AT = datetime(2026, 1, 1, tzinfo=UTC)
ARRIVAL = Arrival(camera="van", received_at=AT + timedelta(seconds=0.5), clock_offset_seconds=0.0)
TOPIC = "tns1:Monitoring/GeoLocation"


def stream(inside: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<tt:MetadataStream {NAMESPACES}>{inside}</tt:MetadataStream>'.encode()
    )


def place(lon: object = 121.5, lat: object = 31.25, name: str = "CurrentLocation", topic: str = TOPIC) -> str:
    item = f'<tt:ElementItem Name="{name}"><tt:GeoLocation lon="{lon}" lat="{lat}"/></tt:ElementItem>'
    return f"<tt:Event>{notification(topic, extra=item)}</tt:Event>"


FIX = PositionFix(at=AT, position=Position(lon=121.5, lat=31.25))
SCENE = (
    '<tt:VideoAnalytics><tt:Frame UtcTime="2026-01-01T00:00:00Z"><tt:Object ObjectId="12"><tt:Appearance>'
    '<tt:GeoLocation lon="1" lat="2"/><tt:HumanFace><tt:Age><tt:Min>20</tt:Min></tt:Age></tt:HumanFace>'
    "</tt:Appearance></tt:Object></tt:Frame></tt:VideoAnalytics>"
)


def test_the_place_of_the_device_is_read_with_its_time() -> None:
    assert read_fixes(stream(place()), ARRIVAL) == [FIX]
    assert read_fixes(stream(place() + SCENE + place(1, 2)), ARRIVAL) == [
        FIX, PositionFix(at=AT, position=Position(lon=1, lat=2)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "inside",
    [
        "",
        SCENE,
        f"<tt:Extension>{place()}</tt:Extension>",
        place(name="TargetLocation"),
        place(topic="tns1:RuleEngine/Recognition/Face"),
        place(topic="tns1:RuleEngine/MyGeoLocation"),
        place("east", 1),
        place(0, 0),
    ],
)
def test_nothing_else_is_read_and_least_of_all_where_objects_are(inside: str) -> None:
    assert read_fixes(stream(inside), ARRIVAL) == []


@pytest.mark.parametrize(
    "document",
    [
        stream(place())[:-5],
        stream(place()).replace(b"<tt:Event>", b""),
        b"<a>GeoLocation</a>",
        b"GeoLocation",
        b"\xff\xfeGeoLocation",
        b'<!DOCTYPE a [<!ENTITY x "GeoLocation">]><tt:MetadataStream xmlns:tt="t">&x;</tt:MetadataStream>',
    ],
)
def test_damaged_documents_are_told_from_those_without_a_place(document: bytes) -> None:
    with pytest.raises(ValueError):
        read_fixes(document, ARRIVAL)


def fed(documents: MetadataDocuments, payloads: list[bytes]) -> list[bytes]:
    return [one for payload in payloads if (one := documents.feed(payload)) is not None]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=30))
def test_a_document_comes_in_any_number_of_packets(sizes: list[int]) -> None:
    whole = stream(place())
    pieces, rest = [whole[:70]], whole[70:]  # a beginning is told by its first words
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    documents = MetadataDocuments()
    assert fed(documents, [*pieces, rest, whole]) == [whole, whole]
    assert not documents.refused


def test_what_lost_a_packet_is_counted_and_the_next_is_whole() -> None:
    whole = stream(place())
    beginning, end = whole[:100], whole[100:]
    documents = MetadataDocuments()
    assert fed(documents, [end, beginning, beginning, end, end, whole]) == [whole, whole]
    assert documents.refused == {"cut": 1}


def test_a_document_without_end_is_given_up_and_takes_no_memory() -> None:
    documents = MetadataDocuments()
    documents.feed(stream("")[:70])
    assert fed(documents, [b"x" * 1400] * 1000) == []
    assert documents.refused == {"overlong": 1}
    assert len(documents._parts) <= MAX_DOCUMENT
    assert fed(documents, [stream("")]) == [stream("")]


@given(st.lists(st.one_of(st.binary(max_size=200), st.just(stream("")[:60]), st.just(b"</MetadataStream>"))))
def test_garbage_raises_nothing_but_what_is_said(payloads: list[bytes]) -> None:
    documents = MetadataDocuments()
    for one in fed(documents, payloads):
        try:
            read_fixes(one + b"<!--GeoLocation-->", ARRIVAL)
        except ValueError:
            continue
