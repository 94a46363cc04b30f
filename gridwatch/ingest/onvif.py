"""Asks a camera over ONVIF what it is and where its stream is."""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from gridwatch.config.model import OnvifSource
from gridwatch.domain import Clock
from gridwatch.ingest.errors import CameraUnreachable, NoVideo
from gridwatch.ingest.onvif_client import DEVICE, MEDIA, OnvifClient
from gridwatch.ingest.urls import Credentials, endpoint, hostname, rehost, split_credentials

log = structlog.get_logger(__name__)

MIN_WIDTH = 640
"""Detectors see too little in narrower pictures."""
_USABLE_CODECS = ("H264", "H265")


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoProfile:
    """One media profile of a camera, as far as it has video."""

    token: str
    width: int
    height: int
    fps: float
    """The encoder's frame rate limit; 0 when it does not say."""
    codec: str
    """As ONVIF names it: `H264`, `H265`, `JPEG`, `MPEG4`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OnvifStream:
    """What a camera is, and its stream that suits analysis."""

    stream_url: str
    """rtsp or rtsps, without user information, its host reachable from here."""
    credentials: Credentials | None
    profile: VideoProfile
    make: str
    model: str
    firmware: str
    serial: str
    clock_offset_seconds: float
    """The camera's clock minus ours, to about half a second: ONVIF tells whole seconds."""


def choose_profile(profiles: Sequence[VideoProfile]) -> VideoProfile | None:
    """The smallest H.264 or H.265 profile at least MIN_WIDTH wide, else the largest, else None."""
    usable = sorted((p for p in profiles if p.codec in _USABLE_CODECS), key=lambda p: p.width * p.height)
    wide = [p for p in usable if p.width >= MIN_WIDTH]
    return wide[0] if wide else (usable[-1] if usable else None)


async def find_stream(camera_id: str, source: OnvifSource, clock: Clock) -> OnvifStream:
    """Ask the camera. Each of about seven calls may take CALL_SECONDS.

    Raises CameraRefused (user name or password), NoVideo (no usable profile or stream) or CameraUnreachable (no
    answer, or none that is ONVIF).
    """
    async with AsyncExitStack() as stack:
        device = _Device(camera_id, source, stack)
        offset = await device.clock_offset(clock)
        media_url = await device.media_url()
        information = await device.client.call(DEVICE, device.url, "GetDeviceInformation")
        answer = await device.client.call(MEDIA, media_url, "GetProfiles")
        profile = choose_profile(list(_video_profiles(answer or ())))
        if profile is None:
            raise NoVideo(camera_id, f"{device.where} lists no H.264 or H.265 profile", "add one in its video settings")
        setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
        media = await device.client.call(
            MEDIA, media_url, "GetStreamUri", {"StreamSetup": setup, "ProfileToken": profile.token}
        )
        return OnvifStream(
            stream_url=device.stream_url(str(getattr(media, "Uri", None) or "")),
            credentials=device.credentials,
            profile=profile,
            make=_text(information, "Manufacturer"),
            model=_text(information, "Model"),
            firmware=_text(information, "FirmwareVersion"),
            serial=_text(information, "SerialNumber"),
            clock_offset_seconds=offset,
        )


class _Device:
    """One camera while it is asked; what it opens is closed by `stack`."""

    def __init__(self, camera_id: str, source: OnvifSource, stack: AsyncExitStack) -> None:
        try:
            self.url, embedded = split_credentials(source.url)
        except ValueError:
            raise CameraUnreachable(camera_id, "its onvif URL has no host", "correct it") from None
        self.where = endpoint(self.url)
        self.credentials = embedded
        if source.username is not None and source.password is not None:
            self.credentials = Credentials(username=source.username, password=source.password)
        self._camera_id = camera_id
        self.client = OnvifClient(camera_id, self.where, self.credentials, stack)

    async def clock_offset(self, clock: Clock) -> float:
        """The camera's clock minus ours in seconds; kept for the time in our credentials. 0 when it has no clock."""
        await self.client.prepare(DEVICE, self.url)
        asked_at = clock.now()
        answer = await self.client.call(DEVICE, self.url, "GetSystemDateAndTime")
        told_at = _utc(answer)
        if told_at is None:
            log.warning("camera_tells_no_time", camera=self._camera_id)
            return 0.0
        answered_at = clock.now()
        # It cut the fraction of the second, half of one on average, at some time between question and answer.
        offset = told_at + timedelta(seconds=0.5) - (asked_at + (answered_at - asked_at) / 2)
        if abs(offset) > timedelta(seconds=1):
            self.client.set_clock_offset(offset)
        return offset.total_seconds()

    async def media_url(self) -> str:
        """Where its media service is, as reached from here."""
        try:
            services = await self.client.call(DEVICE, self.url, "GetServices", {"IncludeCapability": False})
            found = {service.Namespace: service.XAddr for service in services or ()}
        except NoVideo:  # an older device knows only GetCapabilities
            capabilities = await self.client.call(DEVICE, self.url, "GetCapabilities", {"Category": "All"})
            media = getattr(capabilities, "Media", None)
            found = {MEDIA: media.XAddr} if media else {}
        if not found.get(MEDIA):
            raise NoVideo(self._camera_id, f"{self.where} offers no ONVIF media service", "use rtsp for this camera")
        return self._as_reached(str(found[MEDIA]), "media_service")

    def stream_url(self, uri: str) -> str:
        """A stream URI as reached from here, without user information. Raises NoVideo when it is no RTSP URL."""
        try:
            bare, _ = split_credentials(uri.strip())
        except ValueError:
            bare = ""
        if not bare.startswith(("rtsp://", "rtsps://")):
            raise NoVideo(self._camera_id, f"{self.where} gives no RTSP address for its stream", "switch RTSP on")
        return self._as_reached(bare, "stream")

    def _as_reached(self, url: str, what: str) -> str:
        """`url` with the host that we dialled: behind NAT a device names itself by an address of its own network."""
        ours = hostname(self.url)
        try:
            theirs = hostname(url)
        except ValueError:
            raise NoVideo(self._camera_id, f"{self.where} gives no usable {what} address", "update it") from None
        if theirs.lower() == ours.lower():
            return url
        log.info("onvif_host_rewritten", camera=self._camera_id, what=what, told=theirs, used=ours)
        return rehost(url, ours)


def _video_profiles(answer: Sequence[Any]) -> Iterator[VideoProfile]:
    for profile in answer:
        encoder: Any = getattr(profile, "VideoEncoderConfiguration", None)
        size = getattr(encoder, "Resolution", None)
        if size is not None:
            rate = getattr(encoder, "RateControl", None)
            yield VideoProfile(
                token=str(profile.token),
                width=int(size.Width or 0),
                height=int(size.Height or 0),
                fps=float(getattr(rate, "FrameRateLimit", None) or 0),
                codec=str(encoder.Encoding).upper(),
            )


def _utc(answer: Any) -> datetime | None:
    """The UTC time in a GetSystemDateAndTime answer, None when it has none that is a date."""
    told: Any = getattr(answer, "UTCDateTime", None)
    try:
        return datetime(
            told.Date.Year, told.Date.Month, told.Date.Day, told.Time.Hour, told.Time.Minute, told.Time.Second,
            tzinfo=UTC,
        )  # fmt: skip
    except (AttributeError, TypeError, ValueError):
        return None


def _text(answer: Any, name: str) -> str:
    return str(getattr(answer, name, None) or "")
