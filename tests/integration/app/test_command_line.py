"""The program as a person starts it: exit codes, messages, and that nothing was started on bad input."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[3]
STREAMS = REPOSITORY / "samples" / "streams"
TRUTH = REPOSITORY / "samples" / "truth"


def gridwatch(*arguments: str | Path, timeout: float = 90.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gridwatch", *map(str, arguments)],
        capture_output=True, text=True, timeout=timeout, check=False, env={"PATH": "/usr/bin:/bin", "COLUMNS": "200"},
    )  # fmt: skip


@pytest.fixture
def deployment(tmp_path: Path) -> Callable[..., Path]:
    """A deployment whose one camera plays `clip` with the zones, lines and rules of its truth file, then changed."""

    def write(clip: str, **changes: object) -> Path:
        truth = json.loads((TRUTH / f"{clip}.json").read_text(encoding="utf-8"))
        camera = {
            "id": "camera", "site": "harbour", "position": [121.5, 31.2],
            "source": {"file": str(STREAMS / f"{clip}.mp4")},
            "zones": truth["zones"], "lines": truth["lines"], "rules": truth["rules"],
        }  # fmt: skip
        document = {
            "version": 1, "district": {"id": "harbour", "name": "Harbour"}, "cameras": [{**camera, **changes}],
            "services": {"data_dir": str(tmp_path / "data")},
        }  # fmt: skip
        path = tmp_path / "deployment.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path

    return write


def test_a_good_deployment_is_said_to_be_good(deployment: Callable[..., Path]) -> None:
    done = gridwatch("check-config", "--config", deployment("plaza-day"))
    assert done.returncode == 0, done.stderr
    assert "1 sites, 1 cameras, 2 rules" in done.stdout


@pytest.mark.parametrize("command", ["check-config", "run", "ingest", "record", "serve"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"site": "nowhere"}, "no site 'nowhere' in the tree"),
        ({"zones": {"square": [[0, 0], [1, 1], [1, 0], [0, 1]], "lawn": [[0, 0], [1, 0], [1, 1]]}}, "crosses itself"),
        ({"colour": "red"}, "unknown key"),
    ],
)
def test_every_role_refuses_a_wrong_deployment_and_starts_nothing(
    deployment: Callable[..., Path], tmp_path: Path, command: str, change: dict[str, object], says: str
) -> None:
    path = deployment("plaza-day", **change)
    done = gridwatch(command, "--config", path)
    assert done.returncode == 2
    assert says in done.stderr
    assert f"{path}:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", ["check-config", "run", "ingest"])
@pytest.mark.parametrize(("weights", "says"), [(None, "nowhere.onnx"), (b"changed", "changed.onnx")])
def test_missing_or_changed_weights_are_refused(
    deployment: Callable[..., Path], tmp_path: Path, command: str, weights: bytes | None, says: str
) -> None:
    path = deployment("plaza-day")
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["detector"] = {"weights": says, "weights_sha256": "0" * 64}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    if weights is not None:
        (tmp_path / says).write_bytes(weights)
    done = gridwatch(command, "--config", path)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_an_unknown_camera_is_refused(deployment: Callable[..., Path]) -> None:
    done = gridwatch("ingest", "--config", deployment("plaza-day"), "--camera", "nowhere")
    assert done.returncode == 2
    assert "no camera nowhere in the deployment; it has camera" in done.stderr


@pytest.mark.parametrize("clip", ["plaza-day", "road-day", "road-dusk", "left-bag", "stopped-car", "covered-lens"])
def test_a_synthetic_sample_gives_exactly_its_truth(clip: str) -> None:
    """With the zones, lines and rules of its truth file, which lies where it is looked for."""
    done = gridwatch("replay", STREAMS / f"{clip}.mp4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 missed, 0 false" in done.stdout
    assert "0 found" not in done.stdout


def test_what_is_not_as_expected_is_shown_and_exits_1(deployment: Callable[..., Path], tmp_path: Path) -> None:
    expected = tmp_path / "expected.json"
    expected.write_text('{"incidents": [{"kind": "intrusion", "from": 29.0}]}', encoding="utf-8")
    done = gridwatch("replay", STREAMS / "plaza-day.mp4", "--config", deployment("plaza-day"), "--expect", expected)
    assert done.returncode == 1
    assert "0 found, 1 missed, 3 false" in done.stdout


def test_the_same_recording_gives_the_same_bytes(deployment: Callable[..., Path], tmp_path: Path) -> None:
    path = deployment("road-dusk")
    files = [tmp_path / "first.json", tmp_path / "second.json"]
    for file in files:
        done = gridwatch("replay", STREAMS / "road-dusk.mp4", "--config", path, "--json", file)
        assert done.returncode == 0, done.stderr
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert len(json.loads(first)["clips"][0]["incidents"]) == 7


@pytest.mark.parametrize("content", [b"", b"no video", None])
def test_a_file_that_is_no_video_is_refused_by_name(
    deployment: Callable[..., Path], tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "broken.mp4"
    if content is not None:
        file.write_bytes(content)
    done = gridwatch("replay", file, "--config", deployment("plaza-day"))
    assert done.returncode == 2
    assert "broken.mp4" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_rig_camera_needs_a_name_and_a_file() -> None:
    done = gridwatch("rig", "just-a-name")
    assert done.returncode == 2
    assert "is not NAME=FILE" in done.stderr
