"""Detection with ONNX models on the CPU: the packaged one, or one of the user's."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from gridwatch.config.model import DetectorConfig
from gridwatch.detectors.detector import Detector
from gridwatch.detectors.errors import DetectorError, LabelsError, WeightsError
from gridwatch.detectors.labels import check_labels, coco_labels
from gridwatch.detectors.postprocess import Letterbox, Tensor, to_detections, to_tensor
from gridwatch.detectors.weights import PACKAGED_WEIGHTS, read_manifest, read_verified
from gridwatch.domain import Detection, DetectorInfo, Image

_ORT_ERRORS: tuple[type[Exception], ...] = (
    ort_errors.EPFail, ort_errors.EngineError, ort_errors.Fail, ort_errors.InvalidArgument, ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf, ort_errors.NoModel, ort_errors.NoSuchFile, ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)  # fmt: skip
_CONTRACT = "gridwatch takes one input, float32 [N,3,H,W] of fixed H and W, RGB 0..1, and one output, float32 "
_REMEDY = "export it as `yolo export format=onnx nms=False` does"


class OnnxNetwork:
    """One verified model in onnxruntime, one thread per call. Safe to call from several threads at once."""

    def __init__(self, session: ort.InferenceSession, size: tuple[int, int], labels: tuple[str, ...]) -> None:
        """Use `open_network`, which checks what is taken for granted here."""
        self._session = session
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name
        self.size = size
        """Height and width of its input."""
        self.labels = labels

    def run(self, tensor: Tensor) -> Tensor:
        """(1, 3, height, width) to (4 + classes, anchors). Raises DetectorError when onnxruntime fails."""
        try:
            outputs: list[Tensor] = self._session.run([self._output], {self._input: tensor})
        except _ORT_ERRORS as error:
            raise DetectorError(f"inference failed: {error}") from error
        first: Tensor = outputs[0][0]
        return first

    def detect(self, image: Image, min_score: float) -> tuple[Detection, ...]:
        """What the picture shows, best score first."""
        box = Letterbox.fit((image.shape[0], image.shape[1]), self.size)
        return to_detections(self.run(to_tensor(image, box)), box, self.labels, min_score)


def open_network(data: bytes, origin: str) -> OnnxNetwork:
    """Load a model from the bytes of its file and check it against the contract, with a trial run.

    `origin` names the file in messages. Raises WeightsError for what onnxruntime cannot load or what breaks the
    contract, LabelsError (IdentityModelRefused) for classes that are not allowed.
    """
    options = ort.SessionOptions()
    # Workers are the parallelism: two sessions of one thread beat one of two (docs/model.md).
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except _ORT_ERRORS as error:
        raise WeightsError(f"{origin} is no ONNX model that onnxruntime can load: {error}") from error
    labels = _labels_of(session, origin)
    check_labels(labels, origin)
    network = OnnxNetwork(session, _input_size(session, origin), labels)
    _try_out(network, origin)
    return network


def _labels_of(session: ort.InferenceSession, origin: str) -> tuple[str, ...]:
    text = session.get_modelmeta().custom_metadata_map.get("names", "")
    try:
        names = ast.literal_eval(text)
        labels = tuple(names[index] for index in range(len(names)))
    except (ValueError, SyntaxError, KeyError, TypeError) as error:
        raise LabelsError(
            f"{origin} does not name its classes: its metadata needs `names`, like {{0: 'person', 1: 'bicycle'}}"
        ) from error
    if not all(isinstance(label, str) for label in labels):
        raise LabelsError(f"{origin} has class names that are no text in its metadata `names`")
    return labels


def _input_size(session: ort.InferenceSession, origin: str) -> tuple[int, int]:
    inputs = session.get_inputs()
    one = inputs[0]
    fits = len(inputs) == 1 and one.type == "tensor(float)" and len(one.shape) == 4 and one.shape[1] == 3
    if not fits or not all(isinstance(side, int) and side > 0 for side in one.shape[2:]):
        found = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
        raise WeightsError(f"{origin} takes {found}; {_CONTRACT}[N,4+classes,A]; {_REMEDY}")
    return one.shape[2], one.shape[3]


def _try_out(network: OnnxNetwork, origin: str) -> None:
    """Run once on grey: output shapes are often left open in the file, and scores show only in a run."""
    rows = 4 + len(network.labels)
    try:
        output = network.run(np.full((1, 3, *network.size), 0.5, np.float32))
    except DetectorError as error:
        raise WeightsError(f"{origin} fails in its trial run: {error}") from error
    if output.ndim != 2 or output.shape[0] != rows or output.dtype != np.float32:
        raise WeightsError(
            f"{origin} gives {output.dtype} {[1, *output.shape]} and names {len(network.labels)} classes; "
            f"{_CONTRACT}[N,{rows},A]; {_REMEDY}"
        )
    scores = output[4:]
    if not (np.isfinite(output).all() and scores.min() >= 0 and scores.max() <= 1):
        raise WeightsError(f"{origin} gives scores outside 0..1; put a sigmoid at its end, or {_REMEDY}")


@dataclass(kw_only=True, slots=True)
class _Choice:
    """One network of a detector, opened when a picture first needs it."""

    min_aspect: float
    origin: str
    data: bytes = b""
    """The verified file; dropped when opened."""
    network: OnnxNetwork | None = None


class OnnxDetector:
    """Detects with one network, or with the one of several that suits each picture's aspect.

    Pictures of a batch are run one by one: on a CPU that costs the same, and a picture's floats then cannot depend on
    what else was in the batch, so a replay gives the bytes that live video gave.
    """

    def __init__(
        self, info: DetectorInfo, labels: tuple[str, ...], choices: Sequence[_Choice], min_score: float
    ) -> None:
        """Use `load_detector`."""
        self._info = info
        self._labels = labels
        self._choices = sorted(choices, key=lambda choice: -choice.min_aspect)
        self._min_score = min_score
        self._opening = Lock()

    @property
    def info(self) -> DetectorInfo:
        """`weights_sha256` is that of the user's file, or of the packaged manifest, which pins all its files."""
        return self._info

    @property
    def labels(self) -> tuple[str, ...]:
        """Every class name it may return."""
        return self._labels

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """See `Detector`. Opens a network on its first use: tens of milliseconds, once."""
        for image in images:
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                raise ValueError(f"a picture must be uint8 (height, width, 3), not {image.dtype} {image.shape}")
        return [self._network_for(image).detect(image, self._min_score) for image in images]

    def _network_for(self, image: Image) -> OnnxNetwork:
        aspect = image.shape[1] / image.shape[0]
        choice = next((one for one in self._choices if aspect >= one.min_aspect), self._choices[-1])
        with self._opening:
            if choice.network is None:
                network = open_network(choice.data, choice.origin)
                if network.labels != self._labels:
                    raise LabelsError(f"{choice.origin} has other classes than its manifest promises")
                choice.network, choice.data = network, b""
            return choice.network


