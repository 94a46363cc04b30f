import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest
import structlog

from gridwatch.config.detectors import DetectorModel
from gridwatch.detectors.detector import Detector, ScriptedDetector
from gridwatch.detectors.errors import WeightsError
from gridwatch.detectors.loading import load_detector
from gridwatch.detectors.openvino_engine import import_openvino
from gridwatch.detectors.weights import PACKAGED_WEIGHTS
from gridwatch.domain import Box, Detection, DetectorInfo, Image
from scripts.model.agree import PICTURES, read_golden
from tests.unit.detectors.onnx_files import answer, pinned, write_model

SQUARE, WIDE = "pets-240.jpg", "pets-wide-150.jpg"


def picture(name: str) -> Image:
    image = cv2.imread(str(PICTURES / name))
    assert image is not None, name
    return np.asarray(image, np.uint8)


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def packaged(request: pytest.FixtureRequest) -> DetectorModel:
    """The packaged model in each runtime."""
    return DetectorModel(runtime=request.param)


@pytest.fixture(scope="module")
def detector(packaged: DetectorModel) -> Detector:
    return load_detector(packaged)


def people(detections: tuple[Detection, ...]) -> list[Detection]:
    return [one for one in detections if one.label == "person" and one.score >= 0.4]


@pytest.mark.parametrize(("name", "size"), [(SQUARE, "416x416"), ("pets-060.jpg", "416x416"), (WIDE, "256x416")])
def test_it_finds_the_people_that_the_fp32_model_finds(detector: Detector, name: str, size: str) -> None:
    (detections,) = detector.detect([picture(name)])
    expected = people(read_golden(size)[name])
    assert len(expected) >= 4
    assert abs(len(people(detections)) - len(expected)) <= 1
    for one in expected:
        assert max(one.box.iou(other.box) for other in detections if other.label == "person") > 0.7


def test_an_empty_picture_gives_nothing_worth_a_rule(detector: Detector) -> None:
    (detections,) = detector.detect([picture("empty-gradient.jpg")])
    assert [one for one in detections if one.score >= 0.4] == []


def test_scores_are_sorted_and_boxes_lie_in_the_picture(detector: Detector) -> None:
    (detections,) = detector.detect([picture(SQUARE)])
    scores = [one.score for one in detections]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0.1
    assert all(0 <= d.box.x1 < d.box.x2 <= 1 and 0 <= d.box.y1 < d.box.y2 <= 1 for d in detections)
    assert {one.label for one in detections} <= set(detector.labels)


def test_the_configured_score_is_the_lowest_reported() -> None:
    (low,) = load_detector(DetectorModel(min_score=0.1)).detect([picture(SQUARE)])
    (high,) = load_detector(DetectorModel(min_score=0.5)).detect([picture(SQUARE)])
    assert high == tuple(one for one in low if one.score >= 0.5)
    assert 0 < len(high) < len(low)


def test_pictures_of_mixed_sizes_in_one_call_see_what_each_sees_alone(detector: Detector) -> None:
    tiny = np.zeros((1, 1, 3), np.uint8)
    images = [picture(SQUARE), picture(WIDE), tiny, cv2.resize(picture(SQUARE), (333, 577)).astype(np.uint8)]
    assert detector.detect(images) == [detector.detect([image])[0] for image in images]
    assert detector.detect([]) == []


@pytest.mark.parametrize(("height", "width", "file"), [
    (400, 600, "nanodet-g-256x416-int8.onnx"),  # aspect 1.5 exactly
    (401, 600, "nanodet-g-416x416-int8.onnx"),
    (600, 300, "nanodet-g-416x416-int8.onnx"),
])  # fmt: skip
def test_wide_pictures_take_the_wide_network(
    packaged: DetectorModel, detector: Detector, height: int, width: int, file: str
) -> None:
    image = cv2.resize(picture(SQUARE), (width, height)).astype(np.uint8)
    alone = load_detector(pinned(PACKAGED_WEIGHTS / file, runtime=packaged.runtime))
    assert detector.detect([image]) == alone.detect([image])
    assert alone.detect([image]) != [()]


