from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from gridwatch.config import CameraConfig, HealthConfig
from gridwatch.domain import FakeClock, Incident, IncidentKind, Severity
from gridwatch.ingest import CLOCK_DRIFT_RULE, DriftWatch, ReaderTally

NOON = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)


def config(name: str) -> CameraConfig:
    return CameraConfig.model_validate(
        {"id": name, "site": "north", "position": [1, 2], "source": {"rtsp": "rtsp://192.0.2.1/"}}
    )


class Play:
    """One camera whose clock a test sets, looked at twice a second of fake time."""

    def __init__(self, limit: float | None = 2.0, still_open: Iterable[Incident] = ()) -> None:
        self.clock = FakeClock(NOON)
        self.watch = DriftWatch([(config("a"), HealthConfig(clock_drift_seconds=limit))], still_open)
        self.heard: list[tuple[float, Incident]] = []

    def let(self, seconds: float, drift: float | None) -> "Play":
        for _ in range(round(seconds * 2)):
            drifts = {} if drift is None else {"a": drift}
            now = self.clock.monotonic()
            self.heard += [(now, one) for one in self.watch.step(drifts, self.clock.now(), now)]
            self.clock.advance(0.5)
        return self

    def told(self) -> list[tuple[float, str]]:
        return [(time, str(one.phase)) for time, one in self.heard]


@pytest.mark.parametrize("drift", [2.1, -2.1, 3600.0, -28800.0])
def test_a_clock_that_is_wrong_for_a_while_is_an_incident_until_it_is_right_for_a_while(drift: float) -> None:
    play = Play().let(20, 0.1).let(60, drift).let(60, 0.1)
    assert play.told() == [(30, "raised"), (90, "cleared")]
    raised = play.heard[0][1]
    assert (raised.kind, raised.severity) == (IncidentKind.DEVICE_ALARM, Severity.MINOR)
    assert raised.rule == CLOCK_DRIFT_RULE
    assert (raised.occurred_at - NOON).total_seconds() == 20


def test_a_burst_of_late_packets_is_not_drift() -> None:
    play = Play()
    for _ in range(10):
        play.let(9, -6.0).let(2, -0.2)
    assert play.told() == []


def test_a_clock_about_the_limit_is_one_incident() -> None:
    play = Play()
    for _ in range(20):
        play.let(15, 2.1).let(15, 1.9)
    assert play.told() == [(10, "raised")]


def test_a_camera_that_is_down_or_tells_no_time_is_not_judged_by_its_last_reading() -> None:
    play = Play().let(60, None).let(8, 9.0).let(60, None).let(8, 9.0)
    assert play.told() == []
    play.let(4, 9.0).let(60, None)
    assert [phase for _, phase in play.told()] == ["raised"]


def test_our_own_clock_stepping_back_and_forth_does_not_make_cameras_drift() -> None:
    play = Play().let(20, 0.1)
    play.clock.step(5)
    play.let(8, -4.9)
    play.clock.step(-5)
    play.let(60, 0.1)
    assert play.told() == []


def test_a_reading_from_before_our_clock_stepped_counts_for_nothing() -> None:
    play = Play().let(8, 5.0)
    play.clock.step(-3600)
    play.let(9, 5.0)
    assert play.told() == []
    play.let(3, 5.0)
    assert [phase for _, phase in play.told()] == ["raised"]
    assert play.heard[0][1].occurred_at < NOON


def test_the_hour_that_daylight_saving_skips_is_not_drift() -> None:
    # From 00:59 to 01:01 UTC on the last Sunday of March; both clocks are UTC, so nothing jumps.
    assert Play().let(120, 0.0).told() == []


def test_drift_is_not_watched_where_it_is_not_to_be() -> None:
    assert Play(limit=None).let(60, 99.0).told() == []


def test_what_was_open_in_the_last_run_is_cleared_under_the_same_id() -> None:
    raised = Play().let(30, 5.0).heard[0][1]
    after = Play(still_open=[raised]).let(5, None).let(30, 0.0)
    assert after.told() == [(15, "cleared")]
    assert (after.heard[0][1].id, after.heard[0][1].seq) == (raised.id, 1)
    gone = Play(limit=None, still_open=[raised]).let(1, None)
    assert gone.told() == [(0, "cleared")]


def test_the_tally_keeps_what_onvif_says_of_the_clock_beside_rtcp() -> None:
    tally = ReaderTally()
    tally.clock_offset(-3.0)
    assert (tally.snapshot().clock_offset_seconds, tally.snapshot().clock_drift_seconds) == (-3.0, None)
