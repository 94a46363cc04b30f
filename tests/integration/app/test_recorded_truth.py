"""Recorded video through the whole pipeline, against what people wrote down by looking at it."""

import os
from pathlib import Path

import pytest

from gridwatch.app.expected import Comparison, compare
from gridwatch.app.recordings import gather
from gridwatch.app.replay import replay
from gridwatch.config.model import DetectorConfig
from gridwatch.detectors import Detector, load_detector

REPOSITORY = Path(__file__).parents[3]
TRUTH = REPOSITORY / "samples" / "truth"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector(DetectorConfig())


def replayed(clip: str, folder: Path, detector: Detector, truth_name: str | None = None) -> Comparison:
    """The recording with the zones, lines and rules of its truth file."""
    file, truth = folder / f"{clip}.mp4", TRUTH / f"{truth_name or clip}.json"
    if not file.exists():
        pytest.skip(f"{file} is not there: docs/samples.md")
    (recording,) = gather([file], None, None, truth)
    assert recording.truth is not None
    return compare(recording.truth.incidents, replay(recording.watched, detector).found())


@pytest.mark.parametrize("clip", ["pets2009-s2l1-street", "cars-above"])
def test_all_that_people_saw_is_found_and_nothing_else(clip: str, detector: Detector) -> None:
    comparison = replayed(clip, REPOSITORY / "samples" / "streams", detector)
    assert comparison.agrees, comparison


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clip", "truth"), [("pets2009-s2l1-view1", "pets2009-s2l1-view1"), ("car-detection", "cars-above")]
)
def test_the_same_of_the_recordings_that_are_not_here(clip: str, truth: str, detector: Detector) -> None:
    if (folder := os.environ.get("GRIDWATCH_SAMPLES")) is None:
        pytest.skip("GRIDWATCH_SAMPLES names no folder with recordings: docs/samples.md")
    comparison = replayed(clip, Path(folder), detector, truth)
    assert comparison.agrees, comparison
