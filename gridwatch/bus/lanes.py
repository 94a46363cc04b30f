"""Which message of an outbox goes next: what happens now before what is old, in order within each camera. Pure."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

LIVE: Final = 30.0
"""Seconds for which a message is news. What waits no longer than that is not slowed down."""
_BURST: Final = 0.1
"""Seconds of the drain rate that may go at once."""
_CAMERA_LEVELS: Final = 6
"""Levels of a topic up to and with the camera: gridwatch/v1/district/substation/checkpoint/camera."""
_COMPACT: Final = 1024
"""Entries forgotten at the front of a lane before it is packed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A message in the outbox, without its bytes."""

    id: int
    """Grows in the order of appending."""
    topic: str
    appended_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A message to send now."""

    id: int
    lane: str
    is_old: bool
    """It counts against the drain rate."""


def lane_of(topic: str) -> str:
    """All that must stay in order among itself: whatever is of one camera."""
    return "/".join(topic.split("/", _CAMERA_LEVELS)[:_CAMERA_LEVELS])


class Lanes:
    """One queue a camera. Not thread-safe; 16 bytes a message.

    Order: first the cameras whose next message is news, however much is old elsewhere; then, at most `rate` messages a
    second, cameras of which something new waits behind what is old; then all others. Oldest first in each.
    Ages are by the wall clock, since they outlive a restart: a step of it changes who goes first, never the order of a
    camera, and loses nothing.
    """

    def __init__(self, rate: float) -> None:
        """`rate`: messages a second of what is old."""
        self._rate = rate
        self._capacity = max(1.0, rate * _BURST)
        self._tokens = self._capacity
        self._filled_at: float | None = None
        self._lanes: dict[str, _Lane] = defaultdict(_Lane)
        self._active: dict[str, _Lane] = {}

    def add(self, waiting: Iterable[Waiting]) -> None:
        """Put messages behind the others. Their ids grow from call to call."""
        for one in waiting:
            name = lane_of(one.topic)
            lane = self._lanes[name]
            lane.ids.append(one.id)
            lane.times.append(one.appended_at)
            self._active[name] = lane

    def take(self, limit: int, now: float, monotonic: float) -> list[Pick]:
        """Up to `limit` messages to send now, in this order. `now`: seconds since the epoch."""
        self._fill(monotonic)
        picks: list[Pick] = []
        while len(picks) < limit and (pick := self._next(now)) is not None:
            picks.append(pick)
        return picks

    def put_back(self, picks: Sequence[Pick]) -> None:
        """The last of what was taken could not be sent."""
        for pick in picks:
            lane = self._lanes[pick.lane]
            lane.sent -= 1
            self._active[pick.lane] = lane
            self._tokens += pick.is_old

    def drop(self, lane: str, entry: int) -> None:
        """A message is done with: acknowledged and settled, set aside, or gone. One that is not known is none."""
        if lane in self._lanes:
            self._lanes[lane].drop(entry)
            self._tidy(lane)

    def rewind(self, done: AbstractSet[int] = frozenset()) -> None:
        """Nothing was sent: start again with the oldest of each camera that is not `done`."""
        for name, lane in self._lanes.items():
            lane.sent = lane.start
            while lane.sent < len(lane.ids) and lane.ids[lane.sent] in done:
                lane.sent += 1
            self._active[name] = lane
        for name in list(self._active):
            self._tidy(name)

    def wait(self, monotonic: float) -> float | None:
        """Seconds until more of what is old may go; None when nothing waits for that."""
        if not self._active:
            return None
        self._fill(monotonic)
        return max(0.0, self._capacity - self._tokens) / self._rate

    @property
    def is_empty(self) -> bool:
        """True when everything was taken."""
        return not self._active

    def _fill(self, monotonic: float) -> None:
        if self._filled_at is not None:
            self._tokens = min(self._capacity, self._tokens + (monotonic - self._filled_at) * self._rate)
        self._filled_at = monotonic

    def _next(self, now: float) -> Pick | None:
        if not self._active:
            return None
        since = now - LIVE
        # (is its next message old, and does nothing new wait behind it; which is oldest)
        rank = {
            name: (lane.times[lane.sent] < since, lane.times[-1] < since, lane.ids[lane.sent])
            for name, lane in self._active.items()
        }
        name = min(rank, key=rank.__getitem__)
        is_old = rank[name][0]
        if is_old:
            if self._tokens < 1.0:
                return None
            self._tokens -= 1.0
        lane = self._active[name]
        pick = Pick(lane.ids[lane.sent], name, is_old)
        lane.sent += 1
        if lane.sent == len(lane.ids):
            del self._active[name]
        return pick

    def _tidy(self, name: str) -> None:
        lane = self._lanes[name]
        if lane.sent == len(lane.ids):
            self._active.pop(name, None)
        if lane.start == len(lane.ids):
            del self._lanes[name]


class _Lane:
    """Entries before `start` are done with, those before `sent` were taken."""

    __slots__ = ("ids", "sent", "start", "times")

    def __init__(self) -> None:
        self.ids = array("q")
        self.times = array("d")
        self.start = 0
        self.sent = 0

    def drop(self, entry: int) -> None:
        if self.start < len(self.ids) and self.ids[self.start] == entry:
            self.start += 1
            self.sent = max(self.sent, self.start)
        else:
            with suppress(ValueError):
                at = self.ids.index(entry, self.start)
                del self.ids[at], self.times[at]
                self.sent -= at < self.sent
        if self.start >= _COMPACT:
            del self.ids[: self.start], self.times[: self.start]
            self.sent -= self.start
            self.start = 0
