"""Whether what saves work loses incidents: recorded clips with the gates and without them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.pipeline.subject import camera
from gridwatch.app.expected import FoundIncident
from gridwatch.app.replay import Watched, replay
from gridwatch.config.model import CameraSource, HealthConfig
from gridwatch.detectors import Detector

SAMPLES: Final = Path(__file__).parents[2] / "samples" / "streams"
_CLOSE: Final = 1.0
"""Seconds that the same incident may differ by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Incidents raised in some clips, and pictures detected in."""

    every: int
    """By detecting in every picture."""
    ours: int
    lost: int
    """Of those of `every`, not among ours at about the same time."""
    looks_every: int
    looks_ours: int


def compare(clips: Sequence[Path], detector: Detector) -> Comparison:
    """Replay each clip both ways."""
    every: list[FoundIncident] = []
    ours: list[FoundIncident] = []
    lost = looks_every = looks_ours = 0
    for clip in clips:
        found, looks = _found(clip, detector, gate=False)
        mine, mine_looks = _found(clip, detector, gate=True)
        lost += _lost(found, mine)
        every, ours = [*every, *found], [*ours, *mine]
        looks_every, looks_ours = looks_every + looks, looks_ours + mine_looks
    return Comparison(every=len(every), ours=len(ours), lost=lost, looks_every=looks_every, looks_ours=looks_ours)


def _found(clip: Path, detector: Detector, *, gate: bool) -> tuple[list[FoundIncident], int]:
    chosen = camera("camera", CameraSource(file=clip), gate=gate)
    result = replay(Watched(file=clip, camera=chosen, health=HealthConfig()), detector)
    return result.found(), result.detected


def _lost(expected: Sequence[FoundIncident], found: Sequence[FoundIncident]) -> int:
    free = list(found)
    lost = 0
    for one in expected:
        same = [other for other in free if (other.kind, other.rule) == (one.kind, one.rule)]
        near = min(same, key=lambda other: abs(other.raised_at - one.raised_at), default=None)
        if near is None or abs(near.raised_at - one.raised_at) > _CLOSE:
            lost += 1
        else:
            free.remove(near)
    return lost
