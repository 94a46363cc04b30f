"""Pictures and files of scenes."""

from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from gridwatch.domain import Point
from gridwatch.rig import RigError
from gridwatch.rig.scenes import (
    Variant,
    builtin_scenes,
    encode,
    frames_of,
    kit_scenes,
    pictures,
    render,
    render_kit,
)  # fmt: skip
from gridwatch.rig.scenes.backdrop import backdrop
from gridwatch.rig.scenes.model import Cover, Dog, Scene, Waypoint
from gridwatch.rig.scenes.render import picture
from gridwatch.rig.scenes.weather import sway

STREAMS = Path(__file__).parents[4] / "samples" / "streams"


def small(scene: Scene, seconds: float = 0.3) -> Scene:
    return replace(scene, seconds=seconds, view=replace(scene.view, width=320, height=180))


def digest(scene: Scene) -> str:
    whole = sha256()
    for one in pictures(scene):
        whole.update(one.tobytes())
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
    assert len(sizes) == 8
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


@pytest.mark.parametrize("variant", list(Variant))
def test_each_condition_changes_the_picture_its_own_way_and_the_same_every_time(variant):
    scene = small(kit_scenes()["intrusion"], seconds=0.2)
    assert digest(scene.under(variant)) == digest(scene.under(variant))
    first, _ = pictures(scene.under(variant))
    day, _ = pictures(scene.under(Variant.DAY))
    off = np.abs(first.astype(int) - day).mean()
    if variant in {Variant.DAY, Variant.COMPRESSION}:
        assert off == 0, "compression is the encoder's"
    else:
        assert off > 1.5
    assert (first.mean() < 0.85 * day.mean()) == (variant in {Variant.DUSK, Variant.RAIN})


def test_a_starved_encoder_makes_smaller_files(tmp_path):
    scene = small(kit_scenes()["intrusion"], seconds=1.0)
    for variant in (Variant.DAY, Variant.COMPRESSION):
        render_kit(scene.under(variant), tmp_path)
    sizes = {path.stem: path.stat().st_size for path in tmp_path.glob("*.mp4")}
    assert sizes["intrusion-compression"] < 0.5 * sizes["intrusion-day"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", ".json", ".yaml"}


def test_shaking_moves_the_picture_where_the_truth_says():
    scene = replace(small(kit_scenes()["camera-tamper"], seconds=4.0), actors={})
    shaken = replace(scene, conditions=replace(scene.conditions, shake=0.05))
    still = backdrop(scene)
    for index in (7, 22, 31):
        right, down = sway(shaken, index / scene.fps)
        moved, calm = (  # blurred: the noise of the sensor stays where it is
            cv2.GaussianBlur(picture(one, still, index), (0, 0), 1.5)[20:160, 20:300].mean(axis=2)
            for one in (shaken, scene)
        )
        shift, _ = cv2.phaseCorrelate(calm, moved, cv2.createHanningWindow((280, 140), cv2.CV_64F))
        assert shift == pytest.approx((right * 180, down * 180), abs=0.7)


def test_flames_and_smoke_are_where_the_fire_is_and_gone_after_it():
    scene = small(kit_scenes()["fire-smoke"])
    still, burning, over = (
        picture(replace(scene, actors={}), backdrop(scene), round(t * scene.fps)).astype(int)
        for t in (13.0, 20.0, 28.0)
    )
    change = np.abs(burning - still).max(axis=2) > 60
    rows, columns = np.nonzero(change)
    x, y = scene.fire.at.x * 320, scene.fire.at.y * 180
    assert abs(np.median(columns) - x) < 12
    assert y - 60 < rows.min() < rows.max() <= y + 8
    hot = burning[int(y) - 8, int(x)]
    assert hot[2] > 200 > hot[0]
    assert (np.abs(over - still).max(axis=2) > 60).sum() == 0


def test_a_dog_is_painted_where_its_box_is():
    walk = (Waypoint(t=0.0, at=Point(x=0.3, y=0.7)), Waypoint(t=1.0, at=Point(x=0.5, y=0.7)))
    scene = replace(small(kit_scenes()["intrusion"], seconds=0.1), actors={"dog": Dog(path=walk)})
    (painted,), (empty,) = (pictures(one) for one in (scene, replace(scene, actors={})))
    rows, columns = np.nonzero(np.abs(painted.astype(int) - empty).max(axis=2) > 25)
    ((one,),) = (frame.boxes for frame in frames_of(scene))
    assert one.label == "dog"
    assert columns.min() / 320 == pytest.approx(one.box.x1, abs=0.02)
    assert rows.min() / 180 == pytest.approx(one.box.y1, abs=0.03)
