"""The integrator's kit as a person uses it: make scenes, replay the folder, read the reports."""

import json
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
    """Two scenes of the kit."""
    folder = tmp_path_factory.mktemp("made")
    done = gridwatch(
        "samples", "make", "--out", folder, "--scene", "intrusion", "--scene", "wrong-way", "--variant", "day"
    )
    assert done.returncode == 0, done.stderr
    assert "2 clips" in done.stdout
    return folder


def test_a_scene_is_a_clip_its_truth_and_a_configuration_that_is_good(made: Path) -> None:
    names = sorted(path.name for path in made.iterdir())
    assert names == [f"{name}-day.{kind}" for name in ("intrusion", "wrong-way") for kind in ("json", "mp4", "yaml")]
    done = gridwatch("check-config", "--config", made / "wrong-way-day.yaml")
    assert done.returncode == 0, done.stderr


def test_a_folder_is_replayed_with_its_truth_and_gives_the_same_bytes_whatever_the_processes(
    made: Path, tmp_path: Path
) -> None:
    files = []
    for jobs in ("1", "2"):
        reports = tmp_path / f"{jobs}.json", tmp_path / f"{jobs}.xml"
        done = gridwatch("replay", made, "--jobs", jobs, "--json", reports[0], "--junit", reports[1])
        assert done.returncode == 0, done.stdout + done.stderr
        assert "4 found, 0 missed, 0 false" in done.stdout
        files.append([report.read_bytes() for report in reports])
    assert files[0] == files[1]
    suites = etree.fromstring(files[0][1]).findall("testsuite")
    assert [(suite.get("name"), suite.get("tests")) for suite in suites] == [
        ("intrusion-day", "3"),
        ("wrong-way-day", "3"),
    ]
    assert json.loads(files[0][0])["kinds"].keys() == {"intrusion", "wrong_way"}


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
