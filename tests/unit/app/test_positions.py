from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from gridwatch.app.positions import PositionKeeper, Positions
from gridwatch.bus import BrokerAddress
from gridwatch.config import CameraConfig
from gridwatch.domain import FakeClock, Incident, Phase, Position, PositionFix
from tests.unit.bus.samples import incident

HOME = Position(lon=0.5, lat=0.5)
BROKER = BrokerAddress(host="127.0.0.1", port=1)


def camera(**changes: object) -> CameraConfig:
    raw = {"id": "van-7", "site": "d", "position": [HOME.lon, HOME.lat], "source": {"rtsp": "rtsp://192.0.2.1/"}}
    return CameraConfig.model_validate({**raw, **changes})


VAN = camera(moving={"mqtt": True, "max_age_seconds": 10})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keeper(clock: FakeClock) -> PositionKeeper:
    assert VAN.moving is not None
    return PositionKeeper(VAN, VAN.moving, clock)


def fix(clock: FakeClock, seconds: float, lon: float = 0.7) -> PositionFix:
    return PositionFix(at=clock.now() + timedelta(seconds=seconds), position=Position(lon=lon, lat=0.7))


def test_a_camera_is_where_its_fixes_say(clock: FakeClock, keeper: PositionKeeper) -> None:
    keeper.take(fix(clock, -2, 0.7))
    keeper.take(fix(clock, 0, 0.702))
    assert keeper.position_at(clock.now() - timedelta(seconds=1)) == Position(lon=0.701, lat=0.7)
    assert keeper.counts == {"kept": 2}


def test_without_a_fresh_fix_it_is_where_the_deployment_has_it_and_that_is_said(
    clock: FakeClock, keeper: PositionKeeper
) -> None:
    with capture_logs() as logs:
        assert keeper.position_at(clock.now()) == HOME
    assert [(one["event"], one["camera"], one["latest_fix"]) for one in logs] == [
        ("position_unknown", "van-7", "never")
    ]
    keeper.take(fix(clock, 0))
    clock.advance(11)
    with capture_logs() as logs:
        assert keeper.position_at(clock.now()) == HOME
    assert logs[0]["latest_fix"] == "2026-01-01T00:00:00+00:00"
    assert keeper.counts == {"kept": 1, "unknown": 2}


def test_fixes_from_the_future_are_refused_and_said_once(clock: FakeClock, keeper: PositionKeeper) -> None:
    with capture_logs() as logs:
        for second in range(6, 700):
            keeper.take(fix(clock, second))
    assert [(one["event"], one["why"]) for one in logs] == [("position_refused", "ahead")]
    assert keeper.counts == {"ahead": 694}
    keeper.take(fix(clock, 0))
    assert keeper.position_at(clock.now()) == Position(lon=0.7, lat=0.7)


def test_jumps_are_said_again_after_a_good_fix_and_repeats_are_not_trouble(
    clock: FakeClock, keeper: PositionKeeper
) -> None:
    with capture_logs() as logs:
        for lon in (0.7, 0.9, 0.9, 0.70001, 0.9):
            clock.advance(1)
            for _ in range(2):
                keeper.take(fix(clock, 0, lon))
    assert [one["why"] for one in logs] == ["jump", "jump"]
    assert keeper.counts == {"kept": 2, "known": 2, "jump": 6}


def test_incidents_that_know_only_the_configured_place_are_put_where_they_occurred(clock: FakeClock) -> None:
    positions = Positions([camera(id="gate"), VAN], BROKER, "node", clock)
    positions._take("van-7", fix(clock, 0, 0.7))
    raised = incident(camera="van-7", occurred_at=clock.now(), position=HOME)
    later = replace(raised, phase=Phase.CLEARED, seq=1)
    elsewhere = incident(camera="gate", position=HOME)
    said: list[Incident] = []
    put = positions.placing(lambda _, incidents: said.extend(incidents))
    put("van-7", [raised])
    clock.advance(60)
    put("van-7", [later])
    put("gate", [elsewhere])
    there = Position(lon=0.7, lat=0.7)
    assert said == [replace(raised, position=there), replace(later, position=there), elsewhere]
    assert positions.counts() == {"van-7": {"kept": 1}}


def test_cameras_that_stand_still_need_nothing_to_run(clock: FakeClock) -> None:
    still = camera(id="gate")
    positions = Positions([still, VAN], BROKER, "node", clock)
    assert positions.of(still)(clock.now()) == HOME
    assert list(positions.counts()) == ["van-7"]
    Positions([still], BROKER, "node", clock).close(1.0)
