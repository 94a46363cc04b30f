"""Stands between FFmpeg and a camera that wants Digest with SHA-256, which FFmpeg cannot give.

Costs about a thousandth of a core for a camera (docs/resilience.md): media is passed on in the pieces it comes in.
"""

import secrets
import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from gridwatch.ingest.relay_dialogue import Dialogue, NotRtspError
from gridwatch.ingest.urls import Credentials, origin

log = structlog.get_logger(__name__)

_HELLO_SECONDS = 1.0
"""How long whoever connects may take to say what it wants; FFmpeg says so at once."""
_STRANGERS = 8
"""After so many that were not FFmpeg nobody is let in."""
_CHUNK = 64 * 1024
_JOIN_SECONDS = 2.0


class Relay:
    """One connection to a camera, for one client in this process. A context manager, used once.

    Its thread, `relay-<camera>`, ends with the connection or with the context. The client is known by a secret in its
    URL; the password is in none.
    """

    def __init__(
        self, camera: str, url: str, credentials: Credentials, seconds: tuple[float, float], tls_ca: Path | None = None
    ) -> None:
        """`url` (rtsp or rtsps) has no user information. `seconds` are the limits of connecting and of each later wait.

        `tls_ca` as in `rtsp.open_stream`.
        """
        self._camera = camera
        self._target = url
        self._open_seconds, self._read_seconds = seconds
        self._credentials = credentials
        self._tls_ca = tls_ca
        self._secret = secrets.token_urlsafe(16)
        self._stack = ExitStack()
        self._client: socket.socket | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"relay-{camera}", daemon=True)
        self.url = ""
        """What the client is to open."""

    def __enter__(self) -> Self:
        """Connect to the camera and listen. Raises OSError when the camera cannot be reached, TLS included."""
        scheme, host, port = origin(self._target)
        with ExitStack() as stack:
            connection = socket.create_connection((host.strip("[]"), port), self._open_seconds)
            stack.callback(connection.close)
            if scheme == "rtsps":
                connection = _context(self._tls_ca).wrap_socket(connection, server_hostname=host.strip("[]"))
                stack.callback(connection.close)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(self._read_seconds)
            self._far = connection
            self._listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=_STRANGERS))
            self._wake, self._woken = socket.socketpair()
            stack.callback(self._wake.close)
            stack.callback(self._woken.close)
            self._stack = stack.pop_all()
        there = self._target.partition("://")[2]
        tail = there[len(_authority(there)) :]
        ours = f"rtsp://127.0.0.1:{self._listening.getsockname()[1]}/{self._secret}"
        self._dialogue = Dialogue(ours, self._target[: len(self._target) - len(tail)], self._credentials)
        self._hello = ours.encode()
        self.url = ours + tail
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        with suppress(OSError):
            self._wake.send(b"\0")
        with self._lock:
            if self._client is not None:
                with suppress(OSError):  # it has ended by itself
                    self._client.shutdown(socket.SHUT_RDWR)
        self._thread.join(_JOIN_SECONDS)
        if self._thread.is_alive():
            log.warning("relay_left_behind", camera=self._camera, after_seconds=_JOIN_SECONDS)

    def _run(self) -> None:
        with self._stack:
            try:
                client, hello = self._welcome()
                if client is not None:
                    with client:
                        self._converse(client, hello)
            except (OSError, NotRtspError) as error:
                # Its client sees the connection end, and says so.
                log.debug("relay_ended", camera=self._camera, reason=type(error).__name__)

    def _welcome(self) -> tuple[socket.socket | None, bytes]:
        """The client and what it said first; None when it did not come."""
        with self._listening as listening, self._waiting_for(listening):
            for _ in range(_STRANGERS):
                if listening not in self._ready(2 * self._open_seconds):
                    break
                client, _ = listening.accept()
                hello = self._hello_of(client)
                if hello:
                    return client, hello
                client.close()
                log.warning("relay_refused_a_stranger", camera=self._camera)
        return None, b""

    @contextmanager
    def _waiting_for(self, *sources: socket.socket) -> Iterator[None]:
        with selectors.DefaultSelector() as self._selector:
            for one in (*sources, self._woken):
                self._selector.register(one, selectors.EVENT_READ)
            yield

    def _ready(self, seconds: float | None) -> list[object]:
        return [key.fileobj for key, _ in self._selector.select(seconds)]

    def _hello_of(self, client: socket.socket) -> bytes:
        """What the client said first, empty when it is a stranger."""
        client.settimeout(_HELLO_SECONDS)
        said = b""
        try:
            while b"\r\n" not in said and len(said) < _CHUNK:
                more = client.recv(_CHUNK)
                if not more:
                    return b""
                said += more
        except OSError:
            return b""
        named = said.split(b" ", 2)[1:2]
        return said if named and secrets.compare_digest(named[0][: len(self._hello)], self._hello) else b""

    def _converse(self, client: socket.socket, hello: bytes) -> None:
        """Until either side ends. Raises OSError and NotRtspError."""
        with self._lock:
            self._client = client
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(None)
        try:
            self._far.sendall(self._dialogue.from_client(hello))
            with self._waiting_for(client, self._far):
                while not self._closed:
                    ready = self._ready(None)
                    if client in ready:
                        asked = client.recv(_CHUNK)
                        if not asked:
                            return
                        self._far.sendall(self._dialogue.from_client(asked))
                    if self._far in ready and not self._pass_on(client):
                        # What the camera said last must arrive before the end does.
                        client.shutdown(socket.SHUT_WR)
                        self._selector.unregister(self._far)
        finally:
            with self._lock:
                self._client = None

    def _pass_on(self, client: socket.socket) -> bool:
        """What the camera says; False when it has ended."""
        while True:
            said = self._far.recv(_CHUNK)
            if not said:
                return False
            for_client, back = self._dialogue.from_camera(said)
            if for_client:
                client.sendall(for_client)
            if back:
                self._far.sendall(back)
            if not (isinstance(self._far, ssl.SSLSocket) and self._far.pending()):
                return True


def _context(tls_ca: Path | None) -> ssl.SSLContext:
    """Raises OSError."""
    if tls_ca is not None:
        return ssl.create_default_context(cafile=tls_ca)
    context = ssl.create_default_context()  # cameras sign their own certificates
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _authority(rest: str) -> str:
    """Host and port at the beginning of what follows `://`."""
    return rest[: min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))]