def test_two_threads_opening_it_together_see_the_same_as_one(packaged: DetectorModel, detector: Detector) -> None:
    images = [picture(SQUARE), picture(WIDE)] * 3
    expected = detector.detect(images)
    fresh = load_detector(packaged, workers=2)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(fresh.detect, [images, images])
    assert first == expected
    assert second == expected


def test_a_detector_loaded_again_gives_the_same_floats(packaged: DetectorModel, detector: Detector) -> None:
    assert load_detector(packaged).detect([picture(SQUARE)]) == detector.detect([picture(SQUARE)])


@pytest.mark.parametrize("image", [
    np.zeros((10, 10), np.uint8), np.zeros((10, 10, 4), np.uint8), np.zeros((10, 10, 3), np.float32),
    np.zeros((0, 10, 3), np.uint8),
])  # fmt: skip
def test_what_is_no_picture_is_refused(detector: Detector, image: Image) -> None:
    with pytest.raises(ValueError, match=r"must be uint8 \(height, width, 3\)"):
        detector.detect([image])


def test_a_users_model_with_other_classes_answers_with_them(tmp_path: Path) -> None:
    fixed = answer(classes=2)
    fixed[0, :, 3] = (32, 16, 32, 8, 0.2, 0.7)
    path = write_model(tmp_path / "flames.onnx", fixed, "{0: 'fire', 1: 'smoke'}")
    users = load_detector(pinned(path))
    assert users.labels == ("fire", "smoke")
    assert users.info == DetectorInfo(
        name="flames", version=users.info.weights_sha256[:12], weights_sha256=pinned(path).weights_sha256
    )  # fmt: skip
    (detections,) = users.detect([np.zeros((100, 200, 3), np.uint8)])
    box = Box(x1=0.25, y1=0.375, x2=0.75, y2=0.625)
    assert detections == (Detection(box=box, label="smoke", score=pytest.approx(0.7)),)


def test_the_packaged_model_says_who_it_is_and_what_it_knows(detector: Detector) -> None:
    assert (detector.info.name, len(detector.info.weights_sha256 or "")) == ("nanodet-g", 64)
    assert len(detector.labels) == 80
    assert {"person", "car", "truck", "bus", "bicycle", "motorcycle", "backpack", "suitcase"} <= set(detector.labels)


def test_openvino_is_taken_where_it_is_installed_and_incidents_say_so() -> None:
    automatic, plain = load_detector(DetectorModel()), load_detector(DetectorModel(runtime="onnxruntime"))
    assert automatic.info.version == f"{plain.info.version}+openvino"
    openvino = load_detector(DetectorModel(runtime="openvino"))
    assert automatic.detect([picture(WIDE)]) == openvino.detect([picture(WIDE)]) != plain.detect([picture(WIDE)])


WATCHED = """
import sys
def heard(event, arguments):
    if event.startswith("socket.") or event in ("os.fork", "os.posix_spawn", "subprocess.Popen"):
        print(event, arguments, flush=True)
sys.addaudithook(heard)
import numpy
from gridwatch.config.detectors import DetectorModel
from gridwatch.detectors.loading import load_detector
load_detector(DetectorModel(runtime="openvino")).detect([numpy.zeros((90, 160, 3), numpy.uint8)])
"""


def test_openvino_starts_no_process_and_opens_no_connection() -> None:
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


