"""The invariant: leaving idle cameras undecoded changes no incident, on any sample, however it is encoded."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gridwatch.config.model import CameraConfig, DetectorConfig
from gridwatch.detectors import CameraAnalysis, Detector, load_detector
from gridwatch.domain import Phase
from gridwatch.ingest import Attention, recorded_frames
from tests.fixtures.quiet import Encoding, after_quiet, encode

SAMPLES = Path(__file__).parents[3] / "samples"
START = datetime(2026, 1, 1, tzinfo=UTC)
FPS = 10
QUIET = 52 * FPS
"""Analysis takes 30 s of stillness before it calls a camera idle."""

ENCODINGS = {
    "h264": Encoding(gop=20),
    "h264, 1 s": Encoding(gop=10, crf=23),
    "h264, 10 s": Encoding(gop=100),
    "h264, B, 10 s": Encoding(gop=100, b_frames=3),
    "h264, constant rate": Encoding(gop=20, kilobits=1500),
    "h265": Encoding(codec="libx265", gop=20),
    "h265, B, 10 s": Encoding(codec="libx265", gop=100, b_frames=3),
}
RECORDINGS = sorted(path.stem for path in (SAMPLES / "streams").glob("*.mp4"))
KINDS = {"intrusion", "line_crossing", "crowding"}
"""Of rules that the configuration knows."""


@dataclass(frozen=True, kw_only=True)
class Found:
    incidents: list[tuple[str, str, datetime]]
    """Kind, rule, when it occurred."""
    frames: int


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector(DetectorConfig())


def camera(name: str) -> CameraConfig:
    """With the zones, lines and rules of the sample's truth, and somebody who enters the picture at all."""
    truth = json.loads((SAMPLES / "truth" / f"{name}.json").read_text(encoding="utf-8"))
    classes = ["person", "car"] if "computed" in truth["made"] else ["person"]  # cars are parked in the recorded one
    everywhere = {
        "id": "anybody", "kind": "intrusion", "zone": "picture", "dwell_seconds": 0.6, "classes": classes,
    }  # fmt: skip
    document = {
        "id": "camera", "site": "harbour", "position": [121.5, 31.2], "source": {"file": "unused.mp4"},
        "zones": {**truth["zones"], "picture": [[0, 0], [1, 0], [1, 1], [0, 1]]}, "lines": truth["lines"],
        "rules": [*(rule for rule in truth["rules"] if rule["kind"] in KINDS), everywhere],
    }  # fmt: skip
    return CameraConfig.model_validate(document)


def find(path: Path, chosen: CameraConfig, detector: Detector, *, gated: bool) -> Found:
    attention = Attention() if gated else None
    analysis = CameraAnalysis(chosen, detector)
    incidents, frames = [], 0
    for frame in recorded_frames(path, chosen.id, chosen.analysis_fps, START, attention):
        step = analysis.analyse(frame)
        if attention is not None:
            attention.looked(frame, idle=step.idle)
        incidents += step.incidents
        frames += 1
    incidents += analysis.finish()
    raised = [(one.kind.value, one.rule, one.occurred_at) for one in incidents if one.phase is Phase.RAISED]
    return Found(incidents=sorted(raised), frames=frames)


def assert_the_same(path: Path, name: str, detector: Detector) -> None:
    full = find(path, camera(name), detector, gated=False)
    gated = find(path, camera(name), detector, gated=True)
    assert full.incidents
    assert gated.frames < full.frames - 20  # it did sleep
    assert [one[:2] for one in gated.incidents] == [one[:2] for one in full.incidents]
    for ours, theirs in zip(gated.incidents, full.incidents, strict=True):
        assert abs((ours[2] - theirs[2]).total_seconds()) <= 1 / camera(name).analysis_fps + 0.001


def test_after_stillness_the_same_incidents_are_found_as_by_decoding_everything(
    tmp_path: Path, detector: Detector
) -> None:
    source = SAMPLES / "streams" / "road-day.mp4"
    path = encode(tmp_path / "clip.mp4", after_quiet(source, QUIET, take=50), FPS, ENCODINGS["h264"])
    assert_the_same(path, "road-day", detector)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_every_sample_after_stillness_gives_the_same_incidents(
    tmp_path: Path, detector: Detector, name: str, encoding: str
) -> None:
    source = SAMPLES / "streams" / f"{name}.mp4"
    path = encode(tmp_path / "clip.mp4", after_quiet(source, QUIET), FPS, ENCODINGS[encoding])
    assert_the_same(path, name, detector)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDINGS)
def test_every_sample_as_it_is_gives_the_same_incidents(detector: Detector, name: str) -> None:
    path = SAMPLES / "streams" / f"{name}.mp4"
    full, gated = (find(path, camera(name), detector, gated=gated) for gated in (False, True))
    assert gated.incidents == full.incidents
