"""When a picture was taken, by the camera's clock where it can be trusted and by ours where not. Pure."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import av

TRUST_SECONDS = 2.0
"""A camera's clock is believed when it agrees with arrival to within this (design, section 4)."""

_ASK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """The wall clock of one picture."""

    captured_at: datetime
    arrived_at: datetime
    drift_seconds: float | None
    """The camera's own clock minus ours at arrival; None when it sent no time."""

    @property
    def trusted(self) -> bool:
        """True when the camera's clock, uncorrected, is good enough or unknown; False when it needs setting."""
        return self.drift_seconds is None or abs(self.drift_seconds) <= TRUST_SECONDS


def producer_time(side_data: bytes) -> datetime | None:
    """The wall clock in an AVProducerReferenceTime (libavcodec: int64 microseconds since 1970, then flags).

    FFmpeg derives it for each RTP packet from the latest RTCP sender report. None when it is no possible date.
    """
    if len(side_data) < 8:
        return None
    (microseconds,) = struct.unpack_from("=q", side_data)
    try:
        return datetime.fromtimestamp(microseconds / 1e6, UTC)
    except (ValueError, OverflowError, OSError):
        return None


class SenderClock:
    """The camera's own time of each picture, from its RTCP sender reports. Not thread-safe.

    They come every few seconds, and PTS tell the time in between: one packet a second is asked, since asking is slow.
    """

    def __init__(self) -> None:
        self._taken_at: datetime | None = None
        self._pts = 0
        self._tick = 0.0

    def taken_at(self, packet: "av.Packet[av.VideoStream]") -> datetime | None:
        """When the camera says it took the picture of `packet`; None before its first report."""
        pts = packet.pts
        if self._taken_at is not None and pts is not None:
            seconds = (pts - self._pts) * self._tick
            if -_ASK_SECONDS < seconds < _ASK_SECONDS:
                return self._taken_at + timedelta(seconds=seconds)
        taken_at = producer_time(bytes(packet.get_sidedata("prft")))
        self._taken_at = None if pts is None else taken_at
        self._pts, self._tick = pts or 0, float(packet.time_base or 0)
        return taken_at


def stamp(sent_at: datetime | None, arrived_at: datetime, clock_offset_seconds: float) -> Stamp:
    """Stamp a picture the camera says it took at `sent_at` (RTCP sender report), which arrived at `arrived_at`.

    `clock_offset_seconds` is the camera's clock minus ours as ONVIF tells it, to about half a second: too coarse to
    correct a clock that already agrees, so it is used only for one that does not. A picture cannot be taken after it
    arrived; a camera slightly ahead is cut to arrival. All times UTC, so daylight saving does not exist here.
    """
    if sent_at is None:
        return Stamp(captured_at=arrived_at, arrived_at=arrived_at, drift_seconds=None)
    drift = (sent_at - arrived_at).total_seconds()
    for correction in (0.0, clock_offset_seconds):
        if abs(drift - correction) <= TRUST_SECONDS:
            captured_at = min(sent_at - timedelta(seconds=correction), arrived_at)
            return Stamp(captured_at=captured_at, arrived_at=arrived_at, drift_seconds=drift)
    return Stamp(captured_at=arrived_at, arrived_at=arrived_at, drift_seconds=drift)
