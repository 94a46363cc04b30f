"""Models that gridwatch does not run, each with a message that says why."""

from pathlib import Path

import numpy as np
import pytest

from gridwatch.detectors.errors import IdentityModelRefused, LabelsError, WeightsError
from gridwatch.detectors.labels import check_labels, coco_labels
from gridwatch.detectors.loading import load_detector
from gridwatch.domain import UsageError
from tests.unit.detectors.onnx_files import answer, pinned, write_model

PERSON = "{0: 'person'}"


@pytest.mark.parametrize("label", ["face", "human face", "FaceMask", "licence plate", "license_plate", "车牌", "人脸",
                                   "person-reid", "gender_female"])  # fmt: skip
def test_a_model_with_a_class_of_identity_is_refused(tmp_path: Path, label: str) -> None:
    path = write_model(tmp_path / "users.onnx", answer(classes=2), str({0: "person", 1: label}))
    with pytest.raises(IdentityModelRefused, match=rf"users\.onnx detects '{label}': refused.*not identities") as error:
        load_detector(pinned(path))
    assert isinstance(error.value, UsageError)


def test_a_class_outside_the_list_is_refused_even_under_a_harmless_name(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", answer(classes=2), "{0: 'person', 1: 'subject 17'}")
    with pytest.raises(LabelsError, match="'subject 17', which is not on the list of allowed classes"):
        load_detector(pinned(path))


def test_a_mistyped_class_is_answered_with_the_nearest() -> None:
    with pytest.raises(LabelsError, match="did you mean 'motorcycle'"):
        check_labels(["person", "Motorcycles"], "m.onnx")


def test_coco_fire_smoke_vehicles_bags_and_animals_pass() -> None:
    check_labels([*coco_labels(), "fire", "smoke", "van", "tricycle", "luggage", "boar"], "m.onnx")


@pytest.mark.parametrize("label", ["pedestrian", "head", "man", "child", "motion"])
def test_people_have_one_name_only_since_heads_are_blurred_by_it(label: str) -> None:
    with pytest.raises(LabelsError, match="not on the list of allowed classes"):
        check_labels(["person", label], "m.onnx")


@pytest.mark.parametrize("labels", [[], ["person", "person"]])
def test_no_classes_or_one_class_twice_is_refused(labels: list[str]) -> None:
    with pytest.raises(LabelsError, match="no class names or names one twice"):
        check_labels(labels, "m.onnx")


@pytest.mark.parametrize("names", [None, "", "person", "{1: 'person'}", "__import__('os')", "7"])
def test_a_model_that_does_not_name_its_classes_is_refused(tmp_path: Path, names: str | None) -> None:
    path = write_model(tmp_path / "m.onnx", answer(classes=1), names)
    with pytest.raises(LabelsError, match=r"does not name its classes: its metadata needs `names`"):
        load_detector(pinned(path))


def test_class_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", answer(classes=1), "{0: 1}")
    with pytest.raises(LabelsError, match="no text"):
        load_detector(pinned(path))


@pytest.mark.parametrize("shape", [(1, 4, 5), (1, 6, 5), (5, 5), (1, 5, 5, 1), (2, 5, 5)])
def test_an_output_of_another_shape_is_refused_with_both_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = write_model(tmp_path / "m.onnx", np.zeros(shape, np.float32), PERSON)
    with pytest.raises(
        WeightsError,
        match=r"m\.onnx gives float32 \[.*\] and has 1 classes; .*\[N,5,A\].*yolo export",
    ):
        load_detector(pinned(path))


@pytest.mark.parametrize("shape", [(1, 3, "height", "width"), (1, 1, 32, 32), (3, 32, 32)])
def test_an_input_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int | str, ...]) -> None:
    path = write_model(tmp_path / "m.onnx", answer(classes=1), PERSON, input_shape=shape)
    with pytest.raises(WeightsError, match=r"m\.onnx takes images float32 .*one input, float32 \[N,3,H,W\]"):
        load_detector(pinned(path))


def test_a_second_input_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", answer(classes=1), PERSON, extra_inputs=1)
    with pytest.raises(WeightsError, match=r"takes images .*, more0 "):
        load_detector(pinned(path))


@pytest.mark.parametrize("score", [1.7, -3.0, float("nan")])
def test_scores_that_are_no_probabilities_are_refused(tmp_path: Path, score: float) -> None:
    path = write_model(tmp_path / "m.onnx", answer(classes=1) + np.float32(score), PERSON)
    with pytest.raises(WeightsError, match=r"scores outside 0\.\.1"):
        load_detector(pinned(path))


@pytest.mark.parametrize(("runtime", "says"), [
    ("auto", r"m\.onnx is no ONNX model that onnxruntime can load"),
    ("onnxruntime", r"m\.onnx is no ONNX model that onnxruntime can load"),
    ("openvino", r"m\.onnx (is no model that OpenVINO can load|takes nothing)"),
])  # fmt: skip
@pytest.mark.parametrize("data", [b"", b"not a model", b"\x08\x09\x12\x00" * 50])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, data: bytes, runtime: str, says: str) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=says):
        load_detector(pinned(path, runtime=runtime))


def test_a_label_file_does_not_hide_what_the_model_itself_says_it_detects(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("person\ncar\n")
    path = write_model(tmp_path / "m.onnx", answer(classes=2), "{0: 'person', 1: 'face'}")
    with pytest.raises(IdentityModelRefused, match="'face': refused"):
        load_detector(pinned(path, labels=labels))


def test_a_label_file_with_a_class_of_identity_is_refused(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("person\nlicence plate\n")
    with pytest.raises(IdentityModelRefused, match="'licence plate': refused"):
        load_detector(pinned(write_model(tmp_path / "m.onnx", answer(classes=2), None), labels=labels))


@pytest.mark.parametrize(("text", "says"), [
    ("person\n", r"gives float32 \[1, 6, 5\] and has 1 classes"),
    (None, "label file .* cannot be read: No such file"),
])  # fmt: skip
def test_a_label_file_that_does_not_fit_is_refused(tmp_path: Path, text: str | None, says: str) -> None:
    labels = tmp_path / "labels.txt"
    if text is not None:
        labels.write_text(text)
    with pytest.raises(WeightsError, match=says):
        load_detector(pinned(write_model(tmp_path / "m.onnx", answer(classes=2), None), labels=labels))


def test_a_label_file_of_another_length_than_the_models_own_list_is_refused(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("person\n")
    with pytest.raises(LabelsError, match="has 2 classes and its label file 1"):
        load_detector(pinned(write_model(tmp_path / "m.onnx", answer(2), "['car', 'bus']"), labels=labels))


def test_suppressed_boxes_of_a_class_that_it_does_not_have_are_refused(tmp_path: Path) -> None:
    rows = np.array([[[0, 0, 9, 9, 0.5, 3]]], np.float32)
    with pytest.raises(WeightsError, match=r"m\.onnx gives class 3 and has 1 classes"):
        load_detector(pinned(write_model(tmp_path / "m.onnx", rows, PERSON)))
