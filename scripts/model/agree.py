"""Do two builds of the model see the same? The int8 files are held to the fp32 model's detections by this measure.

Reference and candidate are compared picture by picture. A detection of score `STRONG` or more in one must have a
partner in the other: same class, IoU of at least `SAME_PLACE`, each partner used once, best score first. The partner
may score down to `WEAK`, because a detection that is .41 here and .39 there is agreement, not a miss. Then

* found: the share of the reference's strong detections that have a partner in the candidate;
* confirmed: the share of the candidate's strong detections that have a partner in the reference;
* score difference: mean absolute difference of the scores of all pairs.

They agree when found and confirmed are at least `MIN_SHARE` and the score difference is at most `MAX_DIFFERENCE`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import typer

from gridwatch.config.detectors import DetectorModel
from gridwatch.detectors.loading import load_detector
from gridwatch.detectors.openvino_engine import has_openvino
from gridwatch.detectors.weights import PACKAGED_WEIGHTS, read_manifest
from gridwatch.domain import Box, Detection

STRONG = 0.4
WEAK = 0.25
SAME_PLACE = 0.5
MIN_SHARE = 0.95
MAX_DIFFERENCE = 0.03

PICTURES = Path(__file__).parents[2] / "tests/data/pictures"
GOLDEN = PICTURES / "golden.json"

Seen = Mapping[str, Sequence[Detection]]
"""Detections by the picture's file name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """How far two models agree; see the module."""

    found: float
    confirmed: float
    score_difference: float
    strong: int
    """How many strong detections were compared, of both sides together."""

    @property
    def holds(self) -> bool:
        """True when all three are within their thresholds; False when there was nothing to compare."""
        shares = min(self.found, self.confirmed)
        return self.strong > 0 and shares >= MIN_SHARE and self.score_difference <= MAX_DIFFERENCE

    def __str__(self) -> str:
        return (
            f"found {self.found:.3f}, confirmed {self.confirmed:.3f} (at least {MIN_SHARE}), score difference "
            f"{self.score_difference:.3f} (at most {MAX_DIFFERENCE}), {self.strong} strong detections"
        )


def compare(reference: Seen, candidate: Seen) -> Agreement:
    """Measure agreement over the pictures of `reference`; a picture missing from `candidate` raises KeyError."""
    found, confirmed = [], []
    for picture, expected in reference.items():
        found += _partners(expected, candidate[picture])
        confirmed += _partners(candidate[picture], expected)
    differences = [abs(one.score - other.score) for one, other in found + confirmed if other is not None]
    return Agreement(
        found=_share(found),
        confirmed=_share(confirmed),
        score_difference=sum(differences) / max(1, len(differences)),
        strong=len(found) + len(confirmed),
    )


def _partners(ours: Sequence[Detection], theirs: Sequence[Detection]) -> list[tuple[Detection, Detection | None]]:
    free = [one for one in theirs if one.score >= WEAK]
    pairs: list[tuple[Detection, Detection | None]] = []
    for one in sorted(ours, key=lambda detection: -detection.score):
        if one.score < STRONG:
            break
        near = [other for other in free if other.label == one.label and one.box.iou(other.box) >= SAME_PLACE]
        best = max(near, key=lambda other: one.box.iou(other.box), default=None)
        if best is not None:
            free.remove(best)
        pairs.append((one, best))
    return pairs


def _share(pairs: Sequence[tuple[Detection, Detection | None]]) -> float:
    return sum(other is not None for _, other in pairs) / len(pairs) if pairs else 1.0


Runtime = Literal["onnxruntime", "openvino"]


def see(weights: Path, pictures: Iterable[Path], runtime: Runtime = "onnxruntime") -> dict[str, tuple[Detection, ...]]:
    """What the model in that file finds in the pictures, from score `WEAK` on."""
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    detector = load_detector(DetectorModel(weights=weights, weights_sha256=sha256, min_score=WEAK, runtime=runtime))
    seen = {}
    for picture in pictures:
        image = cv2.imread(str(picture))
        if image is None:
            raise typer.BadParameter(f"{picture} is no picture that OpenCV can read")
        (seen[picture.name],) = detector.detect([np.asarray(image, np.uint8)])
    return seen


def fixed_pictures() -> list[Path]:
    """The pictures kept for this check, by name."""
    return sorted(path for path in PICTURES.iterdir() if path.suffix in {".jpg", ".png"})


def read_golden(input_size: str) -> dict[str, tuple[Detection, ...]]:
    """The fp32 model's detections at `input_size` (like `256x416`) on the fixed pictures."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    if input_size not in golden:
        raise typer.BadParameter(f"no golden detections for {input_size}, only for {', '.join(golden)}")
    return {
        name: tuple(
            Detection(box=Box(**dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))), label=label, score=score)
            for label, score, box in rows
        )
        for name, rows in golden[input_size]["pictures"].items()
    }


def write_golden(fp32: Mapping[str, Path]) -> None:
    """Replace the golden file by what the given fp32 models, by input size, see on the fixed pictures."""
    golden = {}
    for input_size, weights in fp32.items():
        seen = see(weights, fixed_pictures())
        golden[input_size] = {
            "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
            "pictures": {name: [_row(one) for one in detections] for name, detections in seen.items()},
        }
    text = json.dumps(golden, indent=1)
    GOLDEN.write_text(text + "\n", encoding="utf-8")


def _row(one: Detection) -> list[object]:
    box = [round(side, 5) for side in (one.box.x1, one.box.y1, one.box.x2, one.box.y2)]
    return [one.label, round(one.score, 5), box]


def check(input_size: str, weights: Path, runtime: Runtime = "onnxruntime") -> Agreement:
    """The agreement of a file with the golden detections of its input size."""
    return compare(read_golden(input_size), see(weights, fixed_pictures(), runtime))


def main(
    weights: Annotated[
        list[str] | None, typer.Argument(help="HxW=FILE; default: the packaged int8 files", show_default=False)
    ] = None,
    *,
    write: Annotated[
        bool, typer.Option("--write-golden", help="make these (fp32) files the new reference instead")
    ] = False,
) -> None:
    """Check int8 weights against the fp32 model's detections on fixed pictures; exit 1 on disagreement."""
    files = _named(weights) if weights else packaged_files()
    if write:
        write_golden(files)
        typer.echo(f"wrote {GOLDEN}")
        return
    runtimes: list[Runtime] = ["onnxruntime", "openvino"] if has_openvino() else ["onnxruntime"]
    agreements = {(size, runtime): check(size, file, runtime) for size, file in files.items() for runtime in runtimes}
    for (size, runtime), agreement in agreements.items():
        typer.echo(f"{size} {runtime}: {'agrees' if agreement.holds else 'DISAGREES'}: {agreement}")
    if not all(agreement.holds for agreement in agreements.values()):
        raise typer.Exit(1)


def _named(weights: Sequence[str]) -> dict[str, Path]:
    files = {}
    for one in weights:
        input_size, equals, file = one.partition("=")
        if not equals or not Path(file).is_file():
            raise typer.BadParameter(f"{one!r} is not HxW=FILE with a file that exists, like 416x416=model.onnx")
        files[input_size] = Path(file)
    return files


def packaged_files() -> dict[str, Path]:
    """The packaged int8 files by input size."""
    manifest, _ = read_manifest(PACKAGED_WEIGHTS)
    return {f"{one.input[0]}x{one.input[1]}": PACKAGED_WEIGHTS / one.file for one in manifest.files}


if __name__ == "__main__":
    typer.run(main)
