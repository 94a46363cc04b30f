"""Pictures of what went wrong: a contact sheet of each miss and false alarm, and annotated clips.

Heads are masked as in evidence, and no track has a number: a sheet shows what happened and not who was there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from gridwatch.app.expected import Comparison, ExpectedIncident, FoundIncident
from gridwatch.app.recordings import Recording
from gridwatch.app.replay import Look, looks
from gridwatch.app.sightings import Sightings, true_boxes
from gridwatch.app.writing import make_folder, write_bytes
from gridwatch.detectors import Detector, people_detector
from gridwatch.detectors.drawing import DETECTION, Label, Overlay, draw, overlay_of, track_colour
from gridwatch.detectors.evidence import masked
from gridwatch.domain import Box, Image
from gridwatch.rig.scenes import encode

_PERSON: Final = "person"
_COLUMNS, _ROWS = 4, 2
_TILE_WIDTH: Final = 480
_NOTES: Final = 4
"""Messages shown in a picture's corner."""
_BEFORE, _AFTER = 3.0, 1.5
"""Seconds of a sheet before and after what it is about."""
_QUALITY: Final = 85
_TRUTH: Final = (255, 255, 255)
_LEAST_SCORE: Final = 0.25
"""Detections below are drawn on no sheet: the picture is full of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sheet:
    """One miss or false alarm, and its pictures so far."""

    name: str
    title: str
    times: tuple[float, ...]
    """Stream seconds of its pictures, rising."""
    sightings: tuple[Sightings, ...] = ()
    """Of those who took part, where the truth has their boxes."""
    tiles: list[Image] = field(default_factory=list)

    def wants(self, pts: float) -> bool:
        return len(self.tiles) < len(self.times) and pts >= self.times[len(self.tiles)] - 1e-6


def illustrate(
    recording: Recording, comparison: Comparison | None, detector: Detector, sheets: Path | None, video: Path | None
) -> tuple[Path, ...]:
    """Watch the recording again and draw what was asked for; the paths of the sheets. Raises RigError, UsageError.

    Watching again gives the same, so nothing needs to be kept the first time.
    """
    wanted = [] if comparison is None or sheets is None else list(_sheets(recording, comparison))
    if video is None and not wanted:
        return ()
    pictures = _pictures(recording, detector, wanted, all_of_them=video is not None)
    if video is None:
        for _ in pictures:
            pass
    else:
        make_folder(video)
        fps = recording.watched.camera.analysis_fps
        encode(evenly(pictures, fps), video / f"{recording.name}.mp4", Fraction(fps).limit_denominator(100))
    return tuple(_write(sheet, sheets) for sheet in wanted if sheets is not None and sheet.tiles)


def _sheets(recording: Recording, comparison: Comparison) -> Iterator[_Sheet]:
    clip, truth = recording.name, recording.truth
    placed = {name for frame in (truth.frames if truth else ()) for name in frame.boxes}
    for want in comparison.missed:
        title = f"{clip}: MISSED {_words(want)}, from {want.start:.1f}, due {want.raised_at:.1f} +-{want.tolerance:g} s"
        name = f"{clip}-missed-{want.rule or want.kind}-{want.raised_at:06.1f}"
        span = (want.start, want.raised_at + want.tolerance)
        sightings = tuple(Sightings(name=name, span=span) for name in want.actors if name in placed)
        yield _Sheet(name=name, title=title, times=_times(want.start, want.raised_at), sightings=sightings)
    for one in comparison.false:
        title = f"{clip}: FALSE {_words(one)}, raised {one.raised_at:.1f} s"
        yield _Sheet(
            name=f"{clip}-false-{one.rule}-{one.raised_at:06.1f}", title=title,
            times=_times(one.raised_at - 1.0, one.raised_at),
        )  # fmt: skip


def _words(one: ExpectedIncident | FoundIncident) -> str:
    place = one.zone or one.line
    return " ".join(word for word in (one.kind, one.rule and f"rule {one.rule}", place and f"at {place}") if word)


def _times(start: float, due: float) -> tuple[float, ...]:
    first, last = max(0.0, start - _BEFORE), due + _AFTER
    count = _COLUMNS * _ROWS
    return tuple(round(first + (last - first) * index / (count - 1), 3) for index in range(count))


def _pictures(
    recording: Recording, detector: Detector, wanted: Sequence[_Sheet], *, all_of_them: bool
) -> Iterator[tuple[float, Image]]:
    """Stream time and annotated picture of each frame, with `all_of_them`; fills the tiles of `wanted` on the way."""
    artist = _Artist(recording, detector)
    for look in looks(recording.watched, detector):
        frame, analysis = look
        artist.heard(look)
        picture = artist.picture(look) if all_of_them else None
        for sheet in wanted:
            boxes = true_boxes(recording.truth, frame.pts) if sheet.sightings else {}
            for one in sheet.sightings:
                one.look(frame.pts, boxes.get(one.name), analysis)
            if sheet.wants(frame.pts):
                picture = artist.picture(look) if picture is None else picture
                places = [boxes[one.name] for one in sheet.sightings if one.name in boxes]
                shown = [Label(box=box, text="truth", colour=_TRUTH, dashed=True) for box in places]
                tile = _tile(draw(picture, Overlay(labels=shown)) if shown else picture)
                while sheet.wants(frame.pts):
                    sheet.tiles.append(tile)
        if all_of_them and picture is not None:
            yield frame.pts, picture


class _Artist:
    """Draws what a camera's configuration, detector, tracker and rules have to say about a picture."""

    def __init__(self, recording: Recording, detector: Detector) -> None:
        self._camera = recording.watched.camera
        self._base = overlay_of(self._camera)
        self._people = people_detector(detector)
        self._is_own = self._people is detector
        self._said: list[str] = []

    def heard(self, look: Look) -> None:
        """Remember what was said, for the notes on this picture and the next ones."""
        frame, analysis = look
        self._said += [f"{one.kind} {one.rule} {one.phase} {frame.pts:.1f}" for one in analysis.incidents]
        self._said = self._said[-_NOTES:]

    def picture(self, look: Look) -> Image:
        frame, analysis = look
        caption = f"{frame.pts:.1f} s" + ("" if analysis.detected else "  gate closed")
        faint = [Label(box=one.box, colour=DETECTION) for one in analysis.seen if one.score >= _LEAST_SCORE]
        tracks = [
            Label(
                box=one.box, text=f"{one.label} {one.score:.2f}", colour=track_colour(one.id),
                dashed=one.last_seen < analysis.pts,
            )
            for one in analysis.tracks
        ]  # fmt: skip
        overlay = replace(self._base, labels=[*faint, *tracks], notes=self._said, caption=caption)
        return draw(masked(frame.image, self._heads(look), self._camera.privacy), overlay)

    def _heads(self, look: Look) -> list[Box]:
        """Whoever may be a person in this picture, also when the gate was closed or the detector knows no persons."""
        frame, analysis = look
        seen = analysis.seen
        if not (analysis.detected and self._is_own):
            seen = self._people.detect([frame.image])[0]
        boxes = [one.box for one in seen if one.label == _PERSON]
        return boxes + [one.box for one in analysis.tracks if one.label == _PERSON]


