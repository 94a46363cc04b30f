from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from gridwatch.ingest import ReaderTally, TallySnapshot
from gridwatch.ingest.decoding import Arrival, PictureDecoder, VideoPacket
from tests.fixtures.rig import encode_clip

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By encoder: three seconds at 10 fps, a key picture each second, tens of kB a picture."""
    folder = tmp_path_factory.mktemp("clips")
    return {
        codec: encode_clip(folder / f"{codec}.mp4", seconds=3, noise=True, codec=codec)
        for codec in ("libx264", "libx265")
    }


def arrival(packet: VideoPacket) -> Arrival:
    return Arrival(packet=packet, arrived_at=NOW)


def decoded(path: Path, fps: float = 10) -> tuple[dict[int, npt.NDArray[np.uint8]], TallySnapshot]:
    """The pictures by number, and the counters."""
    tally = ReaderTally()
    pictures = {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = PictureDecoder(stream, fps, tally)
        for packet in container.demux(stream):
            for picture in decoder.sample(arrival(packet), decoder.decode(packet)):
                pictures[round(picture.time * 10)] = picture.image
    return pictures, tally.snapshot()


def damaged(clip: Path, path: Path, number: int, *, garbage: bool) -> Path:
    """A copy whose packet `number` has noise in its middle, or is noise from its middle on."""
    with av.open(str(clip)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        assert packet.pos is not None
        middle = packet.pos + packet.size // 2
        length = packet.size - packet.size // 2 if garbage else 64
        start = packet.pos if garbage else middle
    data = bytearray(clip.read_bytes())
    data[start : start + length] = np.random.default_rng(5).bytes(length)
    path.write_bytes(data)
    return path


# FFmpeg's H.265 decoder does not notice noise within a slice, so that is tried on H.264 only.
@pytest.mark.parametrize(("codec", "garbage"), [("libx264", False), ("libx264", True), ("libx265", True)])
@pytest.mark.parametrize(("number", "lost"), [(13, range(13, 20)), (10, range(10, 20)), (25, range(25, 30))])
def test_damage_costs_the_pictures_until_the_next_key_and_no_other(
    clips: dict[str, Path], tmp_path: Path, number: int, lost: range, codec: str, garbage: bool
) -> None:
    clip = clips[codec]
    whole, clean = decoded(clip)
    assert sorted(whole) == list(range(30))
    assert (clean.decoded, clean.decode_errors) == (30, 0)
    pictures, tally = decoded(damaged(clip, tmp_path / "damaged.mp4", number, garbage=garbage))
    assert sorted(pictures) == [i for i in range(30) if i not in lost]
    assert all(np.array_equal(image, whole[i]) for i, image in pictures.items())
    assert tally.decode_errors == 1
    assert tally.decoded == len(pictures)


def test_only_the_chosen_pictures_are_converted_but_all_are_counted(clips: dict[str, Path]) -> None:
    pictures, tally = decoded(clips["libx264"], fps=5)
    assert sorted(pictures) == list(range(0, 30, 2))
    assert tally.decoded == 30


def test_a_reordered_picture_is_dated_by_its_own_time_not_by_that_of_the_packet_that_completed_it(
    tmp_path: Path,
) -> None:
    path = encode_clip(tmp_path / "b.mp4", seconds=2, b_frames=3)
    pictures = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = PictureDecoder(stream, 10, ReaderTally())
        for packet in container.demux(stream):
            if packet.pts is not None and packet.time_base is not None:
                sent_at = NOW + timedelta(seconds=float(packet.pts * packet.time_base))
                coming = Arrival(packet=packet, arrived_at=NOW, sent_at=lambda _, at=sent_at: at)
                pictures += decoder.sample(coming, decoder.decode(packet))
    assert len(pictures) > 10
    dated = [(one.sent_at - NOW).total_seconds() for one in pictures if one.sent_at is not None]
    assert [at - dated[0] for at in dated] == pytest.approx([one.time for one in pictures])
