"""The door: what is read of a camera's messages, and what is turned away."""

from datetime import UTC, datetime, timedelta

import pytest

from gridwatch.domain import Position, PositionFix
from gridwatch.ingest.events import DeviceEvent, Operation
from gridwatch.ingest.events.messages import Arrival, read_message
from gridwatch.ingest.events.model import Unread
from tests.unit.ingest.event_messages import TOPICS, notification, parsed

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
ARRIVAL = Arrival(camera="gate-3", received_at=MIDNIGHT, clock_offset_seconds=0.0)
INPUT = "tns1:Device/Trigger/DigitalInput"
CROSSED = "tns1:RuleEngine/LineDetector/Crossed"


def read(text: str, **changes: object) -> DeviceEvent | PositionFix | Unread:
    return read_message(parsed(text, **changes), ARRIVAL)


def event(text: str, **changes: object) -> DeviceEvent:
    found = read(text, **changes)
    assert isinstance(found, DeviceEvent)
    return found


def test_an_event_holds_what_its_meaning_needs_and_nothing_else() -> None:
    found = event(
        notification(
            INPUT, {"LogicalState": "true", "Comment": "whatever"}, {"InputToken": "di1"}, key={"ObjectId": "7"}
        )
    )
    assert found == DeviceEvent(
        camera="gate-3", topic=INPUT, operation=Operation.CHANGED, utc_time=MIDNIGHT, received_at=MIDNIGHT,
        occurred_at=MIDNIGHT, source=(("InputToken", "di1"),), key=(("ObjectId", "7"),), state=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "namespaces"),
    [
        ("tns1:Device/Trigger/DigitalInput", f'xmlns:tns1="{TOPICS}"'),
        ("t:Device/Trigger/DigitalInput", f'xmlns:t="{TOPICS}"'),
        ("t:Device/t:Trigger/t:DigitalInput", f'xmlns:t="{TOPICS}"'),
        ("tns1:Device/Trigger/DigitalInput", ""),
        ("Device/Trigger/DigitalInput", ""),
        ("\n  tns1:Device/Trigger/DigitalInput \n", f'xmlns:tns1="{TOPICS}"'),
    ],
)
def test_a_topic_is_known_by_its_namespace_whatever_the_prefix(topic: str, namespaces: str) -> None:
    assert event(notification(topic, {"LogicalState": "1"}), namespaces=namespaces).topic == INPUT


@pytest.mark.parametrize(
    ("topic", "namespaces"),
    [
        ("tns1:Device/Trigger/DigitalInput", 'xmlns:tns1="http://acme.example/topics"'),
        ("acme:Device/Trigger/DigitalInput", ""),
        ("tns1:Device/Trigger/acme:DigitalInput", f'xmlns:tns1="{TOPICS}" xmlns:acme="urn:acme"'),
        ("tns1:Device/Trigger/Relay", f'xmlns:tns1="{TOPICS}"'),
        ("tns1:RuleEngine", f'xmlns:tns1="{TOPICS}"'),
        ("tns1:Monitoring/ProcessorUsage", f'xmlns:tns1="{TOPICS}"'),
    ],
)
def test_topics_of_vendors_and_without_a_meaning_are_unknown(topic: str, namespaces: str) -> None:
    assert read(notification(topic, {"State": "true"}), namespaces=namespaces) is Unread.UNKNOWN


@pytest.mark.parametrize(
    "topic",
    [
        "tns1:RuleEngine/Recognition/Face",
        "tns1:RuleEngine/Recognition/LicensePlate",
        "tns1:VideoAnalytics/Radiometry/BodyTemperatureAlarm",
        "acme:RuleEngine/FaceDetect",
        "acme:ANPR",
        "acme:Traffic/plate_read",
        "acme:TemperatureMeasurement",
        "Recognition/Anything",
    ],
)
def test_topics_about_who_somebody_is_are_refused_in_any_namespace(topic: str) -> None:
    assert read(notification(topic, {"State": "true"}), namespaces=f'xmlns:tns1="{TOPICS}"') is Unread.REFUSED


@pytest.mark.parametrize(
    "name",
    ["Plate", "PlateNumber", "LicensePlateInfo", "licence_plate", "Face", "FaceId", "PersonId", "PERSON", "Likelihood",
     "BodyTemperature", "Gender", "FacialSimilarity", "RecognitionResult", "Identity"],
)  # fmt: skip
def test_items_about_who_somebody_is_refuse_the_message_that_carries_them(name: str) -> None:
    assert read(notification(CROSSED, {name: "x"})) is Unread.REFUSED
    assert read(notification(CROSSED, {}, {name: "x"})) is Unread.REFUSED
    assert read(notification(CROSSED, key={name: "x"})) is Unread.REFUSED
    element = f'<tt:ElementItem Name="{name}"><tt:Secret>x</tt:Secret></tt:ElementItem>'
    assert read(notification(CROSSED, extra=element)) is Unread.REFUSED


@pytest.mark.parametrize("name", ["NetworkInterface", "Template", "SurfaceArea", "ObjectId", "ClassTypes", "Displaced"])
def test_items_that_only_sound_like_it_are_not_refused(name: str) -> None:
    assert isinstance(read(notification(CROSSED, {name: "x"})), DeviceEvent)


def test_what_is_inside_an_element_item_is_never_kept() -> None:
    element = '<tt:ElementItem Name="Object"><tt:Shape><tt:Label>secret</tt:Label></tt:Shape></tt:ElementItem>'
    assert "secret" not in repr(event(notification(CROSSED, extra=element)))


