"""Pictures of several threads in one call, where a GPU gains from it."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock

from gridwatch.detectors.detector import Detector
from gridwatch.domain import Detection, DetectorInfo, Image


class BatchingDetector:
    """Calls another detector with all that waits, up to `most` pictures; nobody waits for a batch to fill.

    While one call runs, the pictures of other threads gather; whoever is next takes them along. So batches are as large
    as the load makes them. Has no thread of its own.
    """

    def __init__(self, detector: Detector, most: int) -> None:
        """`most` is at least 1. A call with more pictures than that is passed on as it is."""
        self._detector = detector
        self._most = most
        self._waiting: deque[tuple[Sequence[Image], Future[list[tuple[Detection, ...]]]]] = deque()
        self._gathering = Lock()
        self._running = Lock()

    @property
    def info(self) -> DetectorInfo:
        """Of the detector behind."""
        return self._detector.info

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the detector behind."""
        return self._detector.labels

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """See `Detector`. An error of the detector reaches everybody whose pictures were in that call."""
        mine: Future[list[tuple[Detection, ...]]] = Future()
        with self._gathering:
            self._waiting.append((images, mine))
        with self._running:
            while not mine.done():
                self._run_some()
        return mine.result()

    def _run_some(self) -> None:
        """The oldest that wait, in one call. The caller holds `_running`."""
        taken: list[tuple[Sequence[Image], Future[list[tuple[Detection, ...]]]]] = []
        count = 0
        with self._gathering:
            while self._waiting and (not taken or count + len(self._waiting[0][0]) <= self._most):
                taken.append(self._waiting.popleft())
                count += len(taken[-1][0])
        try:
            found = self._detector.detect([image for images, _ in taken for image in images])
        except Exception as error:  # noqa: BLE001 - whose pictures they are, hears of it
            for _, future in taken:
                future.set_exception(error)
            return
        for images, future in taken:
            future.set_result(found[: len(images)])
            found = found[len(images) :]
