import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gridwatch.bus import (
    CameraPath,
    Channel,
    MalformedMessage,
    PositionTopic,
    decode_position,
    parse_topic,
    subscriptions,
)
from gridwatch.domain import Position, PositionFix, SitePath

VAN = CameraPath(site=SitePath(district="d", substation="north"), camera="van-7")
TOPIC = "gridwatch/v1/d/north/-/van-7/position"
GOOD = {
    "camera": "van-7", "site": "d/north", "position": {"lon": 121.4737, "lat": -31.2304},
    "at": "2026-03-01T16:00:00.5+08:00",
}  # fmt: skip
SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schemas/position-1.json").read_text(encoding="utf-8"))


def payload(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_the_topic_is_built_as_documented_and_parsed_back() -> None:
    assert str(PositionTopic(camera=VAN)) == TOPIC
    assert parse_topic(TOPIC) == PositionTopic(camera=VAN)
    assert subscriptions(VAN.site, Channel.POSITION) == ("gridwatch/v1/d/north/+/+/position",)


def test_a_position_is_read_in_utc_and_fields_of_others_are_ignored() -> None:
    fix = PositionFix(
        at=datetime(2026, 3, 1, 8, 0, 0, 500_000, tzinfo=UTC), position=Position(lon=121.4737, lat=-31.2304)
    )
    assert decode_position(TOPIC, payload()) == (VAN, fix)
    assert decode_position(TOPIC, payload(speed=12.5)) == (VAN, fix)
    jsonschema.validate(GOOD, SCHEMA)


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"{}", b"\xff", b"[1, 2]", b"x" * 70_000, payload(position={"lon": 181, "lat": 0}),
        payload(position={"lon": 0, "lat": -90.1}), payload(position={"lon": "121", "lat": 31}),
        payload(position=[121, 31]), payload(at="2026-03-01T16:00:00"), payload(at=1772366400),
        payload(at="0001-01-01T00:00:00+14:00"), payload(camera="van-8"), payload(site="d"), payload(site="../d"),
        payload().replace(b"121.4737", b"NaN"), payload().replace(b"121.4737", b"1e999"),
    ],
)  # fmt: skip
def test_anything_else_is_malformed(bad: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_position(TOPIC, bad)


def test_a_position_belongs_on_its_topic() -> None:
    for topic in ("gridwatch/v1/d/north/-/van-7/state", "gridwatch/v1/d/north/-/van-7/position/x", "position"):
        with pytest.raises(MalformedMessage):
            decode_position(topic, payload())
