"""Evidence pictures that show what happened and not who was there."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.detectors.errors import DetectorError
from gridwatch.domain import Box, Evidence, Frame, Image

_MAX_WIDTH: Final = 1280
_QUALITY: Final = 80
_HEAD_HEIGHT: Final = 0.40
"""Share of a person's box from its top. A head is an eighth of it; but boxes tremble, begin beside the head, and one is
often around two people of whom the nearer hides the other's legs."""
_ABOVE: Final = 0.15
"""...and above it, in heights."""
_HEAD_WIDTHS: Final = 0.8
"""The same in widths of the box, for people of whom only the upper body is in sight."""
_HEAD_MARGIN: Final = 0.35
"""Widened on either side by this share of a person's width: boxes sit as far beside the person when another is near."""
_SLIM: Final = 0.4
"""Width over height below which a box is too narrow to be all of a person: its margin is that of a wider one."""
_CELLS: Final = 4
"""Squares a head is wide after pixelation: too few for any face, whatever is done to the picture later."""
_ACROSS_EDGES: Final = 8
"""Pixels a privacy zone grows by: one block of JPEG, so that what is beside the zone does not ring into it."""
_AROUND: Final = 0.5
"""Shown around an object in a close-up, in its widths and heights on each side."""
_CLOSE_SIDE: Final = 640
"""Pixels of a close-up's longer side, at most."""
_FRAME_COLOUR: Final = (0, 200, 255)


class EvidenceError(DetectorError):
    """A picture could not be encoded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A masked picture: what an incident says about it, and its bytes."""

    evidence: Evidence
    jpeg: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class CutOut:
    """Part of a frame, not masked yet."""

    frame: Frame
    """Its image is the part."""
    where: Box
    """Of the whole picture."""
    people: tuple[Box, ...]
    """All who may be persons, in fractions of the whole picture."""


