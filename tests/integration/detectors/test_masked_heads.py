"""Looks for a head that can still be made out in evidence, by eyes other than those that mask.

Rendered scenes say where everybody is. On recorded people the same model looks once more, but at overlapping quarters
of the picture at twice the size, where it finds who it overlooks in the whole; masks are never made that way.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from gridwatch.config.model import CameraConfig, Deployment
from gridwatch.detectors import CameraAnalysis, Detector, load_detectors
from gridwatch.detectors.evidence import snapshot
from gridwatch.domain import Box, Frame, Image
from gridwatch.ingest import recorded_frames

SAMPLES = Path(__file__).parents[3] / "samples"
RENDERED = ["plaza-day", "road-day", "road-dusk", "left-bag", "stopped-car", "covered-lens"]
PETS = "pets2009-s2l1-street"
START = datetime(2026, 3, 1, tzinfo=UTC)
LEAST_HEIGHT = 24
"""Pixels of a person below which a head is three pixels and nobody's."""
CLEAR = 0.5
"""Share of a head's detail that must be gone."""


@dataclass(frozen=True)
class Head:
    """A head that somebody else found, and what is left of it."""

    at: str
    left: float
    """Detail in the evidence over detail in the original."""


def setting() -> tuple[CameraConfig, Detector]:
    camera = CameraConfig.model_validate(
        {"id": "c", "site": "d", "position": [0, 0], "source": {"file": "x.mp4"},
         "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]},
         "rules": [{"id": "all", "kind": "intrusion", "zone": "all"}]}
    )  # fmt: skip
    district = {"id": "d", "name": "d"}
    deployment = Deployment.model_validate({"version": 1, "district": district, "cameras": [camera]})
    return camera, load_detectors(deployment, [camera])["c"]


def people_by_truth(truth: dict[str, Any], seconds: float) -> list[Box]:
    """Who is mostly in sight."""
    frame = min(truth["frames"], key=lambda one: abs(one["t"] - seconds))
    boxes = [box for actor, box in frame["boxes"].items() if truth["actors"][actor] == "person" and box[4] >= 0.6]
    return [Box(x1=x1, y1=y1, x2=x2, y2=y2) for x1, y1, x2, y2, _ in boxes]


def people_by_quarters(detector: Detector, image: Image) -> list[Box]:
    """Who is found in one of nine overlapping quarters, without those cut by its edge and what stands below another."""
    height, width = image.shape[:2]
    found = []
    for top in (0, height // 4, height - height // 2):
        for left in (0, width // 4, width - width // 2):
            part = np.ascontiguousarray(image[top : top + height // 2, left : left + width // 2])
            for one in detector.detect([part])[0]:
                box = one.box
                if one.label != "person" or one.score < 0.5 or min(box.x1, box.y1) < 0.01 or max(box.x2, box.y2) > 0.99:
                    continue
                found.append(
                    Box(x1=(box.x1 / 2 + left / width), y1=(box.y1 / 2 + top / height),
                        x2=(box.x2 / 2 + left / width), y2=(box.y2 / 2 + top / height))
                )  # fmt: skip
    return found


def detail(image: Image, head: Box) -> float:
    """Energy of what changes from pixel to pixel."""
    height, width = image.shape[:2]
    part = image[int(head.y1 * height) : int(head.y2 * height) + 1, int(head.x1 * width) : int(head.x2 * width) + 1]
    return float(np.abs(cv2.Laplacian(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), cv2.CV_64F)).mean())


def look(clip: str, every: int, until: float) -> Iterator[Head]:
    """Every head found in every `every`-th picture, masked as evidence of it would be."""
    truth = json.loads((SAMPLES / "truth" / f"{clip}.json").read_text(encoding="utf-8"))
    camera, detector = setting()
    analysis = CameraAnalysis(camera, detector)
    for frame in recorded_frames(SAMPLES / "streams" / f"{clip}.mp4", "c", 5.0, START):
        if frame.pts > until:
            return
        step = analysis.analyse(frame)
        if frame.index % every == 0:
            shown = snapshot(frame, [], analysis.people(frame, step), ())
            evidence = np.asarray(cv2.imdecode(np.frombuffer(shown.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
            people = (
                people_by_truth(truth, frame.pts) if "frames" in truth else people_by_quarters(detector, frame.image)
            )
            yield from compared(frame, evidence, people)


def compared(frame: Frame, evidence: Image, people: list[Box]) -> Iterator[Head]:
    for person in people:
        if person.height * frame.image.shape[0] < LEAST_HEIGHT:
            continue
        side = 0.2 * person.width
        head = Box(x1=person.x1 + side, y1=person.y1, x2=person.x2 - side, y2=person.y1 + 0.15 * person.height)
        before = detail(frame.image, head)
        place = f"{frame.pts:.1f} s at {person.x1:.3f}, {person.y1:.3f}, {before:.0f} of detail"
        yield Head(at=place, left=detail(evidence, head) / max(before, 4.0))


@pytest.mark.parametrize(("clip", "every", "until"), [("plaza-day", 10, 10.0), ("road-dusk", 5, 9.0), (PETS, 20, 12.0)])
def test_no_head_can_be_made_out_in_evidence_of_some_pictures(clip: str, every: int, until: float) -> None:
    heads = list(look(clip, every, until))
    assert len(heads) >= 8
    assert [head for head in heads if head.left > CLEAR] == []


@pytest.mark.slow
@pytest.mark.parametrize("clip", [*RENDERED, PETS])
def test_no_head_can_be_made_out_in_evidence_of_any_picture(clip: str) -> None:
    heads = list(look(clip, 1 if clip != PETS else 2, 1e9))
    assert len(heads) > 50
    assert [head for head in heads if head.left > CLEAR] == []


def test_the_eyes_of_this_test_see_a_head_that_is_not_masked() -> None:
    """Nobody masked: nearly every head must be found to be clear, or the tests above could not fail."""
    _, detector = setting()
    frame = next(recorded_frames(SAMPLES / "streams" / f"{PETS}.mp4", "c", 5.0, START))
    shown = snapshot(frame, [], [], ())
    evidence = np.asarray(cv2.imdecode(np.frombuffer(shown.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    heads = list(compared(frame, evidence, people_by_quarters(detector, frame.image)))
    assert len(heads) >= 3
    assert sum(head.left > CLEAR for head in heads) >= 0.9 * len(heads)
