"""Draws what was configured, seen and thought onto a picture: for tuning pages and contact sheets.

Pure: pictures and values in, pictures out, the same every time. It masks nobody: give it a picture from `masked`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.config.model import CameraConfig
from gridwatch.domain import Box, Detection, Image, Point, Track

Colour = tuple[int, int, int]
"""Blue, green, red."""
Corner = tuple[float, float]
"""x and y as fractions of the picture."""

ZONE: Final[Colour] = (220, 170, 40)
LINE: Final[Colour] = (200, 80, 220)
PRIVACY: Final[Colour] = (90, 90, 90)
TRACK: Final[Colour] = (80, 200, 60)
COASTING: Final[Colour] = (160, 200, 160)
DETECTION: Final[Colour] = (200, 200, 200)
ALARM: Final[Colour] = (40, 40, 230)
_WHITE: Final[Colour] = (255, 255, 255)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_FILL: Final = 0.16
"""How much a zone's colour covers what is in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Label:
    """A box with a word at it."""

    box: Box
    text: str = ""
    colour: Colour = ALARM
    dashed: bool = False
    """For what is not certain: a box where something is thought to be, or that truth has and nobody found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlay:
    """What to draw, first to last; all places are fractions of the picture."""

    zones: Mapping[str, Sequence[Corner]] = field(default_factory=dict)
    lines: Mapping[str, tuple[Corner, Corner]] = field(default_factory=dict)
    """Start and end; an arrow shows to the right of each, the direction `right`."""
    privacy: Sequence[Sequence[Corner]] = ()
    """Outlined only."""
    detections: Sequence[Detection] = ()
    """What the detector saw, thin."""
    trails: Mapping[int, Sequence[Point]] = field(default_factory=dict)
    """Where each track's foot has been, by track id."""
    tracks: Sequence[Track] = ()
    at: float | None = None
    """Stream time of the picture: tracks last seen before it coast. None: all are seen."""
    labels: Sequence[Label] = ()
    """Anything else in boxes: an incident's, a truth's."""
    notes: Sequence[str] = ()
    """Lines in the top left corner."""
    caption: str = ""
    """One line along the lower edge."""


def overlay_of(camera: CameraConfig) -> Overlay:
    """What the configuration of `camera` has on its picture."""
    return Overlay(
        zones=dict(camera.zones), lines={name: (line.start, line.end) for name, line in camera.lines.items()},
        privacy=camera.privacy,
    )  # fmt: skip


def draw(image: Image, overlay: Overlay) -> Image:
    """`image` with `overlay` on it; itself it is left as it is. Text is ASCII, others come out as question marks."""
    picture = image.copy()
    pen = _Pen(picture)
    for name, zone in overlay.zones.items():
        pen.zone(name, zone)
    for corners in overlay.privacy:
        pen.polygon(corners, PRIVACY)
    for name, (start, end) in overlay.lines.items():
        pen.line(name, start, end)
    for one in overlay.detections:
        pen.box(one.box, DETECTION, thin=True)
    for track, feet in overlay.trails.items():
        pen.trail(feet, track_colour(track))
    for one_track in overlay.tracks:
        coasts = overlay.at is not None and one_track.last_seen < overlay.at
        colour = COASTING if coasts else track_colour(one_track.id)
        pen.box(one_track.box, colour, dashed=coasts)
        pen.text_at(f"{one_track.id} {one_track.label} {one_track.score:.2f}", one_track.box, colour)
    for label in overlay.labels:
        pen.box(label.box, label.colour, dashed=label.dashed)
        pen.text_at(label.text, label.box, label.colour)
    pen.notes(overlay.notes)
    pen.caption(overlay.caption)
    return picture


def track_colour(number: int) -> Colour:
    """A colour that neighbouring track ids do not share."""
    hue = np.array([[[number * 67 % 180, 190, 235]]], np.uint8)
    blue, green, red = cv2.cvtColor(hue, cv2.COLOR_HSV2BGR)[0, 0].tolist()
    return int(blue), int(green), int(red)


