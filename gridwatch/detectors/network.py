"""A network behind its contract, whatever runs it: pictures in, detections out."""

import ast
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gridwatch.detectors.errors import DetectorError, LabelsError, WeightsError
from gridwatch.detectors.labels import check_labels
from gridwatch.detectors.postprocess import Letterbox, Tensor, to_detections, to_tensor, unpacked
from gridwatch.domain import Detection, Image

_CONTRACT = "gridwatch takes one input, float32 [N,3,H,W] of fixed H and W, RGB 0..1, and one output, float32 "
_REMEDY = "export it as `yolo export format=onnx` does"


class Engine(Protocol):
    """A model loaded by some runtime. Safe to call from several threads at once."""

    @property
    def inputs(self) -> tuple[tuple[str, str, tuple[int | str, ...]], ...]:
        """Name, element type (`float32`, ...) and shape of each; a side left open is text."""

    @property
    def names(self) -> str:
        """What the file says of its classes, as Python's dict or list; empty when it says nothing."""

    @property
    def batch(self) -> int:
        """Most pictures in one call that gain something by it."""

    def infer(self, tensor: Tensor) -> Tensor:
        """Input to first output, both with the pictures along the first axis. Raises DetectorError."""


class Network:
    """One engine that keeps the contract. Safe to call from several threads at once."""

    def __init__(self, engine: Engine, size: tuple[int, int], labels: tuple[str, ...], *, suppressed: bool) -> None:
        """Use `open_network`, which checks what is taken for granted here.

        `suppressed`: its output is boxes after suppression, (N, boxes, 6), instead of scores by anchor.
        """
        self._engine = engine
        self._suppressed = suppressed
        self.size = size
        """Height and width of its input."""
        self.labels = labels

    def detect(self, images: Sequence[Image], min_score: float) -> list[tuple[Detection, ...]]:
        """What each picture shows, best score first."""
        found: list[tuple[Detection, ...]] = []
        for first in range(0, len(images), self._engine.batch):
            part = images[first : first + self._engine.batch]
            boxes = [Letterbox.fit((image.shape[0], image.shape[1]), self.size) for image in part]
            tensors = [to_tensor(image, box) for image, box in zip(part, boxes, strict=True)]
            outputs = self._engine.infer(tensors[0] if len(tensors) == 1 else np.concatenate(tensors))
            for output, box in zip(outputs, boxes, strict=True):
                anchors = unpacked(output, len(self.labels)) if self._suppressed else output
                found.append(to_detections(anchors, box, self.labels, min_score))
        return found


def open_network(engine: Engine, origin: str, given: Sequence[str] | None = None) -> Network:
    """Check an engine against the contract, with a trial run.

    `origin` names the weights in messages; `given` are class names that come beside them. Raises WeightsError for what
    breaks the contract, LabelsError (IdentityModelRefused) for classes that are not allowed.
    """
    labels = _labels(engine, origin, given)
    size = _input_size(engine, origin)
    suppressed = _try_out(engine, size, len(labels), origin)
    return Network(engine, size, labels, suppressed=suppressed)


def _labels(engine: Engine, origin: str, given: Sequence[str] | None) -> tuple[str, ...]:
    """Those given; the model's own must be allowed in any case, or renaming would let a face in."""
    if engine.names or given is None:
        own = _parsed(engine.names, origin)
        check_labels(own, origin)
        if given is not None and len(given) != len(own):
            raise LabelsError(f"{origin} has {len(own)} classes and its label file {len(given)}")
    if given is None:
        return own
    check_labels(given, f"the label file of {origin}")
    return tuple(given)


def _parsed(text: str, origin: str) -> tuple[str, ...]:
    try:
        names = ast.literal_eval(text)
        labels = tuple(names[index] for index in range(len(names)))
    except (ValueError, SyntaxError, KeyError, TypeError) as error:
        raise LabelsError(
            f"{origin} does not name its classes: its metadata needs `names`, like {{0: 'person', 1: 'bicycle'}}, or "
            "`detector.labels` a file with one class name a line"
        ) from error
    if not all(isinstance(label, str) for label in labels):
        raise LabelsError(f"{origin} has class names that are no text in its metadata `names`")
    return labels


def _input_size(engine: Engine, origin: str) -> tuple[int, int]:
    inputs = engine.inputs
    _, kind, shape = inputs[0] if inputs else ("", "", ())
    height, width = shape[2:] if len(shape) == 4 else ("", "")
    fits = len(inputs) == 1 and kind == "float32" and len(shape) == 4 and shape[1] == 3
    if fits and isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0:
        return height, width
    found = ", ".join(f"{name} {kind} {list(shape)}" for name, kind, shape in inputs)
    raise WeightsError(f"{origin} takes {found or 'nothing'}; {_CONTRACT}[N,4+classes,A]; {_REMEDY}")


def _try_out(engine: Engine, size: tuple[int, int], classes: int, origin: str) -> bool:
    """Run once on grey: output shapes are often left open in the file, and scores show only in a run.

    Returns whether the boxes come suppressed.
    """
    try:
        output = engine.infer(np.full((1, 3, *size), 0.5, np.float32))
    except DetectorError as error:
        raise WeightsError(f"{origin} fails in its trial run: {error}") from error
    fits = output.ndim == 3 and output.shape[0] == 1 and output.dtype == np.float32
    raw = fits and output.shape[1] == 4 + classes
    if not raw and not (fits and output.shape[2] == 6):
        raise WeightsError(
            f"{origin} gives {output.dtype} {list(output.shape)} and has {classes} classes; "
            f"{_CONTRACT}[N,{4 + classes},A], or [N,boxes,6] with suppression inside; {_REMEDY}"
        )
    scores = output[0, 4:] if raw else output[0, :, 4]
    if not (np.isfinite(output).all() and scores.min(initial=0) >= 0 and scores.max(initial=0) <= 1):
        raise WeightsError(f"{origin} gives scores outside 0..1; put a sigmoid at its end, or {_REMEDY}")
    if not raw and output[0, :, 5].max(initial=0) >= classes:
        raise WeightsError(f"{origin} gives class {output[0, :, 5].max():.0f} and has {classes} classes")
    return not raw
