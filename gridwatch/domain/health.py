"""How a camera is doing, as its worker sees it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gridwatch.domain.command import Mute
from gridwatch.domain.site import SitePath


class CameraState(StrEnum):
    """What the reader of a camera is doing."""

    CONNECTING = "connecting"  # first try, or the first after it was up
    UP = "up"  # frames arrive
    REFUSED = "refused"  # the camera refused the user name or password
    UNREACHABLE = "unreachable"  # no answer, or connection refused
    NO_VIDEO = "no_video"  # it answers but serves no usable video
    STALLED = "stalled"  # connected, but no frame for too long
    STOPPED = "stopped"  # its worker ended


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraHealth:
    """State and counters of one camera since its worker started."""

    camera: str
    site: SitePath
    state: CameraState
    reason: str
    """One line a person can act on; empty while up. Never a credential."""
    since: datetime
    """When it entered `state`, UTC."""
    observed_at: datetime
    frames: int
    """Frames decoded."""
    analysed: int
    """Frames handed to analysis."""
    dropped: int
    """Frames dropped because analysis was late."""
    detected: int
    """Frames the gate let through to the detector."""
    detections: int
    """Detections kept."""
    incidents: int
    """Incidents raised."""
    fps: float
    """Frames decoded a second, over the last reporting period."""
    clips: int = 0
    """Clips kept on the worker."""
    clips_lost: int = 0
    """Incidents that should have a clip and have none."""
    suppressed: int = 0
    """Incidents not raised, or later, since one was cleared at their place a moment ago (`cooldown_seconds`)."""
    muted: int = 0
    """Incidents not raised, since somebody has muted their rule."""
    mutes: tuple[Mute, ...] = ()
    """Rules that raise nothing now."""
