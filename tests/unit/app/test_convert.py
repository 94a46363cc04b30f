"""MOTChallenge and COCO annotations to truth, on sequences small enough to work out by hand."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from gridwatch.app.annotations_coco import read_coco
from gridwatch.app.annotations_mot import read_mot
from gridwatch.app.convert_command import convert
from gridwatch.app.recordings import gather
from gridwatch.domain import UsageError

FPS, LENGTH, SIZE = 10, 60, (200, 100)
INFO = f"""[Sequence]
name=walk
imDir=img1
frameRate={FPS}
seqLength={LENGTH}
imWidth={SIZE[0]}
imHeight={SIZE[1]}
imExt=.png
"""
RULES: list[dict[str, Any]] = [
    {"id": "yard", "kind": "intrusion", "zone": "right", "dwell_seconds": 1.0},
    {"id": "middle", "kind": "line_crossing", "line": "middle", "direction": "left"},
]


def walker(frame: int) -> tuple[float, float, float, float]:
    """Left, top, width, height in pixels: from left to right, 3 pixels a picture; foot at x = 3 * frame + 10."""
    return 3.0 * frame, 40.0, 20.0, 50.0


def gt(*more: str, kind: int = 1, flag: int = 1) -> str:
    """One who walks through the picture; after picture 53 the middle of his box is beyond the right edge."""
    rows = [f"{n},7,{','.join(str(v) for v in walker(n))},{flag},{kind},1.0" for n in range(1, LENGTH + 1)]
    return "\n".join([*rows, *more]) + "\n"


@pytest.fixture
def sequence(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str = gt(), info: str = INFO) -> Path:
        folder = tmp_path / "MOT-01"
        (folder / "gt").mkdir(parents=True)
        (folder / "seqinfo.ini").write_text(info, encoding="utf-8")
        (folder / "gt" / "gt.txt").write_text(text, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def config(tmp_path: Path) -> Path:
    camera = {
        "id": "c", "site": "d", "position": [0, 0], "source": {"rtsp": "rtsp://192.0.2.1/"}, "rules": RULES,
        "zones": {"right": [[0.6, 0], [1, 0], [1, 1], [0.6, 1]]},
        "lines": {"middle": {"start": [0.5, 0], "end": [0.5, 1]}},
    }  # fmt: skip
    path = tmp_path / "watch.yaml"
    path.write_text(
        yaml.safe_dump({"version": 1, "district": {"id": "d", "name": "D"}, "cameras": [camera]}), encoding="utf-8"
    )
    return path


def coco(**changes: Any) -> dict[str, Any]:
    """The same walk, frames numbered from 0."""
    document: dict[str, Any] = {
        "videos": [{"id": 1, "name": "walk.mp4", "fps": FPS}],
        "images": [
            {"id": 100 + n, "video_id": 1, "frame_id": n - 1, "file_name": f"{n:06d}.png", "width": SIZE[0],
             "height": SIZE[1]}
            for n in range(LENGTH, 0, -1)
        ],
        "annotations": [
            {"id": n, "image_id": 100 + n, "category_id": 3, "track_id": 7, "bbox": list(walker(n))}
            for n in range(1, LENGTH + 1)
        ],
        "categories": [{"id": 3, "name": "Pedestrian"}],
    }  # fmt: skip
    return {**document, **changes}


def written(tmp_path: Path, document: dict[str, Any]) -> Path:
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def incidents(out: Path) -> list[tuple[str, float, float]]:
    truth = json.loads((out / "walk.json").read_text(encoding="utf-8"))
    return [(one["rule"], one["from"], one["due"]) for one in truth["incidents"]]


# The foot passes x = 100 between pictures 30 and 31, and the margin of 1 pixel with 31 (second 3.0). It passes the edge
# of the zone, x = 120, between pictures 36 and 37, so it is inside from second 3.6 on, for a second at 4.6.
EXPECTED = [("middle", 3.0, 3.0), ("yard", 3.6, 4.6)]


def test_a_mot_sequence_becomes_the_truth_of_the_rules_on_its_boxes(
    sequence: Callable[..., Path], config: Path, tmp_path: Path
) -> None:
    convert(sequence(), config, None, tmp_path / "out", None, 0.5)
    assert incidents(tmp_path / "out") == EXPECTED
    truth = json.loads((tmp_path / "out" / "walk.json").read_text(encoding="utf-8"))
    assert truth["actors"] == {"person-7": "person"}
    assert {one["tolerance"] for one in truth["incidents"]} == {0.5}
    assert [one["actors"] for one in truth["incidents"]] == [["person-7"]] * 2
    assert truth["frames"][9]["boxes"]["person-7"] == [0.15, 0.4, 0.25, 0.9, 1.0]


def test_the_same_walk_in_coco_becomes_the_same_truth(config: Path, tmp_path: Path) -> None:
    convert(written(tmp_path, coco()), config, None, tmp_path / "out", None, 2.0)
    assert incidents(tmp_path / "out") == EXPECTED


def test_what_was_converted_is_replayed_as_it_is(sequence: Callable[..., Path], config: Path, tmp_path: Path) -> None:
    folder = sequence()
    (folder / "img1").mkdir()
    for number in range(1, LENGTH + 1):
        cv2.imwrite(str(folder / "img1" / f"{number:06d}.png"), np.full((SIZE[1], SIZE[0], 3), number, np.uint8))
    convert(folder, config, None, tmp_path / "out", None, 2.0)
    (recording,) = gather([tmp_path / "out"], None, None, None)
    assert [rule.id for rule in recording.watched.camera.rules] == ["yard", "middle"]
    assert recording.truth is not None
    assert len(recording.truth.incidents) == 2
    assert (tmp_path / "out" / "walk.mp4").stat().st_size > 1000


@pytest.mark.parametrize(
    ("kind", "label"), [(1, "person"), (2, "person"), (3, "car"), (4, "bicycle"), (5, "motorcycle"), (7, "person")]
)
def test_mot_classes_are_those_of_our_detectors(sequence: Callable[..., Path], kind: int, label: str) -> None:
    assert {one.label for boxes in read_mot(sequence(gt(kind=kind))).frames for one in boxes} == {label}


def test_occluders_and_what_is_flagged_out_is_left_out(sequence: Callable[..., Path]) -> None:
    folder = sequence(gt(kind=9))
    assert not any(read_mot(folder).frames)
    (folder / "gt" / "gt.txt").write_text(gt(flag=0), encoding="utf-8")
    assert not any(read_mot(folder).frames)


def test_the_format_of_2015_has_pedestrians_only(sequence: Callable[..., Path]) -> None:
    (one,) = read_mot(sequence("3,1,10,10,20,40,1,-1,-1,-1\n")).frames[2]
    assert (one.label, one.box.corners) == ("person", (0.05, 0.1, 0.15, 0.5))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1,1,10,10", "gt.txt:61: 4 values; frame, id, left"),
        ("1,1,10,ten,20,40,1,1,1", "gt.txt:61: could not convert string to float: 'ten'"),
        ("61,1,10,10,20,40,1,1,1", "gt.txt:61: there is no frame 61; seqinfo.ini says 1 to 60"),
        ("0,1,10,10,20,40,1,1,1", "gt.txt:61: there is no frame 0"),
        ("1,1,10,10,20,40,1,77,1", "gt.txt:61: there is no class 77"),
        ("1,1,10,10,0,40,1,1,1", "gt.txt:61: a box of 0 x 40 pixels"),
        ("1.5,1,10,10,9,40,1,1,1", "gt.txt:61: invalid literal"),
        ("1,1,nan,10,9,40,1,1,1", "gt.txt:61: not every value is a finite number"),
    ],
)
def test_a_wrong_line_of_a_mot_file_is_named(sequence: Callable[..., Path], line: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_mot(sequence(gt(line)))


@pytest.mark.parametrize(
    ("info", "says"),
    [
        ("name=walk\n", "seqinfo.ini is no INI file"),
        ("[Other]\n", r"seqinfo.ini: there is no section \[Sequence\]"),
        (INFO.replace("frameRate=10\n", ""), "seqinfo.ini: frameRate is missing"),
        (INFO.replace("imWidth=200", "imWidth=wide"), "seqinfo.ini: imWidth is 'wide', which is no number"),
        (INFO.replace("seqLength=60", "seqLength=-1"), "seqinfo.ini: seqLength is -1, which cannot be"),
        (INFO.replace("imHeight=100", "imHeight=99.5"), "seqinfo.ini: imHeight is 99.5, which is no whole number"),
    ],
)
def test_a_wrong_seqinfo_is_named(sequence: Callable[..., Path], info: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_mot(sequence(info=info))


def test_a_folder_that_is_no_sequence_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"seqinfo\.ini cannot be read"):
        read_mot(tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"annotations": [{"id": 1, "image_id": 101, "category_id": 3, "bbox": [0, 0, 1, 1]}]},
         r"annotations\[0\]\.track_id: Field required"),
        ({"annotations": [{"id": 1, "image_id": 5, "category_id": 3, "bbox": [0, 0, 1, 1], "track_id": 1}]},
         r"annotations\[0\] \(id 1\): there is no image 5"),
        ({"annotations": [{"id": 1, "image_id": 101, "category_id": 9, "bbox": [0, 0, 1, 1], "track_id": 1}]},
         "there is no category 9"),
        ({"annotations": [{"id": 1, "image_id": 101, "category_id": 3, "bbox": [0, 0, -1, 1], "track_id": 1}]},
         r"annotations\[0\]\.bbox\[2\]: Input should be greater than 0"),
        ({"annotations": [{"id": 1, "image_id": 101, "category_id": 3, "bbox": [math.nan, 0, 1, 1], "track_id": 1}]},
         r"annotations\[0\]\.bbox\[0\]: Input should be a finite number"),
        ({"videos": [{"id": 1, "name": "walk"}]}, "video 1 does not say its fps; give --fps"),
        ({"images": []}, "images: Tuple should have at least 1 item"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_coco_file_is_named(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_coco(written(tmp_path, coco(**changes)), None)


def test_coco_images_without_numbers_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    document = coco(videos=[])
    for image in document["images"]:
        del image["frame_id"], image["video_id"]
    (one,) = read_coco(written(tmp_path, document), 10.0)
    assert (one.name, one.fps) == ("annotations", 10.0)
    assert [boxes[0].box.x1 for boxes in one.frames[:3]] == pytest.approx([0.015, 0.03, 0.045])


@pytest.mark.parametrize("text", ["{", "[]", '{"images": 3}'])
def test_a_file_that_is_no_coco_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "annotations.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"annotations\.json"):
        read_coco(path, None)


def test_a_camera_without_rules_makes_no_truth(sequence: Callable[..., Path], config: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    document["cameras"][0]["rules"] = []
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(UsageError, match="camera c has no rules"):
        convert(sequence(), config, None, tmp_path / "out", None, 2.0)
    with pytest.raises(UsageError, match="say with --camera"):
        convert(tmp_path / "MOT-01", config, "other", tmp_path / "out", None, 2.0)
    assert not (tmp_path / "out").exists()


def test_a_picture_that_does_not_fit_its_annotations_is_named(
    sequence: Callable[..., Path], config: Path, tmp_path: Path
) -> None:
    folder = sequence()
    (folder / "img1").mkdir()
    cv2.imwrite(str(folder / "img1" / "000001.png"), np.zeros((50, 60, 3), np.uint8))
    with pytest.raises(UsageError, match=r"000001\.png is 60x50, and the annotations 200x100"):
        convert(folder, config, None, tmp_path / "out", None, 2.0)
    (folder / "img1" / "000001.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"000001\.png cannot be read as a picture"):
        convert(folder, config, None, tmp_path / "out", None, 2.0)
