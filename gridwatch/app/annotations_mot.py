"""Sequences of the MOTChallenge: a folder with seqinfo.ini, gt/gt.txt and, where they are there, the pictures.

The format is that of the MOTChallenge development kit: each line of gt.txt is frame, id, left, top, width, height,
flag, class, visibility (MOT16 and later) or frame, id, left, top, width, height, flag, x, y, z (2D MOT 2015:
pedestrians only).
"""

import configparser
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gridwatch.app.annotated import Annotated, AnnotatedBox, fractions
from gridwatch.domain import UsageError

_CLASSES: Final = {
    1: "person", 2: "person", 3: "car", 4: "bicycle", 5: "motorcycle", 7: "person",
}  # fmt: skip
"""MOT16 and later: 2 rides a vehicle and 7 stands still; 6 and 8 to 13 are crowds, occluders and reflections."""
_HIGHEST_CLASS: Final = 13


def read_mot(folder: Path) -> Annotated:
    """The sequence in `folder`. Raises UsageError naming file and line."""
    info = _Info(folder / "seqinfo.ini")
    size = (info.number("imWidth"), info.number("imHeight"))
    length = info.number("seqLength")
    frames: list[list[AnnotatedBox]] = [[] for _ in range(length)]
    for frame, one in _boxes(folder / "gt" / "gt.txt", size, length):
        frames[frame - 1].append(one)
    pictures = folder / info.text("imDir", "img1")
    ending = info.text("imExt", ".jpg")
    files = tuple(pictures / f"{number:06d}{ending}" for number in range(1, length + 1))
    return Annotated(
        name=info.text("name", folder.resolve().name), source=f"{folder.resolve().name}/gt/gt.txt (MOTChallenge)",
        width=size[0], height=size[1], fps=info.rate("frameRate"), frames=tuple(tuple(boxes) for boxes in frames),
        pictures=files if pictures.is_dir() else (),
    )  # fmt: skip


class _Info:
    """seqinfo.ini."""

    def __init__(self, path: Path) -> None:
        self._path = path
        parser = configparser.ConfigParser()
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys are mixed case
        try:
            parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
            self._section = parser["Sequence"]
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from error
        except KeyError as error:
            raise UsageError(f"{path}: there is no section [Sequence]") from error
        except (configparser.Error, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is no INI file: {error}") from error

    def text(self, key: str, default: str) -> str:
        return self._section.get(key, default).strip()

    def number(self, key: str) -> int:
        value = self.rate(key)
        if value != int(value):
            raise UsageError(f"{self._path}: {key} is {value}, which is no whole number")
        return int(value)

    def rate(self, key: str) -> float:
        text = self._section.get(key)
        if text is None:
            raise UsageError(f"{self._path}: {key} is missing in [Sequence]")
        try:
            value = float(text)
        except ValueError as error:
            raise UsageError(f"{self._path}: {key} is {text!r}, which is no number") from error
        if not 0 < value < 1e7:
            raise UsageError(f"{self._path}: {key} is {text}, which cannot be")
        return value


def _boxes(path: Path, size: tuple[int, int], length: int) -> Iterator[tuple[int, AnnotatedBox]]:
    """Frame number, from 1, and box, for each line that is to be counted and of a class that rules know."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        frame, one = _parse(f"{path}:{number}", line, size)
        if not 1 <= frame <= length:
            raise UsageError(f"{path}:{number}: there is no frame {frame}; seqinfo.ini says 1 to {length}")
        if one is not None:
            yield frame, one


def _parse(place: str, line: str, size: tuple[int, int]) -> tuple[int, AnnotatedBox | None]:
    parts = line.split(",")
    if len(parts) not in (7, 8, 9, 10):
        raise UsageError(f"{place}: {len(parts)} values; frame, id, left, top, width, height, flag come first, then "
                         "class and visibility")  # fmt: skip
    try:
        values = [float(part) for part in parts]
        frame, identity = int(parts[0]), int(values[1])
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from error
    if not all(map(math.isfinite, values)):
        raise UsageError(f"{place}: not every value is a finite number")
    is_2015 = len(parts) in (7, 10)
    kind = 1 if is_2015 else int(values[7])
    if not 1 <= kind <= _HIGHEST_CLASS:
        raise UsageError(f"{place}: there is no class {kind}; the MOTChallenge has 1 to {_HIGHEST_CLASS}")
    left, top, width, height = values[2:6]
    if width <= 0 or height <= 0:
        raise UsageError(f"{place}: a box of {width:g} x {height:g} pixels")
    box = fractions(left, top, width, height, size)
    if box is None or values[6] == 0 or kind not in _CLASSES:
        return frame, None
    visible = values[8] if len(parts) == 9 else 1.0
    return frame, AnnotatedBox(object_id=identity, label=_CLASSES[kind], box=box, visible=min(1.0, max(0.0, visible)))
