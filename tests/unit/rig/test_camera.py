"""Wrong cameras are refused before anything starts."""

from pathlib import Path

import pytest

from gridwatch.domain import UsageError
from gridwatch.rig import ClipError, Rig, RigSetupError, RigThread, VirtualCamera
from gridwatch.rig.camera import Channel
from gridwatch.rig.clip import Clip

CLIP = Path("clip.mp4")


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "a/b"},
        {"id": ""},
        {"id": "a", "username": "u"},
        {"id": "a", "password": "p"},
        {"id": "a", "start_seconds": -1.0},
    ],
)
def test_a_wrong_camera_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        VirtualCamera(clip=CLIP, **wrong)


def test_a_cameras_text_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(VirtualCamera(id="a", clip=CLIP, username="u", password="hunter2"))


def test_a_start_past_the_clips_end_is_refused(tiny_clip: Path) -> None:
    with pytest.raises(RigSetupError, match=r"past the clip's 4\.0 s"):
        Channel(VirtualCamera(id="a", clip=tiny_clip, start_seconds=4), Clip.load(tiny_clip))


def test_two_cameras_of_one_id_are_refused(tiny_clip: Path) -> None:
    camera = VirtualCamera(id="a", clip=tiny_clip)

    with pytest.raises(RigSetupError, match="not unique"), RigThread(Rig([camera, camera])):
        pass


def test_a_missing_clip_stops_the_start_and_leaves_no_thread(tmp_path: Path) -> None:
    thread = RigThread(Rig([VirtualCamera(id="a", clip=tmp_path / "none.mp4")]))

    with pytest.raises(ClipError, match="no such file"):
        thread.start()

    assert not thread._thread.is_alive()


def test_a_taken_port_is_the_users_error(tiny_clip: Path) -> None:
    with RigThread(Rig([VirtualCamera(id="a", clip=tiny_clip)])) as rig:
        taken = int(rig.rtsp_url("a").split(":")[2].partition("/")[0])

        second = RigThread(Rig([VirtualCamera(id="a", clip=tiny_clip)], rtsp_port=taken))
        with pytest.raises(RigSetupError, match=r"cannot listen on 127\.0\.0\.1"):
            second.start()
