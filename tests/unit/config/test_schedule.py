from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gridwatch.config.schedule import parse_span

BERLIN = ZoneInfo("Europe/Berlin")
"""Clocks go forward on 2026-03-29 at 02:00 and back on 2026-10-25 at 03:00."""
SHANGHAI = ZoneInfo("Asia/Shanghai")


def covers(span: str, at: str, zone: ZoneInfo = SHANGHAI) -> bool:
    return parse_span(span).covers(datetime.fromisoformat(at), zone)


def test_a_span_begins_with_its_minute_and_ends_before_its_last() -> None:
    assert not covers("mon-fri 08:00-18:00", "2026-03-02T07:59:59+08:00")  # a Monday
    assert covers("mon-fri 08:00-18:00", "2026-03-02T08:00:00+08:00")
    assert covers("mon-fri 08:00-18:00", "2026-03-02T17:59:59+08:00")
    assert not covers("mon-fri 08:00-18:00", "2026-03-02T18:00:00+08:00")
    assert not covers("mon-fri 08:00-18:00", "2026-03-01T12:00:00+08:00")


def test_hours_are_those_of_the_site_not_of_utc() -> None:
    assert covers("mon 08:00-09:00", "2026-03-02T00:30:00+00:00")
    assert not covers("mon 08:00-09:00", "2026-03-02T08:30:00+00:00")


def test_a_night_belongs_to_the_day_it_begins_on() -> None:
    assert covers("fri 22:00-06:00", "2026-03-06T23:00:00+08:00")
    assert covers("fri 22:00-06:00", "2026-03-07T05:59:00+08:00")  # Saturday morning
    assert not covers("fri 22:00-06:00", "2026-03-06T05:59:00+08:00")  # Friday morning
    assert not covers("fri 22:00-06:00", "2026-03-07T23:00:00+08:00")


def test_days_may_be_listed_ranged_over_the_week_s_end_or_left_out() -> None:
    week = [f"2026-03-0{day}T12:00:00+08:00" for day in range(2, 9)]  # Monday to Sunday
    assert [covers("sat-mon 00:00-24:00", at) for at in week] == [True, False, False, False, False, True, True]
    assert [covers("tue,thu-fri 00:00-24:00", at) for at in week] == [False, True, False, True, True, False, False]
    assert all(covers("11:00-13:00", at) for at in week)


def minutes_on(span: str, first: str) -> list[str]:
    """Local times of the 12 hours from `first` at which a quarter of an hour begins with the span on."""
    start = datetime.fromisoformat(first).timestamp()
    quarters = [datetime.fromtimestamp(start + 900 * i, UTC) for i in range(48)]
    return [f"{at.astimezone(BERLIN):%H:%M%z}" for at in quarters if parse_span(span).covers(at, BERLIN)]


def test_in_the_night_of_23_hours_a_span_that_ends_in_the_gap_is_not_cut_short() -> None:
    on = minutes_on("22:00-02:30", "2026-03-28T21:00:00+00:00")
    assert on[0] == "22:00+0100"
    assert on[-1] >= "03:00+0200"
    assert minutes_on("02:15-04:00", "2026-03-28T22:00:00+00:00")[-1] == "03:45+0200"


def test_in_the_night_of_25_hours_an_hour_that_comes_twice_is_watched_without_a_break() -> None:
    on = minutes_on("22:00-02:30", "2026-10-24T20:00:00+00:00")
    assert on.count("02:15+0200") == on.count("02:15+0100") == 1
    assert "02:45+0200" in on  # between the two readings of its end
    assert on[-1] == "02:15+0100"
    whole = minutes_on("22:00-06:00", "2026-10-24T20:00:00+00:00")
    assert len(whole) == 4 * 9


@pytest.mark.parametrize(
    ("span", "says"),
    [
        ("monday 08:00-18:00", "'monday' is no day"), ("mon-wed-fri 08:00-18:00", "is no day"),
        ("8-18", "is no span of a week"), ("", "is no span of a week"),
        ("mon 08:60-18:00", "'08:60' is no time of day"),
        ("mon 08:00-24:30", "'24:30' is no time of day"), ("mon 08:00-08:00", "a whole day is 00:00-24:00"),
        ("mon 24:00-08:00", "has no length"),
    ],
)  # fmt: skip
def test_what_is_no_span_is_refused_with_the_remedy(span: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_span(span)
