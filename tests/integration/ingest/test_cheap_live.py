"""An idle camera over RTSP: asleep while nothing moves, and nothing is missing from when something does."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gridwatch.detectors.gate import GateSettings, MotionGate
from gridwatch.domain import Frame, SystemClock
from gridwatch.ingest import Attention, Reader, ReaderTally, recorded_frames
from gridwatch.rig import VirtualCamera
from tests.fixtures.quiet import Encoding, backdrop, encode, quiet_then_moving
from tests.fixtures.rig import MakeRig
from tests.integration.ingest.harness import DEADLINE, camera_config, rtsp_source

FPS, QUIET, MOVING = 10, 85, 25


class Analysis:
    """A motion gate with a short memory, on a thread of its own as the real one is."""

    def __init__(self, wanted: int) -> None:
        self.attention = Attention()
        self.frames: list[Frame] = []
        self.done = threading.Event()
        self._wanted = wanted
        self._gate = MotionGate(settings=GateSettings(recent_seconds=1.0))
        self._waiting: list[Frame] = []
        self.most_waiting = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="analysis", daemon=True)
        self._thread.start()

    def take(self, frame: Frame) -> None:
        with self._changed:
            self._waiting.append(frame)
            self.most_waiting = max(self.most_waiting, len(self._waiting))
            self._changed.notify()

    def _work(self) -> None:
        while not self.done.is_set():
            with self._changed:
                assert self._changed.wait_for(lambda: self._waiting, DEADLINE)
                frame = self._waiting.pop(0)
            self._gate.judge(frame.image, frame.pts, tracked=False, unsettled=False)
            self.frames.append(frame)
            self.attention.looked(frame, idle=self._gate.is_idle)
            if frame.pts * FPS >= self._wanted - 0.01:
                self.done.set()


def test_an_idle_camera_sleeps_and_wakes_without_losing_a_picture(rig: MakeRig, tmp_path: Path) -> None:
    path = encode(tmp_path / "c.mp4", quiet_then_moving(backdrop(640, 360), QUIET, MOVING), FPS, Encoding(gop=10))
    running = rig(VirtualCamera(id="quiet", clip=path))
    tally, analysis = ReaderTally(), Analysis(wanted=QUIET + 15)
    camera = camera_config(rtsp_source(running, "quiet", userinfo=""))
    reader = Reader(
        camera, SystemClock(), analysis.take, lambda *_: None, tally, attention=analysis.attention, stall_seconds=3.0
    )
    thread = threading.Thread(target=reader.run_once, name="reader")
    thread.start()
    try:
        assert analysis.done.wait(DEADLINE)
    finally:
        reader.stop()
        thread.join(DEADLINE)
    counts = tally.snapshot()
    assert counts.wakes == 1
    assert counts.passed_over + counts.decoded > QUIET
    recorded = {
        round(frame.pts, 3): frame.image
        for frame in recorded_frames(path, "gate-3", camera.analysis_fps, datetime(2026, 1, 1, tzinfo=UTC))
    }
    awake = [frame for frame in analysis.frames if QUIET / FPS - 0.01 <= frame.pts <= (QUIET + 15) / FPS]
    assert [round(frame.pts, 1) for frame in awake] == [t for t in recorded if QUIET / FPS <= t <= (QUIET + 15) / FPS]
    assert all(np.array_equal(frame.image, recorded[round(frame.pts, 1)]) for frame in awake)
    assert [frame.index for frame in analysis.frames] == list(range(len(analysis.frames)))
    # The queue behind a reader holds two.
    assert analysis.most_waiting <= 2
