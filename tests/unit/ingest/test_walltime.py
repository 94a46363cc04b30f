import struct
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from gridwatch.domain import FakeClock
from gridwatch.ingest.walltime import SenderClock, producer_time, stamp


def after(clock: FakeClock, seconds: float) -> datetime:
    return clock.now() + timedelta(seconds=seconds)


def test_without_a_sender_report_arrival_is_all_there_is() -> None:
    now = FakeClock().now()
    result = stamp(None, now, 3600.0)
    assert (result.captured_at, result.arrived_at, result.drift_seconds) == (now, now, None)
    assert result.trusted


@pytest.mark.parametrize("late", [0.0, 0.12, 1.9])
def test_a_clock_that_agrees_is_believed_to_the_millisecond(late: float) -> None:
    clock = FakeClock()
    sent_at = clock.now()
    clock.advance(late)
    # The coarse ONVIF offset of a clock that agrees must not spoil it.
    result = stamp(sent_at, clock.now(), -0.5)
    assert result.captured_at == sent_at
    assert result.arrived_at == clock.now()
    assert result.drift_seconds == pytest.approx(-late)
    assert result.trusted


def test_a_picture_is_never_taken_after_it_arrived() -> None:
    clock = FakeClock()
    result = stamp(after(clock, 1.0), clock.now(), 0.0)
    assert result.captured_at == clock.now()
    assert result.drift_seconds == pytest.approx(1.0)


@pytest.mark.parametrize("skew", [-7200.0, -10.0, 10.0, 86400.0])
def test_a_wrong_clock_is_corrected_by_its_onvif_offset_and_reported(skew: float) -> None:
    clock = FakeClock()
    result = stamp(after(clock, skew - 0.2), clock.now(), skew)
    assert result.captured_at == after(clock, -0.2)
    assert result.drift_seconds == pytest.approx(skew - 0.2)
    assert not result.trusted


@pytest.mark.parametrize("skew", [-2.5, 2.5, 3600.0])
def test_a_wrong_clock_without_a_fitting_offset_is_not_believed(skew: float) -> None:
    clock = FakeClock()
    result = stamp(after(clock, skew), clock.now(), 0.0)
    assert result.captured_at == clock.now()
    assert not result.trusted


def test_a_step_of_our_own_clock_falls_back_to_arrival() -> None:
    clock = FakeClock()
    sent_at = clock.now()
    clock.step(30.0)
    assert stamp(sent_at, clock.now(), 0.0).captured_at == clock.now()
    clock.step(-30.0)
    assert stamp(sent_at, clock.now(), 0.0).captured_at == sent_at


def test_a_slowly_drifting_clock_is_believed_until_it_is_two_seconds_off() -> None:
    clock = FakeClock()
    believed = [stamp(after(clock, -hour * 0.1), clock.now(), 0.0).captured_at != clock.now() for hour in range(1, 40)]
    assert believed == [hour <= 20 for hour in range(1, 40)]


def test_a_producer_time_reads_as_utc() -> None:
    at = datetime(2026, 3, 29, 1, 30, 0, 250_000, tzinfo=UTC)
    assert producer_time(struct.pack("=qi", round(at.timestamp() * 1e6), 24)) == at


@pytest.mark.parametrize("side_data", [b"", b"\0" * 7, struct.pack("=qi", 2**62, 0), struct.pack("=qi", -(2**62), 0)])
def test_an_impossible_producer_time_is_none(side_data: bytes) -> None:
    assert producer_time(side_data) is None


class Packet:
    """What FFmpeg makes of a packet: `reported` is when it was taken, by the latest sender report."""

    time_base = Fraction(1, 90_000)

    def __init__(self, seconds: float | None, reported: datetime | None) -> None:
        self.pts = None if seconds is None else round(seconds * 90_000)
        self.reported = reported
        self.asked = False

    def get_sidedata(self, kind: str) -> bytes:
        assert kind == "prft"
        self.asked = True
        return b"" if self.reported is None else struct.pack("=qi4x", round(self.reported.timestamp() * 1e6), 24)


def test_pictures_between_two_looks_at_the_cameras_clock_are_dated_by_their_pts() -> None:
    start = FakeClock().now()
    clock = SenderClock()
    packets = [Packet(7.0 + i / 15, start + timedelta(seconds=i / 15)) for i in range(150)]
    for one in packets:
        taken_at = clock.taken_at(one)
        assert taken_at is not None
        assert one.reported is not None
        assert abs(taken_at - one.reported) < timedelta(microseconds=20)
    assert sum(one.asked for one in packets) == 10


@pytest.mark.parametrize("steps_to", [-3600.0, 4000.0])
def test_a_step_of_the_pts_is_no_step_of_the_cameras_clock(steps_to: float) -> None:
    start = FakeClock().now()
    clock = SenderClock()
    clock.taken_at(Packet(7.0, start))
    assert clock.taken_at(Packet(steps_to, start + timedelta(seconds=0.2))) == start + timedelta(seconds=0.2)


def test_a_camera_that_sets_its_clock_is_followed_within_a_second() -> None:
    start = FakeClock().now()
    set_at = start + timedelta(hours=1)
    clock = SenderClock()
    clock.taken_at(Packet(7.0, start))
    assert clock.taken_at(Packet(8.1, set_at)) == set_at


def test_before_the_first_report_every_packet_is_asked() -> None:
    start = FakeClock().now()
    clock = SenderClock()
    assert clock.taken_at(Packet(7.0, None)) is None
    assert clock.taken_at(Packet(7.2, start)) == start
    assert clock.taken_at(Packet(None, start)) == start
