"""Reads damaged streams one after another, in a process of its own: whoever starts it sees whether it lives.

    python -m tests.integration.ingest.damage streams|files CLIP COUNT

CLIP has three groups of pictures. Each stream is served twice: with its second group damaged, and whole. Files are
damaged anywhere. Prints one JSON object (`Report`).
"""

import base64
import faulthandler
import gc
import json
import random
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import av
import psutil
from av.bitstream import BitStreamFilterContext

from gridwatch.config.model import CameraConfig, CameraSource
from gridwatch.domain import Frame, SystemClock
from gridwatch.ingest import IngestError, Reader, ReaderTally, StreamEnded, UnreadableFile, recorded_frames
from gridwatch.rig.clip import fragments

STALL_SECONDS = 5.0
_MAX_PAYLOAD = 1400
_START = b"\0\0\1"


@dataclass
class Report:
    """What happened to the streams."""

    streams: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    """Streams by kind of damage."""
    unnoticed: int = 0
    """Streams that lost nothing and gave no error."""
    errors: int = 0
    """Packets or pictures that could not be decoded."""
    broken_off: list[str] = field(default_factory=list)
    """Damage after which the good group was not delivered in the same connection: its kind. Files: what was said."""
    not_back: list[int] = field(default_factory=list)
    """Streams that were not read whole when served whole."""
    unexpected: list[str] = field(default_factory=list)
    """Errors of another kind than that the stream ended."""
    megabytes: list[float] = field(default_factory=list)
    """Resident memory after each quarter of the streams."""
    peak_megabytes: float = 0.0
    threads_left: list[str] = field(default_factory=list)


class Stream:
    """A clip as access units of NAL units, and the pictures of its groups."""

    def __init__(self, clip: Path) -> None:
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            self.h265 = stream.codec_context.name == "hevc"
            annex_b = BitStreamFilterContext("hevc_mp4toannexb" if self.h265 else "h264_mp4toannexb", stream)
            packets = [p for packet in container.demux(stream) for p in annex_b.filter(packet if packet.size else None)]
        keys = [i for i, packet in enumerate(packets) if packet.is_keyframe]
        assert len(keys) == 3
        units = [[nal for part in bytes(p).split(_START) if (nal := part.rstrip(b"\0"))] for p in packets]
        self.groups = [units[keys[0] : keys[1]], units[keys[1] : keys[2]], units[keys[2] :]]
        start = datetime(2026, 1, 1, tzinfo=UTC)
        self.pictures = [frame.image.tobytes() for frame in recorded_frames(clip, "gate-3", 30, start)]
        self.last = self.pictures[keys[2] :]
        self.sets = [nal for nal in units[0] if self._is_set(nal)]

    def _is_set(self, nal: bytes) -> bool:
        return nal[0] >> 1 & 0x3F in {32, 33, 34} if self.h265 else nal[0] & 0x1F in {7, 8}

    def sdp(self) -> bytes:
        coded = [base64.b64encode(nal).decode() for nal in self.sets]
        if self.h265:
            name, told = (
                "H265",
                ";".join(f"sprop-{kind}={value}" for kind, value in zip(("vps", "sps", "pps"), coded, strict=True)),
            )
        else:
            name, told = "H264", f"packetization-mode=1;sprop-parameter-sets={','.join(coded)}"
        lines = ("v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=damage", "c=IN IP4 0.0.0.0", "t=0 0", "m=video 0 RTP/AVP 96",
                 f"a=rtpmap:96 {name}/90000", f"a=fmtp:96 {told}", "a=control:track1")  # fmt: skip
        return "\r\n".join((*lines, "")).encode()

    def payloads(self, nal: bytes) -> list[bytes]:
        """RTP payloads of one NAL unit (RFC 6184; RFC 7798, 4.4.3)."""
        if not self.h265:
            return list(fragments(nal))
        if len(nal) <= _MAX_PAYLOAD:
            return [nal]
        head = bytes((nal[0] & 0x81 | 49 << 1, nal[1]))
        pieces = [nal[at : at + _MAX_PAYLOAD] for at in range(2, len(nal), _MAX_PAYLOAD)]
        last = len(pieces) - 1
        kind = nal[0] >> 1 & 0x3F
        return [head + bytes(((i == 0) << 7 | (i == last) << 6 | kind,)) + piece for i, piece in enumerate(pieces)]


Nals = list[bytes]
Packets = list[bytes]


def _flip(source: random.Random, data: bytes, count: int) -> bytes:
    changed = bytearray(data)
    for _ in range(count):
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)