SIGNALLED = """
import os, signal, threading
import numpy
from gridwatch.config.detectors import DetectorModel
from gridwatch.detectors.loading import load_detector
signal.signal(signal.SIGTERM, lambda *_: print("stops by itself"))
kept = [load_detector(DetectorModel(runtime="openvino"))]
kept[0].detect([numpy.zeros((90, 160, 3), numpy.uint8)])
other = threading.Thread(target=kept.clear)
other.start()
other.join()
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_process_whose_model_another_thread_let_go_survives_a_signal() -> None:
    done = subprocess.run([sys.executable, "-c", SIGNALLED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "stops by itself\n"), done.stderr


def test_both_runtimes_see_the_same_people() -> None:
    one, other = (load_detector(DetectorModel(runtime=name)) for name in ("onnxruntime", "openvino"))
    ours, theirs = people(one.detect([picture(SQUARE)])[0]), people(other.detect([picture(SQUARE)])[0])
    assert len(ours) >= 4
    assert all(max(a.box.iou(b.box) for b in theirs) > 0.8 for a in ours if a.score >= 0.5)


def test_a_model_with_suppression_inside_answers_with_its_boxes(tmp_path: Path) -> None:
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, 0] = (16, 12, 48, 20, 0.7, 1)
    rows[0, 1] = (0, 0, 32, 32, 0.05, 0)
    users = load_detector(pinned(write_model(tmp_path / "m.onnx", rows, "{0: 'fire', 1: 'smoke'}")))
    (detections,) = users.detect([np.zeros((100, 200, 3), np.uint8)])
    box = Box(x1=0.25, y1=0.375, x2=0.75, y2=0.625)
    assert detections == (Detection(box=box, label="smoke", score=pytest.approx(0.7)),)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_label_file_names_the_classes_of_a_model_that_does_not(tmp_path: Path, runtime: str) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("person\n\n boar \n")
    path = write_model(tmp_path / "m.onnx", answer(classes=2), None)
    assert load_detector(pinned(path, labels=labels, runtime=runtime)).labels == ("person", "boar")


@pytest.mark.parametrize("written", [["traffic_light", "person"], None])
def test_an_openvino_export_runs_by_its_xml_and_both_files_are_pinned(
    tmp_path: Path, written: list[str] | None
) -> None:
    onnx = write_model(tmp_path / "m.onnx", answer(classes=2), None if written else "['traffic light', 'person']")
    ov = import_openvino()
    model = ov.Core().read_model(onnx)
    if written:
        model.set_rt_info(written, ["model_info", "labels"])  # as Ultralytics writes them
    ov.save_model(model, tmp_path / "m.xml")
    both = (tmp_path / "m.xml").read_bytes() + (tmp_path / "m.bin").read_bytes()
    config = DetectorModel(weights=tmp_path / "m.xml", weights_sha256=hashlib.sha256(both).hexdigest())
    users = load_detector(config)
    assert users.labels == ("traffic light", "person")
    assert users.detect([np.zeros((10, 20, 3), np.uint8)]) == [()]
    (tmp_path / "m.bin").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"m\.xml has changed"):
        load_detector(config)


@pytest.mark.parametrize(("device", "provider"), [("cuda", "CUDA"), ("tensorrt", "Tensorrt")])
def test_a_gpu_that_is_not_there_is_replaced_by_the_cpu_and_the_log_says_so(device: str, provider: str) -> None:
    if f"{provider}ExecutionProvider" in ort.get_available_providers():
        pytest.skip("it is there")
    plain = load_detector(DetectorModel(runtime="onnxruntime"))
    with structlog.testing.capture_logs() as logs:
        found = load_detector(DetectorModel(device=device)).detect([picture(WIDE)])
    assert found == plain.detect([picture(WIDE)])
    (line,) = [one for one in logs if one["event"] == "detector_device_unavailable"]
    assert (line["log_level"], line["wanted"], line["runs_on"]) == ("warning", device, "CPUExecutionProvider")
    assert "install onnxruntime-gpu" in line["remedy"]


def test_a_scripted_detector_answers_picture_by_picture_and_then_with_nothing() -> None:
    weak, strong = (Detection(box=Box(x1=0, y1=0, x2=1, y2=1), label="person", score=s) for s in (0.3, 0.8))
    scripted: Detector = ScriptedDetector([[weak, strong], [], [weak]])
    blank = np.zeros((4, 4, 3), np.uint8)
    assert scripted.detect([blank]) == [(strong, weak)]
    assert scripted.detect([blank, blank, blank]) == [(), (weak,), ()]
    assert scripted.detect([blank]) == [()]
