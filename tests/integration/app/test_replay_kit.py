"""The integrator's kit as a person uses it: make scenes, replay the folder, read the reports."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree


def gridwatch(*arguments: str | Path, timeout: float = 900.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gridwatch", *map(str, arguments)],
        capture_output=True, text=True, timeout=timeout, check=False, env={"PATH": "/usr/bin:/bin", "COLUMNS": "200"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of the kit."""
    folder = tmp_path_factory.mktemp("made")
    done = gridwatch("samples", "make", "--out", folder, "--scene", "intrusion", "--variant", "day")
    assert done.returncode == 0, done.stderr
    assert "1 made" in done.stdout
    return folder


def test_a_scene_is_a_clip_its_truth_and_a_configuration_that_is_good(made: Path) -> None:
    assert sorted(path.name for path in made.iterdir()) == [f"intrusion-day.{kind}" for kind in ("json", "mp4", "yaml")]
    done = gridwatch("check-config", "--config", made / "intrusion-day.yaml")
    assert done.returncode == 0, done.stderr


def test_a_folder_is_replayed_with_its_truth_and_gives_the_same_bytes_whatever_the_processes(
    made: Path, tmp_path: Path
) -> None:
    """One clip with its configuration beside it, the other with the one of its truth file."""
    for path in made.iterdir():
        shutil.copy(path, tmp_path)
    for ending in (".mp4", ".json"):
        shutil.copy(made / f"intrusion-day{ending}", tmp_path / f"again{ending}")
    files = []
    for jobs in ("1", "2"):
        reports = tmp_path / f"{jobs}.report", tmp_path / f"{jobs}.xml"
        done = gridwatch("replay", tmp_path, "--jobs", jobs, "--json", reports[0], "--junit", reports[1])
        assert done.returncode == 0, done.stdout + done.stderr
        assert "4 found, 0 missed, 0 false" in done.stdout
        files.append([report.read_bytes() for report in reports])
    assert files[0] == files[1]
    suites = etree.fromstring(files[0][1]).findall("testsuite")
    assert [(suite.get("name"), suite.get("tests")) for suite in suites] == [("again", "3"), ("intrusion-day", "3")]
    (kind,) = json.loads(files[0][0])["kinds"]
    assert kind == "intrusion"


def test_a_miss_exits_1_and_is_drawn(made: Path, tmp_path: Path) -> None:
    expected = tmp_path / "expected.json"
    expected.write_text('{"incidents": [{"kind": "intrusion", "from": 1.0}]}', encoding="utf-8")
    done = gridwatch("replay", made / "intrusion-day.mp4", "--expect", expected, "--sheet", tmp_path / "sheets")
    assert done.returncode == 1
    assert "0 found, 1 missed, 2 false" in done.stdout
    assert len(list((tmp_path / "sheets").glob("intrusion-day-*.jpg"))) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("replay", "nowhere.mp4"), "nothing says what to watch"),
        (("samples", "make", "--out", "x", "--scene", "moon"), "there is no scene 'moon'; there are intrusion, "),
        (("samples", "make", "--out", "x", "--variant", "fog"), "there is no variant 'fog'; there are day, dusk, "),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], says: str) -> None:
    done = gridwatch(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_scenes_of_every_rule_are_found_at_dusk_in_rain_and_behind_a_starved_encoder(tmp_path: Path) -> None:
    """Half of the scenes, another version of one, and a lens out of focus behind noise as fine as what it loses.

    docs/replay.md has what all of them give.
    """
    variants = [word for variant in ("dusk", "rain", "compression") for word in ("--variant", variant)]
    assert gridwatch("samples", "make", "--out", tmp_path, *variants, timeout=1500).returncode == 0
    other = ("--seed", "1", "--scene", "intrusion", "--variant", "rain")
    assert gridwatch("samples", "make", "--out", tmp_path, *other).returncode == 0
    assert (tmp_path / "intrusion-1-rain.json").exists()
    noise = ("--scene", "camera-tamper", "--variant", "noise")
    assert gridwatch("samples", "make", "--out", tmp_path, *noise).returncode == 0
    report = tmp_path / "report"
    done = gridwatch("replay", tmp_path, "--json", report, timeout=1500)
    total = json.loads(report.read_text(encoding="utf-8"))["total"]
    assert total["expected"] == 3 * 16 + 2 + 2
    assert (total["missed"], total["false"]) == (0, 0), done.stdout
    assert total["time_to_detect"]["max"] <= 2.0, done.stdout