def _some(source: random.Random, things: Sequence[bytes], change: Callable[[bytes], bytes]) -> list[bytes]:
    """One to three of `things` changed."""
    chosen = {source.randrange(len(things)) for _ in range(source.randint(1, 3))}
    return [change(one) if i in chosen else one for i, one in enumerate(things)]


# Damage to NAL units, before they are packed.


def bits(source: random.Random, nals: Nals) -> Nals:
    return _some(source, nals, lambda nal: _flip(source, nal, source.choice((1, 3, 50))))


def headers(source: random.Random, nals: Nals) -> Nals:
    """Where types, parameter sets (so sizes of pictures) and slice headers are."""
    return _some(source, nals, lambda nal: _flip(source, nal[:12], source.randint(1, 8)) + nal[12:])


def cut(source: random.Random, nals: Nals) -> Nals:
    return _some(source, nals, lambda nal: nal[: source.randint(1, len(nal))])


def noise(source: random.Random, nals: Nals) -> Nals:
    return _some(source, nals, lambda nal: nal[:2] + source.randbytes(source.choice((0, 10, 3000))))


def giant(source: random.Random, nals: Nals) -> Nals:
    """A parameter set of H.264 that announces pictures of 207 million pixels, or of 118."""
    fields = (1, 1, 3, 2, 0, source.choice((900, 512)), 900)
    bits = "".join(f"{0:0{len(f'{n:b}') - 1}b}{n:b}" if n > 1 else f"{n:b}" for n in fields) + "11001"
    bits = bits.ljust(-(-len(bits) // 8) * 8, "0")
    sps = bytes((0x67, 66, 0xC0, 62)) + int(bits, 2).to_bytes(len(bits) // 8)
    return [sps, *(nal for nal in nals if nal[0] != 0x67)]


# Damage to RTP packets: the 12 bytes of the header, then the payload.


def short(source: random.Random, packets: Packets) -> Packets:
    return _some(source, packets, lambda packet: packet[: source.randint(12, len(packet))])


def long(source: random.Random, packets: Packets) -> Packets:
    return _some(source, packets, lambda packet: packet + source.randbytes(source.randint(1, 2000)))


def sizes(source: random.Random, packets: Packets) -> Packets:
    """Aggregates (STAP-A, AP) whose inner sizes are wrong, and fragments that begin or end at will."""
    head = source.choice((b"\x18", b"\x60\x01", b"\x7c", b"\x62\x01", b"\x1a", b"\x1d"))

    def change(packet: bytes) -> bytes:
        return packet[:12] + head + source.randbytes(3) + packet[12:][: source.randint(0, 1400)]

    return _some(source, packets, change)


def order(source: random.Random, packets: Packets) -> Packets:
    shuffled = [packet for packet in packets if source.random() > 0.1 for _ in range(1 + (source.random() < 0.1))]
    if source.random() < 0.5:
        source.shuffle(shuffled)
    return shuffled


def rtp_headers(source: random.Random, packets: Packets) -> Packets:
    return _some(source, packets, lambda packet: _flip(source, packet[:12], source.randint(1, 20)) + packet[12:])


TO_NALS = (bits, headers, cut, noise, giant)
TO_PACKETS = (short, long, sizes, order, rtp_headers)
FRAMING = "framing"
"""Interleaved lengths that lie: the place in the connection is lost."""


def served(stream: Stream, seed: int | None) -> tuple[str, bytes]:
    """What the server sends after PLAY, damaged by `seed`, and the kind of damage."""
    source = random.Random(seed)
    kinds = (*TO_NALS, *TO_PACKETS, None)
    kind = kinds[(seed or 0) % len(kinds)]
    name = "none" if seed is None else kind.__name__ if kind is not None else FRAMING
    sent, sequence, number = bytearray(), 0, 0
    for i, group in enumerate(stream.groups):
        damaged = i == 1 and seed is not None
        packets: Packets = []
        for unit in group:
            nals = kind(source, unit) if damaged and kind in TO_NALS else unit
            payloads = [payload for nal in nals if nal for payload in stream.payloads(nal)]
            for j, payload in enumerate(payloads):
                marked = 0x80 * (j == len(payloads) - 1) | 96
                packets.append(struct.pack(">BBHII", 0x80, marked, sequence, number * 9000, 7) + payload)
                sequence += 1
            number += 1
        if damaged and kind in TO_PACKETS:
            packets = kind(source, packets)
        lying = source.randrange(len(packets)) if damaged and kind is None else -1
        for j, packet in enumerate(packets):
            length = source.randrange(65536) if j == lying else len(packet)
            sent += struct.pack(">BBH", 0x24, 0, length) + packet
    return name, bytes(sent)


class Server:
    """Answers one client after another, sends each what `next_stream` holds, at once, and hangs up."""

    def __init__(self, sdp: bytes) -> None:
        self.next_stream = b""
        self._sdp = sdp
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="damage server")
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                with client, suppress(OSError):
                    self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        client.settimeout(10.0)
        waiting = b""
        while True:
            while b"\r\n\r\n" not in waiting:
                more = client.recv(4096)
                if not more:
                    return
                waiting += more
            head, _, waiting = waiting.partition(b"\r\n\r\n")
            method = head.split(b" ", 1)[0]
            cseq = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"cseq"))
            extra, body = b"", b""
            if method == b"DESCRIBE":
                body = self._sdp
                extra = b"Content-Type: application/sdp\r\nContent-Length: %d\r\n" % len(body)
            elif method == b"SETUP":
                extra = b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            client.sendall(b"RTSP/1.0 200 OK\r\n" + cseq + b"\r\nSession: 1\r\n" + extra + b"\r\n" + body)
            if method == b"PLAY":
                client.sendall(self.next_stream)
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass
                return


