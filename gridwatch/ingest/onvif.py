"""Asks a camera over ONVIF what it is and where its stream is."""

import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from gridwatch.config.model import OnvifSource
from gridwatch.domain import Clock
from gridwatch.ingest.errors import CameraUnreachable, NoVideo
from gridwatch.ingest.onvif_client import DEVICE, EVENTS, MEDIA, MEDIA2, OnvifClient
from gridwatch.ingest.onvif_media import Media, VideoProfile, choose_profile, named_profile, plain
from gridwatch.ingest.urls import Credentials, at_origin, endpoint, hostname, origin, rehost, split_credentials

log = structlog.get_logger(__name__)

_SERVICE = re.compile(r"http://www\.onvif\.org/ver\d\d/(\w+)/wsdl")
_CAPABILITIES = {
    "Device": DEVICE, "Media": MEDIA, "Events": EVENTS,
    "PTZ": "http://www.onvif.org/ver20/ptz/wsdl", "Imaging": "http://www.onvif.org/ver20/imaging/wsdl",
    "Analytics": "http://www.onvif.org/ver20/analytics/wsdl",
}  # fmt: skip
"""What GetCapabilities tells of, by the namespace that GetServices would give it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceDescription:
    """What a camera says of itself."""

    make: str
    model: str
    firmware: str
    serial: str
    clock_offset_seconds: float
    """The camera's clock minus ours, to about half a second: ONVIF tells whole seconds."""
    services: tuple[str, ...]
    """Its ONVIF services, sorted: `device`, `events`, `media`, `media2`, `ptz`..."""
    profiles: tuple[VideoProfile, ...]
    """Those with video, of Media2 where it has usable ones there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OnvifStream(DeviceDescription):
    """What a camera is, and its stream for analysis."""

    stream_url: str
    """rtsp or rtsps, without user information, its host reachable from here."""
    credentials: Credentials | None
    profile: VideoProfile


async def find_stream(camera_id: str, source: OnvifSource, clock: Clock) -> OnvifStream:
    """Ask the camera. Each of about seven calls may take CALL_SECONDS.

    Raises CameraRefused (user name or password), NoVideo (no usable profile or stream, or not the one that the source
    wants) or CameraUnreachable (no answer, or none that is ONVIF).
    """
    async with AsyncExitStack() as stack:
        device = Device(camera_id, source, stack)
        said, media = await _examine(device, clock)
        if media is None:
            raise NoVideo(camera_id, f"{device.where} offers no ONVIF media service", "use rtsp for this camera")
        profile = _profile_for(camera_id, device.where, source.profile, said.profiles)
        uri = await media.stream_uri(profile.token)
        return OnvifStream(
            make=said.make, model=said.model, firmware=said.firmware, serial=said.serial, services=said.services,
            profiles=said.profiles, clock_offset_seconds=said.clock_offset_seconds, profile=profile,
            stream_url=device.stream_url(uri), credentials=device.credentials,
        )  # fmt: skip


async def describe(camera_id: str, source: OnvifSource, clock: Clock) -> DeviceDescription:
    """Ask the device what it is; one without video has no profiles. Raises what `find_stream` raises."""
    async with AsyncExitStack() as stack:
        said, _ = await _examine(Device(camera_id, source, stack), clock)
        return said


async def _examine(device: "Device", clock: Clock) -> tuple[DeviceDescription, Media | None]:
    """What the device says, and its media service that lists the profiles."""
    offset = await device.clock_offset(clock)
    services = await device.services()
    information = await device.client.call(DEVICE, device.url, "GetDeviceInformation")
    media, profiles = await device.media(services)
    return DeviceDescription(
        make=_text(information, "Manufacturer"),
        model=_text(information, "Model"),
        firmware=_text(information, "FirmwareVersion"),
        serial=_text(information, "SerialNumber"),
        clock_offset_seconds=offset,
        services=tuple(sorted(name for name in map(_service_name, services) if name)),
        profiles=profiles,
    ), media


class Device:
    """One camera while it is asked; what it opens is closed by `stack`."""

    def __init__(self, camera_id: str, source: OnvifSource, stack: AsyncExitStack) -> None:
        """Raises CameraUnreachable when the source's URL has no host."""
        try:
            self.url, embedded = split_credentials(source.url)
        except ValueError:
            raise CameraUnreachable(camera_id, "its onvif URL has no host", "correct it") from None
        self.where = endpoint(self.url)
        """How messages name it."""
        self.credentials = embedded
        if source.username is not None and source.password is not None:
            self.credentials = Credentials(username=source.username, password=source.password)
        self._camera_id = camera_id
        self._told_origin: tuple[str, str, int] | None = None
        """Where the device believes its device service to be: its name for the place that we dialled."""
        self.client = OnvifClient(camera_id, self.where, self.credentials, stack, source.tls_ca)

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

    async def services(self) -> dict[str, str]:
        """URL by namespace of its services, as reached from here."""
        try:
            answer = await self.client.call(DEVICE, self.url, "GetServices", {"IncludeCapability": False})
            told = {str(service.Namespace): str(service.XAddr) for service in answer or () if service.XAddr}
        except NoVideo:  # an older device knows only GetCapabilities
            capabilities = await self.client.call(DEVICE, self.url, "GetCapabilities", {"Category": "All"})
            parts = {namespace: getattr(capabilities, name, None) for name, namespace in _CAPABILITIES.items()}
            told = {namespace: str(part.XAddr) for namespace, part in parts.items() if part and part.XAddr}
        self._told_origin = _origin_or_none(told.get(DEVICE, ""))
        # One that has no usable address is one that the device does not have.
        usable = {namespace: url for namespace, url in told.items() if _origin_or_none(url) is not None}
        return {namespace: self.as_reached(url, _service_name(namespace)) for namespace, url in usable.items()}

    async def media(self, services: dict[str, str]) -> tuple[Media | None, tuple[VideoProfile, ...]]:
        """Its media service, Media2 where that lists usable video and Media1 otherwise, and the profiles."""
        listed = [namespace for namespace in (MEDIA2, MEDIA) if namespace in services]
        for namespace in listed:
            media = Media(self.client, namespace, services[namespace])
            last = namespace == listed[-1]
            try:
                profiles = await media.profiles()
            except (NoVideo, CameraUnreachable) as error:
                if last:
                    raise
                log.info("onvif_media2_unusable", camera=self._camera_id, reason=error.reason)
                continue
            if last or choose_profile(profiles) is not None:
                return media, profiles
        return None, ()

    def stream_url(self, uri: str) -> str:
        """A stream URI as reached from here, without user information. Raises NoVideo when it is no RTSP URL."""
        try:
            bare, _ = split_credentials(uri.strip())
        except ValueError:
            bare = ""
        if not bare.startswith(("rtsp://", "rtsps://")):
            raise NoVideo(self._camera_id, f"{self.where} gives no RTSP address for its stream", "switch RTSP on")
        return self.as_reached(bare, "stream")

    def as_reached(self, url: str, what: str) -> str:
        """`url` with the host that we dialled: behind NAT a device names itself by an address of its own network.

        Where it names the very place that it says its device service is at, that is the place we dialled: port and
        scheme too. Other ports are kept, for want of knowledge of how they are mapped. Raises ValueError when it is
        no URL.
        """
        theirs, ours = origin(url), origin(self.url)
        if theirs == ours or (theirs[1] == ours[1] and theirs != self._told_origin):
            return url
        log.info("onvif_host_rewritten", camera=self._camera_id, what=what, told=theirs[1], used=ours[1])
        return at_origin(url, self.url) if theirs == self._told_origin else rehost(url, hostname(self.url))


def _profile_for(camera_id: str, where: str, wanted: str | None, profiles: tuple[VideoProfile, ...]) -> VideoProfile:
    """The profile that the source names, else the one that suits analysis. Raises NoVideo."""
    if wanted is None:
        profile = choose_profile(profiles)
        if profile is None:
            raise NoVideo(camera_id, f"{where} lists no H.264 or H.265 profile", "add one in its video settings")
        return profile
    profile = named_profile(profiles, wanted)
    if profile is None:
        known = ", ".join(one.token for one in profiles) or "none"
        raise NoVideo(camera_id, f"{where} has no profile {wanted!r}, only {known}", "correct source.onvif.profile")
    return profile


def _origin_or_none(url: str) -> tuple[str, str, int] | None:
    try:
        return origin(url)
    except ValueError:
        return None


def _service_name(namespace: str) -> str:
    """`media` for a namespace of ONVIF's, `media2` for the second of that name, empty for anybody else's."""
    match = _SERVICE.fullmatch(namespace)
    return "media2" if namespace == MEDIA2 else match[1] if match else ""


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
    """What a stranger says of itself, as it may stand in a table or a log."""
    return plain(str(getattr(answer, name, None) or ""))
