from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gridwatch.config import CameraConfig, HealthConfig
from gridwatch.domain import CameraState, FakeClock, Incident, IncidentKind, Phase, Severity
from gridwatch.ingest import OFFLINE_RULE, SITE_OFFLINE_RULE, OutageWatch

UP, AWAY = CameraState.UP, CameraState.UNREACHABLE
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEALTH = HealthConfig()
Told = tuple[float, str, str, str]


def config(name: str, site: str = "north/gate", **source: Any) -> CameraConfig:
    return CameraConfig.model_validate(
        {"id": name, "site": site, "position": [1, 2], "source": source or {"rtsp": "rtsp://192.0.2.1/"}}
    )


class Play:
    """Cameras whose states a test sets, looked at twice a second of fake time."""

    def __init__(
        self, *cameras: CameraConfig, health: HealthConfig = HEALTH, still_open: Iterable[Incident] = ()
    ) -> None:
        self.clock = FakeClock(NOON)
        self.watch = OutageWatch([(camera, health) for camera in cameras], still_open)
        self.states = {camera.id: UP for camera in cameras}
        self.heard: list[Incident] = []
        self._times: list[float] = []

    def let(self, seconds: float, **states: CameraState) -> "Play":
        """Set `states` (`_` in a name for nothing else), then let time pass."""
        self.states |= states
        for _ in range(round(seconds * 2)):
            said = self.watch.step(self.states, self.clock.now(), self.clock.monotonic())
            self.heard += said
            self._times += [self.clock.monotonic()] * len(said)
            self.clock.advance(0.5)
        return self

    @property
    def open(self) -> list[Incident]:
        over = {one.id for one in self.heard if one.phase is Phase.CLEARED}
        return [one for one in self.heard if one.id not in over]

    def told(self) -> list[Told]:
        return [
            (time, one.camera, one.rule.removeprefix("health."), str(one.phase))
            for time, one in zip(self._times, self.heard, strict=True)
        ]


def test_a_short_absence_is_nothing() -> None:
    play = Play(config("a")).let(10).let(19.5, a=AWAY).let(60, a=UP)
    assert play.told() == []


def test_an_absence_longer_than_the_grace_is_one_incident_cleared_after_a_stable_return() -> None:
    play = Play(config("a")).let(10).let(100, a=AWAY).let(60, a=UP)
    assert play.told() == [(30, "a", "offline", "raised"), (120, "a", "offline", "cleared")]
    raised, over = play.heard
    assert (raised.kind, raised.severity) == (IncidentKind.CAMERA_OFFLINE, Severity.MAJOR)
    assert raised.rule == OFFLINE_RULE
    assert raised.occurred_at == NOON + timedelta(seconds=10)
    assert (raised.id, over.seq, over.occurred_at) == (over.id, 1, raised.occurred_at)


@pytest.mark.parametrize("state", [one for one in CameraState if one not in (UP, CameraState.STOPPED)], ids=str)
def test_every_state_without_video_counts_and_changing_between_them_is_the_same_absence(state: CameraState) -> None:
    play = Play(config("a")).let(12, a=CameraState.CONNECTING).let(12, a=state)
    assert play.told() == [(20, "a", "offline", "raised")]


def test_a_camera_that_never_answered_is_offline_after_the_grace() -> None:
    assert Play(config("a")).let(30, a=CameraState.CONNECTING).told() == [(20, "a", "offline", "raised")]


def test_the_first_connection_is_no_return_so_an_outage_soon_after_it_begins_when_it_begins() -> None:
    play = Play(config("a")).let(5, a=CameraState.CONNECTING).let(3, a=UP).let(30, a=AWAY)
    assert play.told() == [(28, "a", "offline", "raised")]
    assert play.heard[0].occurred_at == NOON + timedelta(seconds=8)


def test_a_camera_that_comes_and_goes_is_one_incident() -> None:
    play = Play(config("a"))
    for _ in range(20):
        play.let(25, a=AWAY).let(6, a=UP)
    assert play.told() == [(20, "a", "offline", "raised")]


def test_a_camera_that_returns_only_just_long_enough_must_stay_twice_as_long_the_next_time() -> None:
    play = Play(config("a"))
    for _ in range(20):
        play.let(25, a=AWAY).let(12, a=UP)
    assert [phase for *_, phase in play.told()] == ["raised", "cleared", "raised"]
    play.let(21, a=UP)
    assert play.told()[-1][3] == "cleared"


def test_after_ten_quiet_minutes_an_outage_counts_as_the_first_again() -> None:
    play = Play(config("a")).let(25, a=AWAY).let(700, a=UP).let(25, a=AWAY).let(12, a=UP)
    assert [phase for *_, phase in play.told()] == ["raised", "cleared"] * 2
    assert play.heard[0].id != play.heard[2].id


def test_a_site_whose_cameras_vanish_together_is_one_incident() -> None:
    play = Play(config("a"), config("b"), config("c")).let(10)
    play.let(3, a=AWAY).let(8, b=AWAY).let(60, c=AWAY)
    assert play.told() == [(41, "a", "site-offline", "raised")]
    (raised,) = play.heard
    assert (raised.rule, raised.count) == (SITE_OFFLINE_RULE, 3)
    assert raised.occurred_at == NOON + timedelta(seconds=21)