def read(port: int) -> tuple[list[Frame], IngestError | None, int]:
    """The frames of one connection, why it ended, and the decode errors."""
    frames: list[Frame] = []
    source = CameraSource(rtsp=f"rtsp://127.0.0.1:{port}/x", transport="tcp")
    camera = CameraConfig(id="gate-3", site="north", position=(0, 0), source=source, analysis_fps=30)
    tally = ReaderTally()
    reader = Reader(camera, SystemClock(), frames.append, lambda *_: None, tally, stall_seconds=STALL_SECONDS)
    try:
        reader.run_once()
    except IngestError as error:
        return frames, error, tally.snapshot().decode_errors
    raise AssertionError("it returned")


def judge(report: Report, stream: Stream, server: Server, seed: int) -> None:
    kind, server.next_stream = served(stream, seed)
    frames, error, errors = read(server.port)
    report.streams += 1
    report.kinds[kind] = report.kinds.get(kind, 0) + 1
    report.errors += errors
    shown = [frame.image.tobytes() for frame in frames]
    if shown == stream.pictures and errors == 0:
        report.unnoticed += 1
    # Damage may reach into the key picture that comes right after it.
    good = stream.last[1:]
    if shown[-len(good) :] != good:
        report.broken_off.append(f"{kind} {seed}")
    if type(error) is not StreamEnded:
        report.unexpected.append(f"{kind} {seed}: {error}")
    _, server.next_stream = served(stream, None)
    frames, _, errors = read(server.port)
    if [frame.image.tobytes() for frame in frames] != stream.pictures or errors:
        report.not_back.append(seed)


def judge_file(report: Report, clip: Path, damaged: Path, seed: int) -> None:
    source = random.Random(seed)
    data = clip.read_bytes()
    how = (
        lambda: _flip(source, data, source.choice((1, 20, 500))),
        lambda: data[: source.randrange(len(data))],
        lambda: _flip(source, data[:60] + data[-1200:], 20) + data,
        lambda: data[:-900] + source.randbytes(900),
    )
    damaged.write_bytes(how[seed % len(how)]())
    report.streams += 1
    start = datetime(2026, 1, 1, tzinfo=UTC)
    try:
        for _ in recorded_frames(damaged, "gate-3", 30, start):
            pass
    except UnreadableFile as error:
        report.broken_off.append(str(error))


def main() -> None:
    faulthandler.enable()
    what, clip, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    report = Report()
    with ExitStack() as stack:
        if what == "streams":
            stream = Stream(clip)
            server = Server(stream.sdp())
            stack.callback(server.close)
        for seed in range(count):
            if what == "streams":
                judge(report, stream, server, seed)
            else:
                judge_file(report, clip, clip.with_name("damaged.mp4"), seed)
            if (seed + 1) % (count // 4) == 0:
                gc.collect()
                report.megabytes.append(round(psutil.Process().memory_info().rss / 1e6, 1))
    report.peak_megabytes = _peak_megabytes()
    report.threads_left = [thread.name for thread in threading.enumerate() if thread.name.startswith("read-")]
    print(json.dumps(asdict(report)))  # noqa: T201


def _peak_megabytes() -> float:
    """Of this program; `ru_maxrss` would be that of the parent that started us, where it was larger."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


if __name__ == "__main__":
    main()
