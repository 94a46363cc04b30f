"""Which detector a camera gets, and whether it can see what the camera's rules watch for."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from gridwatch.config import Deployment
from gridwatch.detectors.errors import IdentityModelRefused, LabelsError
from gridwatch.detectors.loading import load_detector, load_detectors, people_detector
from tests.unit.detectors.onnx_files import answer, pinned, write_model
from tests.unit.detectors.scenes import camera


def deployment(cameras: list[dict[str, Any]], **detectors: Any) -> Deployment:
    made = [camera(**{"id": f"cam-{n}", **one}).model_dump(mode="json") for n, one in enumerate(cameras)]
    return Deployment.model_validate(
        {"version": 1, "district": {"id": "district", "name": "D"}, "cameras": made, "detectors": detectors}
    )


def users(folder: Path, names: str) -> dict[str, Any]:
    path = write_model(folder / "m.onnx", answer(classes=2), names)
    return {"weights": str(path), "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_cameras_with_one_detector_share_it_and_each_gets_what_it_names(tmp_path: Path) -> None:
    moving = {"id": "m", "kind": "intrusion", "zone": "left", "classes": ["motion"]}
    made = deployment(
        [{}, {}, {"detector": "moving", "rules": [moving]}, {"detector": "own"}],
        moving={"kind": "motion"}, own=users(tmp_path, "['person', 'fire']"),
    )  # fmt: skip
    found = load_detectors(made, made.cameras)
    assert found["cam-0"] is found["cam-1"]
    assert [found[one].info.name for one in ("cam-0", "cam-2", "cam-3")] == ["nanodet-g", "motion", "m"]


@pytest.mark.parametrize(("classes", "detector", "says"), [
    (["persn"], "default", "watches for 'persn', which its detector 'default' (nanodet-g) does not know; did you"),
    (["person"], "moving", "watches for 'person', which its detector 'moving' (motion) does not know; known: motion"),
    (["person", "motion"], "default", "watches for 'motion'"),
])  # fmt: skip
def test_a_rule_for_a_class_that_its_detector_does_not_know_would_stay_silent_and_is_refused(
    classes: list[str], detector: str, says: str
) -> None:
    rule = {"id": "r", "kind": "intrusion", "zone": "left", "classes": classes}
    made = deployment([{"detector": detector, "rules": [rule]}], moving={"kind": "motion"})
    with pytest.raises(LabelsError) as error:
        load_detectors(made, made.cameras)
    assert f"camera cam-0: rule 'r' {says}" in str(error.value)


@pytest.mark.parametrize("rule", [
    {"kind": "intrusion", "classes": ["person", "vehicle", "animal"]}, {"kind": "abandoned_object"},
    {"kind": "removed_object"}, {"kind": "fire_smoke"},
])  # fmt: skip
def test_a_group_of_classes_is_known_by_some_of_it_and_pixels_need_no_model(rule: dict[str, Any]) -> None:
    made = deployment([{"rules": [{"id": "r", "zone": "left", **rule}]}])
    assert load_detectors(made, made.cameras).keys() == {"cam-0"}


@pytest.mark.parametrize("rule", [
    {"kind": "intrusion", "classes": ["van"]}, {"kind": "fire_smoke", "by_colour": False},
])  # fmt: skip
def test_one_of_a_group_by_itself_must_be_known_and_fire_without_pixels_too(rule: dict[str, Any]) -> None:
    made = deployment([{"rules": [{"id": "r", "zone": "left", **rule}]}])
    with pytest.raises(LabelsError, match=r"watches for '(van|fire)'"):
        load_detectors(made, made.cameras)


def test_a_face_model_of_a_camera_is_refused_and_that_of_none_is_not_opened(tmp_path: Path) -> None:
    faces = users(tmp_path, "['person', 'face']")
    unused = deployment([{}], own=faces)
    assert load_detectors(unused, unused.cameras).keys() == {"cam-0"}
    made = deployment([{"detector": "own"}], own=faces)
    with pytest.raises(IdentityModelRefused, match="'face': refused"):
        load_detectors(made, made.cameras)


def test_heads_are_found_by_the_packaged_model_where_a_camera_has_none_that_knows_persons(tmp_path: Path) -> None:
    knows = load_detector(pinned(write_model(tmp_path / "a.onnx", answer(2), "['person', 'fire']")))
    assert people_detector(knows) is knows
    knows_not = load_detector(pinned(write_model(tmp_path / "b.onnx", answer(2), "['smoke', 'fire']")))
    assert people_detector(knows_not).info.name == "nanodet-g"
