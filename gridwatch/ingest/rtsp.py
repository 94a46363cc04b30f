"""Opens RTSP streams with PyAV and turns its errors into ours, without the URL they carry."""

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import av
import structlog
from av.codec.hwaccel import HWAccel

from gridwatch.ingest.challenge import asked_digest
from gridwatch.ingest.decoding import VideoPacket
from gridwatch.ingest.errors import CameraRefused, CameraUnreachable, IngestError, NoVideo, StreamEnded, StreamStalled
from gridwatch.ingest.loss import RtpLoss, heard_loss
from gridwatch.ingest.relay import Relay
from gridwatch.ingest.urls import Credentials, endpoint, with_credentials

log = structlog.get_logger(__name__)

Transport: TypeAlias = Literal["auto", "tcp", "udp"]
"""`auto` is TCP, and UDP from a camera that refuses TCP."""

_NOT_THAT_WAY = errno.EPROTONOSUPPORT
"""FFmpeg's word for a camera that refuses the only transport it was to use."""

OPEN_SECONDS = 5.0
"""Limit of each of the two steps of opening: the RTSP dialogue, and probing."""

_FFMPEG_PROVES = frozenset({"MD5", "MD5-SESS"})
_FAST = {"probesize": "32"}
"""First frame in 0.1 s instead of 1.9 s; the decoder finds what the SDP lacks in the first keyframe."""
_TRANSPORTS: Mapping[Literal["tcp", "udp"], dict[str, str]] = {
    "tcp": {"rtsp_transport": "tcp"},
    # A key picture comes at once: FFmpeg's 384 kB hold less than one of a 4K camera. The kernel may allow less.
    "udp": {"rtsp_transport": "udp", "buffer_size": "2097152"},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveStream:
    """What `open_stream` opens."""

    container: av.container.InputContainer
    loss: RtpLoss | None
    """Tells what got lost over UDP; None over TCP, where what is not read yet waits with the camera."""


@contextmanager
def open_stream(
    camera: str,
    url: str,
    credentials: Credentials | None,
    transport: Transport,
    read_seconds: float,
    tls_ca: Path | None = None,
    hwaccel: HWAccel | None = None,
) -> Iterator[LiveStream]:
    """Connect to `url`, which has no user information, and play until the context ends. Blocks up to 8 x OPEN_SECONDS.

    `read_seconds` is how long a later read may wait. It is no less than what counts as a stall: a read broken off in
    the middle of a packet that the network was merely slow to bring loses FFmpeg's place in the connection. With
    `tls_ca`, an rtsps camera must show a certificate signed by one in that PEM file, and for its host; without, any is
    taken, since cameras sign their own. `hwaccel` is as `hardware.accelerator` gives it. Digest with SHA-256 goes
    through a relay, and over TCP whatever `transport` says.
    What got lost is told to the thread that opens, which must be the one that reads.
    Raises CameraRefused, CameraUnreachable or NoVideo.
    """
    opening = _Opening(
        camera=camera, url=url, media="video", limits=(OPEN_SECONDS, read_seconds), tls_ca=tls_ca, hwaccel=hwaccel
    )
    with ExitStack() as stack:
        opened = opening.open(stack, credentials, transport)
        if not _has_video(opened.container):
            raise NoVideo(camera, f"{endpoint(url)} offers no video we can decode", "set it to H.264 or H.265")
        if opened.loss is not None:
            _distrust(opened.container.streams.video[0].codec_context)
        yield opened


@contextmanager
def open_metadata(
    camera: str, url: str, credentials: Credentials | None, read_seconds: float, tls_ca: Path | None = None
) -> Iterator[Iterator[bytes]]:
    """The payloads of the RTP packets of what is neither video nor sound at `url`, over TCP, in order.

    A session of its own: beside another track FFmpeg moves the PTS of the video at sender reports. Parameters and
    errors as in `open_stream`; the iterator raises as `live_packets` does, and ends when the camera ends it.
    """
    opening = _Opening(camera=camera, url=url, media="data", limits=(OPEN_SECONDS, read_seconds), tls_ca=tls_ca)
    with ExitStack() as stack:
        container = opening.open(stack, credentials, "tcp").container
        yield (bytes(packet) for packet in _demuxed(camera, container, container.streams.data) if packet.size)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Opening:
    """What is to be opened."""

    camera: str
    url: str
    media: Literal["video", "data"]
    limits: tuple[float, float]
    """Seconds to connect, and to wait for more."""
    tls_ca: Path | None
    hwaccel: HWAccel | None = None

    def open(self, stack: ExitStack, credentials: Credentials | None, transport: Transport) -> LiveStream:
        """Directly, or through a relay where FFmpeg cannot prove the password. `stack` closes it.

        Raises CameraRefused, CameraUnreachable or NoVideo.
        """
        camera, url = self.camera, self.url
        hearing = stack.enter_context(ExitStack())
        loss = hearing.enter_context(heard_loss()) if transport == "udp" else None
        try:
            try:
                container = self._connect_by("tcp" if loss is None else "udp", credentials)
            except av.FFmpegError as error:
                if transport != "auto" or error.errno != _NOT_THAT_WAY:
                    raise
                loss = hearing.enter_context(heard_loss())
                container = self._connect_by("udp", credentials)
        except av.error.HTTPUnauthorizedError as error:
            without_url(error)
            proof = _proof_for_relay(camera, url, credentials)
            if transport == "udp":
                log.warning("rtsp_over_tcp", camera=camera, reason="Digest with SHA-256 is not given over UDP")
            hearing.close()  # what nobody asks for would pile up
            loss = None
            container = self._connect_relayed(
                lambda: stack.enter_context(Relay(camera, url, proof, self.limits, self.tls_ca)).url
            )
        except av.FFmpegError as error:
            raise _why_not(camera, url, error) from without_url(error)
        return LiveStream(container=stack.enter_context(container), loss=loss)

    def _connect_by(
        self, transport: Literal["tcp", "udp"], credentials: Credentials | None
    ) -> av.container.InputContainer:
        options = {**_TRANSPORTS[transport], **tls_options(self.tls_ca)}
        return self._connect(lambda: with_credentials(self.url, credentials), options)

    def _connect(self, make_url: Callable[[], str], options: dict[str, str]) -> av.container.InputContainer:
        """Open by the first URL, fast; by another, slowly, where video cannot be told so. Raises av.FFmpegError."""
        # No sound: nobody needs it, and with one track FFmpeg does not move the PTS at the first sender report.
        options = {"allowed_media_types": self.media, **options}
        container = av.open(make_url(), options={**options, **_FAST}, timeout=self.limits, hwaccel=self.hwaccel)
        if self.media == "video" and not _has_video(container):
            container.close()
            container = av.open(make_url(), options=options, timeout=self.limits, hwaccel=self.hwaccel)
        return container

    def _connect_relayed(self, relay_url: Callable[[], str]) -> av.container.InputContainer:
        """The same by relays. Raises what `open` raises."""
        where = endpoint(self.url)
        try:
            return self._connect(relay_url, _TRANSPORTS["tcp"])
        except av.FFmpegError as error:
            if error.errno == _NOT_THAT_WAY:
                problem = f"{where} gives no stream over TCP, and Digest with SHA-256 is not given over UDP"
                raise NoVideo(self.camera, problem, "allow TCP, or Digest with MD5") from without_url(error)
            raise _why_not(self.camera, self.url, error) from without_url(error)
        except OSError as error:
            problem = f"cannot connect to {where} ({error.strerror or type(error).__name__})"
            raise CameraUnreachable(self.camera, problem, "check its address, network and certificate") from error


def tls_options(tls_ca: Path | None) -> dict[str, str]:
    """FFmpeg's options to demand a certificate signed by one in `tls_ca`; none, as it then takes any."""
    return {} if tls_ca is None else {"tls_verify": "1", "ca_file": str(tls_ca)}


def live_packets(camera: str, container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[VideoPacket]:
    """The packets of an open stream, an empty one last; ends when the camera ends it.

    Raises StreamStalled when none came for the `read_seconds` of `open_stream`, and StreamEnded when the connection
    breaks. After neither can reading go on: FFmpeg may have lost its place in the connection.
    """
    yield from _demuxed(camera, container, stream)


def _demuxed(camera: str, container: av.container.InputContainer, streams: Any) -> Iterator[Any]:
    try:
        yield from container.demux(streams)
    except av.error.ExitError as error:
        raise stalled(camera, float(container.read_timeout or 0)) from without_url(error)
    except av.FFmpegError as error:
        raise StreamEnded(
            camera, f"the connection broke ({error.strerror})", "it is tried again; check the network if it repeats"
        ) from without_url(error)


def stalled(camera: str, seconds: float) -> StreamStalled:
    """The error of a stream silent for `seconds`."""
    return StreamStalled(
        camera, f"no picture for {seconds:g} s", "it is tried again; check its network and its encoder if it repeats"
    )


def _distrust(codec: av.VideoCodecContext) -> None:
    """Let the decoder refuse what it can tell is damaged: over UDP a packet may come twice, which `loss` does not tell.

    For H.265 only: that of H.264 tells by itself. Not over TCP: it refuses oddities of whole streams, too.
    """
    if codec.name == "hevc":
        codec.options = {**codec.options, "err_detect": "explode"}


def _has_video(container: av.container.InputContainer) -> bool:
    return bool(container.streams.video) and container.streams.video[0].codec_context is not None


def _why_not(camera: str, url: str, error: av.FFmpegError) -> IngestError:
    where = endpoint(url)
    match error:
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return _refused(camera, url)
        case av.error.HTTPNotFoundError():
            return NoVideo(camera, f"{where} has no stream of that path", "correct the path, or use onvif to find it")
        case av.error.InvalidDataError():  # also when it closes the connection or falls silent in the dialogue
            return CameraUnreachable(
                camera, f"{where} gave no proper RTSP answer", "check its power and network, and that the port is RTSP"
            )
        case _ if isinstance(error, av.error.HTTPError | av.error.HTTPClientError) or error.errno == _NOT_THAT_WAY:
            return NoVideo(
                camera, f"{where} gives no stream ({error.strerror})", "check its video settings; set transport to auto"
            )
        case av.error.ExitError() | av.error.TimeoutError():
            return CameraUnreachable(
                camera, f"{where} did not answer within {OPEN_SECONDS:g} s", "check its power and network"
            )
        case _:
            remedy = "check its address, power and network"
            if "@" in url:
                remedy = "write the special characters of its password as %XX"
            return CameraUnreachable(camera, f"cannot connect to {where} ({error.strerror})", remedy)


def _refused(camera: str, url: str) -> CameraRefused:
    return CameraRefused(camera, f"{endpoint(url)} refused the user name or password", "correct them")


def _proof_for_relay(camera: str, url: str, credentials: Credentials | None) -> Credentials:
    """What a relay proves where FFmpeg was refused for want of SHA-256. Raises CameraRefused where it was not."""
    asked = asked_digest(url)
    if credentials is None or asked is None or asked.algorithm in _FFMPEG_PROVES:
        raise _refused(camera, url)
    if not asked.provable:
        problem = f"{endpoint(url)} wants Digest with {asked.algorithm}, which cannot be given over RTSP"
        raise CameraRefused(camera, problem, "allow Digest with SHA-256 or MD5 in the camera's security settings")
    return credentials


def without_url(error: av.FFmpegError) -> av.FFmpegError:
    """`error` without the URL that PyAV adds as its file name, credentials and all, nor FFmpeg's last log line."""
    error.args = error.args[:2]
    return error
