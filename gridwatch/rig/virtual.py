"""The rig: virtual ONVIF cameras in one event loop, owned by a coroutine, a thread or the process."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Self

import structlog

from gridwatch.domain import Clock, GridwatchError, Position, SystemClock
from gridwatch.rig.camera import Channel, Fault, VirtualCamera
from gridwatch.rig.clip import Clip
from gridwatch.rig.errors import RigError, RigSetupError
from gridwatch.rig.onvif_device import DEVICE_PATH, OnvifDevice
from gridwatch.rig.onvif_events import Emission, PropertyOperation, metadata_document
from gridwatch.rig.onvif_messages import geo_location
from gridwatch.rig.rtsp import RtspLimits, RtspServer, RtspStats
from gridwatch.rig.ws_discovery import DiscoveryResponder

log = structlog.get_logger(__name__)

STOP_SECONDS = 10.0
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Rig:
    """Cameras that answer ONVIF and serve their clips over RTSP in a loop, each client from the clip's start.

    An async context manager, entered once. Entering loads the clips and listens; it raises ClipError or RigSetupError
    with nothing left running. Everything else may be used from any thread while it runs, and raises KeyError for an
    unknown camera.
    """

    def __init__(
        self,
        cameras: Iterable[VirtualCamera],
        *,
        host: str = "127.0.0.1",
        rtsp_port: int = 0,
        onvif_port: int = 0,
        limits: RtspLimits = RtspLimits(),  # noqa: B008 - frozen
        clock: Clock | None = None,
        discoverable: bool = False,
    ) -> None:
        """`host` is an IPv4 address or name to listen on. Port 0 takes free ones.

        `discoverable` cameras answer WS-Discovery on the network of `host`, which then must be one address.

        All cameras share `rtsp_port`; the first takes `onvif_port` and each further one the next.
        """
        self._cameras = tuple(cameras)
        self._host = host
        self._rtsp_port = rtsp_port
        self._first_onvif_port = onvif_port
        self._onvif_ports: dict[str, int] = {}
        self._channels: dict[str, Channel] = {}
        self._devices: dict[str, OnvifDevice] = {}
        self._clock = clock or SystemClock()
        self._rtsp = RtspServer(self._channels, self._clock, limits)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._discoverable = discoverable
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        ids = [camera.id for camera in self._cameras]
        if len(set(ids)) < len(ids):
            raise RigSetupError(f"camera ids are not unique: {', '.join(sorted(ids))}")
        self._channels.update(await asyncio.to_thread(_load, self._cameras))
        try:
            async with AsyncExitStack() as stack:
                stack.push_async_callback(self._rtsp.close)
                self._rtsp_port = await self._rtsp.start(self._host, self._rtsp_port)
                for i, (camera_id, channel) in enumerate(self._channels.items()):
                    device = OnvifDevice(channel, self._clock, self._rtsp_port)
                    stack.push_async_callback(device.close)
                    self._devices[camera_id] = device
                    port = self._first_onvif_port + i if self._first_onvif_port else 0
                    self._onvif_ports[camera_id] = await device.start(self._host, port)
                if self._discoverable:
                    responder = DiscoveryResponder(self._announced)
                    stack.push_async_callback(responder.close)
                    await responder.start(self._host)
                self._stack = stack.pop_all()
        except OSError as error:
            raise RigSetupError(f"cannot listen on {self._host}: {error.strerror or error}") from error
        self._loop = asyncio.get_running_loop()
        log.info("rig_started", cameras=len(self._channels), rtsp_port=self._rtsp_port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loop = None
        await self._stack.aclose()
        log.info("rig_stopped")

    def rtsp_url(self, camera_id: str) -> str:
        """Where the camera's stream is, without credentials. Raises KeyError for an unknown camera."""
        return f"rtsp://{self._reached_at}:{self._rtsp_port}/{self._channels[camera_id].camera.id}"

    def onvif_url(self, camera_id: str) -> str:
        """Where the camera's device service is. Raises KeyError for an unknown camera."""
        return f"http://{self._reached_at}:{self._onvif_ports[camera_id]}{DEVICE_PATH}"

    def set_fault(self, camera_id: str, fault: Fault) -> None:
        """Make the camera misbehave, or behave again, from now on. Raises KeyError for an unknown camera.

        New requests see it when this returns; present RTSP connections are cut (where the fault cuts) right after.
        """
        self._channels[camera_id].fault = fault
        if fault not in {Fault.NONE, Fault.STALL} and self._loop is not None:
            self._loop.call_soon_threadsafe(self._rtsp.disconnect, camera_id)

    def emit(
        self,
        camera_id: str,
        topic: str,
        source: Mapping[str, str],
        data: Mapping[str, str],
        operation: PropertyOperation | None = PropertyOperation.CHANGED,
        *,
        utc_time: datetime | None = None,
        key: Mapping[str, str] = _NOTHING,
    ) -> None:
        """Let the camera tell its subscribers `topic` (`tns1:...`); None is the operation of what is no property.

        `utc_time` defaults to now by the camera's clock. The state of a property is told to later subscribers too.
        """
        emission = Emission(
            topic=topic, source=dict(source), key=dict(key), data=dict(data), operation=operation,
            utc_time=utc_time or self._time_at(camera_id),
        )  # fmt: skip
        self._in_loop(self._devices[camera_id].events.emit, emission)

    def set_position(self, camera_id: str, lon: float, lat: float) -> None:
        """Let the camera's receiver know where it is: GetGeoLocation says so, and an event tells the subscribers.

        Before the first call the camera has no receiver, and no GetGeoLocation. Its metadata, if any, says so too.
        """
        place = Position(lon=lon, lat=lat)
        self._channels[camera_id].position = place
        emission = Emission(
            topic="tns1:Monitoring/GeoLocation", source={"Token": "receiver"}, key={}, data={},
            elements={"CurrentLocation": geo_location(place)}, operation=PropertyOperation.CHANGED,
            utc_time=self._time_at(camera_id),
        )  # fmt: skip
        self._in_loop(self._devices[camera_id].events.emit, emission)
        self._in_loop(self._begin_metadata, camera_id, metadata_document(emission))

    def send_metadata(self, camera_id: str, document: bytes) -> None:
        """Send anything to who plays the camera's metadata track now."""
        self._in_loop(self._rtsp.tell, camera_id, document)

    def _begin_metadata(self, camera_id: str, document: bytes) -> None:
        self._channels[camera_id].metadata = document
        self._rtsp.tell(camera_id, document)

    def lose_subscriptions(self, camera_id: str) -> None:
        """Let the camera forget who subscribed to its events."""
        self._in_loop(self._devices[camera_id].events.forget_subscriptions)

    def reboot(self, camera_id: str, seconds: float) -> None:
        """Let its ONVIF port refuse connections for `seconds`; subscriptions are gone, and its streams are cut."""
        self._in_loop(self._devices[camera_id].reboot, seconds)
        self._in_loop(self._rtsp.disconnect, camera_id)

    def step_clock(self, camera_id: str, seconds: float) -> None:
        """Set the camera's clock ahead by `seconds`, or back."""
        self._channels[camera_id].clock_step_seconds += seconds

    def subscriptions(self, camera_id: str) -> tuple[int, int]:
        """How many event subscriptions the camera has, and how many it ever had; a moment may pass in between."""
        events = self._devices[camera_id].events
        return events.live, events.created

    def _time_at(self, camera_id: str) -> datetime:
        """Now, by the camera's clock."""
        return self._clock.now() + timedelta(seconds=self._channels[camera_id].clock_skew_seconds)

    def _in_loop(self, act: Callable[..., object], *arguments: object) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(act, *arguments)

    def _announced(self) -> dict[str, str]:
        """Device service by camera, of those that are not dead, as each names itself."""
        return {
            camera_id: f"http://{channel.camera.told_host or self._host}:{self._onvif_ports[camera_id]}{DEVICE_PATH}"
            for camera_id, channel in self._channels.items()
            if channel.fault is not Fault.DROP
        }

    @property
    def stats(self) -> RtspStats:
        """The RTSP server's counts of now."""
        return self._rtsp.stats

    @property
    def _reached_at(self) -> str:
        return "127.0.0.1" if self._host == "0.0.0.0" else self._host


