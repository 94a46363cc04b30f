import pytest

from gridwatch.app.health import PERIOD, FrameRate
from gridwatch.domain import FakeClock


def test_the_frame_rate_is_that_of_the_last_period() -> None:
    clock = FakeClock()
    rate = FrameRate(clock)
    clock.advance(PERIOD)
    assert rate.at(20) == pytest.approx(20 / PERIOD)
    clock.advance(2 * PERIOD)
    assert rate.at(30) == pytest.approx(10 / (2 * PERIOD))


def test_within_a_period_the_rate_stays() -> None:
    clock = FakeClock()
    rate = FrameRate(clock)
    clock.advance(PERIOD)
    first = rate.at(20)
    clock.advance(PERIOD / 2)
    assert rate.at(21) == first