def _tile(picture: Image) -> Image:
    height, width = picture.shape[:2]
    size = (_TILE_WIDTH, max(1, round(height * _TILE_WIDTH / width)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write(sheet: _Sheet, folder: Path) -> Path:
    tiles = sheet.tiles + [np.zeros_like(sheet.tiles[0])] * (_COLUMNS * _ROWS - len(sheet.tiles))
    rows = [np.hstack(tiles[start : start + _COLUMNS]) for start in range(0, len(tiles), _COLUMNS)]
    lines = [sheet.title, *(str(one) for one in sheet.sightings)]
    bar = np.zeros((26 * len(lines) + 6, rows[0].shape[1], 3), np.uint8)
    for number, line in enumerate(lines):
        words = line.encode("ascii", "replace").decode()
        cv2.putText(bar, words, (8, 26 * number + 21), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _TRUTH, 1, cv2.LINE_AA)
    _, data = cv2.imencode(".jpg", np.vstack([bar, *rows]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    path = folder / f"{sheet.name}.jpg"
    make_folder(folder)
    write_bytes(path, data.tobytes())
    return path


def evenly(pictures: Iterator[tuple[float, Image]], fps: float) -> Iterator[Image]:
    """One picture every 1 / fps seconds; where frames were left out the one before stands."""
    written, standing = 0, None
    for pts, picture in pictures:
        while standing is not None and written < round(pts * fps):
            yield standing
            written += 1
        standing = picture
    if standing is not None:
        yield standing
