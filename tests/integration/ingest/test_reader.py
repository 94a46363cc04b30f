import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest

from gridwatch.domain import CameraState, SystemClock
from gridwatch.ingest import Reader, ReaderTally, StreamEnded, UnreadableFile, recorded_frames
from gridwatch.rig import VirtualCamera
from tests.fixtures.rig import MakeRig, encode_clip
from tests.integration.ingest.harness import (
    DEADLINE,
    camera_config,
    connection_threads,
    file_source,
    onvif_source,
    rtsp_source,
    run_to_error,
    watching,
)


def wait_until_no_connection_is_left() -> None:
    deadline = time.perf_counter() + 2.0
    for thread in threading.enumerate():
        if thread.name.startswith("read-"):
            thread.join(max(0.0, deadline - time.perf_counter()))
    assert connection_threads() == []


def open_descriptors() -> int:
    return psutil.Process().num_fds()


def test_a_camera_found_by_onvif_gives_frames_at_its_analysis_rate(rig: MakeRig) -> None:
    with watching(camera_config(onvif_source(rig(), "cam1"))) as watched:
        watched.wait_for_frames(12)
        frames = watched.frames[:12]
        tally = watched.tally.snapshot()
    assert watched.states == [CameraState.CONNECTING, CameraState.UP]
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.pts for frame in frames] == pytest.approx([i / 5 for i in range(12)], abs=0.002)
    assert {frame.camera for frame in frames} == {"gate-3"}
    assert {frame.image.shape for frame in frames} == {(180, 320, 3)}
    arrivals = [frame.arrived_at for frame in frames]
    # The first frames may come in a bunch, having waited for the decoder; over ten of them the rate is real time.
    assert (arrivals[-1] - arrivals[1]).total_seconds() == pytest.approx(2.0, abs=0.3)
    assert tally.emitted >= 12
    # What no analysed picture is built on is not decoded: the ones before each keyframe.
    assert tally.decoded + tally.passed_over >= 23
    assert tally.bytes > 1000
    assert (tally.decode_errors, tally.connections, tally.reconnects) == (0, 1, 0)


def test_the_wall_clock_of_a_frame_is_that_of_the_camera(rig: MakeRig) -> None:
    with watching(camera_config(onvif_source(rig(), "cam1"), fps=10)) as watched:
        watched.wait_for_frames(6)
        now = datetime.now(UTC)  # noqa: TID251 - compared with the real clock
        latest = watched.frames[-1]
        drift = watched.tally.snapshot().clock_drift_seconds
    # FFmpeg hands a picture out when the next one begins: one interval of this 10 fps clip, and 100 ms for the rest.
    assert -0.01 < (now - latest.arrived_at).total_seconds() < 0.1
    assert 0.0 <= (latest.arrived_at - latest.captured_at).total_seconds() < 0.2
    assert drift == pytest.approx(0.0, abs=0.25)


@pytest.mark.parametrize("skew", [3600.0, -45.0])
def test_a_camera_with_a_wrong_clock_is_reported_and_its_frames_dated_right(
    rig: MakeRig, tiny_clip: Path, skew: float
) -> None:
    wrong = VirtualCamera(
        id="cam1", clip=tiny_clip, username="operator", password="correct horse", clock_skew_seconds=skew
    )
    with watching(camera_config(onvif_source(rig(wrong), "cam1"))) as watched:
        watched.wait_for_frames(3)
    assert watched.tally.snapshot().clock_drift_seconds == pytest.approx(skew, abs=0.5)
    for frame in watched.frames:
        # ONVIF tells whole seconds, so the correction is good to about half of one.
        assert abs((frame.arrived_at - frame.captured_at).total_seconds()) < 1.0


def test_a_camera_without_onvif_is_read_by_its_rtsp_url(rig: MakeRig, tiny_clip: Path) -> None:
    running = rig("cam1", VirtualCamera(id="open", clip=tiny_clip))
    for source in (rtsp_source(running, "cam1"), rtsp_source(running, "open", userinfo="")):
        with watching(camera_config(source)) as watched:
            watched.wait_for_frames(2)


def test_live_and_recorded_pictures_of_the_same_time_are_the_same_bytes(rig: MakeRig, tiny_clip: Path) -> None:
    with watching(camera_config(onvif_source(rig(), "cam1"), fps=10)) as watched:
        watched.wait_for_frames(15)
    recorded = recorded_frames(tiny_clip, "gate-3", 10, datetime(2026, 1, 1, tzinfo=UTC))
    pairs = list(zip(watched.frames, recorded, strict=False))
    assert len(pairs) >= 15
    for live, replayed in pairs:
        assert live.pts == pytest.approx(replayed.pts, abs=0.002)
        assert np.array_equal(live.image, replayed.image)


