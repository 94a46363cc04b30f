from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from hypothesis import given
from hypothesis import strategies as st

from gridwatch.ingest import ReaderTally
from gridwatch.ingest.continuity import FrameNumbers, continuous
from gridwatch.ingest.decoding import VideoPacket
from gridwatch.ingest.loss import RtpLoss
from tests.fixtures.rig import encode_clip

X264 = "slices=1:sliced-threads=0:scenecut=0:b-adapt=0:log-level=error"


def encoded(path: Path, options: str, *, profile: str = "high", b_frames: int = 0, seconds: float = 4) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.gop_size, stream.max_b_frames = 20, b_frames
        stream.options = {"preset": "veryfast", "profile": profile, "x264-params": f"{X264}:{options}"}
        for i in range(round(seconds * 10)):
            picture = np.full((180, 320, 3), 90, np.uint8)
            picture[70:110, 4 * i % 280 : 4 * i % 280 + 40] = (220, 220, 40)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def units(path: Path) -> list[tuple[bytes, bool]]:
    """Each access unit as RTP brings it, and whether it is a key."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        to_annex_b = BitStreamFilterContext("h264_mp4toannexb", stream)
        packets = chain.from_iterable(to_annex_b.filter(p if p.size else None) for p in container.demux(stream))
        return [(bytes(packet), packet.is_keyframe) for packet in packets]


STREAMS = {
    "plain": ("ref=1", {}),
    "baseline": ("ref=1", {"profile": "baseline"}),
    "four references": ("ref=4", {}),
    "B-pictures": ("ref=3:b-pyramid=2", {"b_frames": 3}),
    "temporal order by type 2": ("ref=1:bframes=0", {"profile": "main"}),
    "custom scaling lists": ("ref=1:cqm=jvt", {}),
    "no IDR but the first": ("ref=1:intra-refresh=1", {}),
}


@pytest.fixture(scope="module", params=STREAMS)
def stream(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, bool]]:
    options, more = STREAMS[request.param]
    return units(encoded(tmp_path_factory.mktemp("clip") / "clip.mp4", options, **more))


def test_nothing_is_missing_from_a_whole_stream(stream: list[tuple[bytes, bool]]) -> None:
    numbers = FrameNumbers(b"")
    assert all(numbers.follows(unit, key=key) for unit, key in stream)


def test_a_missing_reference_picture_is_noticed_at_once(stream: list[tuple[bytes, bool]]) -> None:
    """Those that nothing refers to may be missed without harm."""
    for lost in range(1, len(stream) - 1):
        (unit, key), (_, next_is_key) = stream[lost], stream[lost + 1]
        if key or next_is_key or not first_slice(unit)[0] & 0x60:
            continue
        numbers = FrameNumbers(b"")
        assert all(numbers.follows(one, key=is_key) for one, is_key in stream[:lost])
        broken = [not numbers.follows(one, key=is_key) for one, is_key in stream[lost + 1 :]]
        assert broken[0]
        assert sum(broken) == 1


def test_the_parameter_sets_may_come_from_elsewhere(stream: list[tuple[bytes, bool]]) -> None:
    first, _ = stream[0]
    slices = [first_slice_of(unit) for unit, _ in stream]
    numbers = FrameNumbers(first)
    assert numbers.follows(slices[0], key=True)
    assert numbers.follows(slices[1], key=False)
    without = FrameNumbers(b"")
    assert all(without.follows(one, key=False) for one in slices[::5]), "without them nothing can be said"


@given(st.binary(max_size=200), st.booleans())
def test_garbage_raises_nothing(garbage: bytes, key: bool) -> None:
    numbers = FrameNumbers(b"\0\0\1\x67" + garbage)
    for kind in (b"\x67", b"\x68", b"\x65", b"\x41"):
        numbers.follows(b"\0\0\0\1" + kind + garbage, key=key)


def test_packets_after_a_missing_one_are_left_out_until_the_next_key(tmp_path: Path) -> None:
    tally = ReaderTally()
    clip = encode_clip(tmp_path / "clip.ts", seconds=3)
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        all_but_two = (packet for i, packet in enumerate(container.demux(stream)) if i not in {4, 5})
        kept = [round(float(p.pts * p.time_base) * 10) for p in continuous(all_but_two, stream, tally) if p.size]
    assert [number - kept[0] for number in kept] == [0, 1, 2, 3, *range(10, 30)]
    counted = tally.snapshot()
    assert counted.decode_errors == 1
    assert counted.bytes > 0


def test_h265_is_passed_as_it_is(h265_clip: Path) -> None:
    with av.open(str(h265_clip)) as container:
        stream = container.streams.video[0]
        sieved = (packet for i, packet in enumerate(container.demux(stream)) if i != 4)
        assert len(list(continuous(sieved, stream, ReaderTally()))) == 40


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_picture_with_a_hole_is_left_out_with_all_until_the_next_key(tmp_path: Path, codec: str) -> None:
    tally = ReaderTally()
    lines: list[tuple[int, str, str]] = []

    def arriving(packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
        for i, packet in enumerate(packets):
            if i in {4, 6, 20}:  # within what is waited through anyway, and within a key picture
                lines.append((24, "rtsp", "RTP: missed 1 packets\n"))
            yield packet

    with av.open(str(encode_clip(tmp_path / "clip.ts", seconds=4, codec=codec))) as container:
        stream = container.streams.video[0]
        packets = continuous(arriving(container.demux(stream)), stream, tally, RtpLoss(lines))
        kept = [round(float(p.pts * p.time_base) * 10) for p in packets if p.size]
    assert [number - kept[0] for number in kept] == [*range(4), *range(10, 20), *range(30, 40)]
    assert tally.snapshot().decode_errors == 2


def first_slice(unit: bytes) -> bytes:
    return first_slice_of(unit)[3:]


def first_slice_of(unit: bytes) -> bytes:
    at = 0
    while (at := unit.index(b"\0\0\1", at)) >= 0:
        if unit[at + 3] & 0x1F in {1, 5}:
            return unit[at:]
        at += 3
    raise AssertionError
