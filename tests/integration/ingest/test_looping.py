"""A recorded file that is played in a loop."""

from pathlib import Path

import pytest

from gridwatch.config.model import CameraSource
from gridwatch.domain import CameraState
from gridwatch.ingest import StreamEnded, UnreadableFile
from tests.fixtures.rig import encode_clip
from tests.integration.ingest.harness import camera_config, run_to_error, watching


@pytest.mark.parametrize("b_frames", [0, 2])
def test_it_goes_on_as_one_stream_at_its_own_speed(tmp_path: Path, b_frames: int) -> None:
    clip = encode_clip(tmp_path / "short.mp4", seconds=0.6, b_frames=b_frames)
    with watching(camera_config(CameraSource(file=clip, loop=True), fps=10)) as watched:
        watched.wait_for_frames(15)
    frames = watched.frames[:15]
    assert watched.states == [CameraState.CONNECTING, CameraState.UP]
    assert [frame.index for frame in frames] == list(range(15))
    assert [round(frame.pts, 3) for frame in frames] == [round(number / 10, 3) for number in range(15)]
    lasted = (frames[14].arrived_at - frames[0].arrived_at).total_seconds()
    assert lasted == pytest.approx(1.4, abs=0.4)
    assert (frames[0].image == frames[6].image).all()
    assert (frames[0].image == frames[12].image).all()
    assert (frames[0].image != frames[3].image).any()


def test_without_loop_it_ends(tmp_path: Path) -> None:
    clip = encode_clip(tmp_path / "short.mp4", seconds=0.6)
    assert isinstance(run_to_error(camera_config(CameraSource(file=clip))), StreamEnded)


def test_a_file_without_times_is_refused_rather_than_raced_through(tmp_path: Path) -> None:
    clip = encode_clip(tmp_path / "short.h264", seconds=0.6)
    error = run_to_error(camera_config(CameraSource(file=clip, loop=True)))
    assert isinstance(error, UnreadableFile)
    assert "does not say when" in error.reason


def test_a_file_of_one_picture_is_shown_at_its_rate(tmp_path: Path) -> None:
    clip = encode_clip(tmp_path / "one.mp4", seconds=0.1)
    with watching(camera_config(CameraSource(file=clip, loop=True), fps=10)) as watched:
        watched.wait_for_frames(4)
    assert [round(frame.pts, 3) for frame in watched.frames[:4]] == [0.0, 0.1, 0.2, 0.3]
