import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridwatch.app.recordings import gather
from gridwatch.domain import UsageError

TRUTH: dict[str, Any] = {
    "schema": "gridwatch-truth/1",
    "zones": {"yard": [[0, 0], [1, 0], [1, 1]]},
    "rules": [
        {"id": "of-truth", "kind": "intrusion", "zone": "yard", "dwell_seconds": 2.0},
        {"id": "health.covered", "kind": "camera_tamper", "seconds": 7.0},
    ],
    "incidents": [{"kind": "intrusion", "from": 1}],
}


def clip(path: Path, **truth: object) -> Path:
    """An empty file that nobody decodes here, with its truth beside it when there is any."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    if truth:
        path.with_suffix(".json").write_text(json.dumps(truth), encoding="utf-8")
    return path


def deployment(path: Path, file: Path, rule: str) -> Path:
    camera = {
        "id": "c", "site": "d", "position": [0, 0], "source": {"file": str(file)},
        "zones": TRUTH["zones"], "rules": [{"id": rule, "kind": "intrusion", "zone": "yard"}],
    }  # fmt: skip
    document = {"version": 1, "district": {"id": "d", "name": "D"}, "cameras": [camera]}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_folder_gives_its_clips_by_name_each_with_its_truth(tmp_path: Path) -> None:
    clip(tmp_path / "b.mp4", **TRUTH)
    clip(tmp_path / "deeper" / "a.MKV", **TRUTH)
    (tmp_path / "notes.txt").touch()
    found = gather([tmp_path], None, None, None)
    assert [one.name for one in found] == ["b", "a"]
    assert all(one.truth is not None and len(one.truth.incidents) == 1 for one in found)


def test_truth_may_lie_in_a_folder_of_its_own(tmp_path: Path) -> None:
    clip(tmp_path / "streams" / "a.mp4")
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "a.json").write_text(json.dumps(TRUTH), encoding="utf-8")
    (one,) = gather([tmp_path / "streams"], None, None, None)
    assert one.truth is not None


def test_a_truth_file_that_says_what_is_watched_needs_no_configuration(tmp_path: Path) -> None:
    (one,) = gather([clip(tmp_path / "a.mp4", **TRUTH)], None, None, None)
    assert [rule.id for rule in one.watched.camera.rules] == ["of-truth"]
    assert one.watched.health.covered_seconds == 7.0


def test_the_configuration_beside_a_clip_comes_before_its_truths_and_the_one_given_before_both(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", **TRUTH)
    deployment(tmp_path / "a.yaml", path, "beside")
    (beside,) = gather([path], None, None, None)
    (given,) = gather([path], deployment(tmp_path / "given.yaml", path, "given"), None, None)
    assert [rule.id for one in (beside, given) for rule in one.watched.camera.rules] == ["beside", "given"]


def test_the_deployment_here_is_the_last_resort(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4")
    with pytest.raises(UsageError, match=r"nothing says what to watch; give --config, or put a\.yaml beside it"):
        gather([path], None, None, None)
    deployment(tmp_path / "gridwatch.yaml", path, "here")
    (one,) = gather([path], None, None, None)
    assert [rule.id for rule in one.watched.camera.rules] == ["here"]
    assert one.truth is None


def test_what_a_truth_file_watches_is_checked_like_a_configuration(tmp_path: Path) -> None:
    wrong = {**TRUTH, "rules": [{"id": "r", "kind": "intrusion", "zone": "yrd"}]}
    with pytest.raises(UsageError, match=r"a\.json.*has no zone 'yrd'; did you mean 'yard'"):
        gather([clip(tmp_path / "a.mp4", **wrong)], None, None, None)


def test_one_expectation_cannot_be_that_of_two_clips(tmp_path: Path) -> None:
    for name in ("a", "b"):
        clip(tmp_path / f"{name}.mp4", **TRUTH)
    with pytest.raises(UsageError, match="--expect is for one clip, and there are 2"):
        gather([tmp_path], None, None, tmp_path / "a.json")


def test_clips_of_one_name_are_refused(tmp_path: Path) -> None:
    clip(tmp_path / "x" / "a.mp4", **TRUTH)
    clip(tmp_path / "y" / "a.mp4", **TRUTH)
    with pytest.raises(UsageError, match="two recordings are named a"):
        gather([tmp_path], None, None, None)


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no recording"):
        gather([tmp_path], None, None, None)
