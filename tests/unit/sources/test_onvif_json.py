"""Events that cameras publish in ONVIF's JSON: the meanings and refusals of docs/events.md."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gridwatch.domain import IncidentKind, Phase, Severity
from gridwatch.sources import Change, Unread
from tests.unit.sources.builders import NOON, ONVIF, Desk, read

CROSSED = "site/cam7/onvif-ej/RuleEngine/LineDetector/Crossed/&1/2/MyFence"
INSIDE = "site/cam7/onvif-ej/RuleEngine/FieldDetector/ObjectsInside/&1/2/Yard"
INPUT = "site/cam7/onvif-ej/Device/tns1:Trigger/tns1:DigitalInput/&in-1"


def event(data: dict[str, Any], rule: str = "Yard", at: str = "2026-03-04T11:59:59.5Z") -> dict[str, Any]:
    return {"UtcTime": at, "Source": {"VideoSource": "1", "AnalyticsConfiguration": "2", "Rule": rule}, "Data": data}


def test_the_specifications_example_is_a_line_that_was_crossed() -> None:
    (told,) = read(ONVIF, event({"ObjectId": "15"}, "MyFence"), CROSSED).told

    assert (told.kind, told.severity, told.change) == (IncidentKind.LINE_CROSSING, Severity.MAJOR, Change.MOMENT)
    assert told.rule == "cams.linedetector.crossed.myfence"
    assert told.occurred_at == NOON - timedelta(seconds=0.5)
    assert told.where.camera == "gate-1"


@pytest.mark.parametrize("value", ["true", True, "1", 1, "Active"])
def test_states_are_read_as_cameras_write_them(value: object) -> None:
    (told,) = read(ONVIF, event({"IsInside": value}), INSIDE).told
    assert told.change is Change.ON


def test_items_listed_as_in_xml_are_read_too() -> None:
    listed = {
        "UtcTime": "2026-03-04T11:59:59Z", "Source": {"SimpleItem": [{"Name": "InputToken", "Value": "door"}]},
        "Data": {"SimpleItem": [{"Name": "LogicalState", "Value": "false"}]},
    }  # fmt: skip
    (told,) = read(ONVIF, listed, INPUT).told
    assert (told.kind, told.change, told.rule) == (
        IncidentKind.DEVICE_ALARM, Change.OFF, "cams.trigger.digitalinput.door",
    )  # fmt: skip


def test_on_raises_off_clears_and_a_deleted_property_clears_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ONVIF)
    for message in (event({"IsInside": "true"}), event({"IsInside": "true"}), event({"IsInside": "false"})):
        desk.hear("cams", message, INSIDE)
    desk.hear("cams", event({"IsInside": "true"}, at="2026-03-04T12:00:00Z"), INSIDE)
    desk.hear("cams", b"", INSIDE)
    assert [one.phase for one in desk.put] == [Phase.RAISED, Phase.CLEARED] * 2


def test_a_state_kept_by_the_broker_begins_nothing_and_may_end_what_is_open(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ONVIF)
    desk.hear("cams", event({"IsInside": "true"}), INSIDE, stored=True)
    desk.hear("cams", event({"IsInside": "false"}), INSIDE)
    assert desk.put == []
    desk.hear("cams", event({"IsInside": "true"}), INSIDE)
    desk.hear("cams", event({"IsInside": "true"}), INSIDE, stored=True)
    desk.hear("cams", event({"IsInside": "false"}), INSIDE, stored=True)
    assert [one.phase for one in desk.put] == [Phase.RAISED, Phase.CLEARED]


def test_a_crossing_kept_by_the_broker_is_no_news(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ONVIF)
    desk.hear("cams", event({"ObjectId": "1"}), CROSSED, stored=True)
    assert desk.put == []


@pytest.mark.parametrize(
    ("topic", "data"),
    [
        ("RuleEngine/Recognition/Face", {"Likelihood": 0.9}),
        ("RuleEngine/Recognition/LicensePlate", {"Plate": "AB123"}),
        ("Radiometry/BodyTemperatureAlarm", {"State": "true"}),
        ("RuleEngine/acme:FaceDetector/Seen", {"State": "true"}),
        ("RuleEngine/LineDetector/Crossed", {"PersonName": "John"}),
        ("RuleEngine/FieldDetector/ObjectsInside", {"IsInside": "true", "LicensePlate": "AB123"}),
    ],
)
def test_faces_plates_and_temperatures_are_refused(topic: str, data: dict[str, Any]) -> None:
    reading = read(ONVIF, event(data), f"site/cam7/onvif-ej/{topic}/&1/2/r")
    assert (reading.unread, reading.told) == (Unread.IDENTITY, ())
    assert reading.identities >= 1
    assert "AB123" not in repr(reading)


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("other/onvif-ej/RuleEngine/LineDetector/Crossed/&1", Unread.UNBOUND),
        ("site/cam7/onvif-ej/Monitoring/ProcessorUsage/&1", Unread.UNKNOWN),
        ("site/cam7/onvif-ej/VideoSource/MotionAlarm/&1", Unread.UNKNOWN),
        ("site/cam7/state", Unread.UNBOUND),
        ("", Unread.UNBOUND),
    ],
)
def test_topics_without_a_meaning_here_are_left(topic: str, why: Unread) -> None:
    assert read(ONVIF, event({"State": "true"}), topic).unread is why


def test_plain_motion_only_on_request() -> None:
    topic = "site/cam7/onvif-ej/VideoSource/MotionAlarm/&1"
    (told,) = read({**ONVIF, "motion": True}, event({"State": "true"}), topic).told
    assert (told.kind, told.severity) == (IncidentKind.DEVICE_ALARM, Severity.INFO)


@pytest.mark.parametrize(
    "message",
    [
        b"{", [], "x", event({"IsInside": "perhaps"}), event({"IsInside": {}}), {**event({}), "Source": 1},
        {**event({}), "Data": {f"item{number}": 1 for number in range(17)}}, event({"IsInside": "true"}, "r" * 200),
    ],
)  # fmt: skip
def test_what_is_not_as_the_specification_has_it_is_malformed(message: object) -> None:
    assert read(ONVIF, message, INSIDE).unread is Unread.MALFORMED
