"""Pictures and files of scenes."""

from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from gridwatch.rig import RigError
from gridwatch.rig.scenes import builtin_scenes, encode, pictures, render
from gridwatch.rig.scenes.model import Cover, Scene

STREAMS = Path(__file__).parents[4] / "samples" / "streams"


def small(scene: Scene, seconds: float = 0.3) -> Scene:
    return replace(scene, seconds=seconds, view=replace(scene.view, width=320, height=180))


def digest(scene: Scene) -> str:
    whole = sha256()
    for picture in pictures(scene):
        whole.update(picture.tobytes())
    return whole.hexdigest()


def test_the_same_scene_gives_the_same_pixels_and_another_seed_others():
    scene = small(builtin_scenes()["plaza-day"])
    assert digest(scene) == digest(scene)
    assert digest(scene) != digest(replace(scene, seed=scene.seed + 1))


@pytest.mark.parametrize("name", list(builtin_scenes()))
def test_every_builtin_scene_renders_to_a_playable_file_with_its_truth(name, tmp_path):
    scene = small(builtin_scenes()[name])
    render(scene, tmp_path / "clip.mp4", tmp_path / "clip.json")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        shapes = [frame.to_ndarray(format="bgr24").shape for frame in container.decode(video=0)]
    assert shapes == [(180, 320, 3)] * 3
    assert f'"clip": "{name}.mp4"' in (tmp_path / "clip.json").read_text()


def test_an_actor_is_painted_where_its_box_is():
    scene = small(builtin_scenes()["stopped-car"], seconds=0.1)
    (painted,) = pictures(scene)
    (empty,) = pictures(replace(scene, actors={}))
    changed = np.abs(painted.astype(int) - empty).max(axis=2) > 40  # noise is the same in both
    columns = np.flatnonzero(changed.any(axis=0)) / 320
    assert columns.size
    assert columns.max() < 0.3  # the car comes in from the left; see its path


def test_a_covered_lens_is_dark_and_an_uncovered_one_is_not():
    scene = small(builtin_scenes()["covered-lens"], seconds=0.2)
    (before, covered) = pictures(replace(scene, cover=Cover(start=0.05, end=9.0, slide=0.05), actors={}))
    assert before.mean() > 80
    assert covered.mean() < 25


@pytest.mark.parametrize("path", sorted(STREAMS.glob("*.mp4")), ids=lambda path: path.stem)
def test_a_committed_stream_can_be_passed_through_packet_by_packet(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert all(packet.pts == packet.dts for packet in packets), "B-frames"
    keys = [index for index, packet in enumerate(packets) if packet.is_keyframe]
    gop = 2 * round(stream.average_rate)
    assert keys == list(range(0, len(packets), gop))
    assert all(count_slices(bytes(packet)) == 1 for packet in islice(packets, 25))


def count_slices(sample: bytes) -> int:
    """Coded slices (NAL types 1 and 5) in one MP4 sample: 4-byte lengths before each unit."""
    count, offset = 0, 0
    while offset < len(sample):
        size = int.from_bytes(sample[offset : offset + 4])
        count += sample[offset + 4] & 31 in {1, 5}
        offset += 4 + size
    return count


def test_the_samples_stay_small():
    sizes = {path.name: path.stat().st_size for path in STREAMS.glob("*.mp4")}
    assert len(sizes) == 7
    assert sum(sizes.values()) < 10_000_000
    assert all(size < 1_000_000 for name, size in sizes.items() if not name.startswith("pets"))
    assert sizes["pets2009-s2l1-street.mp4"] < 3_000_000


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    scene = small(builtin_scenes()["road-day"], seconds=0.1)
    with pytest.raises(RigError, match="nowhere"):
        encode(pictures(scene), tmp_path / "nowhere" / "clip.mp4", Fraction(10))


def test_a_truth_that_cannot_be_written_is_named(tmp_path):
    scene = small(builtin_scenes()["road-day"], seconds=0.1)
    with pytest.raises(RigError, match="nowhere"):
        render(scene, tmp_path / "clip.mp4", tmp_path / "nowhere" / "truth.json")


def test_no_pictures_are_no_clip(tmp_path):
    with pytest.raises(RigError, match="no picture"):
        encode(iter(()), tmp_path / "clip.mp4", Fraction(10))
    assert not (tmp_path / "clip.mp4").exists()
