"""Stream time, and which pictures of it are analysed. Pure and deterministic: the same PTS give the same choice."""

import math

MAX_GAP_SECONDS = 10.0
"""A longer hole in a stream's PTS is a jump of its clock: a live stream silent for so long has stalled."""

EARLY_SHARE = 0.1
"""A picture may come this share of a sampling period before it is due: jittered PTS keep their regular choice."""


class StreamTimeline:
    """Turns a stream's raw PTS into stream time: starts at 0, never steps back, jumps bridged. Not thread-safe."""

    def __init__(self, nominal_interval: float) -> None:
        """`nominal_interval`: seconds between pictures, used where the stream does not say (> 0)."""
        self._interval = nominal_interval
        self._time: float | None = None
        self._raw: float | None = None
        self._offset = 0.0

    def advance(self, raw: float | None) -> float:
        """Stream time in seconds of the next picture, whose PTS is `raw` seconds, or None when it has none."""
        expected = 0.0 if self._time is None else self._time + self._interval
        if raw is None:
            self._time = expected
            return expected
        if self._raw is None or not 0.0 <= raw - self._raw <= MAX_GAP_SECONDS:
            # The first PTS known, or the camera restarted its count: go on where we are.
            self._offset = expected - raw
        self._raw = raw
        self._time = max(raw + self._offset, self._time or 0.0)
        return self._time

    def foresee(self, raw: float) -> float | None:
        """What `advance` will say of a picture at `raw` seconds, others before it or not; None when that depends."""
        if self._raw is None or self._time is None or not 0.0 <= raw - self._raw <= MAX_GAP_SECONDS:
            return None
        return max(raw + self._offset, self._time)

    def pass_over(self, raw: float) -> None:
        """A picture at `raw` seconds is not decoded. In order of decoding: one shown before the last says nothing."""
        if self._raw is None or raw > self._raw:
            self.advance(raw)


class FrameSampler:
    """Chooses pictures on a fixed grid of `fps` a second, so that the mean rate is right. Not thread-safe.

    A picture is taken when it is the first at or after a grid point (less `EARLY_SHARE` of a period); grid points
    without a picture are skipped, not made up for. A source slower than `fps` is taken whole.
    """

    def __init__(self, fps: float) -> None:
        if not fps > 0:
            raise ValueError(f"fps must be positive, not {fps}")
        self._fps = fps
        self._due = 0

    def take(self, time: float) -> bool:
        """True when the picture at stream time `time` (seconds, never stepping back) is to be analysed."""
        if not self.would_take(time):
            return False
        self._due = math.floor(time * self._fps + EARLY_SHARE) + 1
        return True

    def would_take(self, time: float) -> bool:
        """The same, and nothing changes."""
        return math.floor(time * self._fps + EARLY_SHARE) >= self._due

    def next_after(self, time: float) -> float:
        """The first grid point that a picture at stream time `time` is not taken for."""
        return (math.floor(time * self._fps + EARLY_SHARE) + 1) / self._fps
