"""When a picture was taken, by the camera's clock where it can be trusted and by ours where not. Pure."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TRUST_SECONDS = 2.0
"""A camera's clock is believed when it agrees with arrival to within this (design, section 4)."""


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
