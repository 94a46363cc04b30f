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


def replayed(clip: str, folder: Path, detector: Detector) -> Comparison:
    """The recording with the zones, lines and rules of its truth file."""
    file, truth = folder / f"{clip}.mp4", TRUTH / f"{clip}.json"
    if not file.exists():
        pytest.skip(f"{file} is not there: docs/samples.md")
    (recording,) = gather([file], None, None, truth)
    assert recording.truth is not None
    return compare(recording.truth.incidents, replay(recording.watched, detector).found())


def test_people_in_a_street_are_nearly_all_found(detector: Detector) -> None:
    """PETS 2009, 29 incidents that must be found. What is missed is in docs/samples.md and not hidden here."""
    comparison = replayed("pets2009-s2l1-street", REPOSITORY / "samples" / "streams", detector)
    assert len(comparison.missed) <= 2, comparison
    assert len(comparison.false) <= 1, comparison


@pytest.mark.slow
@pytest.mark.parametrize(("clip", "missed", "false"), [("pets2009-s2l1-view1", 2, 2), ("car-detection", 0, 0)])
def test_recordings_that_cannot_be_given_away(clip: str, missed: int, false: int, detector: Detector) -> None:
    if (folder := os.environ.get("GRIDWATCH_SAMPLES")) is None:
        pytest.skip("GRIDWATCH_SAMPLES names no folder with recordings: docs/samples.md")
    comparison = replayed(clip, Path(folder), detector)
    assert len(comparison.missed) <= missed, comparison
    assert len(comparison.false) <= false, comparison
