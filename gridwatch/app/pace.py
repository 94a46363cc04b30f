"""How fast connections are begun, all cameras of a process together."""

import threading
from typing import Final

from gridwatch.domain import Clock

PER_SECOND: Final = 25.0
"""Beginning one costs some 15 ms of CPU (ONVIF, RTSP) and its first key picture: about half a core at this rate."""
AT_ONCE: Final = 8
"""After a pause, so many wait for nobody."""


class Pace:
    """Gives turns. Thread-safe.

    What is limited is the rate and not the number under way: a dead camera takes 5 to 20 s to be known as one, and a
    few dozen of those would keep all others out. In a span of s seconds at most AT_ONCE + PER_SECOND x s turns come.
    """

    def __init__(self, clock: Clock, *, per_second: float = PER_SECOND, at_once: int = AT_ONCE) -> None:
        self._clock = clock
        self._interval = 1.0 / per_second
        self._lead = (at_once - 1) * self._interval
        self._lock = threading.Lock()
        self._next = clock.monotonic()
        """When the next turn would come were all given at even distances (the theoretical arrival time of GCRA)."""

    def wait_seconds(self) -> float:
        """Take a turn, and how long it is until it comes, in the order of asking. A turn not used is lost."""
        with self._lock:
            now = self._clock.monotonic()
            even = max(self._next, now)
            self._next = even + self._interval
            return max(0.0, even - self._lead - now)
