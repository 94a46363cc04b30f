from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from gridwatch.domain import FixVerdict, Position, PositionFix, PositionTrack
from gridwatch.domain.positions import HISTORY, metres_between

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EMPTY = PositionTrack(max_age=timedelta(seconds=30))


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def fix(seconds: float, lon: float, lat: float = 31.0) -> PositionFix:
    return PositionFix(at=at(seconds), position=Position(lon=lon, lat=lat))


def track_of(*fixes: PositionFix) -> PositionTrack:
    track = EMPTY
    for one in fixes:
        track, verdict = track.adding(one)
        assert verdict is FixVerdict.KEPT, one
    return track


def test_between_two_fixes_it_is_on_the_line_between_them() -> None:
    track = track_of(fix(0, 121.0, 31.0), fix(10, 121.004, 31.002))
    assert track.position_at(at(0)) == Position(lon=121.0, lat=31.0)
    assert track.position_at(at(2.5)) == Position(lon=121.001, lat=31.0005)
    assert track.position_at(at(10)) == Position(lon=121.004, lat=31.002)


def test_after_the_last_fix_and_before_the_first_the_nearest_holds_for_max_age_and_no_longer() -> None:
    track = track_of(fix(0, 121.0), fix(1, 121.0001))
    assert track.position_at(at(31)) == Position(lon=121.0001, lat=31.0)
    assert track.position_at(at(31.001)) is None
    assert track.position_at(at(-30)) == Position(lon=121.0, lat=31.0)
    assert track.position_at(at(-30.001)) is None
    assert EMPTY.position_at(NOON) is None


def test_over_a_gap_each_end_holds_for_max_age_and_the_line_where_both_do() -> None:
    track = track_of(fix(0, 121.0), fix(50, 121.005), fix(200, 121.009))
    assert track.position_at(at(10)) == Position(lon=121.0, lat=31.0)
    assert track.position_at(at(25)) == Position(lon=121.0025, lat=31.0)
    assert track.position_at(at(45)) == Position(lon=121.005, lat=31.0)
    assert track.position_at(at(125)) is None


def test_the_order_in_which_fixes_come_does_not_matter() -> None:
    fixes = [fix(0, 121.0), fix(1, 121.0002), fix(2, 121.0003), fix(3, 121.0005)]
    assert len({track_of(*order) for order in permutations(fixes)}) == 1


def test_a_second_fix_of_one_time_is_known() -> None:
    track = track_of(fix(0, 121.0))
    assert track.adding(fix(0, 121.0001)) == (track, FixVerdict.KNOWN)


@pytest.mark.parametrize("seconds", [1, -1, 0.5])
def test_a_jump_is_refused_whichever_neighbour_it_is_from(seconds: float) -> None:
    track = track_of(fix(0, 121.0), fix(20, 121.001))
    assert track.adding(fix(seconds, 121.01)) == (track, FixVerdict.JUMP)


def test_a_wrong_first_fix_is_believed_no_longer_than_max_age() -> None:
    track = track_of(fix(0, 10.0))
    assert track.adding(fix(30, 121.0))[1] is FixVerdict.JUMP
    track, verdict = track.adding(fix(30.5, 121.0))
    assert verdict is FixVerdict.KEPT
    assert track.position_at(at(31)) == Position(lon=121.0, lat=31.0)


def test_a_fast_car_is_no_jump() -> None:
    track_of(*(fix(0.1 * i, 121.0 + 0.00006 * i) for i in range(50)))  # 57 m/s, ten fixes a second


def test_the_history_is_bounded_and_what_is_older_than_all_of_it_is_refused() -> None:
    track = EMPTY
    for i in range(HISTORY + 5):
        track, _ = track.adding(fix(i, 121.0))
    assert len(track.fixes) == HISTORY
    assert track.fixes[0].at == at(5)
    assert track.adding(fix(4, 121.0)) == (track, FixVerdict.OLD)
    later, verdict = track.adding(fix(100.5, 121.0))
    assert verdict is FixVerdict.KEPT
    assert (len(later.fixes), later.fixes[0].at) == (HISTORY, at(6))


@pytest.mark.parametrize(
    ("west", "east", "middle"),
    [(-70.001, -70.0, -70.0005), (179.999, -179.999, -180.0), (-179.998, 179.996, 179.999), (-0.001, 0.001, 0.0)],
)
def test_all_hemispheres_and_both_sides_of_the_date_line_are_crossed_the_short_way(
    west: float, east: float, middle: float
) -> None:
    track = track_of(fix(0, west, -33.0), fix(10, east, -33.002))
    halfway = track.position_at(at(5))
    assert halfway == Position(lon=pytest.approx(middle), lat=pytest.approx(-33.001))


def test_distances_are_those_of_the_ground() -> None:
    paris, london = Position(lon=2.3522, lat=48.8566), Position(lon=-0.1276, lat=51.5072)
    assert metres_between(paris, london) == pytest.approx(343_600, rel=0.005)
    assert metres_between(paris, paris) == 0
    assert metres_between(Position(lon=0, lat=0), Position(lon=180, lat=0)) == pytest.approx(20_015_000, rel=0.001)


def test_a_fix_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone-aware"):
        replace(fix(0, 0), at=datetime(2026, 3, 1))  # noqa: DTZ001