def load_detector(config: DetectorConfig, packaged: Path = PACKAGED_WEIGHTS) -> Detector:
    """The detector of the configuration: the user's weights if it names some, else the packaged model.

    Every file is read and its SHA-256 compared here, so that nothing starts on wrong weights; a user's model is also
    opened and tried out. Raises WeightsError (a UsageError) saying which file, what was expected and the remedy.
    """
    if config.weights is not None and config.weights_sha256 is not None:
        return _load_users(config.weights, config.weights_sha256, config.min_score)
    manifest, sha256 = read_manifest(packaged)
    choices = [
        _Choice(
            min_aspect=one.min_aspect,
            data=read_verified(packaged / one.file, one.sha256, "reinstall gridwatch"),
            origin=f"packaged model {one.file}",
        )
        for one in manifest.files
    ]
    info = DetectorInfo(name=manifest.name, version=manifest.version, weights_sha256=sha256)
    return OnnxDetector(info, coco_labels(), choices, config.min_score)


def _load_users(path: Path, sha256: str, min_score: float) -> OnnxDetector:
    remedy = "check `detector.weights`, and set `detector.weights_sha256` if this is the file you trust"
    data = read_verified(path, sha256, remedy)
    network = open_network(data, f"model {path}")
    info = DetectorInfo(name=path.stem, version=sha256[:12], weights_sha256=sha256)
    choice = _Choice(min_aspect=0.0, origin=str(path), network=network)
    return OnnxDetector(info, network.labels, [choice], min_score)
