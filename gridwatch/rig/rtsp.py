"""RTSP server of the virtual cameras (RFC 2326): H.264 over TCP or UDP, Digest, sender reports."""

import asyncio
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from gridwatch.domain import Clock
from gridwatch.rig.camera import Channel, Fault
from gridwatch.rig.clip import RTP_CLOCK
from gridwatch.rig.credentials import DigestChallenge
from gridwatch.rig.playback import Playback, Sink, SlowClientError, TcpSink, UdpSink
from gridwatch.rig.rtp import RtpStream
from gridwatch.rig.wire import MAX_HEAD_BYTES, MessageError, Request, Response, read_request

log = structlog.get_logger(__name__)

MAX_DOCUMENTS = 64
"""Metadata that waits for one client."""
_REASONS = {
    200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 454: "Session Not Found",
    455: "Method Not Valid in This State", 461: "Unsupported Transport", 501: "Not Implemented",
}  # fmt: skip
_TARGET = re.compile(r"rtsps?://[^/]+/([^/?]+)(?:/(track[12]))?/?(?:\?.*)?", re.IGNORECASE)
_PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"


@dataclass(frozen=True, kw_only=True, slots=True)
class RtspLimits:
    """Bounds of what clients may take."""

    clients: int = 256
    """Connections at a time; more are closed at once and counted."""
    session_seconds: int = 60
    """Announced to clients, which make a request that is not refused so often; half as long again is forgiven."""
    waiting_bytes: int = 4 * 1024 * 1024
    """Bytes that may wait for one client over TCP; over it the client is dropped and counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RtspStats:
    """Counts since the start, and the clients of now."""

    clients: int
    dropped_slow: int
    refused_full: int


class RtspServer:
    """Serves every channel at `rtsp://host:port/<camera id>`. Belongs to one event loop; `stats` from any thread."""

    def __init__(self, channels: Mapping[str, Channel], clock: Clock, limits: RtspLimits) -> None:
        self.channels = channels
        self.clock = clock
        self.limits = limits
        self.dropped_slow = 0
        self._refused_full = 0
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD_BYTES)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop listening, cut every client and wait until their tasks ended."""
        if self._server is None:
            return
        self._server.close()
        cut = tuple(self._connections)
        for connection in cut:
            connection.abort()
        for connection in cut:
            await connection.ended.wait()
        await self._server.wait_closed()

    def tell(self, camera_id: str, document: bytes) -> None:
        """Send a document on the metadata track of one camera."""
        for connection in self._connections:
            if connection.camera_id == camera_id:
                connection.tell(document)

    def disconnect(self, camera_id: str) -> None:
        """Cut every client of one camera."""
        for connection in self._connections:
            if connection.camera_id == camera_id:
                connection.abort()

    @property
    def stats(self) -> RtspStats:
        """The counts of now."""
        return RtspStats(
            clients=len(self._connections), dropped_slow=self.dropped_slow, refused_full=self._refused_full
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self.limits.clients:
            self._refused_full += 1
            writer.transport.abort()
            return
        connection = _Connection(self, reader, writer)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            connection.ended.set()


class _Connection:
    """One client: its requests, at most one session, at most one playback. Owned by the task that runs it."""

    def __init__(self, server: RtspServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._challenge = DigestChallenge()
        self._session = secrets.token_hex(8)
        self._channel: Channel | None = None
        self._heard_at = server.clock.monotonic()
        """When the latest request came that was not refused."""
        self._sinks: dict[str, Sink] = {}
        """By track."""
        self._documents: asyncio.Queue[bytes] = asyncio.Queue(MAX_DOCUMENTS)
        self._telling: asyncio.Task[None] | None = None
        self._playback: Playback | None = None
        self._playing: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        """Set when everything of this client is closed."""

    @property
    def camera_id(self) -> str | None:
        """The camera this client asked for, once it has."""
        return self._channel.camera.id if self._channel else None

    def abort(self) -> None:
        """Close at once, without an answer; `run` then ends."""
        self._writer.transport.abort()

    async def run(self) -> None:
        """Answer until the client leaves, times out or is cut."""
        self._writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while (request := await read_request(self._reader, self._patience())) is not None:
                if not self._answer(request):
                    break
                await self._writer.drain()
        except MessageError as error:
            log.info("rtsp_bad_request", camera=self.camera_id, reason=str(error))
            self._writer.write(_response(400).render("RTSP/1.0"))
        except (ConnectionError, TimeoutError) as error:
            log.debug("rtsp_client_lost", camera=self.camera_id, reason=str(error))
        finally:
            await self._stop()

    def _patience(self) -> float:
        """Seconds that the client still has."""
        limit = self._server.limits.session_seconds * 1.5
        return max(0.0, self._heard_at + limit - self._server.clock.monotonic())

    async def _stop(self) -> None:
        for task in (self._playing, self._telling):
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))
        for sink in self._sinks.values():
            sink.close()
        self._writer.close()

    def tell(self, document: bytes) -> None:
        """Send a document to who plays the metadata track; it is lost on others, and on those who do not read."""
        if self._telling is not None and not self._documents.full():
            self._documents.put_nowait(document)

    async def _tell(self, sink: Sink) -> None:
        """Send until cancelled. Raises ConnectionError."""
        stream, clock = RtpStream(), self._server.clock
        began = clock.monotonic()
        if self._channel is not None and self._channel.metadata is not None:
            self._documents.put_nowait(self._channel.metadata)
        while True:
            document = await self._documents.get()
            await sink.send_packets(stream.document(document, round((clock.monotonic() - began) * RTP_CLOCK)))

    def _answer(self, request: Request) -> bool:
        """Write the answer to one request; False when the connection ends with it."""
        response = self._dispatch(request)
        if response is None:
            self.abort()
            return False
        headers = {"CSeq": request.headers.get("cseq", "0"), **response.headers}
        answer = Response(status=response.status, reason=response.reason, headers=headers, body=response.body)
        self._writer.write(answer.render("RTSP/1.0"))
        if self._playback is not None and self._playing is None:
            # Only now, so that no packet overtakes the answer to PLAY.
            self._playing = asyncio.create_task(self._playback.run(), name=f"rtsp playback {self.camera_id}")
            self._playing.add_done_callback(self._playback_ended)
        if request.method == "PLAY" and response.status == 200 and "track2" in self._sinks and self._telling is None:
            self._telling = asyncio.create_task(
                self._tell(self._sinks["track2"]), name=f"rtsp metadata {self.camera_id}"
            )
            self._telling.add_done_callback(self._playback_ended)
        return not (request.method == "TEARDOWN" and response.status == 200)

    def _dispatch(self, request: Request) -> Response | None:
        """The answer, or None for a camera that is dead."""
        channel = self._named(request.target)
        if channel is not None and channel.fault is Fault.DROP:
            return None
        if request.method == "OPTIONS":
            return _response(200, Public=_PUBLIC)
        channel = channel or (self._channel if "session" in request.headers else None)
        if channel is None:
            return _response(404)
        self._channel = channel
        if not self._challenge.proves(channel, request.method, request.headers.get("authorization", "")):
            if "authorization" in request.headers:
                log.info("rtsp_credentials_refused", camera=channel.camera.id)
            return _response(401, **{"WWW-Authenticate": self._challenge.header(channel)})
        self._heard_at = self._server.clock.monotonic()
        handler = self._handlers().get(request.method)
        return _response(501, Public=_PUBLIC) if handler is None else handler(request, channel)

    def _handlers(self) -> dict[str, Callable[[Request, Channel], Response]]:
        return {
            "DESCRIBE": self._describe, "SETUP": self._setup, "PLAY": self._play,
            "GET_PARAMETER": self._in_session, "TEARDOWN": self._in_session,
        }  # fmt: skip

    def _track(self, target: str) -> str:
        """The track named in `rtsp://host/<camera id>/track1`; the video where none is."""
        path = _TARGET.fullmatch(target)
        return (path and path[2]) or "track1"

    def _named(self, target: str) -> Channel | None:
        """The channel of `rtsp://host/<camera id>[/<track>]`, None where there is none, or no such track."""
        path = _TARGET.fullmatch(target)
        channel = self._server.channels.get(path[1]) if path else None
        no_such_track = path and path[2] == "track2" and channel and not channel.camera.has_metadata
        return None if no_such_track else channel

    def _describe(self, request: Request, channel: Channel) -> Response:
        if channel.fault is Fault.NO_VIDEO:
            return _response(404)
        headers = {"Content-Type": "application/sdp", "Content-Base": request.target.rstrip("/") + "/"}
        return Response(
            status=200,
            reason=_REASONS[200],
            headers=headers,
            body=channel.clip.sdp(metadata=channel.camera.has_metadata),
        )

    def _setup(self, request: Request, channel: Channel) -> Response:
        if channel.fault is Fault.NO_VIDEO:
            return _response(404)
        if self._playing is not None:
            return _response(455)
        track = self._track(request.target)
        if (former := self._sinks.pop(track, None)) is not None:
            former.close()
        for offer in request.headers.get("transport", "").split(","):
            transport = self._take(offer.strip(), track)
            if transport is not None:
                session = f"{self._session};timeout={self._server.limits.session_seconds}"
                return _response(200, Transport=transport, Session=session)
        return _response(461)

    def _take(self, offer: str, track: str) -> str | None:
        """Open the sink for one offered transport; returns what the answer says of it, None if it cannot be."""
        if offer.startswith("RTP/AVP/TCP"):
            rtp, rtcp = _pair(r"interleaved=(\d{1,3})-(\d{1,3})(?!\d)", offer) or (0, 1)
            if max(rtp, rtcp) > 255:
                return None
            self._sinks[track] = TcpSink(self._writer, (rtp, rtcp), self._server.limits.waiting_bytes)
            return f"RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp}"
        ports = _pair(r"client_port=(\d{1,5})-(\d{1,5})(?!\d)", offer)
        if "multicast" in offer or ports is None or not all(0 < port < 65536 for port in ports):
            return None
        # Only ever to the client's own address: nobody can be flooded by asking for them.
        peer, host = (self._writer.get_extra_info(name)[0] for name in ("peername", "sockname"))
        try:
            sink = UdpSink(host, peer, ports)
        except OSError as error:
            log.warning("rtsp_udp_unavailable", camera=self.camera_id, reason=str(error))
            return None
        self._sinks[track] = sink
        return f"RTP/AVP;unicast;client_port={ports[0]}-{ports[1]};server_port={sink.ports[0]}-{sink.ports[1]}"

    def _play(self, request: Request, channel: Channel) -> Response:
        if not self._sinks:
            return _response(455)
        response = self._in_session(request, channel)
        video = self._sinks.get("track1")
        if response.status != 200 or self._playback is not None or video is None:
            return response
        self._playback = Playback(channel, video, self._server.clock)
        stream = self._playback.stream
        track = f"{request.target.rstrip('/')}/track1"
        info = f"url={track};seq={stream.next_sequence};rtptime={stream.timestamp(0)}"
        return _response(200, Session=self._session, Range="npt=now-", **{"RTP-Info": info})

    def _in_session(self, request: Request, channel: Channel) -> Response:  # noqa: ARG002 - handlers are called alike
        given = request.headers.get("session", "").partition(";")[0].strip()
        if given != self._session:
            # Without a session, GET_PARAMETER is a mere ping (RFC 2326, 10.8).
            return _response(200 if request.method == "GET_PARAMETER" and not given else 454)
        return _response(200, Session=self._session)

    def _playback_ended(self, task: asyncio.Task[None]) -> None:
        """Cut the client unless it left by itself: for it, a dead connection is clearer than silence."""
        if task.cancelled():
            return
        self.abort()
        error = task.exception()
        if isinstance(error, SlowClientError):
            self._server.dropped_slow += 1
            log.warning("rtsp_slow_client_dropped", camera=self.camera_id, reason=str(error))
        elif isinstance(error, ConnectionError):
            log.debug("rtsp_client_lost", camera=self.camera_id, reason=str(error))
        else:
            log.error("rtsp_playback_failed", camera=self.camera_id, exc_info=error)


def _response(status: int, **headers: str) -> Response:
    return Response(status=status, reason=_REASONS[status], headers=headers)


def _pair(pattern: str, text: str) -> tuple[int, int] | None:
    found = re.search(pattern, text)
    return (int(found[1]), int(found[2])) if found else None
