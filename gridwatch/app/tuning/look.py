"""One analysed frame as the page and the pictures show it."""

import base64
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from gridwatch.config import CameraConfig
from gridwatch.detectors import Analysis
from gridwatch.detectors.drawing import Label, Overlay, draw, overlay_of
from gridwatch.detectors.evidence import masked
from gridwatch.detectors.rules import Stance, Thought
from gridwatch.domain import CHINESE, Box, Frame, Image, Incident, Phase, Point, UsageError

Json = Mapping[str, object]

_PAGE_WIDTH: Final = 960
_QUALITY: Final = 72
_TRAIL: Final = 25
"""Places that a track's trail shows: five seconds at five a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """A frame on the page, and the same drawn on."""

    data: Json
    drawn: bytes
    """JPEG with everything on it."""


class Looks:
    """Frames in order to looks. Keeps where each track has been. Not thread-safe."""

    def __init__(self, camera: CameraConfig) -> None:
        self._base = overlay_of(camera)
        self._privacy = camera.privacy
        self._feet: dict[int, deque[Point]] = {}

    def follow(self, analysis: Analysis) -> None:
        """Call for every frame, shown or not."""
        alive = {track.id for track in analysis.tracks}
        for track in analysis.tracks:
            self._feet.setdefault(track.id, deque(maxlen=_TRAIL)).append(track.box.foot)
        for gone in self._feet.keys() - alive:
            del self._feet[gone]

    def take(self, frame: Frame, analysis: Analysis, people: Sequence[Box], thoughts: Sequence[Thought]) -> Look:
        """What `frame` gave, after `follow`. Heads of `people` are gone from both pictures."""
        picture = _narrow(masked(frame.image, people, self._privacy))
        drawn = self._draw(picture, frame, analysis, thoughts)
        return Look(data=_data(frame, analysis, thoughts, picture), drawn=_jpeg(drawn))

    def _draw(self, picture: Image, frame: Frame, analysis: Analysis, thoughts: Sequence[Thought]) -> Image:
        overlay: Overlay = replace(
            self._base, detections=analysis.seen, tracks=analysis.tracks, at=analysis.pts,
            trails={number: tuple(feet) for number, feet in self._feet.items()},
            labels=[
                Label(box=one.box, text=f"{incident.kind} {incident.phase}")
                for incident in analysis.incidents for one in incident.boxes
            ],
            notes=[
                f"{frame.pts:.1f} s  gate: {analysis.gate or '-'}",
                *(
                    f"{one.rule}{'' if one.subject is None else f' #{one.subject}'}: {one.text}"
                    for one in thoughts if one.stance in (Stance.RAISED, Stance.NEARS)
                ),
            ],
        )  # fmt: skip
        return draw(picture, overlay)


def camera_data(camera: CameraConfig) -> Json:
    """What is the same in every frame: places and rules."""
    return {
        "id": camera.id,
        "name": camera.name,
        "zones": {name: [list(corner) for corner in corners] for name, corners in camera.zones.items()},
        "lines": {name: [list(line.start), list(line.end)] for name, line in camera.lines.items()},
        "privacy": [[list(corner) for corner in zone] for zone in camera.privacy],
        "ignore": [[list(corner) for corner in zone] for zone in camera.ignore],
        "rules": [
            {
                "id": rule.id, "kind": rule.kind, "zh": CHINESE[rule.kind],
                "settings": rule.model_dump(mode="json", exclude={"id", "kind"}, exclude_none=True),
            }
            for rule in camera.rules
        ],
    }  # fmt: skip


def _data(frame: Frame, analysis: Analysis, thoughts: Sequence[Thought], picture: Image) -> Json:
    return {
        "t": round(frame.pts, 3),
        "at": frame.captured_at.isoformat(),
        "gate": None if analysis.gate is None else str(analysis.gate),
        "looked": analysis.detected,
        "image": "data:image/jpeg;base64," + base64.b64encode(_jpeg(picture)).decode(),
        "seen": [[*_corners(one.box), one.label, round(one.score, 2)] for one in analysis.seen],
        "tracks": [
            {
                "id": one.id, "label": one.label, "box": _corners(one.box), "score": round(one.score, 2),
                "best": round(one.best_score, 2), "hits": one.hits, "coasts": one.last_seen < analysis.pts,
            }
            for one in analysis.tracks
        ],
        "thoughts": [
            [one.rule, one.subject, str(one.stance), one.text, _rounded(one.value), _rounded(one.threshold)]
            for one in thoughts
        ],
        "said": [_said(one) for one in analysis.incidents],
    }  # fmt: skip


def _said(incident: Incident) -> Json:
    return {
        "id": str(incident.id), "rule": incident.rule, "kind": incident.kind, "zh": CHINESE[incident.kind],
        "phase": str(incident.phase), "raised": incident.phase is Phase.RAISED, "count": incident.count,
        "boxes": [_corners(one.box) for one in incident.boxes],
    }  # fmt: skip


def _corners(box: Box) -> list[float]:
    return [round(box.x1, 4), round(box.y1, 4), round(box.x2, 4), round(box.y2, 4)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _narrow(picture: Image) -> Image:
    height, width = picture.shape[:2]
    if width <= _PAGE_WIDTH:
        return picture
    size = (_PAGE_WIDTH, max(1, round(height * _PAGE_WIDTH / width)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(picture: Image) -> bytes:
    try:
        done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    except cv2.error as error:
        raise UsageError(f"a picture of shape {picture.shape} cannot be written as JPEG") from error
    if not done:
        raise UsageError(f"a picture of shape {picture.shape} cannot be written as JPEG")
    return bytes(data.tobytes())
