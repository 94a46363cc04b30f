"""YOLO by Ultralytics, the extra `[ultralytics]`: what only it can run, `.pt` and TensorRT's `.engine`.

Ultralytics is AGPL-3.0 and brings torch, so it is no dependency of gridwatch and imported here only. Its exports to
ONNX and OpenVINO need neither: they run in the engines beside this one.
"""

import importlib.util
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import structlog

from gridwatch.detectors.errors import DetectorError, WeightsError, short
from gridwatch.detectors.labels import check_labels
from gridwatch.detectors.model_detector import check_pictures
from gridwatch.domain import Box, Detection, DetectorInfo, Image

log = structlog.get_logger(__name__)

_REMEDY = "pip install 'gridwatch[ultralytics]'"


class Model(Protocol):
    """What is used of `ultralytics.YOLO`."""

    @property
    def names(self) -> dict[int, str]:
        """Classes by number."""

    @property
    def task(self) -> str:
        """`detect` for what is taken here."""

    def predict(self, source: list[Image], **options: Any) -> list[Any]:
        """One result per picture, each with `boxes` of `xyxyn`, `conf` and `cls`."""


class UltralyticsDetector:
    """One YOLO model. Safe to call from several threads, one at a time: Ultralytics itself is not."""

    def __init__(self, model: Model, info: DetectorInfo, min_score: float, device: str) -> None:
        """Use `open_ultralytics`."""
        self._model = model
        self._info = info
        self._labels = tuple(model.names[index] for index in sorted(model.names))
        self._options = {"conf": min_score, "device": device, "verbose": False}
        self._lock = Lock()

    @property
    def info(self) -> DetectorInfo:
        """`weights_sha256` is that of the user's file."""
        return self._info

    @property
    def labels(self) -> tuple[str, ...]:
        """Every class name it may return."""
        return self._labels

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """See `Detector`. On a GPU the floats of a picture may depend, a little, on the others of the call."""
        check_pictures(images)
        if not images:
            return []
        with self._lock:
            try:
                results = self._model.predict(list(images), **self._options)
            except (RuntimeError, ValueError, TypeError) as error:
                raise DetectorError(f"inference of {self._info.name} failed: {error}") from error
        return [tuple(self._detections(result.boxes)) for result in results]

    def _detections(self, boxes: Any) -> Iterable[Detection]:
        rows = zip(boxes.xyxyn.tolist(), boxes.conf.tolist(), boxes.cls.tolist(), strict=True)
        for (x1, y1, x2, y2), score, number in sorted(rows, key=lambda row: -row[1]):
            yield Detection(box=Box(x1=x1, y1=y1, x2=x2, y2=y2), label=self._labels[int(number)], score=score)


def has_ultralytics() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("ultralytics") is not None


def open_ultralytics(path: Path, info: DetectorInfo, min_score: float, device: str) -> UltralyticsDetector:
    """Load weights whose SHA-256 was compared: a `.pt` file runs code when it is loaded.

    Raises WeightsError for what Ultralytics cannot load, LabelsError (IdentityModelRefused) for classes that are not
    allowed.
    """
    yolo = _import_yolo(path)
    try:
        model: Model = yolo(path, task="detect")
        names = dict(model.names)
    except (RuntimeError, ValueError, TypeError, AttributeError, KeyError, OSError, ImportError) as error:
        raise WeightsError(f"{path} is no model that Ultralytics can load: {short(error)}") from error
    if model.task != "detect":
        raise WeightsError(f"{path} is a model for {model.task}; gridwatch takes models that detect")
    check_labels([names[index] for index in sorted(names)], f"model {path}")
    return UltralyticsDetector(model, info, min_score, _torch_device(path, device))


def _torch_device(path: Path, wanted: str) -> str:
    """What torch calls it; the CPU, with a warning, where there is no GPU that works."""
    import torch

    if wanted == "cpu" or torch.cuda.is_available():
        return "cpu" if wanted == "cpu" else "cuda:0"
    log.warning(
        "detector_device_unavailable", weights=str(path), wanted=wanted, runs_on="cpu",
        remedy="install a build of torch for the CUDA of this machine",
    )  # fmt: skip
    return "cpu"


def fetch_by_name(name: str) -> Path:
    """Weights that Ultralytics knows by name, such as `yolo11n.pt`: from its folder, else from the Internet.

    Raises WeightsError.
    """
    _import_yolo(Path(name))
    from ultralytics.utils.downloads import attempt_download_asset

    try:
        path = Path(attempt_download_asset(name))
    except (RuntimeError, OSError, ValueError) as error:
        raise WeightsError(f"weights {name} are no file, and Ultralytics cannot fetch them: {error}") from error
    if not path.is_file():
        raise WeightsError(f"weights {name} are no file, and Ultralytics knows none of that name")
    return path


def _import_yolo(path: Path) -> Any:
    if not has_ultralytics():
        raise WeightsError(f"weights {path} are for Ultralytics, which is not installed: {_REMEDY}")
    # It tells its makers how it is used, and installs packages, unless told not to before it is imported.
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    try:
        from ultralytics import YOLO
    except (ImportError, RuntimeError, AttributeError) as error:
        raise WeightsError(f"weights {path} are for Ultralytics, which cannot be imported: {error}") from error
    return YOLO
