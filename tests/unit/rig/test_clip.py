"""Recorded files become RTP payloads, or a clear error."""

import subprocess
from itertools import islice
from pathlib import Path

import pytest

from gridwatch.domain import UsageError
from gridwatch.rig import Clip, ClipError
from gridwatch.rig.clip import MAX_PAYLOAD, RTP_CLOCK, fragments
from tests.fixtures.rig import encode_clip


def remux(source: Path, target: Path, *options: str) -> Path:
    command = ["ffmpeg", "-v", "error", "-i", str(source), "-c", "copy", *options, str(target)]
    subprocess.run(command, check=True, timeout=30)
    return target


def test_a_clip_reports_the_files_real_size_rate_and_length(tiny_clip: Path) -> None:
    clip = Clip.load(tiny_clip)

    assert (clip.width, clip.height, clip.fps, clip.seconds) == (320, 180, 10.0, 4.0)
    assert (len(clip.units), clip.key_interval, clip.profile) == (40, 10, "High")
    assert [i for i, unit in enumerate(clip.units) if unit.key] == [0, 10, 20, 30]


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".h264"])
def test_the_same_pictures_come_out_of_every_container(tiny_clip: Path, tmp_path: Path, suffix: str) -> None:
    options = ("-bsf:v", "h264_mp4toannexb", "-r", "10") if suffix == ".h264" else ()
    from_mp4 = Clip.load(tiny_clip)
    other = Clip.load(remux(tiny_clip, tmp_path / f"tiny{suffix}", *options))

    def slices(clip: Clip) -> list[list[bytes]]:
        return [[payload for payload in unit.payloads if payload[0] & 0x1F in {1, 5, 28}] for unit in clip.units]

    assert slices(other) == slices(from_mp4)
    assert (other.sps, other.pps) == (from_mp4.sps, from_mp4.pps)


def test_a_long_nal_unit_is_cut_into_fragments_that_join_to_it_again() -> None:
    nal = bytes([0x65]) + bytes(range(256)) * 20

    pieces = list(fragments(nal))

    assert all(len(piece) <= MAX_PAYLOAD for piece in pieces)
    assert [piece[1] >> 6 for piece in pieces] == [0b10, 0b00, 0b00, 0b01]  # start bit, end bit
    assert {(piece[0], piece[1] & 0x1F) for piece in pieces} == {(0x60 | 28, 5)}
    assert bytes([pieces[0][0] & 0xE0 | pieces[0][1] & 0x1F]) + b"".join(piece[2:] for piece in pieces) == nal


@pytest.mark.parametrize("size", [1, MAX_PAYLOAD, MAX_PAYLOAD + 1, MAX_PAYLOAD * 2 - 3, MAX_PAYLOAD * 2 - 2])
def test_fragments_lose_nothing_at_the_edges(size: int) -> None:
    nal = bytes([0x41]) + bytes(size - 1)

    pieces = list(fragments(nal))

    if size <= MAX_PAYLOAD:
        assert pieces == [nal]
    else:
        assert b"".join(piece[2:] for piece in pieces) == nal[1:]
        assert pieces[-1][1] & 0x40
        assert all(2 < len(piece) <= MAX_PAYLOAD for piece in pieces)


def test_the_loop_seam_is_one_frame_interval(tiny_clip: Path) -> None:
    ticks = [ticks for ticks, _ in islice(Clip.load(tiny_clip).timeline(), 100)]

    assert ticks == [i * RTP_CLOCK // 10 for i in range(100)]


def test_playback_may_begin_later_at_the_last_key_before_it(tiny_clip: Path) -> None:
    clip = Clip.load(tiny_clip)

    ticks, units = zip(*islice(clip.timeline(2.6), 25), strict=True)

    assert units[:20] == clip.units[20:]
    assert units[20:] == clip.units[:5]
    assert ticks == tuple(i * RTP_CLOCK // 10 for i in range(25))


def test_leading_pictures_that_cannot_be_decoded_are_left_out(tiny_clip: Path, tmp_path: Path) -> None:
    whole = Clip.load(tiny_clip)
    raw = tmp_path / "cut.h264"
    remux(tiny_clip, raw, "-bsf:v", "h264_mp4toannexb,noise=drop=lt(n\\,3)")

    clip = Clip.load(raw)

    assert clip.units[0].key
    assert len(clip.units) == len(whole.units) - 10


def test_the_sdp_carries_the_parameter_sets_so_that_clients_need_not_probe(tiny_clip: Path) -> None:
    sdp = Clip.load(tiny_clip).sdp()

    assert "packetization-mode=1" in sdp
    assert "sprop-parameter-sets=Z2" in sdp  # an SPS begins 0x67: Z in base64
    assert all(line.isascii() and "=" in line for line in sdp.strip().split("\r\n"))


def test_b_frames_are_refused_with_the_remedy(tmp_path: Path) -> None:
    path = encode_clip(tmp_path / "b.mp4", seconds=1, b_frames=2)

    with pytest.raises(ClipError, match=r"b\.mp4: has B-frames.*ffmpeg -i b\.mp4 .*-bf 0"):
        Clip.load(path)


def test_another_codec_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = encode_clip(tmp_path / "old.mp4", seconds=1, codec="mpeg4")

    with pytest.raises(ClipError, match=r"is mpeg4, not H\.264; convert it: `ffmpeg"):
        Clip.load(path)


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 100, b"\0" * 4096])
def test_a_file_that_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.mp4"
    path.write_bytes(content)

    with pytest.raises(ClipError, match=r"junk\.mp4: "):
        Clip.load(path)


def test_a_truncated_file_is_refused(tiny_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.mp4"
    path.write_bytes(tiny_clip.read_bytes()[: tiny_clip.stat().st_size // 2])

    with pytest.raises(ClipError, match=r"half\.mp4: "):
        Clip.load(path)


def test_a_missing_file_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        Clip.load(tmp_path / "none.mp4")
