"""A network that pauses in the middle of a picture, between a real camera and a real reader."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from gridwatch.config.model import CameraConfig, CameraSource
from gridwatch.ingest import StreamStalled, recorded_frames
from gridwatch.rig import VirtualCamera
from tests.fixtures.rig import MakeRig, encode_clip
from tests.integration.ingest.harness import DEADLINE, Watched, camera_config, watching


class PausingProxy:
    """Forwards one connection; once `after` bytes went to the client it keeps the rest back for `seconds`, once."""

    def __init__(self, port: int, *, after: int, seconds: float) -> None:
        self._target = port
        self._after = after
        self._seconds = seconds
        self._closing = threading.Event()
        self._sockets = ExitStack()
        self._server = self._sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._server.settimeout(DEADLINE)
        self.port: int = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve, name="proxy")]
        self._threads[0].start()

    def close(self) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join(DEADLINE)
        self._sockets.close()

    def _serve(self) -> None:
        client = self._sockets.enter_context(self._server.accept()[0])
        camera = self._sockets.enter_context(socket.create_connection(("127.0.0.1", self._target)))
        back = threading.Thread(target=self._forward, args=(client, camera, None), name="proxy-back")
        self._threads.append(back)
        back.start()
        self._forward(camera, client, self._after)

    def _forward(self, source: socket.socket, target: socket.socket, after: int | None) -> None:
        source.settimeout(0.1)
        sent = 0
        while not self._closing.is_set():
            try:
                data = source.recv(4096)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            try:
                if after is not None and sent <= after < sent + len(data):
                    target.sendall(data[: after - sent])
                    self._closing.wait(self._seconds)
                    target.sendall(data[after - sent :])
                else:
                    target.sendall(data)
            except OSError:
                return
            sent += len(data)


@pytest.fixture(scope="module")
def busy_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 90 kB a picture, so that any place in the stream is in the middle of one; a key picture each second."""
    return encode_clip(tmp_path_factory.mktemp("clips") / "busy.mp4", seconds=3, noise=True)


@pytest.mark.parametrize("seconds", [0.8, 2.5])
def test_a_pause_in_mid_picture_loses_nothing(rig: MakeRig, busy_clip: Path, seconds: float) -> None:
    with paused(rig, busy_clip, seconds) as camera, watching(camera) as watched:
        watched.wait_for_frames(20 + round(10 * seconds))
        assert watched.error is None
    assert [frame.pts for frame in watched.frames] == pytest.approx(
        [i / 10 for i in range(len(watched.frames))], abs=0.01
    )
    assert_whole(watched, busy_clip)


def test_a_stall_in_mid_picture_hands_out_no_half_of_one(rig: MakeRig, busy_clip: Path) -> None:
    with paused(rig, busy_clip, DEADLINE) as camera, watching(camera, stall_seconds=1.0) as watched:
        error = watched.wait_for_error()
    assert isinstance(error, StreamStalled)
    assert len(watched.frames) > 8
    assert_whole(watched, busy_clip)


@contextmanager
def paused(rig: MakeRig, clip: Path, seconds: float) -> Iterator[CameraConfig]:
    """A camera whose network pauses for `seconds` after about 1.3 s of video."""
    url = rig(VirtualCamera(id="cam1", clip=clip)).rtsp_url("cam1")
    proxy = PausingProxy(int(url.rsplit(":", 1)[1].split("/")[0]), after=1_234_567, seconds=seconds)
    try:
        yield camera_config(CameraSource(rtsp=f"rtsp://127.0.0.1:{proxy.port}/cam1"), fps=10)
    finally:
        proxy.close()


def assert_whole(watched: Watched, clip: Path) -> None:
    """Every picture is the one that was recorded at its time."""
    whole = [frame.image for frame in recorded_frames(clip, "gate-3", 10, datetime(2026, 1, 1, tzinfo=UTC))]
    for frame in watched.frames:
        assert np.array_equal(frame.image, whole[round(frame.pts * 10) % len(whole)]), frame.pts
