"""Two ways to talk to the rig: PyAV as ingest does it, and bare RTSP for what no library sends."""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

import av

from tests.fixtures.rig import PASSWORD, USERNAME


def with_credentials(url: str, password: str = PASSWORD) -> str:
    return url.replace("rtsp://", f"rtsp://{USERNAME}:{quote(password)}@")


@contextmanager
def opened(url: str, transport: str = "tcp") -> Iterator[av.container.InputContainer]:
    with av.open(url, options={"rtsp_transport": transport, "probesize": "32"}, timeout=(5, 5)) as container:
        yield container


def packets(url: str, count: int, transport: str = "tcp") -> list[av.Packet]:
    """The first `count` packets."""
    with opened(url, transport) as container:
        return [packet for packet, _ in zip(container.demux(video=0), range(count), strict=False)]


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Return once `condition` holds; AssertionError when it does not within `seconds`."""
    deadline = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def wall_clock(packet: av.Packet) -> float:
    """When the picture was taken by the camera's sender reports, seconds since 1970."""
    (micros,) = struct.unpack("<q", bytes(packet.get_sidedata("prft"))[:8])
    return micros / 1e6


class BareRtsp:
    """One connection: requests as given, answers as (status, headers, body)."""

    def __init__(self, url: str, receive_buffer: int | None = None) -> None:
        parts = urlsplit(url)
        self.url = url
        self._sequence = 0
        self._socket = socket.socket()
        self._socket.settimeout(5)
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.connect((parts.hostname, parts.port))
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def ask(self, method: str, target: str | None = None, **headers: str) -> tuple[int, dict[str, str], str]:
        self._sequence += 1
        lines = [f"{method} {target or self.url} RTSP/1.0", f"CSeq: {self._sequence}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n")
        return self.answer()

    def answer(self) -> tuple[int, dict[str, str], str]:
        """The next answer; raises EOFError when the server closed."""
        while (first := self._file.read(1)) == b"$":
            self._file.read(int.from_bytes(self._file.read(3)[1:]))
        if not first:
            raise EOFError("closed by the server")
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip().decode():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return status, headers, self._file.read(int(headers.get("content-length", 0))).decode()

    def interleaved(self) -> tuple[int, bytes]:
        """The next interleaved packet: its channel and bytes."""
        marker, channel, length = struct.unpack(">BBH", self._file.read(4))
        assert marker == 0x24
        return channel, self._file.read(length)

    def until_closed(self) -> None:
        """Wait until the server closed, throwing away what it sends; TimeoutError after 5 s of silence."""
        try:
            while self._file.read(4096):
                pass
        except ConnectionResetError:
            pass
