"""One recording of a replay, start to end, in whatever process it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gridwatch.app.expected import Comparison, compare
from gridwatch.app.recordings import Recording
from gridwatch.app.replay import Replay, replay
from gridwatch.app.sheets import illustrate
from gridwatch.detectors import load_detectors


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What to do with a recording."""

    recording: Recording
    sheets: Path | None = None
    """Folder for a picture of each miss and false alarm."""
    video: Path | None = None
    """Folder for an annotated copy of the clip."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of it."""

    recording: Recording
    replay: Replay
    comparison: Comparison | None
    """None without truth."""
    pictures: tuple[Path, ...]
    """The sheets that were written."""


def run_job(job: Job, progress: Callable[[float], None] = lambda _: None) -> Outcome:
    """Replay, compare and illustrate. Raises what replaying raises, and RigError when a file cannot be written."""
    watched = job.recording.watched
    detector = load_detectors(job.recording.deployment, [watched.camera])[watched.camera.id]
    result = replay(watched, detector, progress)
    truth = job.recording.truth
    comparison = None if truth is None else compare(truth.incidents, result.found())
    pictures = illustrate(job.recording, comparison, detector, job.sheets, job.video)
    return Outcome(recording=job.recording, replay=result, comparison=comparison, pictures=pictures)
