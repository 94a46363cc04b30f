"""COCO annotations of videos: images with the video and frame they are from, annotations with a track.

Plain COCO knows neither; what is read here is what CVAT, BDD100K's and TAO's tools write beside it: `video_id` and
`frame_id` (or `frame_index`) of an image, `track_id` (or `instance_id`) of an annotation, and a list of `videos`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated as With
from typing import Final

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from gridwatch.app.annotated import Annotated, AnnotatedBox, fractions
from gridwatch.domain import UsageError

_SAME: Final = {"pedestrian": "person", "people": "person", "rider": "person", "motorbike": "motorcycle", "van": "car"}
"""What others call the classes of our detectors."""


class _Loose(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, allow_inf_nan=False)


class _Video(_Loose):
    id: int
    name: str | None = None
    fps: float | None = Field(default=None, gt=0, validation_alias=AliasChoices("fps", "frame_rate"))


class _Image(_Loose):
    id: int
    file_name: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    video: int = Field(default=0, validation_alias=AliasChoices("video_id", "video"))
    frame: int | None = Field(default=None, validation_alias=AliasChoices("frame_id", "frame_index", "frame"))


class _Annotation(_Loose):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, With[float, Field(gt=0)], With[float, Field(gt=0)]]
    """Left, top, width, height in pixels."""
    track: int = Field(validation_alias=AliasChoices("track_id", "instance_id"))


class _Category(_Loose):
    id: int
    name: str


class _Coco(_Loose):
    images: tuple[_Image, ...] = Field(min_length=1)
    annotations: tuple[_Annotation, ...]
    categories: tuple[_Category, ...]
    videos: tuple[_Video, ...] = ()


def read_coco(path: Path, fps: float | None) -> list[Annotated]:
    """The videos of an annotation file, by id; `fps` where the file does not say. Raises UsageError naming the place.

    Pictures are looked for by their file names, beside the file and in a folder `images` there.
    """
    coco = _load(path)
    images = {one.id: one for one in coco.images}
    labels = {one.id: _SAME.get(one.name.lower(), one.name.lower()) for one in coco.categories}
    boxes: dict[int, list[AnnotatedBox]] = {}
    for number, one in enumerate(coco.annotations):
        place = f"{path}: annotations[{number}] (id {one.id})"
        if one.image_id not in images:
            raise UsageError(f"{place}: there is no image {one.image_id}")
        if one.category_id not in labels:
            raise UsageError(f"{place}: there is no category {one.category_id}")
        image = images[one.image_id]
        box = fractions(*one.bbox, (image.width, image.height))
        if box is not None:
            found = AnnotatedBox(object_id=one.track, label=labels[one.category_id], box=box)
            boxes.setdefault(image.id, []).append(found)
    return list(_sequences(path, coco, boxes, fps))


def _load(path: Path) -> _Coco:
    try:
        return _Coco.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not JSON: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        raise UsageError(f"{path}: {place}: {first['msg']}; docs/replay.md says what is read") from error


def _sequences(path: Path, coco: _Coco, boxes: dict[int, list[AnnotatedBox]], fps: float | None) -> Iterator[Annotated]:
    videos = {one.id: one for one in coco.videos}
    for video in sorted({one.video for one in coco.images}):
        known = videos.get(video, _Video(id=video))
        rate = known.fps or fps
        if rate is None:
            raise UsageError(f"{path}: video {video} does not say its fps; give --fps")
        images = [one for one in coco.images if one.video == video]
        # Frames are numbered from 0 or 1, or not at all; file names then have their order.
        images.sort(key=lambda one: (one.frame is None, one.frame or 0, one.file_name))
        first = images[0]
        if any((one.width, one.height) != (first.width, first.height) for one in images):
            raise UsageError(f"{path}: the images of video {video} differ in size")
        name = Path(known.name).stem if known.name else path.stem if len(videos) < 2 else f"{path.stem}-{video}"
        yield Annotated(
            name=name, source=f"{path.name} (COCO)", width=first.width, height=first.height, fps=rate,
            frames=tuple(tuple(boxes.get(one.id, ())) for one in images), pictures=_pictures(path.parent, images),
        )  # fmt: skip


def _pictures(folder: Path, images: list[_Image]) -> tuple[Path, ...]:
    for base in (folder, folder / "images"):
        files = tuple(base / one.file_name for one in images)
        if all(file.is_file() for file in files):
            return files
    return ()