def test_cameras_that_do_not_return_with_their_site_get_incidents_of_their_own_after_another_grace() -> None:
    play = Play(config("a"), config("b"), config("c")).let(100, a=AWAY, b=AWAY, c=AWAY).let(60, a=UP, b=UP)
    assert play.told() == [
        (20, "a", "site-offline", "raised"), (110, "a", "site-offline", "cleared"), (130, "c", "offline", "raised"),
    ]  # fmt: skip
    assert play.heard[2].occurred_at == NOON


def test_a_site_that_returns_one_by_one_within_the_grace_says_nothing_more() -> None:
    play = Play(config("a"), config("b")).let(100, a=AWAY, b=AWAY).let(15, b=UP).let(60, a=UP)
    assert [one[2:] for one in play.told()] == [("site-offline", "raised"), ("site-offline", "cleared")]


def test_a_site_with_one_camera_left_is_not_offline() -> None:
    play = Play(config("a"), config("b"), config("c")).let(60, a=AWAY, b=AWAY)
    assert play.told() == [(20, "a", "offline", "raised"), (20, "b", "offline", "raised")]


def test_cameras_that_vanish_one_after_the_other_are_incidents_of_their_own() -> None:
    play = Play(config("a"), config("b")).let(30, a=AWAY).let(30, b=AWAY)
    assert play.told() == [(20, "a", "offline", "raised"), (50, "b", "offline", "raised")]


def test_a_camera_waits_for_another_that_is_on_its_way_down_but_not_for_one_that_is_back() -> None:
    play = Play(config("a"), config("b")).let(10, a=AWAY).let(15, b=AWAY).let(60, b=UP)
    assert play.told() == [(25, "a", "offline", "raised")]


def test_sites_do_not_mix() -> None:
    play = Play(config("a", "north"), config("b", "north/gate"), config("c", "south")).let(30, a=AWAY, b=AWAY, c=AWAY)
    assert {one[1:3] for one in play.told()} == {("a", "offline"), ("b", "offline"), ("c", "offline")}


def test_a_site_that_goes_again_while_one_camera_was_still_out_is_another_incident() -> None:
    play = Play(config("a"), config("b")).let(60, a=AWAY, b=AWAY).let(12, a=UP).let(60, a=AWAY)
    raised = [one for one in play.heard if one.phase is Phase.RAISED]
    assert [one.rule for one in raised] == [SITE_OFFLINE_RULE] * 2
    assert raised[0].id != raised[1].id


def test_a_stopped_worker_says_nothing_about_its_camera() -> None:
    play = Play(config("a")).let(60, a=CameraState.STOPPED)
    assert play.told() == []
    play.let(30, a=AWAY).let(60, a=CameraState.STOPPED)
    assert [phase for *_, phase in play.told()] == ["raised"]


def test_what_is_not_to_be_watched_is_not() -> None:
    assert Play(config("a"), health=HealthConfig(offline_seconds=None)).let(60, a=AWAY).told() == []
    assert Play(config("a", file="clip.mp4")).let(60, a=AWAY).told() == []


def test_the_wall_clock_stepping_either_way_changes_no_duration_and_no_order() -> None:
    for step in (-7200.0, 7200.0):
        play = Play(config("a")).let(10, a=AWAY)
        play.clock.step(step)
        play.let(30).let(30, a=UP)
        assert [(time, phase) for time, *_, phase in play.told()] == [(20, "raised"), (50, "cleared")]
        raised, over = play.heard
        assert raised.occurred_at == NOON
        assert raised.observed_at >= raised.occurred_at
        assert over.observed_at >= over.occurred_at


def test_the_night_in_which_daylight_saving_begins_or_ends_is_a_night_like_any_other() -> None:
    for day in (datetime(2026, 3, 29, 0, 59, 50, tzinfo=UTC), datetime(2026, 10, 25, 0, 59, 50, tzinfo=UTC)):
        play = Play(config("a"))
        play.clock = FakeClock(day)
        play.let(60, a=AWAY).let(30, a=UP)
        assert [time for time, *_ in play.told()] == [20, 70]
        assert play.heard[0].observed_at - play.heard[0].occurred_at == timedelta(seconds=20)
        assert play.heard[0].occurred_at.utcoffset() == timedelta(0)


def test_an_outage_open_in_the_last_run_is_cleared_under_the_same_id() -> None:
    before = Play(config("a"), config("b")).let(60, a=AWAY)
    after = Play(config("a"), config("b"), still_open=before.open)
    after.let(5, a=CameraState.CONNECTING, b=CameraState.CONNECTING).let(30, a=UP, b=UP)
    assert after.told() == [(15, "a", "offline", "cleared")]
    assert (after.heard[0].id, after.heard[0].seq) == (before.heard[0].id, 1)


def test_an_outage_that_goes_on_over_a_restart_is_not_raised_anew() -> None:
    before = Play(config("a"), config("b")).let(60, a=AWAY, b=AWAY)
    after = Play(config("a"), config("b"), still_open=before.open).let(60, a=AWAY, b=AWAY)
    assert after.heard == []


def test_a_camera_that_is_already_back_after_a_restart_must_stay_too() -> None:
    before = Play(config("a")).let(60, a=AWAY)
    after = Play(config("a"), still_open=before.open).let(30, a=UP)
    assert [(time, phase) for time, *_, phase in after.told()] == [(10, "cleared")]


def test_an_outage_of_a_camera_that_was_taken_out_of_the_configuration_is_cleared() -> None:
    before = Play(config("a"), config("gone")).let(30, gone=AWAY)
    after = Play(config("a"), still_open=before.open)
    after.let(5)
    assert [one[1:] for one in after.told()] == [("gone", "offline", "cleared")]
