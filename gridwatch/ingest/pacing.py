"""When to read a connection: not whenever something comes, but when a picture to analyse is there.

A reader that sleeps in between is woken once for all that came meanwhile, and saves a third of what demuxing costs and
a little of decoding. It sleeps by the clock of the stream: how far arrival is behind PTS when nothing is waiting to be
read is learnt from a stretch without sleep now and then.
"""

from typing import Final

LATE_SECONDS: Final = 0.01
"""How much later than it could be a picture at a point of the sampling grid is read, so that it is there in whole. One
that is taken early waits until then."""
LONGEST_SECONDS: Final = 0.25
"""Of one sleep."""
_LEAST_SECONDS: Final = 0.01
"""A shorter one is not worth it."""
_WAITING_BYTES: Final = 96 * 1024
"""What may come meanwhile, on average: less than Linux keeps for a new connection (128 KiB), so as not to hold up the
camera."""
_STRETCH_SECONDS: Final = 0.2
"""Stream time of a stretch without sleep."""
_SLEEPS: Final = 25
"""From one stretch to the next."""
_SETTLED_SECONDS: Final = 0.005
"""While the lag falls by more than this from stretch to stretch, more was waiting."""
_JUMP_SECONDS: Final = 2.0
"""After a longer step of PTS the lag is another one."""


class Pace:
    """Of one connection over TCP, which keeps what is not read. Deterministic. Not thread-safe."""

    def __init__(self) -> None:
        self._lag: float | None = None
        """Arrival minus PTS when nothing is waiting, seconds; None until the first stretch is over."""
        self._least = float("inf")
        """The same so far, in this stretch."""
        self._sleeps_left = 0
        """0 in a stretch without sleep."""
        self._stretch_ends = self._latest = float("-inf")
        """PTS."""
        self._began, self._bytes = 0.0, 0
        """Since when, in PTS, so many bytes came."""

    def seconds(self, pts: float, size: int, due: float, now: float) -> float:
        """How long to sleep after the packet of the picture at `pts`, of `size` bytes; 0: not at all.

        `due`: how long after that picture one is analysed next. All in seconds. `now`: a monotonic clock.
        """
        if abs(pts - self._latest) > _JUMP_SECONDS:
            self._lag = None
            self._stretch(pts, pts + _STRETCH_SECONDS)
        self._latest = pts
        self._bytes += size
        if self._sleeps_left == 0:
            self._least = min(self._least, now - pts)
            if pts < self._stretch_ends:
                return 0.0
            lag, self._lag = self._lag, self._least
            if lag is None or self._least < lag - _SETTLED_SECONDS:
                self._stretch(pts, pts + _STRETCH_SECONDS)
                return 0.0
            self._sleeps_left = _SLEEPS
        seconds = self._until(pts, due, now)
        if seconds < _LEAST_SECONDS:
            return 0.0
        self._sleeps_left -= 1
        if self._sleeps_left == 0:
            self._stretch(pts, pts + due + _STRETCH_SECONDS)
        return seconds

    def _until(self, pts: float, due: float, now: float) -> float:
        assert self._lag is not None  # noqa: S101 - a stretch is over
        there = pts + min(due, LONGEST_SECONDS) + self._lag + LATE_SECONDS
        return min(there - now, (pts - self._began) * _WAITING_BYTES / self._bytes)

    def _stretch(self, begins: float, ends: float) -> None:
        self._sleeps_left, self._least = 0, float("inf")
        self._stretch_ends = ends
        self._began, self._bytes = begins, 0
