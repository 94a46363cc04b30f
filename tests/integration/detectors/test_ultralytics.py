"""The real Ultralytics, in an environment of its own: torch is too large, and its licence another, to be with ours.

What it brings beyond our own dependencies is installed without theirs, since `pip install ultralytics` brings CUDA.
"""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from gridwatch.domain import Box

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
WANTED = [
    "ultralytics==8.4.190", "torch==2.13.0", "filelock", "typing-extensions", "sympy", "mpmath", "networkx", "jinja2",
    "MarkupSafe", "fsspec", "pillow", "requests", "charset-normalizer", "idna", "urllib3", "certifi", "tqdm",
]  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("ultralytics")
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    installed = subprocess.run(
        [python, "-m", "pip", "install", "-q", "--no-deps", *WANTED], capture_output=True, text=True, check=False
    )
    if installed.returncode != 0:
        pytest.skip(f"Ultralytics cannot be installed here: {installed.stderr[-300:]}")
    paths = [str(ROOT), sysconfig.get_paths()["purelib"]]
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    (site / "ours.pth").write_text("\n".join(paths), encoding="utf-8")
    labels = ROOT / "gridwatch" / "detectors" / "labels_coco80.txt"
    done = subprocess.run(
        [python, HERE / "ultralytics_child.py", folder, labels], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def boxes(rows: object) -> list[tuple[str, float, Box]]:
    assert isinstance(rows, list), rows
    return [(label, score, Box(x1=box[0], y1=box[1], x2=box[2], y2=box[3])) for label, score, box in rows]


@pytest.mark.parametrize("export", ["y.onnx", "y_openvino_model/y.xml"])
def test_its_weights_and_their_exports_see_the_same(seen: dict[str, object], export: str) -> None:
    ours, theirs = boxes(seen[export]), boxes(seen["y.pt"])
    assert len(ours) >= 10
    for label, score, box in ours:  # theirs are more: Ultralytics suppresses what overlaps by .7, and we by .5
        same = max(theirs, key=lambda other: other[2].iou(box))
        assert (same[0], label) == ("car", "car")
        assert same[2].iou(box) > 0.7
        assert same[1] == pytest.approx(score, abs=0.01)


def test_a_face_class_is_refused(seen: dict[str, object]) -> None:
    assert str(seen["face.pt"]).startswith("IdentityModelRefused: ")
