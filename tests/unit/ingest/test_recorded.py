from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from gridwatch.domain import UsageError
from gridwatch.ingest import UnreadableFile, duration_seconds, recorded_frames
from tests.fixtures.rig import encode_clip

START = datetime(2026, 3, 29, 0, 59, 58, tzinfo=UTC)


def encode_size(path: Path, width: int, height: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "x264-params": "log-level=error"}
        picture = np.zeros((height, width, 3), dtype=np.uint8)
        picture[:, : width // 2] = (0, 0, 255)  # left half red, in BGR
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def test_a_file_gives_frames_at_the_rate_asked_for(tiny_clip: Path) -> None:
    frames = list(recorded_frames(tiny_clip, "gate", 5, START))
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.pts for frame in frames] == pytest.approx([i / 5 for i in range(20)])
    assert frames[7].captured_at == frames[7].arrived_at == START + timedelta(seconds=frames[7].pts)
    assert {frame.camera for frame in frames} == {"gate"}
    assert frames[0].image.shape == (180, 320, 3)
    assert frames[0].image.dtype == np.uint8
    assert frames[0].image.flags.c_contiguous


def test_the_same_file_gives_the_same_bytes(tiny_clip: Path) -> None:
    first, second = (list(recorded_frames(tiny_clip, "gate", 10, START)) for _ in range(2))
    assert len(first) == 40
    assert all(np.array_equal(a.image, b.image) and a.pts == b.pts for a, b in zip(first, second, strict=True))


def test_reordered_pictures_come_in_the_order_they_are_shown(tmp_path: Path) -> None:
    clip = encode_clip(tmp_path / "b.mp4", seconds=2, b_frames=3)
    frames = list(recorded_frames(clip, "gate", 10, START))
    assert [frame.pts for frame in frames] == pytest.approx([i / 10 for i in range(20)])
    # The clip's square moves 4 px a picture: its left edge tells which picture it is.
    left = [int(np.argmax(frame.image[90, :, 0].astype(int) < 70)) for frame in frames]
    assert all(0 < b - a < 9 for a, b in pairwise(left[1:]))


@pytest.mark.parametrize(
    ("size", "shape"), [((1920, 1080), (720, 1280, 3)), ((640, 360), (360, 640, 3)), ((854, 482), (482, 854, 3))]
)
def test_pictures_wider_than_1280_are_scaled_down_and_colours_are_bgr(
    tmp_path: Path, size: tuple[int, int], shape: tuple[int, int, int]
) -> None:
    frame = next(recorded_frames(encode_size(tmp_path / "c.mp4", *size), "gate", 5, START))
    assert frame.image.shape == shape
    blue, green, red = frame.image[shape[0] // 2, shape[1] // 4].astype(int)
    assert red > 200
    assert blue < 40
    assert green < 40
    assert frame.image[shape[0] // 2, 3 * shape[1] // 4].max() < 40


def test_duration_is_known_before_decoding(tiny_clip: Path) -> None:
    assert duration_seconds(tiny_clip) == pytest.approx(4.0, abs=0.11)


def bad_files(folder: Path) -> list[Path]:
    text, empty, noise, sound = (folder / name for name in ("notes.mp4", "empty.mp4", "noise.mp4", "sound.wav"))
    text.write_text("this is no video\n" * 50)
    empty.write_bytes(b"")
    noise.write_bytes(np.random.default_rng(1).bytes(50_000))
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), format="s16", layout="mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
    return [folder / "missing.mp4", folder, text, empty, noise, sound]


def test_what_is_no_video_is_refused_by_name(tmp_path: Path) -> None:
    for path in bad_files(tmp_path):
        with pytest.raises(UnreadableFile, match=path.name) as caught:
            next(recorded_frames(path, "gate", 5, START))
        assert isinstance(caught.value, UsageError)
        with pytest.raises(UnreadableFile, match=path.name):
            duration_seconds(path)


def test_a_file_cut_short_gives_what_it_still_holds_or_says_why(tmp_path: Path, tiny_clip: Path) -> None:
    whole = encode_clip(tmp_path / "whole.mkv", seconds=4).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    frames = list(recorded_frames(tmp_path / "cut.mkv", "gate", 10, START))
    assert 10 < len(frames) < 40
    # An MP4 has its index at the end: cut, it is lost.
    (tmp_path / "cut.mp4").write_bytes(tiny_clip.read_bytes()[: tiny_clip.stat().st_size // 2])
    with pytest.raises(UnreadableFile, match=r"cut\.mp4"):
        next(recorded_frames(tmp_path / "cut.mp4", "gate", 5, START))
