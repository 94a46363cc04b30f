"""The detector that runs a network, or of several the one that suits the picture."""

from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np

from gridwatch.detectors.errors import LabelsError
from gridwatch.detectors.network import Network
from gridwatch.domain import Detection, DetectorInfo, Image


class Choice:
    """One network of a detector, opened when a picture first needs it. Thread-safe."""

    def __init__(self, min_aspect: float, open_it: Callable[[], Network]) -> None:
        """`min_aspect`: width over height of the pictures it is for; `open_it` is called once."""
        self.min_aspect = min_aspect
        self._open_it = open_it
        self._network: Network | None = None
        self._opening = Lock()

    @property
    def network(self) -> Network:
        """The open network. Raises WeightsError."""
        with self._opening:
            if self._network is None:
                self._network = self._open_it()
            return self._network


class ModelDetector:
    """Detects with the network that suits each picture's aspect, several pictures together where the network gains.

    On a CPU pictures run one by one: that costs the same, and a picture's floats then cannot depend on what else was
    in the batch, so a replay gives the bytes that live video gave.
    """

    def __init__(
        self, info: DetectorInfo, labels: tuple[str, ...], choices: Sequence[Choice], min_score: float
    ) -> None:
        """Use `load_detector`."""
        self._info = info
        self._labels = labels
        self._choices = sorted(choices, key=lambda choice: -choice.min_aspect)
        self._min_score = min_score

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
        check_pictures(images)
        chosen: dict[int, list[int]] = {}
        for index, image in enumerate(images):
            chosen.setdefault(self._choose(image), []).append(index)
        found: list[tuple[Detection, ...]] = [()] * len(images)
        for number, indices in chosen.items():
            network = self._choices[number].network
            if network.labels != self._labels:
                raise LabelsError(f"weights of {self._info.name} have other classes than its manifest promises")
            seen = network.detect([images[index] for index in indices], self._min_score)
            for index, detections in zip(indices, seen, strict=True):
                found[index] = detections
        return found

    def _choose(self, image: Image) -> int:
        aspect = image.shape[1] / image.shape[0]
        fitting = (number for number, one in enumerate(self._choices) if aspect >= one.min_aspect)
        return next(fitting, len(self._choices) - 1)


def check_pictures(images: Sequence[Image]) -> None:
    """Raise ValueError for what is no picture."""
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"a picture must be uint8 (height, width, 3), not {image.dtype} {image.shape}")
