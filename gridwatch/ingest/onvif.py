"""Asks a camera over ONVIF what it is and where its stream is. The only module that knows the ONVIF client."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import structlog
import zeep.exceptions

from gridwatch.config.model import OnvifSource
from gridwatch.domain import Clock
from gridwatch.ingest.errors import CameraRefused, CameraUnreachable, IngestError, NoVideo
from gridwatch.ingest.urls import Credentials, endpoint, hostname, rehost, split_credentials

log = structlog.get_logger(__name__)

CALL_SECONDS = 5.0
"""Limit of one call; the library alone would wait 90 s for a dead peer."""
MIN_WIDTH = 640
"""Detectors see too little in narrower pictures."""

_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_MEDIA = "http://www.onvif.org/ver10/media/wsdl"
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
        information = await device.call(_DEVICE, device.url, "GetDeviceInformation")
        answer = await device.call(_MEDIA, media_url, "GetProfiles")
        profile = choose_profile(list(_video_profiles(answer or ())))
        if profile is None:
            raise NoVideo(camera_id, f"{device.where} lists no H.264 or H.265 profile", "add one in its video settings")
        setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
        media = await device.call(
            _MEDIA, media_url, "GetStreamUri", {"StreamSetup": setup, "ProfileToken": profile.token}
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
        self._stack = stack
        self._services: dict[str, Any] = {}
        self._clock_offset = timedelta()

    async def clock_offset(self, clock: Clock) -> float:
        """The camera's clock minus ours in seconds; kept for the time in our credentials. 0 when it has no clock."""
        asked_at = clock.now()
        try:
            answer = await self.call(_DEVICE, self.url, "GetSystemDateAndTime", authless=True)
        except CameraRefused:  # against the specification, but some (Axis) want credentials even for that
            answer = await self.call(_DEVICE, self.url, "GetSystemDateAndTime")
        told_at = _utc(answer)
        if told_at is None:
            log.warning("camera_tells_no_time", camera=self._camera_id)
            return 0.0
        answered_at = clock.now()
        # It cut the fraction of the second, half of one on average, at some time between question and answer.
        self._clock_offset = told_at + timedelta(seconds=0.5) - (asked_at + (answered_at - asked_at) / 2)
        if abs(self._clock_offset) > timedelta(seconds=1):
            # Made with the offset of before; credentials carry the camera's own time.
            self._services.clear()
        return self._clock_offset.total_seconds()

    async def media_url(self) -> str:
        """Where its media service is, as reached from here."""
        try:
            services = await self.call(_DEVICE, self.url, "GetServices", {"IncludeCapability": False}, authless=True)
            found = {service.Namespace: service.XAddr for service in services or ()}
        except (CameraRefused, NoVideo):  # an older device knows only GetCapabilities
            capabilities = await self.call(_DEVICE, self.url, "GetCapabilities", {"Category": "All"})
            media = getattr(capabilities, "Media", None)
            found = {_MEDIA: media.XAddr} if media else {}
        if not found.get(_MEDIA):
            raise NoVideo(self._camera_id, f"{self.where} offers no ONVIF media service", "use rtsp for this camera")
        return self._as_reached(str(found[_MEDIA]), "media_service")

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

    async def call(
        self,
        namespace: str,
        url: str,
        operation: str,
        arguments: dict[str, Any] | None = None,
        *,
        authless: bool = False,
    ) -> Any:
        """Call one operation, with credentials where there are some. Raises IngestError."""
        async with _our_errors(self._camera_id, self.where, operation):
            service = self._services.get(namespace)
            if service is None:
                service = await self._connect(namespace, url)
                self._services[namespace] = service
            prefix = "authless_" if authless or self.credentials is None else ""
            return await getattr(service, prefix + operation)(arguments or {})

    async def _connect(self, namespace: str, url: str) -> Any:
        service_class, wsdl = _library()
        name, binding = ("devicemgmt", "DeviceBinding") if namespace == _DEVICE else ("media", "MediaBinding")
        service = service_class(
            url,
            self.credentials.username if self.credentials else None,
            self.credentials.password.get_secret_value() if self.credentials else None,
            str(wsdl / f"{name}.wsdl"),
            # The cache is an SQLite file in the home directory, shared by every thread; the WSDL lies on disk anyway.
            no_cache=True,
            dt_diff=self._clock_offset,
            binding_name=f"{{{namespace}}}{binding}",
        )
        self._stack.push_async_callback(service.close)
        await service.setup()
        return service


def _library() -> tuple[Any, Path]:
    """The library's service class and the folder of its WSDL files."""
    # Importing it calls logging.basicConfig, which does nothing where the root logger has a handler.
    keeper = logging.NullHandler()
    logging.root.addHandler(keeper)
    try:
        import onvif.client
    finally:
        logging.root.removeHandler(keeper)
    return onvif.client.ONVIFService, Path(onvif.client.__file__).parent / "wsdl"


@asynccontextmanager
async def _our_errors(camera_id: str, where: str, operation: str) -> AsyncIterator[None]:
    """Turn what the library raises into ours, and limit the time."""
    try:
        with _faults(camera_id, where, operation):
            async with asyncio.timeout(CALL_SECONDS):
                yield
    except TimeoutError as error:
        raise CameraUnreachable(
            camera_id, f"{where} did not answer {operation} within {CALL_SECONDS:g} s", "check its power and network"
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        raise CameraUnreachable(
            camera_id, f"cannot reach {where} ({type(error).__name__})", "check its address, power and network"
        ) from error


@contextmanager
def _faults(camera_id: str, where: str, operation: str) -> Iterator[None]:
    """Turn the answers that say no, and those that are not ONVIF, into our errors."""
    try:
        yield
    except zeep.exceptions.Fault as error:
        raise _from_fault(camera_id, where, operation, error) from error
    except zeep.exceptions.TransportError as error:
        if error.status_code in {401, 403}:
            raise CameraRefused(camera_id, f"{where} refused the user name or password", "correct them") from error
        raise _not_onvif(camera_id, where, operation) from error
    # A page that is XML but no SOAP trips the library itself.
    except (zeep.exceptions.Error, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _not_onvif(camera_id, where, operation) from error


def _from_fault(camera_id: str, where: str, operation: str, fault: zeep.exceptions.Fault) -> IngestError:
    from onvif.util import is_auth_error

    if is_auth_error(fault):
        return CameraRefused(camera_id, f"{where} refused the user name or password", "correct them")
    if fault.code is None:  # the library's word for an error page that is XML, but no SOAP
        return _not_onvif(camera_id, where, operation)
    return NoVideo(camera_id, f"{where} cannot {operation} ({fault.message})", "use rtsp for this camera")


def _not_onvif(camera_id: str, where: str, operation: str) -> CameraUnreachable:
    return CameraUnreachable(
        camera_id, f"{where} does not answer {operation} as ONVIF does", "correct its onvif URL, or use rtsp"
    )


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
