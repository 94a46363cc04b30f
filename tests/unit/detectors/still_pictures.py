"""Small pictures of a street on which things are left and taken, with what a detector would see in them."""

from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np

from gridwatch.detectors.still_objects import StillObjects
from gridwatch.domain import Box, Detection, Image, Track
from tests.unit.detectors.scenes import FPS, moment

WIDTH, HEIGHT = 320, 180
BAG = (150, 110, 168, 128)
"""Left, top, right, bottom in pixels, of what is left in most tests."""
DARK = (40, 35, 45)

Rectangle = tuple[int, int, int, int]
Step = tuple[Image, tuple[Detection, ...]]
"""A picture and what a detector sees in it."""


def street() -> Image:
    """Paving with a lawn; the same every time."""
    rng = np.random.default_rng(7)
    ground = cv2.GaussianBlur(rng.normal(128, 40, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 3) * 2 - 128
    picture = np.clip(np.repeat(ground[..., None], 3, axis=2), 90, 165)
    picture[::20] -= 25
    picture[:, ::32] -= 25
    picture[60:180, 230:] *= (0.6, 1.0, 0.6)
    return np.clip(picture, 0, 255).astype(np.uint8)


def draw(picture: Image, where: Rectangle, colour: tuple[int, int, int] = DARK) -> None:
    """A thing: one colour, a band and a rim."""
    x1, y1, x2, y2 = where
    cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), colour, -1)
    band = (y1 + y2) // 2
    picture[band : band + 2, x1:x2] = np.clip(np.array(colour) * 2 + 20, 0, 255)


def person(picture: Image, x: int, foot: int = 130, height: int = 60) -> Detection:
    """Somebody stands with the feet at (x, foot). Returns what a detector sees."""
    half = height // 6
    draw(picture, (x - half, foot - height, x + half, foot - height // 2), (120, 60, 50))
    draw(picture, (x - half, foot - height // 2, x + half, foot), (60, 50, 40))
    cv2.circle(picture, (x, foot - height + 5), 5, (120, 150, 190), -1)
    return boxed((x - half - 2, foot - height - 2, x + half + 2, foot + 2), "person")


def boxed(where: Rectangle, label: str, score: float = 0.8) -> Detection:
    x1, y1, x2, y2 = where
    box = Box(x1=max(0, x1) / WIDTH, y1=max(0, y1) / HEIGHT, x2=min(WIDTH, x2) / WIDTH, y2=min(HEIGHT, y2) / HEIGHT)
    return Detection(box=box, label=label, score=score)


def film(seconds: float, scene: Callable[[Image, float], Sequence[Detection]], fps: float = FPS) -> list[Step]:
    """`scene` draws into a street at a second and says what a detector sees. With the noise of a sensor."""
    still, rng, steps = street(), np.random.default_rng(3), []
    for index in range(round(seconds * fps)):
        picture = still.copy()
        seen = tuple(scene(picture, index / fps))
        noisy = picture + rng.normal(0, 1.5, picture.shape)
        steps.append((np.clip(noisy, 0, 255).astype(np.uint8), seen))
    return steps


def leaves_a_bag(picture: Image, t: float, *, until: float = 1e9) -> list[Detection]:
    """Walks in from the left, sets a bag down at 6.0 s, goes on to the right at 7.0 s, out of the picture at 12 s.

    At `until` somebody takes it away.
    """
    if 6.0 <= t < until:
        draw(picture, BAG)
    if 2.0 <= t < 12.0:
        x = -20 + 38 * (t - 2.0) if t < 6.0 else 132 + 38 * max(0.0, t - 7.0)
        if t < 6.0:
            draw(picture, (int(x) + 18, 110, int(x) + 36, 128))
        return [person(picture, int(x))]
    if until - 3.0 <= t < until + 4.0:
        return [person(picture, int(175 - 60 * max(until - t, 0.0)) if t < until else int(175 + 50 * (t - until)))]
    return []


def watch(
    steps: Iterable[Step], still: StillObjects | None = None, fps: float = FPS, start: float = 0.0
) -> list[tuple[float, tuple[Track, ...]]]:
    """Seconds and tracks, picture by picture."""
    still = still or StillObjects()
    return [
        (start + i / fps, still.look(image, moment(start + i / fps), seen, ())) for i, (image, seen) in enumerate(steps)
    ]


def labels(watched: Sequence[tuple[float, tuple[Track, ...]]]) -> set[str]:
    """Of all things there were."""
    return {one.label for _, tracks in watched for one in tracks}


def spans(watched: Sequence[tuple[float, tuple[Track, ...]]], label: str) -> list[tuple[float, float, float]]:
    """(since, told, last told) of each thing of a label."""
    found: dict[int, tuple[float, float, float]] = {}
    for seconds, tracks in watched:
        for one in tracks:
            if one.label == label:
                told = found.get(one.id, (one.first_seen, seconds, seconds))[1]
                found[one.id] = (one.first_seen, told, seconds)
    return list(found.values())
