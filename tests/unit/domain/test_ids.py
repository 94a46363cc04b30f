from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwatch.domain import incident_id

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def test_id_is_a_version_7_uuid_whose_timestamp_is_the_moment_in_milliseconds() -> None:
    made = incident_id(NOON, "square", "fence", "1")
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == int(NOON.timestamp() * 1000)


def test_same_moment_and_parts_give_the_same_id_in_any_time_zone() -> None:
    shanghai = NOON.astimezone(timezone(timedelta(hours=8)))
    assert incident_id(NOON, "a", "b") == incident_id(shanghai, "a", "b")


@given(st.lists(st.text(max_size=5), max_size=3), st.lists(st.text(max_size=5), max_size=3))
def test_different_parts_give_different_ids(left: list[str], right: list[str]) -> None:
    same = incident_id(NOON, *left) == incident_id(NOON, *right)
    assert same == ("\x1f".join(left) == "\x1f".join(right) and bool(left) == bool(right))


def test_a_microsecond_apart_gives_another_id() -> None:
    assert incident_id(NOON, "a") != incident_id(NOON + timedelta(microseconds=1), "a")


def test_a_moment_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone-aware"):
        incident_id(NOON.replace(tzinfo=None), "a")
