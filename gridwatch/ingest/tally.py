"""What the reader of one camera has done since it was made."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class TallySnapshot:
    """The counters at one moment. All but the clocks grow for the life of the reader."""

    decoded: int = 0
    """Pictures decoded, keyframes of an idle camera twice when it wakes."""
    passed_over: int = 0
    """Packets not decoded because nothing moved."""
    wakes: int = 0
    """Times an idle camera was decoded again from its last keyframe on."""
    emitted: int = 0
    """Frames handed on."""
    decode_errors: int = 0
    """Packets or pictures that could not be decoded whole."""
    connections: int = 0
    """Times a stream was opened."""
    bytes: int = 0
    """Bytes of video received."""
    clock_drift_seconds: float | None = None
    """The camera's clock minus ours, as its latest RTCP sender report has it; None until one arrived."""
    clock_offset_seconds: float | None = None
    """The same as ONVIF told it at the latest connection, to about half a second; None without ONVIF."""

    @property
    def reconnects(self) -> int:
        """Times a stream was opened again after the first."""
        return max(0, self.connections - 1)


class ReaderTally:
    """Thread-safe counters: one reader writes, anybody takes snapshots."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Plain numbers, since they change with every packet, and a snapshot is taken once in a while.
        self._counts = dict.fromkeys(
            ("decoded", "passed_over", "wakes", "emitted", "decode_errors", "connections", "bytes"), 0
        )
        self._clock_drift_seconds: float | None = None
        self._clock_offset_seconds: float | None = None

    def packet(self, *, size: int, decoded: int, errors: int) -> None:
        """One packet of `size` bytes came, `decoded` pictures and `errors` errors with it."""
        with self._lock:
            counts = self._counts
            counts["bytes"] += size
            counts["decoded"] += decoded
            counts["decode_errors"] += errors

    def passed_over(self, packets: int) -> None:
        """So many packets need not be decoded."""
        self._add("passed_over", packets)

    def woke(self) -> None:
        """Something may move."""
        self._add("wakes", 1)

    def emitted(self) -> None:
        """One frame was handed on."""
        self._add("emitted", 1)

    def connected(self) -> None:
        """A stream was opened."""
        self._add("connections", 1)

    def clock_drift(self, seconds: float) -> None:
        """The camera's clock is ahead of ours by `seconds` (behind when negative)."""
        with self._lock:
            self._clock_drift_seconds = seconds

    def clock_offset(self, seconds: float) -> None:
        """The camera's clock is ahead of ours by about `seconds`, says ONVIF."""
        with self._lock:
            self._clock_offset_seconds = seconds

    def snapshot(self) -> TallySnapshot:
        """The counters now, consistent with each other."""
        with self._lock:
            return TallySnapshot(
                **self._counts,
                clock_drift_seconds=self._clock_drift_seconds,
                clock_offset_seconds=self._clock_offset_seconds,
            )

    def _add(self, name: str, count: int) -> None:
        with self._lock:
            self._counts[name] += count