def test_stop_ends_a_streaming_reader_at_once_and_leaves_no_thread(rig: MakeRig) -> None:
    with watching(camera_config(onvif_source(rig(), "cam1"))) as watched:
        watched.wait_for_frames(1)
        began = time.perf_counter()
        watched.reader.stop()
        watched.thread.join(DEADLINE)
        assert time.perf_counter() - began < 1.0
        handed_out = len(watched.frames)
    assert watched.error is None
    wait_until_no_connection_is_left()
    assert len(watched.frames) == handed_out


def test_a_process_may_end_while_a_stopped_reader_still_waits_for_its_camera() -> None:
    script = """
import socket, threading
from gridwatch.config.model import CameraConfig, CameraSource
from gridwatch.domain import SystemClock
from gridwatch.ingest import Reader, ReaderTally
with socket.create_server(("127.0.0.1", 0)) as server:
    source = CameraSource(rtsp=f"rtsp://127.0.0.1:{server.getsockname()[1]}/live")
    camera = CameraConfig(id="gate-3", site="north", position=(0, 0), source=source)
    reader = Reader(camera, SystemClock(), print, lambda *_: None, ReaderTally())
    thread = threading.Thread(target=reader.run_once)
    thread.start()
    connection, _ = server.accept()
    connection.recv(100)
    reader.stop()
    thread.join()
    assert [t.name for t in threading.enumerate() if t.name.startswith("read-")] == ["read-gate-3"]
    print("stopped", flush=True)
"""
    command = [sys.executable, "-W", "error", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "stopped\n" in iter(process.stdout.readline, "")
        began = time.perf_counter()
        _, errors = process.communicate(timeout=DEADLINE)
        took = time.perf_counter() - began
    assert (process.returncode, errors) == (0, "")
    assert took < 2.0


def test_a_reader_stopped_before_it_runs_does_not_connect(rig: MakeRig) -> None:
    tally = ReaderTally()
    running = rig()
    reader = Reader(camera_config(onvif_source(running, "cam1")), SystemClock(), lambda _: None, lambda *_: None, tally)
    reader.stop()
    reader.run_once()
    assert tally.snapshot().connections == 0


def test_twenty_reconnects_leak_no_file_descriptor_and_no_thread(rig: MakeRig) -> None:
    running = rig()
    camera = camera_config(onvif_source(running, "cam1"))

    def connect() -> None:
        with watching(camera) as watched:
            watched.wait_for_frames(1)
        wait_until_no_connection_is_left()

    connect()  # what is opened once and kept, is open from here
    before = open_descriptors()
    for _ in range(20):
        connect()
    # The rig's side of the last connection may still be closing.
    assert open_descriptors() <= before + 2


def test_a_recorded_file_plays_in_real_time_and_then_ends(tmp_path: Path) -> None:
    clip = encode_clip(tmp_path / "short.mp4", seconds=1.5)
    began = time.perf_counter()
    with watching(camera_config(file_source(clip))) as watched:
        error = watched.wait_for_error()
        took = time.perf_counter() - began
    assert isinstance(error, StreamEnded)
    assert "short.mp4" in str(error)
    assert 1.3 < took < 3.0
    assert [frame.pts for frame in watched.frames] == pytest.approx([i / 5 for i in range(8)])
    assert watched.states == [CameraState.CONNECTING, CameraState.UP]
    gaps = [(b.arrived_at - a.arrived_at).total_seconds() for a, b in pairwise(watched.frames)]
    assert max(gaps) < 0.5
    assert all(frame.captured_at == frame.arrived_at for frame in watched.frames)


def test_stop_ends_a_playing_file_at_once(tiny_clip: Path) -> None:
    with watching(camera_config(file_source(tiny_clip), fps=0.1)) as watched:
        watched.wait_for_frames(1)
        began = time.perf_counter()
        watched.reader.stop()
        watched.thread.join(DEADLINE)
        assert time.perf_counter() - began < 0.5
    assert watched.error is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "damaged.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(4000))
    error = run_to_error(camera_config(file_source(tmp_path / "damaged.mp4")))
    assert isinstance(error, UnreadableFile)
    assert str(error).startswith("camera gate-3: ")
    assert "damaged.mp4" in str(error)
