import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gridwatch.detectors.batching import BatchingDetector
from gridwatch.detectors.detector import ScriptedDetector
from gridwatch.detectors.errors import DetectorError
from gridwatch.domain import Box, Detection, Image

DEADLINE = 10.0


class Echo(ScriptedDetector):
    """Answers with the picture's brightness as the score, holds each call until let go, and notes its size."""

    def __init__(self) -> None:
        super().__init__([])
        self.calls: list[int] = []
        self.began = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.fail = False

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        self.calls.append(len(images))
        self.began.release()
        assert self.go.acquire(timeout=DEADLINE)
        if self.fail:
            raise DetectorError("the card fell out")
        return [answer(int(image[0, 0, 0])) for image in images]


def answer(shade: int) -> tuple[Detection, ...]:
    return (Detection(box=Box(x1=0, y1=0, x2=1, y2=1), label="car", score=shade / 255),)


def picture(shade: int) -> Image:
    return np.full((4, 4, 3), shade, np.uint8)


def test_pictures_that_gather_during_a_call_go_together_and_each_caller_gets_its_own() -> None:
    echo = Echo()
    batching = BatchingDetector(echo, most=4)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(batching.detect, [picture(1)])
        assert echo.began.acquire(timeout=DEADLINE)
        later = [threads.submit(batching.detect, [picture(shade)]) for shade in range(2, 8)]
        while len(batching._waiting) < 6:
            pass
        echo.go.release(100)
        assert first.result(DEADLINE) == [answer(1)]
        assert [one.result(DEADLINE) for one in later] == [[answer(shade)] for shade in range(2, 8)]
    assert echo.calls == [1, 4, 2]


def test_one_caller_alone_waits_for_nobody() -> None:
    echo = Echo()
    echo.go.release(2)
    batching = BatchingDetector(echo, most=4)
    assert batching.detect([picture(9)]) == [answer(9)]
    assert batching.detect([picture(shade) for shade in range(6)]) == [answer(shade) for shade in range(6)]
    assert echo.calls == [1, 6]


def test_an_error_reaches_everybody_of_the_call_and_nobody_after() -> None:
    echo = Echo()
    echo.fail = True
    batching = BatchingDetector(echo, most=4)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(batching.detect, [picture(1)])
        assert echo.began.acquire(timeout=DEADLINE)
        later = [threads.submit(batching.detect, [picture(shade)]) for shade in (2, 3)]
        while len(batching._waiting) < 2:
            pass
        echo.go.release(2)
        for one in (first, *later):
            with pytest.raises(DetectorError, match="fell out"):
                one.result(DEADLINE)
    echo.fail = False
    echo.go.release()
    assert batching.detect([picture(5)]) == [answer(5)]
    assert (batching.info, batching.labels) == (echo.info, echo.labels)
