"""What a virtual camera is, and how it may misbehave."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from gridwatch.config.base import IDENTIFIER
from gridwatch.domain import Position
from gridwatch.rig.clip import Clip
from gridwatch.rig.errors import RigSetupError


class Fault(StrEnum):
    """How a virtual camera misbehaves. All but STALL also cut the camera's present RTSP connections."""

    NONE = "none"  # behaves
    STALL = "stall"  # connected and answering, but no RTP or RTCP; after it, goes on from the next key picture
    DROP = "drop"  # dead: connections are closed without an answer as soon as they name the camera
    REFUSE = "refuse"  # the password is never right, in ONVIF and in RTSP
    NO_VIDEO = "no_video"  # ONVIF lists no profiles and RTSP DESCRIBE says 404


class OnvifStyle(StrEnum):
    """Which of ONVIF's two ways a virtual camera has for media, and for credentials."""

    CLASSIC = "classic"  # Media1 (ver10); WS-UsernameToken, asked for by 400 ter:NotAuthorized
    MODERN = "modern"  # Media2 (ver20) alone; HTTP Digest, asked for by 401
    BOTH = "both"  # Media1 and Media2; asks for HTTP Digest, takes a token too, but not both in one request


class RtspDigest(StrEnum):
    """How a virtual camera wants its password proved in RTSP."""

    MD5 = "MD5"  # and no qop (RFC 2069), as nearly all do
    SHA_256 = "SHA-256"  # with qop=auth (RFC 7616)
    SHA_256_SESS = "SHA-256-sess"


@dataclass(frozen=True, kw_only=True, slots=True)
class VirtualCamera:
    """One virtual camera: a recorded file, who may watch it, and how wrong its clock is."""

    id: str
    """Names it in URLs; as a camera id in the configuration."""
    clip: Path
    username: str | None = None
    """None with no password: it asks for no credentials."""
    password: str | None = field(default=None, repr=False)
    clock_skew_seconds: float = 0.0
    """How far its clock is ahead of true time, in ONVIF and in RTCP sender reports."""
    start_seconds: float = 0.0
    """Every client's playback begins at the last key picture at or before this time of the clip."""
    onvif_style: OnvifStyle = OnvifStyle.CLASSIC
    rtsp_digest: RtspDigest = RtspDigest.MD5
    nonce_uses: int | None = None
    """After so many proofs in RTSP a nonce is stale; None: never. Of no effect with MD5."""
    has_metadata: bool = False
    """Its profile has a metadata configuration: what it knows of its place is also a track of its stream."""
    has_events: bool = True
    """False: it has no event service."""
    told_host: str | None = None
    """Host it names itself by in service and stream addresses, as behind NAT; None: the one the client reached."""

    def __post_init__(self) -> None:
        if not re.match(IDENTIFIER, self.id):
            raise RigSetupError(f"camera id {self.id!r}: use lower-case letters, digits, '_', '.' and '-'")
        if (self.username is None) != (self.password is None):
            raise RigSetupError(f"camera {self.id}: give both username and password, or neither")
        if self.start_seconds < 0:
            raise RigSetupError(f"camera {self.id}: start_seconds must not be negative")


class Channel:
    """A camera at run time. `fault` may be set from any thread: it is one attribute, read anew for every decision."""

    def __init__(self, camera: VirtualCamera, clip: Clip) -> None:
        """Raises RigSetupError when the camera starts past the clip's end."""
        if camera.start_seconds >= clip.seconds:
            raise RigSetupError(
                f"camera {camera.id}: start_seconds {camera.start_seconds:g} is past the clip's {clip.seconds:.1f} s"
            )
        self.camera = camera
        self.clip = clip
        self.fault = Fault.NONE
        self.clock_step_seconds = 0.0
        """How far its clock was set ahead of where it was; any thread may set it."""
        self.metadata: bytes | None = None
        """The document that its metadata track begins with; belongs to the event loop."""
        self.position: Position | None = None
        """Where its receiver says that it is; None: it has no receiver. Any thread may set it."""

    @property
    def clock_skew_seconds(self) -> float:
        """How far its clock is ahead of true time now."""
        return self.camera.clock_skew_seconds + self.clock_step_seconds