def snapshot(
    frame: Frame, boxes: Iterable[Box], people: Iterable[Box], privacy: Sequence[Sequence[tuple[float, float]]]
) -> Snapshot:
    """Mask `frame` and encode it as JPEG, at most 1280 wide. The frame's own picture is left as it is.

    `boxes` take part in the incident and are framed; `people` are all who may be persons, also by weak detections:
    their heads are made unrecognisable for good. `privacy` polygons (fractions) come out black.
    Raises EvidenceError when the picture cannot be encoded.
    """
    picture = _sized(frame.image)
    height, width = picture.shape[:2]
    _mask_heads(picture, people)
    for box in boxes:
        corners = (round(box.x1 * width), round(box.y1 * height)), (round(box.x2 * width), round(box.y2 * height))
        cv2.rectangle(picture, *corners, _FRAME_COLOUR, 1 + width // 800)
    _black_out(picture, privacy)
    return _snapshot(frame, picture)


def cut_out(frame: Frame, box: Box, people: Iterable[Box]) -> CutOut:
    """The part of `frame` around `box`, as it is: quick, so that it can be taken of every good look.

    Raises EvidenceError when the box has no pixel.
    """
    height, width = frame.image.shape[:2]
    x, y = _AROUND * box.width, _AROUND * box.height
    left, top = int(max(0.0, box.x1 - x) * width), int(max(0.0, box.y1 - y) * height)
    right, low = math.ceil(min(1.0, box.x2 + x) * width), math.ceil(min(1.0, box.y2 + y) * height)
    part = frame.image[top:low, left:right]
    if part.size == 0:
        raise EvidenceError(f"a box of {box.width:.4f} x {box.height:.4f} of the picture shows nothing")
    scale = min(1.0, _CLOSE_SIDE / max(part.shape[:2]))
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    picture = part.copy() if scale == 1.0 else cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return CutOut(
        frame=replace(frame, image=np.asarray(picture, np.uint8)), people=tuple(people),
        where=Box(x1=left / width, y1=top / height, x2=right / width, y2=low / height),
    )  # fmt: skip


def close_up(cut: CutOut, privacy: Sequence[Sequence[tuple[float, float]]]) -> Snapshot:
    """Mask `cut` and encode it, as `snapshot` does a whole picture. `privacy` is in fractions of the whole.

    Raises EvidenceError when the picture cannot be encoded.
    """
    picture, where = cut.frame.image.copy(), cut.where

    def inside(x: float, y: float) -> tuple[float, float]:
        return (x - where.x1) / where.width, (y - where.y1) / where.height

    for one in cut.people:
        (x1, y1), (x2, y2) = inside(one.x1, one.y1), inside(one.x2, one.y2)
        _mask_head(picture, Box(x1=x1, y1=y1, x2=x2, y2=y2))
    _black_out(picture, [[inside(*corner) for corner in zone] for zone in privacy])
    return _snapshot(cut.frame, picture)


def _snapshot(frame: Frame, picture: Image) -> Snapshot:
    jpeg = _encode(picture)
    evidence = Evidence(
        sha256=hashlib.sha256(jpeg).hexdigest(), media_type="image/jpeg", bytes=len(jpeg), width=picture.shape[1],
        height=picture.shape[0], captured_at=frame.captured_at, masked=True,
    )  # fmt: skip
    return Snapshot(evidence=evidence, jpeg=jpeg)


def masked(image: Image, people: Iterable[Box], privacy: Sequence[Sequence[tuple[float, float]]]) -> Image:
    """A copy of `image`, at most 1280 wide, with the heads of `people` and the `privacy` polygons gone for good."""
    picture = _sized(image)
    _mask_heads(picture, people)
    _black_out(picture, privacy)
    return picture


def head_of(person: Box, aspect: float) -> Box:
    """Where the head of `person` is, generously. `aspect` is width over height of the picture."""
    side = _HEAD_MARGIN * max(person.width, _SLIM * person.height / aspect)
    deep = max(_HEAD_HEIGHT * person.height, min(_HEAD_WIDTHS * person.width * aspect, person.height))
    return Box(
        x1=max(0.0, person.x1 - side), y1=max(0.0, person.y1 - _ABOVE * person.height),
        x2=min(1.0, person.x2 + side), y2=min(1.0, person.y1 + deep),
    )  # fmt: skip


def _sized(image: Image) -> Image:
    """A copy, shrunk to the largest width allowed."""
    height, width = image.shape[:2]
    if width <= _MAX_WIDTH:
        return image.copy()
    size = (_MAX_WIDTH, max(1, round(height * _MAX_WIDTH / width)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _mask_heads(picture: Image, people: Iterable[Box]) -> None:
    for person in people:
        _mask_head(picture, person)


def _black_out(picture: Image, privacy: Sequence[Sequence[tuple[float, float]]]) -> None:
    height, width = picture.shape[:2]
    for zone in privacy:
        corners = np.round(np.array(zone) * (width, height)).astype(np.int32)
        cv2.fillPoly(picture, [corners], (0, 0, 0))
        cv2.polylines(picture, [corners], isClosed=True, color=(0, 0, 0), thickness=2 * _ACROSS_EDGES)


def _mask_head(picture: Image, person: Box) -> None:
    """Average into a few cells, which destroys the detail, then blur the cells, which only hides their edges."""
    height, width = picture.shape[:2]
    head = head_of(person, width / height)
    x1, y1 = int(head.x1 * width), int(head.y1 * height)
    x2, y2 = min(width, int(np.ceil(head.x2 * width))), min(height, int(np.ceil(head.y2 * height)))
    if x2 <= x1 or y2 <= y1:
        return
    region = picture[y1:y2, x1:x2]
    cells = (min(_CELLS, x2 - x1), min(_CELLS, y2 - y1))
    coarse = cv2.resize(region, cells, interpolation=cv2.INTER_AREA)
    blocks = cv2.resize(coarse, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)
    region[:] = cv2.GaussianBlur(blocks, (0, 0), max(1.0, (x2 - x1) / (2 * _CELLS)))


def _encode(picture: npt.NDArray[np.uint8]) -> bytes:
    try:
        done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    except cv2.error as error:
        raise EvidenceError(f"a picture of shape {picture.shape} cannot be encoded as JPEG") from error
    if not done:
        raise EvidenceError(f"a picture of shape {picture.shape} cannot be encoded as JPEG")
    return bytes(data.tobytes())