class RigThread:
    """Runs a rig in a thread of its own, for callers without an event loop. A context manager, used once."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._thread = threading.Thread(target=self._run, name="rig", daemon=True)
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    def start(self) -> Rig:
        """Start and wait until every camera answers. Raises what entering the rig raises."""
        self._thread.start()
        try:
            self._started.result()  # `_run` always gives one
        except GridwatchError:
            self._thread.join(STOP_SECONDS)
            raise
        return self._rig

    def close(self) -> None:
        """Stop the cameras and join the thread. Raises RigError when it does not end in STOP_SECONDS."""
        if self._thread.is_alive():
            loop, stop = self._started.result(0)
            loop.call_soon_threadsafe(stop.set)
            self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            raise RigError(f"the rig's thread did not end in {STOP_SECONDS:g} s")

    def __enter__(self) -> Rig:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except GridwatchError as error:
            if self._started.done():
                raise
            self._started.set_exception(error)
        finally:
            if not self._started.done():
                self._started.set_exception(RigError("the rig's thread died while starting; its log says why"))

    async def _serve(self) -> None:
        stop = asyncio.Event()
        async with self._rig:
            self._started.set_result((asyncio.get_running_loop(), stop))
            await stop.wait()


def serve(rig: Rig, announce: Callable[[Rig], None]) -> None:
    """Run `rig` in this, the main, thread until SIGINT or SIGTERM; `announce` is called once it answers.

    Raises what entering the rig raises.
    """

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        async with rig:
            announce(rig)
            await stop.wait()

    asyncio.run(run())


def _load(cameras: tuple[VirtualCamera, ...]) -> dict[str, Channel]:
    """Every camera with its clip; a file that several cameras play is read once."""
    clips = {path: Clip.load(path) for path in {camera.clip for camera in cameras}}
    return {camera.id: Channel(camera, clips[camera.clip]) for camera in cameras}
