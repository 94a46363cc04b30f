"""Two hundred damaged streams, each read in a process that must survive it. See `damage` for the kinds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.rig import encode_clip
from tests.integration.ingest.damage import FRAMING, TO_NALS, TO_PACKETS, Report


def run(clip: Path, count: int, what: str = "streams") -> Report:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.integration.ingest.damage", what, str(clip), str(count)],
        # One heap, so that what is freed shows.
        env={**os.environ, "MALLOC_ARENA_MAX": "1"}, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr  # -11 is a segmentation fault
    return Report(**json.loads(done.stdout))


def three_groups(path: Path, codec: str) -> Path:
    return encode_clip(path, seconds=1.5, gop=5, codec=codec, noise=True, size=(160, 90))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_damage_ends_nothing_leaks_nothing_and_the_next_good_picture_is_delivered(tmp_path: Path, codec: str) -> None:
    report = run(three_groups(tmp_path / "clip.mp4", codec), 100)
    assert report.streams == 100
    assert set(report.kinds) == {kind.__name__ for kind in (*TO_NALS, *TO_PACKETS)} | {FRAMING}
    # Where a length lies, the place in the connection is lost: the next connection delivers.
    assert [kind for kind in report.broken_off if not kind.startswith(FRAMING)] == []
    assert report.not_back == []
    assert report.unexpected == []
    assert report.threads_left == []
    assert report.unnoticed < 25, "otherwise the damage is none"
    if codec == "libx264":  # FFmpeg's decoder of H.265 hardly looks
        assert report.errors > 50
    assert max(report.megabytes[2:]) - max(report.megabytes[:2]) < 40.0
    assert report.peak_megabytes < 400.0, "a parameter set that asks for a GB did not get it"


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_damaged_files_end_nothing_either(tmp_path: Path, codec: str) -> None:
    report = run(three_groups(tmp_path / "clip.mp4", codec), 60, "files")
    assert report.streams == 60
    assert report.unexpected == []
    assert 0 < len(report.broken_off) < 60, "some cannot be read at all, and some can"
    assert max(report.megabytes[2:]) - max(report.megabytes[:2]) < 40.0