class _Pen:
    """Draws on one picture, in sizes that fit it."""

    def __init__(self, picture: Image) -> None:
        self._picture = picture
        self._height, self._width = picture.shape[:2]
        self._thick = max(1, round(self._width / 640))
        self._scale = max(0.35, self._width / 1600)
        (_, self._letter), _ = cv2.getTextSize("0", _FONT, self._scale, 1)

    def zone(self, name: str, corners: Sequence[Corner]) -> None:
        filled = self._picture.copy()
        cv2.fillPoly(filled, [self._points(corners)], ZONE)
        cv2.addWeighted(filled, _FILL, self._picture, 1 - _FILL, 0, dst=self._picture)
        self.polygon(corners, ZONE)
        x, y = min(corners, key=lambda corner: (corner[1], corner[0]))
        self._text(name, self._pixel(x, y), ZONE)

    def polygon(self, corners: Sequence[Corner], colour: Colour) -> None:
        cv2.polylines(self._picture, [self._points(corners)], True, colour, self._thick, cv2.LINE_AA)

    def line(self, name: str, start: Corner, end: Corner) -> None:
        a, b = self._pixel(*start), self._pixel(*end)
        cv2.arrowedLine(self._picture, a, b, LINE, self._thick + 1, cv2.LINE_AA, tipLength=0.03)
        middle = (a[0] + b[0]) // 2, (a[1] + b[1]) // 2
        dx, dy = b[0] - a[0], b[1] - a[1]
        length = max(1.0, float(np.hypot(dx, dy)))
        reach = 0.05 * self._height
        # With y pointing down, (-dy, dx) is to the right of start -> end.
        tip = round(middle[0] - dy / length * reach), round(middle[1] + dx / length * reach)
        cv2.arrowedLine(self._picture, middle, tip, LINE, self._thick, cv2.LINE_AA, tipLength=0.3)
        self._text(f"{name} (arrow: right)", (a[0], a[1] - 3), LINE)

    def box(self, box: Box, colour: Colour, *, thin: bool = False, dashed: bool = False) -> None:
        a, b = self._pixel(box.x1, box.y1), self._pixel(box.x2, box.y2)
        thick = 1 if thin else self._thick
        if not dashed:
            cv2.rectangle(self._picture, a, b, colour, thick)
            return
        for one, other in ((a, (b[0], a[1])), ((b[0], a[1]), b), (b, (a[0], b[1])), ((a[0], b[1]), a)):
            self._dashes(one, other, colour, thick)

    def trail(self, feet: Sequence[Point], colour: Colour) -> None:
        if len(feet) > 1:
            points = self._points([(foot.x, foot.y) for foot in feet])
            cv2.polylines(self._picture, [points], False, colour, self._thick, cv2.LINE_AA)

    def text_at(self, text: str, box: Box, colour: Colour) -> None:
        if text:
            x, y = self._pixel(box.x1, box.y1)
            self._text(text, (x, y - 3), colour)

    def notes(self, lines: Sequence[str]) -> None:
        for number, line in enumerate(lines):
            self._text(line, (4, round((1.6 * number + 1.3) * self._letter) + 4), _WHITE)

    def caption(self, text: str) -> None:
        if text:
            self._text(text, (4, self._height - 6), _WHITE)

    def _text(self, text: str, place: tuple[int, int], colour: Colour) -> None:
        """`text` on a dark ground, moved into the picture where it would stick out."""
        text = text.encode("ascii", "replace").decode()
        (width, height), below = cv2.getTextSize(text, _FONT, self._scale, 1)
        x = max(0, min(place[0], self._width - width - 2))
        y = max(height + 2, min(place[1], self._height - below))
        ground = self._picture[max(0, y - height - 2) : y + below, x : x + width + 2]
        np.multiply(ground, 0.35, out=ground, casting="unsafe")
        cv2.putText(self._picture, text, (x + 1, y), _FONT, self._scale, colour, 1, cv2.LINE_AA)

    def _dashes(self, start: tuple[int, int], end: tuple[int, int], colour: Colour, thick: int) -> None:
        a, b = np.array(start, float), np.array(end, float)
        count = max(1, round(float(np.hypot(*(b - a))) / (6 * self._thick)))
        for number in range(0, count, 2):
            one, other = a + (b - a) * number / count, a + (b - a) * min(count, number + 1) / count
            cv2.line(self._picture, _whole(one), _whole(other), colour, thick)

    def _points(self, corners: Sequence[Corner]) -> npt.NDArray[np.int32]:
        return np.array([self._pixel(x, y) for x, y in corners], np.int32)

    def _pixel(self, x: float, y: float) -> tuple[int, int]:
        return round(x * (self._width - 1)), round(y * (self._height - 1))


def _whole(place: npt.NDArray[np.float64]) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))