@pytest.mark.parametrize(
    ("value", "state"), [("true", True), ("1", True), (" Active ", True), ("FALSE", False), ("0", False)]
)
def test_a_state_is_read_as_cameras_write_it(value: str, *, state: bool) -> None:
    assert event(notification(INPUT, {"LogicalState": value})).state is state


@pytest.mark.parametrize(
    "text",
    [
        notification(INPUT, {"LogicalState": "maybe"}),
        notification(INPUT, {"LogicalState": "true"}, attributes='PropertyOperation="Exploded"'),
        notification("", {"LogicalState": "true"}),
        notification(INPUT, {"LogicalState": "true"}, {"InputToken": "x" * 129}),
        notification(INPUT, {"LogicalState": "true"}, {f"s{i}": "x" for i in range(17)}),
        "<wsnt:NotificationMessage/>",
        f"<wsnt:NotificationMessage><wsnt:Topic>{INPUT}</wsnt:Topic></wsnt:NotificationMessage>",
        f"<wsnt:NotificationMessage><wsnt:Topic>{INPUT}</wsnt:Topic><wsnt:Message/></wsnt:NotificationMessage>",
    ],
)
def test_what_is_not_as_onvif_has_it_is_malformed(text: str) -> None:
    assert read(text) is Unread.MALFORMED


def test_a_message_without_operation_tells_of_a_change() -> None:
    assert event(notification(CROSSED, attributes='UtcTime="2026-01-01T00:00:00Z"')).operation is Operation.CHANGED


@pytest.mark.parametrize(
    ("told", "offset", "seconds"),
    [
        ("2025-12-31T23:59:59Z", 0.0, -1.0),
        ("2026-01-01T08:00:00+08:00", 0.0, 0.0),
        ("2025-12-31T23:59:59", 0.0, -1.0),
        ("2025-12-31T23:59:59.1234567Z", 0.0, -0.876544),
        ("2026-01-01T01:59:59Z", 7200.0, -1.0),  # its clock is two hours ahead, as ONVIF told
        ("2026-01-01T01:59:59Z", 0.0, 0.0),  # and here it is not known to be
        ("2025-12-31T23:59:00Z", 0.0, 0.0),
        ("2026-01-01T00:00:01Z", 0.0, 0.0),  # nothing happens after it was told
        ("yesterday", 0.0, 0.0),
        ("0001-01-01T00:00:00+14:00", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_it_happened_when_the_camera_says_if_that_can_be(told: str, offset: float, seconds: float) -> None:
    text = notification(CROSSED, attributes=f'UtcTime="{told}"')
    arrival = Arrival(camera="gate-3", received_at=MIDNIGHT, clock_offset_seconds=offset)
    found = read_message(parsed(text), arrival)
    assert isinstance(found, DeviceEvent)
    assert found.occurred_at == MIDNIGHT + timedelta(seconds=seconds)
    assert found.received_at == MIDNIGHT


LOCATION = "tns1:Monitoring/GeoLocation"


def located(inside: str, name: str = "CurrentLocation", **changes: str) -> str:
    return notification(
        LOCATION, extra=f'<tt:ElementItem Name="{name}">{inside}</tt:ElementItem>', source={"Token": "gps"}, **changes
    )


def test_where_the_camera_is_is_read_with_its_time() -> None:
    earlier = 'UtcTime="2025-12-31T23:59:59.500Z" PropertyOperation="Changed"'
    text = located('<tt:GeoLocation lon="121.4737" lat="-31.2304" elevation="4"/>', attributes=earlier)
    at = MIDNIGHT - timedelta(seconds=0.5)
    assert read(text) == PositionFix(at=at, position=Position(lon=121.4737, lat=-31.2304))


def test_a_place_told_by_a_wrong_clock_is_dated_by_its_offset_or_by_arrival() -> None:
    ahead = 'UtcTime="2026-01-01T03:00:00Z"'
    text = parsed(located('<tt:GeoLocation lon="1" lat="2"/>', attributes=ahead))
    for offset, at in ((3 * 3600 + 1.0, MIDNIGHT - timedelta(seconds=1)), (0.0, MIDNIGHT)):
        found = read_message(text, Arrival(camera="van", received_at=MIDNIGHT, clock_offset_seconds=offset))
        assert found == PositionFix(at=at, position=Position(lon=1, lat=2))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (located('<tt:GeoLocation lon="181" lat="2"/>'), Unread.MALFORMED),
        (located('<tt:GeoLocation lat="2"/>'), Unread.MALFORMED),
        (located('<tt:GeoLocation lon="NaN" lat="2"/>'), Unread.MALFORMED),
        (located('<tt:GeoLocation lon="0" lat="0"/>'), Unread.UNKNOWN),
        (located(""), Unread.UNKNOWN),
        (located('<tt:GeoLocation lon="1" lat="2"/>', name="Other"), Unread.UNKNOWN),
        (located('<tt:GeoLocation lon="1" lat="2"/>', attributes='PropertyOperation="Deleted"'), Unread.UNKNOWN),
        (located('<tt:GeoLocation lon="1" lat="2"/>').replace("Monitoring/", "Monitoring/Person/"), Unread.UNKNOWN),
        (located('<tt:GeoLocation lon="1" lat="2"/>', key={"PlateNumber": "x"}), Unread.REFUSED),
    ],
)
def test_a_message_that_tells_no_place_is_counted(text: str, why: Unread) -> None:
    assert read(text) is why


def test_the_place_of_an_object_that_was_seen_is_not_read() -> None:
    inside = '<tt:Appearance><tt:GeoLocation lon="1" lat="2"/></tt:Appearance>'
    assert read(located(inside)) is Unread.UNKNOWN
