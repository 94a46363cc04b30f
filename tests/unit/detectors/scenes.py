"""Scripted scenes: detections, tracks and pictures whose truth is known."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from gridwatch.config.model import CameraConfig
from gridwatch.detectors.rules import Moment, Rule, RuleEvent
from gridwatch.domain import Box, Detection, DetectorInfo, Frame, Image, Track

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
FPS = 5.0
Foot = tuple[float, float]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=round(seconds, 6))


def moment(seconds: float, blind: float = 0.0) -> Moment:
    return Moment(pts=seconds, at=at(seconds), blind=blind)


def box_at(x: float, y: float, width: float = 0.06, height: float = 0.2) -> Box:
    """A standing box whose foot is at (x, y)."""
    return Box(x1=x - width / 2, y1=y - height, x2=x + width / 2, y2=y)


def seen(x: float, y: float, score: float = 0.8, label: str = "person", **size: float) -> Detection:
    return Detection(box=box_at(x, y, **size), label=label, score=score)


def tracked(
    seconds: float, foot: Foot, number: int = 1, *, last_seen: float | None = None, hits: int = 5,
    best_score: float = 0.8, first_seen: float = 0.0, label: str = "person",
) -> Track:  # fmt: skip
    """A track whose foot is at `foot`; coasting when `last_seen` is before `seconds`."""
    return Track(
        id=number, label=label, box=box_at(*foot), score=best_score, best_score=best_score, first_seen=first_seen,
        last_seen=seconds if last_seen is None else last_seen, hits=hits,
    )  # fmt: skip


def play(rule: Rule, script: Sequence[tuple[float, Sequence[Track]]]) -> tuple[Rule, list[RuleEvent]]:
    """Step `rule` through (seconds, tracks); the events of all steps."""
    events: list[RuleEvent] = []
    for seconds, tracks in script:
        step = rule.step(moment(seconds), tracks)
        rule = step.rule
        events += step.events
    return rule, events


def walk(feet: Sequence[Foot], number: int = 1, start: float = 0.0) -> list[tuple[float, list[Track]]]:
    """One track, one foot a picture at 5 a second."""
    return [(start + i / FPS, [tracked(start + i / FPS, foot, number)]) for i, foot in enumerate(feet)]


def said(events: Sequence[RuleEvent]) -> list[str]:
    return [str(event.phase) for event in events]


def camera(**changes: Any) -> CameraConfig:
    """A camera that watches its left half for intruders."""
    raw: dict[str, Any] = {
        "id": "cam-1",
        "site": "district/sub/gate",
        "position": [116.4, 39.9],
        "source": {"file": "none.mp4"},
        "zones": {"left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]},
        "lines": {"middle": {"start": [0.5, 0], "end": [0.5, 1]}},
        "rules": [{"id": "yard", "kind": "intrusion", "zone": "left"}],
    }
    return CameraConfig.model_validate({**raw, **changes})


def picture(people: Sequence[Box] = (), width: int = 640, height: int = 360, light: int = 90) -> Image:
    """A textured street with one bright block a person; the same every time."""
    rows, columns = np.mgrid[0:height, 0:width]
    ground = light + ((rows // 8 + columns // 8) % 2) * 12
    image = np.repeat(ground[:, :, None], 3, axis=2).astype(np.uint8)
    for person in people:
        image[
            int(person.y1 * height) : int(np.ceil(person.y2 * height)),
            int(person.x1 * width) : int(np.ceil(person.x2 * width)),
        ] = (40, 40, 230)
    return image


def frame(index: int, image: Image, seconds: float | None = None, connected: float = 0.0) -> Frame:
    """A frame at 5 a second since `connected`."""
    pts = index / FPS if seconds is None else seconds
    return Frame(
        camera="cam-1",
        index=index,
        pts=pts,
        captured_at=at(connected + pts),
        arrived_at=at(connected + pts),
        image=image,
    )


class BlobDetector:
    """Finds the red blocks of `picture`, as a real detector finds people: from the pixels alone."""

    labels = ("person",)
    info = DetectorInfo(name="blobs", version="1", weights_sha256=None)

    def __init__(self) -> None:
        self.pictures = 0

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        self.pictures += len(images)
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> tuple[Detection, ...]:
        import cv2

        red = ((image[:, :, 2] > 180) & (image[:, :, 0] < 100)).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red)
        height, width = image.shape[:2]
        return tuple(
            Detection(
                box=Box(x1=x / width, y1=y / height, x2=min(1.0, (x + w) / width), y2=min(1.0, (y + h) / height)),
                label="person",
                score=0.8,
            )
            for x, y, w, h, area in stats[1:].tolist()
            if area > 20
        )
