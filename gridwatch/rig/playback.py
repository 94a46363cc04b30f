"""Sends one client its clip in a loop, paced by the clock, over TCP or UDP."""

import asyncio
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from gridwatch.domain import Clock
from gridwatch.rig.camera import Channel, Fault
from gridwatch.rig.clip import RTP_CLOCK
from gridwatch.rig.rtp import RtpStream

REPORT_SECONDS = 5.0
"""Between RTCP sender reports, the interval of RFC 3550, 6.2; the first goes out before the first packet."""
_UDP_BURST = 32
"""Packets sent without a pause: a key picture sent at once overruns a receiver's default socket buffer (about 90)."""


class SlowClientError(ConnectionError):
    """The client does not read as fast as the camera sends."""


class Sink(Protocol):
    """Where RTP and RTCP go. Raises ConnectionError when the client is gone or too slow."""

    async def send_report(self, report: bytes) -> None:
        """Send one RTCP packet."""

    async def send_packets(self, packets: Sequence[bytes]) -> None:
        """Send the RTP packets of one picture."""

    def close(self) -> None:
        """Free what the sink opened."""


class TcpSink:
    """Interleaved in the RTSP connection (RFC 2326, 10.12). Never waits for the client: it is bounded by `limit`."""

    def __init__(self, writer: asyncio.StreamWriter, channels: tuple[int, int], limit: int) -> None:
        """`channels` are those of RTP and RTCP; `limit` is the most bytes that may wait for the client."""
        self._writer = writer
        self._rtp, self._rtcp = channels
        self._limit = limit

    async def send_report(self, report: bytes) -> None:
        """Send one RTCP packet."""
        self._write(self._rtcp, (report,))

    async def send_packets(self, packets: Sequence[bytes]) -> None:
        """Send the RTP packets of one picture."""
        self._write(self._rtp, packets)

    def close(self) -> None:
        """Nothing of its own is open."""

    def _write(self, channel: int, packets: Sequence[bytes]) -> None:
        transport = self._writer.transport
        if transport.is_closing():
            raise ConnectionResetError("the client is gone")
        if transport.get_write_buffer_size() > self._limit:
            raise SlowClientError(f"over {self._limit} bytes wait for the client")
        transport.write(b"".join(struct.pack(">BBH", 0x24, channel, len(packet)) + packet for packet in packets))


class UdpSink:
    """Two UDP sockets on neighbouring ports, RTP on the even one (RFC 3550, section 11). Loses packets as UDP does."""

    def __init__(self, host: str, peer: str, ports: tuple[int, int]) -> None:
        """Open both sockets on the address `host`, to send to `peer` at `ports`. Raises OSError."""
        self._rtp, self._rtcp = _neighbouring_sockets(host)
        self._rtp.connect((peer, ports[0]))
        self._rtcp.connect((peer, ports[1]))
        self.ports: tuple[int, int] = (self._rtp.getsockname()[1], self._rtcp.getsockname()[1])

    async def send_report(self, report: bytes) -> None:
        """Send one RTCP packet."""
        _send(self._rtcp, report)

    async def send_packets(self, packets: Sequence[bytes]) -> None:
        """Send the RTP packets of one picture, with short pauses in a long one."""
        for i, packet in enumerate(packets, 1):
            _send(self._rtp, packet)
            if i % _UDP_BURST == 0:
                await asyncio.sleep(0.002)

    def close(self) -> None:
        """Close both sockets."""
        self._rtp.close()
        self._rtcp.close()


class Playback:
    """One client's way through the clip. `run()` belongs to one task; the stream's numbers may be read before it."""

    def __init__(self, channel: Channel, sink: Sink, clock: Clock) -> None:
        self.stream = RtpStream()
        self._channel = channel
        self._sink = sink
        self._clock = clock
        self._report_due = 0.0

    async def run(self) -> None:
        """Send until cancelled. Raises ConnectionError when the client is gone or too slow."""
        began = self._clock.monotonic()
        held_back = False
        for ticks, unit in self._channel.clip.timeline(self._channel.camera.start_seconds):
            due = began + ticks / RTP_CLOCK
            # Also when late: sleep(0) lets the other clients have their turn.
            await asyncio.sleep(max(0.0, due - self._clock.monotonic()))
            if self._channel.fault is Fault.STALL:
                held_back = True
            elif unit.key or not held_back:
                # A real encoder goes on while its network hangs, so time passes; decoding resumes at a key picture.
                held_back = False
                await self._report(ticks, due)
                await self._sink.send_packets(self.stream.packets(unit, ticks))

    async def _report(self, ticks: int, due: float) -> None:
        now = self._clock.monotonic()
        if now < self._report_due:
            return
        self._report_due = now + REPORT_SECONDS
        taken = self._clock.now().timestamp() - (now - due) + self._channel.clock_skew_seconds
        await self._sink.send_report(self.stream.sender_report(ticks, taken))


def _send(sender: socket.socket, packet: bytes) -> None:
    # A full buffer loses the packet, as on any UDP path. A refusal (ICMP) is a client that is closing, or is not yet
    # open: its RTSP connection, not this socket, says when it is gone.
    with suppress(BlockingIOError, ConnectionRefusedError):
        sender.send(packet)


def _neighbouring_sockets(host: str) -> tuple[socket.socket, socket.socket]:
    for _ in range(50):
        rtp = _udp_socket(host, 0)
        port = rtp.getsockname()[1]
        if port % 2 == 0:
            with suppress(OSError):
                return rtp, _udp_socket(host, port + 1)
        rtp.close()
    raise OSError(f"no two neighbouring UDP ports are free on {host}")


def _udp_socket(host: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.bind((host, port))
    except OSError:
        opened.close()
        raise
    return opened
