"""The ring of packets, and the clips cut out of it."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import av
import pytest

from gridwatch.config.clips import ClipsConfig
from gridwatch.domain import FakeClock, Incident
from gridwatch.ingest.clips import LONGEST_SECONDS, MARGIN_SECONDS, Cut, PacketRing, RingCounts, remux
from gridwatch.ingest.decoding import VideoPacket
from tests.fixtures.api import make_incident
from tests.fixtures.rig import encode_clip

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
FPS = 10
SETTINGS = ClipsConfig(mode="original", pre_seconds=2, post_seconds=2)


@dataclass
class Fed:
    """A ring, the clips it gave, and the file whose packets it is fed."""

    ring: PacketRing
    cuts: list[Cut]
    clock: FakeClock
    container: av.container.InputContainer
    packets: Iterator[VideoPacket]
    sent: list[bytes] = field(default_factory=list)
    pushed: int = 0

    def push(self, seconds: float) -> None:
        """So many seconds more, each packet arriving when its picture is due."""
        for _ in range(round(seconds * FPS)):
            packet = next(self.packets)
            self.sent.append(bytes(packet))
            self.ring.push(packet, START + timedelta(seconds=self.pushed / FPS))
            self.pushed += 1

    def at(self, seconds: float) -> datetime:
        return START + timedelta(seconds=seconds)


def feeding(path: Path, settings: ClipsConfig = SETTINGS) -> Fed:
    clock, cuts = FakeClock(), list[Cut]()
    ring = PacketRing(settings, clock, cuts.append)
    container = av.open(str(path))
    stream = container.streams.video[0]
    ring.connected(stream)
    packets = (packet for packet in container.demux(stream) if packet.size)
    return Fed(ring=ring, cuts=cuts, clock=clock, container=container, packets=packets)


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """70 s at 10 a second, a key picture each second."""
    return encode_clip(tmp_path_factory.mktemp("clips") / "minute.mp4", seconds=70, size=(64, 64))


@pytest.fixture
def fed(minute: Path) -> Iterator[Fed]:
    made = feeding(minute)
    yield made
    made.container.close()


def payloads(file: bytes) -> list[bytes]:
    with av.open(io.BytesIO(file)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def pictures(file: bytes) -> int:
    with av.open(io.BytesIO(file)) as container:
        return sum(not frame.is_corrupt for frame in container.decode(video=0))


def test_a_clip_has_what_came_before_and_after_from_a_key_picture_on_bit_by_bit(fed: Fed) -> None:
    incident = make_incident()
    fed.push(10)
    fed.ring.raised(incident, fed.at(9.5))
    fed.push(5)
    (cut,) = fed.cuts
    file = remux(cut)
    assert cut.incidents == (incident,)
    assert cut.began_at == fed.at(7)
    assert cut.seconds == pytest.approx(4.6, abs=0.11)
    assert payloads(file) == fed.sent[70:116]
    assert pictures(file) == 46


def test_what_is_remuxed_starts_at_zero_and_keeps_its_pace(fed: Fed) -> None:
    fed.push(20)
    fed.ring.raised(make_incident())
    fed.push(5)
    with av.open(io.BytesIO(remux(fed.cuts[0]))) as container:
        times = [packet.pts * packet.time_base for packet in container.demux(video=0) if packet.pts is not None]
    assert float(times[0]) == 0.0
    assert {round(float(b - a), 3) for a, b in pairwise(times)} == {0.1}


def test_the_ring_keeps_the_pre_roll_and_no_more_than_a_gop_beyond(fed: Fed) -> None:
    fed.push(30)
    counts = fed.ring.counts()
    kept = SETTINGS.pre_seconds + MARGIN_SECONDS
    assert kept <= counts.seconds + 1 / FPS <= kept + 1
    assert counts.bytes < 200_000
    assert counts.let_go == 0


def test_incidents_that_follow_each_other_share_one_clip_up_to_a_minute(fed: Fed) -> None:
    fed.push(4)
    several = [make_incident() for _ in range(65)]
    for one in several:
        fed.ring.raised(one)
        fed.push(1)
    first = fed.cuts[0]
    assert first.seconds == pytest.approx(LONGEST_SECONDS, abs=0.2)
    fed.ring.close()
    told: list[Incident] = [incident for cut in fed.cuts for incident in cut.incidents]
    assert told == several


def test_too_many_bytes_make_the_ring_shorter_and_are_counted(tmp_path: Path) -> None:
    path = encode_clip(tmp_path / "noise.mp4", seconds=6, noise=True, size=(640, 360))
    fed = feeding(path, ClipsConfig(mode="original", pre_seconds=4, ring_max_bytes=6_000_000))
    fed.push(5.8)
    counts = fed.ring.counts()
    assert counts.bytes <= 6_000_000
    assert counts.seconds < 2
    assert counts.let_go > 0
    fed.ring.raised(make_incident())
    fed.push(0.1)
    assert fed.cuts == []
    fed.container.close()


def test_a_gop_too_long_for_the_ring_makes_it_start_anew_at_the_next_key_picture(tmp_path: Path) -> None:
    path = encode_clip(tmp_path / "long.mp4", seconds=9, gop=40, noise=True, size=(320, 180))
    fed = feeding(path, ClipsConfig(mode="original", ring_max_bytes=1_500_000))
    fed.push(3.9)
    assert fed.ring.counts().bytes == 0
    fed.ring.raised(make_incident())
    assert fed.ring.counts().missed == 1
    fed.push(0.5)
    assert 0 < fed.ring.counts().bytes <= 1_500_000
    fed.ring.raised(make_incident())
    fed.ring.close()
    assert pictures(remux(fed.cuts[0])) == 4
    fed.container.close()


def test_a_clip_that_takes_too_many_bytes_ends_early(tmp_path: Path) -> None:
    path = encode_clip(tmp_path / "noise.mp4", seconds=6, noise=True, size=(640, 360))
    fed = feeding(path, ClipsConfig(mode="original", pre_seconds=0, post_seconds=30, ring_max_bytes=5_000_000))
    fed.push(0.5)
    fed.ring.raised(make_incident())
    fed.push(5)
    assert len(fed.cuts) == 1
    assert sum(one.bytes for one in fed.cuts[0].packets) <= 11_000_000
    assert fed.ring.counts().shortened == 1
    fed.container.close()


def test_a_camera_that_falls_silent_gives_what_there_is_when_the_post_roll_is_long_over(fed: Fed) -> None:
    fed.push(6)
    fed.ring.raised(make_incident())
    fed.clock.advance(6.9)
    fed.ring.finish_overdue()
    assert fed.cuts == []
    fed.clock.advance(0.2)
    fed.ring.finish_overdue()
    assert fed.cuts[0].seconds == pytest.approx(3, abs=1)


def test_a_new_connection_ends_the_clip_of_the_old_one_and_forgets_its_packets(fed: Fed, minute: Path) -> None:
    fed.push(6)
    fed.ring.raised(make_incident())
    with av.open(str(minute)) as other:
        fed.ring.connected(other.streams.video[0])
    assert len(fed.cuts) == 1
    assert fed.ring.counts().bytes == 0
    fed.container.close()  # the file is written from packets and headers that outlive their connection
    assert pictures(remux(fed.cuts[0])) >= 30


def test_no_clip_goes_over_a_jump_of_the_cameras_clock(fed: Fed) -> None:
    fed.push(5)
    fed.ring.raised(make_incident())
    packet = next(one for one in fed.packets if one.is_keyframe)
    assert packet.dts is not None
    packet.dts += 3600 * 15360
    packet.pts = packet.dts
    fed.ring.push(packet, fed.at(5.1))
    assert len(fed.cuts) == 1
    assert fed.cuts[0].seconds < 10
    assert fed.ring.counts().seconds == 0


def test_an_incident_told_late_gets_the_time_it_speaks_of_as_far_as_that_is_kept(fed: Fed) -> None:
    fed.push(20)
    fed.ring.raised(make_incident(), fed.at(17))
    (cut,) = fed.cuts
    assert cut.began_at <= fed.at(16)
    assert cut.packets[-1].arrived_at == fed.at(19)


def test_packets_before_the_first_key_picture_and_without_times_are_let_go_or_given_a_time(fed: Fed) -> None:
    fed.push(0.1)
    fed.ring.connected(fed.container.streams.video[0])
    fed.push(0.9)
    assert fed.ring.counts() == RingCounts(let_go=9)
    key, after = next(fed.packets), next(fed.packets)
    after.pts = after.dts = None
    fed.ring.push(key, fed.at(1))
    fed.ring.push(after, fed.at(1.1))
    fed.ring.raised(make_incident())
    fed.ring.close()
    assert pictures(remux(fed.cuts[0])) == 2


@pytest.mark.parametrize(
    ("codec", "b_frames", "ending"), [("libx264", 2, "mp4"), ("libx265", 0, "mp4"), ("mjpeg", 0, "mkv")]
)
def test_every_codec_a_camera_may_send_is_remuxed_whole(codec: str, b_frames: int, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip.{ending}"
    if codec == "mjpeg":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mjpeg", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
            for _ in range(30):
                container.mux(stream.encode(av.VideoFrame(64, 64, "yuvj420p")))
            container.mux(stream.encode(None))
    else:
        encode_clip(path, seconds=3, codec=codec, b_frames=b_frames, size=(128, 128))
    fed = feeding(path)
    fed.push(2.5)
    fed.ring.raised(make_incident())
    fed.ring.close()
    file = remux(fed.cuts[0])
    first = round((fed.cuts[0].began_at - START).total_seconds() * FPS)
    assert payloads(file) == fed.sent[first:]
    assert pictures(file) == len(fed.sent) - first >= 20
    fed.container.close()
