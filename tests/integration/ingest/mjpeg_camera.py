"""A camera that serves motion JPEG over HTTP, and can be told to misbehave."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np

USER, SECRET = "viewer", "p@ss/word"
_REALM, _NONCE = "mjpeg", "cafe"


def jpeg(number: int) -> bytes:
    """320x180, grey, with a square that moves 4 px a picture."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 320, 180, "yuvj420p", Fraction(1, 10)
    picture = np.full((180, 320, 3), 90, np.uint8)
    picture[70:110, 4 * number % 280 : 4 * number % 280 + 40] = (220, 220, 40)
    (packet,) = encoder.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuvj420p"))
    return bytes(packet)


@dataclass
class MjpegCamera:
    """How it behaves; may be changed while it runs."""

    login: str = ""
    """`Digest`, `Basic`, or none."""
    path: str = "/video"
    boundary: str = "--frame"
    with_length: bool = True
    redirect: str = ""
    silent: bool = False
    """Accepts requests and answers nothing."""
    pictures: int = 10**6
    """After so many it ends the stream."""
    stalls_after: int = 10**6
    garbage_every: int = 0
    """Every so many pictures one is cut in half."""
    authorizations: list[str] = field(default_factory=list)
    """What clients proved themselves by, in order."""
    port: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def takes(self, authorization: str) -> bool:
        if self.login == "Basic":
            return authorization == "Basic dmlld2VyOnBAc3Mvd29yZA=="
        if self.login == "Digest":
            given = dict(re.findall(r'(\w+)="?([^",]*)"?', authorization))
            secret = _md5(f"{USER}:{_REALM}:{SECRET}")
            count = f"{_NONCE}:{given.get('nc')}:{given.get('cnonce')}:auth"
            return given.get("response") == _md5(f"{secret}:{count}:{_md5('GET:' + given.get('uri', ''))}")
        return True


@contextmanager
def mjpeg_camera(**behaviour: object) -> Iterator[MjpegCamera]:
    camera = MjpegCamera(**behaviour)
    jpegs = [jpeg(number) for number in range(30)]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            authorization = self.headers.get("Authorization", "")
            if authorization:
                camera.authorizations.append(authorization)
            if camera.silent:
                camera.released.wait(30)
            elif camera.redirect and self.path == camera.path:
                self._head(302, Location=camera.redirect)
            elif not camera.takes(authorization):
                challenge = f'{camera.login} realm="{_REALM}"'
                extra = f', nonce="{_NONCE}", qop="auth"' if camera.login == "Digest" else ""
                self._head(401, **{"WWW-Authenticate": challenge + extra})
            elif self.path != camera.path:
                self._head(404)
            else:
                with suppress(OSError):
                    self._stream()

        def _head(self, status: int, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def _stream(self) -> None:
            self._head(200, **{"Content-Type": f"multipart/x-mixed-replace; boundary={camera.boundary}"})
            for number in range(camera.pictures):
                if number == camera.stalls_after:
                    camera.released.wait(30)
                    return
                data = jpegs[number % len(jpegs)]
                if camera.garbage_every and number % camera.garbage_every == 1:
                    data = data[: len(data) // 2]
                length = f"Content-Length: {len(data)}\r\n" if camera.with_length else ""
                boundary = "--" + camera.boundary.strip('"').removeprefix("--")
                self.wfile.write(f"{boundary}\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + data + b"\r\n")
                if camera.released.wait(0.05):
                    return

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    camera.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="mjpeg-camera")
    thread.start()
    try:
        yield camera
    finally:
        camera.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
