"""Between pictures and tensors: letterboxing in, boxes out. Pure functions, safe from any thread."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from gridwatch.domain import Box, Detection, Image

Tensor = npt.NDArray[np.float32]

_GREY = 114
"""Colour of the bars, as Ultralytics has it; the packaged weights were calibrated and measured with it."""
_IOU = 0.5
"""Boxes of one class that overlap more are one object. AP50 of the packaged weights was measured with it."""
_MOVERS = frozenset({
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
})  # fmt: skip
"""What moves by itself. A model of COCO's 80 classes calls a car seen from above a phone or a toilet rather than a car:
what it says of these classes counts too where another class has won."""
_MAX_CANDIDATES = 1000
"""Bound on the quadratic suppression: a picture of noise may light up thousands of anchors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Letterbox:
    """How a picture lies in the network's input: scaled to `inner_width` x `inner_height`, then moved."""

    height: int
    """Of the network's input, pixels; likewise width."""
    width: int
    inner_height: int
    inner_width: int
    top: int
    left: int

    @classmethod
    def fit(cls, picture: tuple[int, int], target: tuple[int, int]) -> "Letterbox":
        """The largest that keeps the picture's aspect, centred. Both sizes are (height, width), at least 1."""
        height, width = target
        scale = min(width / picture[1], height / picture[0])
        inner_height = min(height, max(1, round(picture[0] * scale)))
        inner_width = min(width, max(1, round(picture[1] * scale)))
        return cls(
            height=height, width=width, inner_height=inner_height, inner_width=inner_width,
            top=(height - inner_height) // 2, left=(width - inner_width) // 2,
        )  # fmt: skip

    def fractions(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Input pixels to fractions of the picture, clipped to 0..1; shape (2, n).

        Divides by the rounded inner size of each axis, not by the common scale: that is how the picture was resized,
        so its own edges come back as exactly 0 and 1 for every size.
        """
        inside = np.stack([(x - self.left) / self.inner_width, (y - self.top) / self.inner_height])
        return np.clip(inside, 0.0, 1.0)


def to_tensor(image: Image, box: Letterbox) -> Tensor:
    """RGB 0..1, shape (1, 3, height, width), with the picture letterboxed in grey."""
    canvas = np.full((box.height, box.width, 3), _GREY, np.uint8)
    inner = canvas[box.top : box.top + box.inner_height, box.left : box.left + box.inner_width]
    inner[:] = cv2.resize(image, (box.inner_width, box.inner_height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.dnn.blobFromImage(canvas, 1 / 255.0, swapRB=True), np.float32)


def to_detections(output: Tensor, box: Letterbox, labels: tuple[str, ...], min_score: float) -> tuple[Detection, ...]:
    """Decode one picture's output: the best class of each anchor, from `min_score` on, suppressed class by class.

    Where that is no mover, the anchor's best mover counts as well, from `min_score` on.

    `output` is (4 + classes, anchors): centre x, centre y, width, height in input pixels, then scores 0..1. Best
    score first; ties keep the order of anchors, so equal tensors give equal results.
    """
    scores = output[4:].max(axis=0)
    chosen = np.flatnonzero(scores >= min_score)
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")[:_MAX_CANDIDATES]]
    centre_x, centre_y, width, height = output[:4, chosen].astype(np.float64)
    near = box.fractions(centre_x - width / 2, centre_y - height / 2)
    far = box.fractions(centre_x + width / 2, centre_y + height / 2)
    # Boxes that lie on the bars alone have no area in the picture; comparisons drop NaN as well.
    real = (far > near).all(axis=0)
    chosen, near, far = chosen[real], near[:, real], far[:, real]
    classes = output[4:, chosen].argmax(axis=0)
    best = scores[chosen]
    again, other, second = _second_choices(output[4:, chosen], classes, labels, min_score)
    near, far = np.hstack([near, near[:, again]]), np.hstack([far, far[:, again]])
    classes, best = np.append(classes, other), np.append(best, second)
    rectangles = np.vstack([near, far - near]).T.tolist()
    # Overlap does not change when an axis is scaled, so fractions serve as well as pixels.
    kept = cv2.dnn.NMSBoxesBatched(rectangles, best.tolist(), classes.tolist(), 0.0, _IOU)
    return tuple(
        Detection(
            box=Box(x1=float(near[0, i]), y1=float(near[1, i]), x2=float(far[0, i]), y2=float(far[1, i])),
            label=labels[classes[i]],
            score=float(best[i]),
        )
        for i in sorted(kept, key=lambda i: (-best[i], i))
    )


def unpacked(rows: Tensor, classes: int) -> Tensor:
    """Boxes as a network gives them after its own suppression, in the form that `to_detections` takes.

    `rows` is (boxes, 6): left, top, right, bottom in input pixels, score, class; unused ones have score 0.
    """
    near, far = rows[:, :2].T, rows[:, 2:4].T
    anchors = np.zeros((4 + classes, len(rows)), np.float32)
    anchors[:2], anchors[2:4] = (near + far) / 2, far - near
    anchors[4 + rows[:, 5].astype(int).clip(0, classes - 1), np.arange(len(rows))] = rows[:, 4]
    return anchors


def _second_choices(
    scores: Tensor, classes: npt.NDArray[np.intp], labels: tuple[str, ...], min_score: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Tensor]:
    """Columns of `scores` (classes, anchors) whose best class is no mover, their best mover and its score."""
    movers = np.array([index for index, label in enumerate(labels) if label in _MOVERS], np.intp)
    columns = np.flatnonzero(~np.isin(classes, movers))
    if not movers.size or not columns.size:
        return columns[:0], classes[:0], scores[0, :0]
    among = scores[np.ix_(movers, columns)]
    best = among.argmax(axis=0)
    second = among[best, np.arange(columns.size)]
    enough = second >= min_score
    return columns[enough], movers[best[enough]], second[enough]
