"""A camera of either make behind a bad network, and a reader that is run again whenever it ends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

from gridwatch.config.model import CameraConfig, CameraSource
from gridwatch.domain import CameraState, Frame, SystemClock
from gridwatch.ingest import IngestError, Reader, ReaderTally, recorded_frames
from gridwatch.ingest.rtsp import OPEN_SECONDS, Transport
from tests.fixtures.proxy import FaultProxy
from tests.integration.ingest.harness import DEADLINE, connection_threads
from tests.waiting import wait_until

STALL_SECONDS = 1.0
RETRY_SECONDS = 0.1


@dataclass
class Seen:
    """What a camera gave since the last `forget`."""

    frames: list[Frame] = field(default_factory=list)
    errors: list[IngestError] = field(default_factory=list)
    ups: int = 0


class Persistent:
    """Runs the reader of one camera again and again, as the supervisor does. Conditions are waited for."""

    def __init__(self, camera: CameraConfig, stall_seconds: float) -> None:
        self.tally = ReaderTally()
        self.seen = Seen()
        self._camera = camera
        self._stall_seconds = stall_seconds
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._reader: Reader | None = None
        self._thread = threading.Thread(target=self._run, name="persistent")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        with self._changed:
            if self._reader is not None:
                self._reader.stop()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    def forget(self) -> None:
        with self._changed:
            self.seen = Seen()

    def wait(self, condition: Callable[[Seen], bool], timeout: float = DEADLINE) -> Seen:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.seen), timeout), (
                len(self.seen.frames), self.seen.errors, self.tally.snapshot()
            )  # fmt: skip
            return self.seen

    def wait_for_frames(self, count: int) -> Seen:
        return self.wait(lambda seen: len(seen.frames) >= count)

    def wait_for_error(self, kind: type[IngestError]) -> Seen:
        return self.wait(lambda seen: any(type(error) is kind for error in seen.errors))

    def _run(self) -> None:
        while not self._stopping.is_set():
            reader = Reader(
                self._camera, SystemClock(), self._on_frame, self._on_state, self.tally,
                stall_seconds=self._stall_seconds,
            )  # fmt: skip
            with self._changed:
                self._reader = reader
            if self._stopping.is_set():
                return
            try:
                reader.run_once()
            except IngestError as error:
                with self._changed:
                    self.seen.errors.append(error)
                    self._changed.notify_all()
            self._stopping.wait(RETRY_SECONDS)

    def _on_frame(self, frame: Frame) -> None:
        with self._changed:
            self.seen.frames.append(frame)
            self._changed.notify_all()

    def _on_state(self, state: CameraState, _reason: str) -> None:
        with self._changed:
            self.seen.ups += state is CameraState.UP
            self._changed.notify_all()


@contextmanager
def persisting(
    proxy: FaultProxy, path: str, *, transport: Transport = "tcp", stall_seconds: float = STALL_SECONDS
) -> Iterator[Persistent]:
    """A running reader behind `proxy`; at the end it is stopped, and no thread and no descriptor of it is left."""
    before = psutil.Process().num_fds()
    source = CameraSource(rtsp=f"rtsp://127.0.0.1:{proxy.port}/{path}", transport=transport)
    camera = CameraConfig(id="gate-3", site="north", position=(116.4, 39.9), source=source, analysis_fps=10)
    persistent = Persistent(camera, stall_seconds)
    persistent.start()
    try:
        yield persistent
    finally:
        persistent.stop()
    # What waits in a library for a camera that says nothing ends by the reader's limits.
    wait_until(lambda: connection_threads() == [], stall_seconds + 2 * OPEN_SECONDS)
    proxy.reset()
    wait_until(lambda: psutil.Process().num_fds() <= before, 5.0)


def pictures(*clips: Path) -> set[bytes]:
    """All that a camera playing `clips` may show."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return {frame.image.tobytes() for clip in clips for frame in recorded_frames(clip, "gate-3", 30, start)}


def wrong(frames: list[Frame], right: set[bytes]) -> list[int]:
    """The numbers of the frames that show something else."""
    return [frame.index for frame in frames if frame.image.tobytes() not in right]
