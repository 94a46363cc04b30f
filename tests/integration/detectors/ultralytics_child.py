"""Runs inside the environment that test_ultralytics.py makes: a YOLO of random weights, its exports, and what we see.

`python ultralytics_child.py FOLDER LABELS` writes the weights into FOLDER and prints what each says of one picture.
"""

import hashlib
import importlib.metadata
import json
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np


def main() -> None:
    """See the module."""
    folder, labels = Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()
    os.chdir(folder)
    os.environ |= {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": str(folder)}
    stand_in_for_torchvision()
    import torch
    from ultralytics import YOLO

    torch.manual_seed(1)
    model = YOLO("yolo11n.yaml", task="detect")
    model.model.names = dict(enumerate(labels))
    for branch in model.model.model[-1].cv3:
        branch[-1].bias.data[2] += 12.0  # so that random weights see cars everywhere
    model.save("y.pt")
    YOLO("y.pt").export(format="onnx")
    YOLO("y.pt").export(format="openvino")
    model.model.names = {**model.model.names, 3: "face"}
    model.save("face.pt")
    print(json.dumps({name: seen(folder / name) for name in ("y.pt", "y.onnx", "y_openvino_model/y.xml", "face.pt")}))  # noqa: T201


def stand_in_for_torchvision() -> None:
    """Ultralytics asks torchvision for its version and for suppression only, which it has a version of its own of."""
    version = importlib.metadata.version
    importlib.metadata.version = lambda name: "0.28.0" if name == "torchvision" else version(name)
    vision, ops = ModuleType("torchvision"), ModuleType("torchvision.ops")
    for module in (vision, ops):
        module.__spec__ = ModuleSpec(module.__name__, None)

    def nms(boxes: object, scores: object, iou_threshold: float) -> object:
        from ultralytics.utils.nms import TorchNMS

        return TorchNMS.nms(boxes, scores, iou_threshold)

    vision.__version__, vision.ops, ops.nms = "0.28.0", ops, nms  # type: ignore[attr-defined]
    sys.modules |= {"torchvision": vision, "torchvision.ops": ops}


def seen(path: Path) -> object:
    """Label, score and box of what the weights see, or the error."""
    from gridwatch.config.detectors import DetectorModel
    from gridwatch.detectors.errors import DetectorError
    from gridwatch.detectors.loading import load_detector

    files = [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]
    sha256 = hashlib.sha256(b"".join(one.read_bytes() for one in files)).hexdigest()
    picture = np.random.default_rng(1).integers(0, 256, (640, 640, 3)).astype(np.uint8)
    try:
        detector = load_detector(
            DetectorModel.model_validate({"weights": path, "weights_sha256": sha256, "min_score": 0.5})
        )
        (found,) = detector.detect([picture])
    except DetectorError as error:
        return f"{type(error).__name__}: {error}"
    return [(one.label, one.score, (one.box.x1, one.box.y1, one.box.x2, one.box.y2)) for one in found]


if __name__ == "__main__":
    main()
