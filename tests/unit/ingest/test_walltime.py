import struct
from datetime import UTC, datetime, timedelta

import pytest

from gridwatch.domain import FakeClock
from gridwatch.ingest.walltime import producer_time, stamp


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
