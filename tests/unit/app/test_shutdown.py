import os
import signal

import pytest

from gridwatch.app.shutdown import ShutdownStack, StopSignal
from gridwatch.domain import FakeClock


def test_steps_run_last_first_and_once() -> None:
    order: list[tuple[str, float]] = []
    with ShutdownStack(FakeClock()) as stack:
        stack.push("first", lambda timeout: order.append(("first", timeout)), timeout=1.0)
        stack.push("second", lambda timeout: order.append(("second", timeout)), timeout=2.0)
        stack.close()
    assert order == [("second", 2.0), ("first", 1.0)]


def test_a_step_that_fails_keeps_no_other_open(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: float) -> None:
        raise RuntimeError("stuck")

    closed: list[str] = []
    with ShutdownStack(FakeClock()) as stack:
        stack.push("below", lambda _: closed.append("below"), timeout=1.0)
        stack.push("broken", fail, timeout=1.0)
    assert closed == ["below"]
    assert "shutdown_step_failed" in capsys.readouterr().out


def test_steps_run_when_the_body_fails() -> None:
    closed: list[str] = []

    def fail() -> None:
        with ShutdownStack(FakeClock()) as stack:
            stack.push("part", lambda _: closed.append("part"), timeout=1.0)
            raise ValueError("body")

    with pytest.raises(ValueError, match="body"):
        fail()
    assert closed == ["part"]


def test_a_late_step_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with ShutdownStack(clock) as stack:
        stack.push("slow", lambda _: clock.advance(3.0), timeout=1.0)
    assert "shutdown_step_late" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_sets_the_event_and_gives_the_handlers_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert not stop.event.is_set()
        os.kill(os.getpid(), number)
        assert stop.event.wait(5.0)
    assert signal.getsignal(number) is before
