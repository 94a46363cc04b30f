"""The adapter to Ultralytics, against a stand-in with the part of its interface that is used.

The stand-in proves that we call what we think we call. That Ultralytics has it so is proven by
tests/integration/detectors/test_ultralytics.py, which installs the real one (slow).
"""

import hashlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import structlog

from gridwatch.config.detectors import DetectorModel
from gridwatch.detectors.errors import DetectorError, IdentityModelRefused, WeightsError
from gridwatch.detectors.loading import load_detector
from gridwatch.domain import Box, Detection, DetectorInfo

PICTURE = np.zeros((10, 20, 3), np.uint8)


class Yolo:
    """Two boxes in every picture; its file says what it is."""

    def __init__(self, path: Path, task: str) -> None:
        text = Path(path).read_text()
        if text == "junk":
            raise TypeError("ERROR junk.pt appears to be corrupt\nRecommended fixes are ...")
        self.task = text if text in {"segment", "pose"} else "detect"
        self.names = {0: "person", 1: "face" if text == "face" else "car"}
        self.fails = text == "fails"

    def predict(self, source: list[Any], **options: Any) -> list[Any]:
        if self.fails:
            raise RuntimeError("out of memory")
        assert options == {"conf": 0.1, "device": "cpu", "verbose": False}
        boxes = SimpleNamespace(
            xyxyn=np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 1, 1]]),
            conf=np.array([0.4, 0.9]), cls=np.array([1.0, 0.0]),
        )  # fmt: skip
        return [SimpleNamespace(boxes=boxes)] * len(source)


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("YOLO_OFFLINE", "")
    monkeypatch.setenv("YOLO_AUTOINSTALL", "")
    for name in ("ultralytics", "ultralytics.utils", "ultralytics.utils.downloads", "torch"):
        module = ModuleType(name)
        module.__spec__ = SimpleNamespace(name=name)  # type: ignore[assignment]
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["ultralytics"].YOLO = Yolo  # type: ignore[attr-defined]
    sys.modules["torch"].cuda = SimpleNamespace(is_available=lambda: False)  # type: ignore[attr-defined]
    fetch = lambda name: str(tmp_path / name)  # noqa: E731
    sys.modules["ultralytics.utils.downloads"].attempt_download_asset = fetch  # type: ignore[attr-defined]


def weights(folder: Path, text: str = "good", **more: Any) -> DetectorModel:
    path = folder / "y.pt"
    path.write_text(text)
    return DetectorModel(weights=path, weights_sha256=hashlib.sha256(text.encode()).hexdigest(), **more)


def test_its_boxes_become_detections_best_first(tmp_path: Path) -> None:
    config = weights(tmp_path)
    detector = load_detector(config)
    person = Detection(box=Box(x1=0.5, y1=0.5, x2=1, y2=1), label="person", score=0.9)
    car = Detection(box=Box(x1=0.1, y1=0.2, x2=0.3, y2=0.4), label="car", score=0.4)
    assert detector.detect([PICTURE, PICTURE]) == [(person, car)] * 2
    assert detector.detect([]) == []
    assert detector.labels == ("person", "car")
    sha256 = config.weights_sha256 or ""
    assert detector.info == DetectorInfo(name="y", version=sha256[:12], weights_sha256=sha256)


def test_it_is_told_to_tell_nobody_and_install_nothing(tmp_path: Path) -> None:
    import os

    load_detector(weights(tmp_path))
    assert (os.environ["YOLO_OFFLINE"], os.environ["YOLO_AUTOINSTALL"]) == ("true", "false")


def test_a_changed_file_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    config = weights(tmp_path)
    (tmp_path / "y.pt").write_text("junk")
    with pytest.raises(WeightsError, match=r"y\.pt has changed"):
        load_detector(config)


@pytest.mark.parametrize(("text", "says"), [
    ("junk", r"y\.pt is no model that Ultralytics can load: ERROR junk\.pt appears to be corrupt$"),
    ("pose", "is a model for pose; gridwatch takes models that detect"),
])  # fmt: skip
def test_what_it_cannot_use_is_refused_in_a_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(WeightsError, match=says):
        load_detector(weights(tmp_path, text))


def test_a_model_with_a_face_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IdentityModelRefused, match="'face': refused"):
        load_detector(weights(tmp_path, "face"))


def test_what_fails_while_looking_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="inference of y failed: out of memory"):
        load_detector(weights(tmp_path, "fails")).detect([PICTURE])


def test_a_gpu_that_is_not_there_is_replaced_by_the_cpu_and_the_log_says_so(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        detector = load_detector(weights(tmp_path, device="cuda"))
    assert len(detector.detect([PICTURE])) == 1
    assert [(one["event"], one["wanted"], one["runs_on"]) for one in logs] == [
        ("detector_device_unavailable", "cuda", "cpu")
    ]


def test_a_bare_name_is_fetched_and_its_hash_compared(tmp_path: Path) -> None:
    sha256 = weights(tmp_path).weights_sha256
    assert load_detector(DetectorModel(weights=Path("y.pt"), weights_sha256=sha256)).info.name == "y"
    with pytest.raises(WeightsError, match="has changed: expected SHA-256 000"):
        load_detector(DetectorModel(weights=Path("y.pt"), weights_sha256="0" * 64))
    with pytest.raises(WeightsError, match=r"weights z\.pt are no file, and Ultralytics knows none of that name"):
        load_detector(DetectorModel(weights=Path("z.pt"), weights_sha256="0" * 64))


def test_without_the_extra_the_message_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ultralytics")
    with pytest.raises(WeightsError, match=r"not installed: pip install 'gridwatch\[ultralytics\]'"):
        load_detector(weights(tmp_path))
