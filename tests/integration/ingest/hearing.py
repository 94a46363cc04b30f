"""Runs the event readers of cameras as the ingest role does, and collects the incidents."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gridwatch.app.device_events import DeviceEvents, TakeFix
from gridwatch.config import CameraConfig
from gridwatch.domain import Incident, SystemClock
from gridwatch.ingest.events import EventTally
from tests.waiting import wait_until

DEADLINE = 20.0


class Hearing:
    """What was heard, by the thread that hears it."""

    def __init__(
        self, cameras: Sequence[CameraConfig], on_fix: TakeFix | None = None, still_open: Sequence[Incident] = ()
    ) -> None:
        """`still_open` are of the first camera, and are cleared when it has not told of them within a second."""
        self.incidents: list[Incident] = []
        left = {cameras[0].id: still_open}
        self.events = DeviceEvents(cameras, self._put, SystemClock(), on_fix, left, settle_seconds=1.0)
        self._first = cameras[0].id

    @property
    def tally(self) -> EventTally:
        """Of the first camera."""
        return self.events.tallies[self._first]

    @property
    def told(self) -> list[tuple[str, str]]:
        """(rule, phase) of each message."""
        return [(one.rule.removeprefix("onvif."), str(one.phase)) for one in self.incidents]

    def wait_for_subscription(self, number: int = 1) -> None:
        wait_until(lambda: self.tally.connected and self.tally.subscriptions >= number, DEADLINE)

    def wait_for(self, *told: tuple[str, str]) -> None:
        """Exactly these messages, in this order."""
        wait_until(lambda: len(self.incidents) >= len(told), DEADLINE)
        assert self.told == list(told)

    def _put(self, camera: str, incidents: Sequence[Incident]) -> None:
        assert all(one.camera == camera for one in incidents)
        self.incidents += incidents


@contextmanager
def hearing(*cameras: CameraConfig, subscribed: bool = True, still_open: Sequence[Incident] = ()) -> Iterator[Hearing]:
    """Started, and with `subscribed` hearing the first camera; stopped at the end."""
    heard = Hearing(cameras, still_open=still_open)
    heard.events.start()
    try:
        if subscribed:
            heard.wait_for_subscription()
        yield heard
    finally:
        heard.events.close(5.0)
