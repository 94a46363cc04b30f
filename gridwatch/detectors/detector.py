"""The detector port: pictures in, detections out."""

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Protocol

from gridwatch.domain import Detection, DetectorInfo, Image


class Detector(Protocol):
    """Finds objects in pictures. Knows nothing of cameras or time and keeps nothing between calls."""

    @property
    def info(self) -> DetectorInfo:
        """What incidents say about who saw them; the same for the life of the detector."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Every class name it may return."""

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """One tuple per picture, in order: boxes as fractions of that picture, best score first.

        `images` are BGR uint8 (height, width, 3), of any mix of sizes; ValueError on anything else. A picture's
        detections do not depend on the other pictures of the call. Safe to call from several threads.
        """


class ScriptedDetector:
    """Fake for tests: answers each picture with the next entry of its script, and with nothing after the last."""

    def __init__(self, script: Iterable[Iterable[Detection]], labels: tuple[str, ...] = ("person", "car")) -> None:
        """`script` holds one entry per picture, in the order in which pictures are given."""
        self._script = [tuple(sorted(entry, key=lambda found: -found.score)) for entry in script]
        self._labels = labels
        self._lock = Lock()
        self.pictures = 0
        """How many pictures it has been given."""

    @property
    def info(self) -> DetectorInfo:
        """Named `scripted`, without weights."""
        return DetectorInfo(name="scripted", version="1", weights_sha256=None)

    @property
    def labels(self) -> tuple[str, ...]:
        """As given."""
        return self._labels

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """The next `len(images)` entries of the script."""
        with self._lock:
            first, self.pictures = self.pictures, self.pictures + len(images)
        entries = self._script[first : first + len(images)]
        return [*entries, *[()] * (len(images) - len(entries))]
