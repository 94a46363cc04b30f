"""Annotations of others to clips and truth of ours."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console

from gridwatch.app.annotated import PIXEL_KINDS, Annotated, truth_of
from gridwatch.app.annotations_coco import read_coco
from gridwatch.app.annotations_mot import read_mot
from gridwatch.app.writing import make_folder, write_text
from gridwatch.config import CameraConfig, load_settings
from gridwatch.domain import Image, UsageError
from gridwatch.rig.scenes import encode


def convert(source: Path, config: Path, camera: str | None, out: Path, fps: float | None, tolerance: float) -> None:
    """Write NAME.json, and NAME.mp4 where the pictures are there, for each sequence of `source` into `out`.

    `source` is a MOTChallenge sequence's folder or a COCO file. Raises UsageError naming what is wrong and where.
    """
    watching = _camera(config, camera)
    sequences = [read_mot(source)] if source.is_dir() else read_coco(source, fps)
    make_folder(out)
    console = Console(highlight=False, soft_wrap=True)
    for rule in watching.rules:
        if rule.kind in PIXEL_KINDS:
            console.print(f"left out: rule {rule.id}; boxes do not tell of {rule.kind}")
    for sequence in sequences:
        write_text(out / f"{sequence.name}.json", truth_of(sequence, watching, tolerance))
        if sequence.pictures:
            encode(_read(sequence), out / f"{sequence.name}.mp4", Fraction(sequence.fps).limit_denominator(1001))
        clip = "its clip" if sequence.pictures else f"no pictures: put {sequence.name}.mp4 beside it"
        console.print(f"{out / sequence.name}.json, {len(sequence.frames)} pictures; {clip}")


def _camera(config: Path, wanted: str | None) -> CameraConfig:
    cameras = [one for one in load_settings(config).deployment.cameras if wanted in {None, one.id}]
    if len(cameras) != 1:
        raise UsageError(f"{config}: say with --camera whose zones and rules apply")
    if not cameras[0].rules:
        raise UsageError(f"{config}: camera {cameras[0].id} has no rules, so nothing would be true")
    return cameras[0]


def _read(sequence: Annotated) -> Iterator[Image]:
    for path in sequence.pictures:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise UsageError(f"{path} cannot be read as a picture")
        if image.shape[:2] != (sequence.height, sequence.width):
            height, width = image.shape[:2]
            raise UsageError(f"{path} is {width}x{height}, and the annotations {sequence.width}x{sequence.height}")
        # H.264 takes even sizes only; a row or column at the edge is no loss.
        yield np.ascontiguousarray(image[: sequence.height // 2 * 2, : sequence.width // 2 * 2], np.uint8)
