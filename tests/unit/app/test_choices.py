from pathlib import Path

import pytest

from gridwatch.app.ingest import choose_cameras, node_name
from gridwatch.app.recordings import choose_camera
from gridwatch.config import Deployment
from gridwatch.domain import UsageError


def deployment(*files: str) -> Deployment:
    cameras = [
        {"id": f"camera-{number}", "site": "harbour", "position": [0, 0], "source": {"file": file}}
        for number, file in enumerate(files)
    ]
    return Deployment.model_validate({"version": 1, "district": {"id": "harbour", "name": "H"}, "cameras": cameras})


def test_all_cameras_are_ingested_unless_some_are_named() -> None:
    three = deployment("/a.mp4", "/b.mp4", "/c.mp4")
    assert [one.id for one in choose_cameras(three, [])] == ["camera-0", "camera-1", "camera-2"]
    assert [one.id for one in choose_cameras(three, ["camera-2", "camera-0", "camera-2"])] == ["camera-2", "camera-0"]


def test_an_unknown_camera_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="no camera camera-9 in the deployment; it has camera-0"):
        choose_cameras(deployment("/a.mp4"), ["camera-9"])


def test_a_deployment_without_cameras_cannot_be_ingested() -> None:
    with pytest.raises(UsageError, match="has no cameras"):
        choose_cameras(deployment(), [])


def test_a_node_is_named_by_its_cameras_in_any_order() -> None:
    assert node_name([]) == "ingest"
    assert node_name(["b", "a"]) == node_name(["a", "b", "a"]) != node_name(["a"])


def test_the_camera_that_plays_the_file_is_replayed() -> None:
    assert choose_camera(deployment("/a.mp4", "/b.mp4"), Path("/b.mp4"), None).id == "camera-1"


def test_the_only_camera_is_replayed_whatever_the_file() -> None:
    assert choose_camera(deployment("/a.mp4"), Path("/elsewhere.mp4"), None).id == "camera-0"


@pytest.mark.parametrize("wanted", [None, "camera-9"])
def test_a_file_whose_camera_is_unclear_asks_for_one(wanted: str | None) -> None:
    with pytest.raises(UsageError, match="camera-0, camera-1"):
        choose_camera(deployment("/a.mp4", "/b.mp4"), Path("/c.mp4"), wanted)
