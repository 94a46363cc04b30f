"""From the configuration to detectors: weights verified, opened, and checked against the rules that use them."""

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import structlog

from gridwatch.config.classes import GROUP_OF
from gridwatch.config.detectors import DetectorModel
from gridwatch.config.model import CameraConfig, Deployment
from gridwatch.config.problems import nearest
from gridwatch.detectors.batching import BatchingDetector
from gridwatch.detectors.detector import Detector
from gridwatch.detectors.errors import LabelsError, WeightsError
from gridwatch.detectors.labels import PERSON, coco_labels, read_labels
from gridwatch.detectors.model_detector import Choice, ModelDetector
from gridwatch.detectors.motion import MotionOnly
from gridwatch.detectors.network import Engine, Network, open_network
from gridwatch.detectors.onnxruntime_engine import open_onnxruntime
from gridwatch.detectors.openvino_engine import has_openvino, open_openvino
from gridwatch.detectors.pixels import is_seen_in_pixels
from gridwatch.detectors.ultralytics_model import fetch_by_name, open_ultralytics
from gridwatch.detectors.weights import PACKAGED_WEIGHTS, read_all_verified, read_manifest, read_verified
from gridwatch.domain import DetectorInfo

log = structlog.get_logger(__name__)

_REMEDY = "check `detector.weights`, and set `detector.weights_sha256` if this is the file you trust"
_ULTRALYTICS = frozenset({".pt", ".engine"})


def load_detectors(deployment: Deployment, cameras: Iterable[CameraConfig]) -> dict[str, Detector]:
    """The detector of each camera, by its id; cameras whose detectors have one name share it.

    Raises WeightsError (a UsageError) as `load_detector` does, or LabelsError for a rule that watches for a class which
    its camera's detector does not know: it would never raise anything.
    """
    opened: dict[str, Detector] = {}
    chosen: dict[str, Detector] = {}
    for camera in cameras:
        name = deployment.detector_name(camera)
        if name not in opened:
            opened[name] = load_detector(deployment.detector_called(name), workers=deployment.detector.threads)
        check_rules(camera, name, opened[name])
        chosen[camera.id] = opened[name]
    return chosen


def load_detector(config: DetectorModel, packaged: Path = PACKAGED_WEIGHTS, *, workers: int = 1) -> Detector:
    """One detector: motion, the user's weights if it names some, else the packaged model.

    Every file is read and its SHA-256 compared here, so that nothing starts on wrong weights; a user's model is also
    opened and tried out. `workers` threads will use it at once. Raises WeightsError (a UsageError) saying which file,
    what was expected and the remedy.
    """
    if config.kind == "motion":
        return MotionOnly()
    if config.weights is None:
        return _load_packaged(config, packaged, workers)
    if config.weights.suffix in _ULTRALYTICS:
        return _load_ultralytics(config, config.weights)
    return _load_users(config, config.weights, workers)


def _load_packaged(config: DetectorModel, packaged: Path, workers: int) -> Detector:
    manifest, sha256 = read_manifest(packaged)
    choices = []
    for one in manifest.files:
        data = read_verified(packaged / one.file, one.sha256, "reinstall gridwatch")
        origin = f"packaged model {one.file}"
        choices.append(Choice(one.min_aspect, _opening(config, data, origin, workers)))
    runtime = "+openvino" if _takes_openvino(config) else ""
    info = DetectorInfo(name=manifest.name, version=manifest.version + runtime, weights_sha256=sha256)
    return _batching(config, ModelDetector(info, coco_labels(), choices, config.min_score))


def _opening(config: DetectorModel, data: bytes, origin: str, workers: int) -> Callable[[], Network]:
    return lambda: open_network(_open_engine(config, data, origin, workers), origin)


def _load_users(config: DetectorModel, path: Path, workers: int) -> Detector:
    sha256 = config.weights_sha256 or ""
    paths = [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]
    data, *rest = read_all_verified(paths, sha256, _REMEDY)
    labels = None if config.labels is None else read_labels(config.labels)
    origin = f"model {path}"
    engine = open_openvino(data, origin, workers, rest[0]) if rest else _open_engine(config, data, origin, workers)
    network = open_network(engine, origin, labels)
    info = DetectorInfo(name=path.stem, version=sha256[:12], weights_sha256=sha256)
    return _batching(config, ModelDetector(info, network.labels, [Choice(0.0, lambda: network)], config.min_score))


def _load_ultralytics(config: DetectorModel, path: Path) -> Detector:
    sha256 = config.weights_sha256 or ""
    if not path.is_absolute():
        path = fetch_by_name(path.name)
    read_verified(path, sha256, _REMEDY)
    info = DetectorInfo(name=path.stem, version=sha256[:12], weights_sha256=sha256)
    return _batching(config, open_ultralytics(path, info, config.min_score, config.device))


def _batching(config: DetectorModel, detector: Detector) -> Detector:
    return detector if config.device == "cpu" or config.batch == 1 else BatchingDetector(detector, config.batch)


def _takes_openvino(config: DetectorModel) -> bool:
    return config.runtime == "openvino" or (config.runtime == "auto" and config.device == "cpu" and has_openvino())


def _open_engine(config: DetectorModel, data: bytes, origin: str, workers: int) -> Engine:
    """ONNX in whatever the configuration takes. Raises WeightsError."""
    if _takes_openvino(config):
        try:
            return open_openvino(data, origin, workers)
        except WeightsError as error:
            if config.runtime == "openvino":
                raise
            log.warning("openvino_left_out", weights=origin, reason=str(error), runs_on="onnxruntime")
    return open_onnxruntime(data, origin, config.device, config.batch)


def people_detector(detector: Detector) -> Detector:
    """What finds the persons whose heads are blurred in evidence: itself when it knows persons, else the packaged."""
    return detector if PERSON in detector.labels else _packaged()


@cache
def _packaged() -> Detector:
    """One for all cameras that need it beside their own."""
    return load_detector(DetectorModel())


def check_rules(camera: CameraConfig, name: str, detector: Detector) -> None:
    """Raise LabelsError for a rule that watches for what the detector called `name` does not know.

    Of a group that a rule names (`vehicle`), detectors know some; what is seen in pixels, none knows.
    """
    for rule in camera.rules:
        known = {label for label in rule.classes if label in detector.labels}
        groups = {GROUP_OF[label] for label in known if label in GROUP_OF}
        for label in () if is_seen_in_pixels(rule) else rule.classes:
            if label not in known and GROUP_OF.get(label) not in groups:
                raise LabelsError(
                    f"camera {camera.id}: rule {rule.id!r} watches for {label!r}, which its detector {name!r} "
                    f"({detector.info.name}) does not know{nearest(label, detector.labels)}; "
                    "set the rule's `classes`, or another `detector` for the camera"
                )
