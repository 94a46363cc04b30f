"""Runs a reader in a thread and waits for what it does."""

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from gridwatch.config.model import CameraConfig, CameraSource, OnvifSource
from gridwatch.domain import CameraState, Frame, SystemClock
from gridwatch.ingest import IngestError, Reader, ReaderTally
from gridwatch.rig import Rig
from tests.fixtures.rig import PASSWORD, USERNAME

DEADLINE = 20.0


def onvif_source(rig: Rig, camera: str, password: str = PASSWORD) -> CameraSource:
    return CameraSource(onvif=OnvifSource(url=rig.onvif_url(camera), username=USERNAME, password=SecretStr(password)))


def rtsp_source(rig: Rig, camera: str, userinfo: str = "operator:correct%20horse@") -> CameraSource:
    return CameraSource(rtsp=rig.rtsp_url(camera).replace("://", f"://{userinfo}"))


def camera_config(source: CameraSource, *, fps: float = 5, camera_id: str = "gate-3") -> CameraConfig:
    return CameraConfig(id=camera_id, site="north", position=(116.4, 39.9), source=source, analysis_fps=fps)


def file_source(path: Path) -> CameraSource:
    return CameraSource(file=path)


class Watched:
    """A reader in a thread, with all it handed out. Conditions are waited for, with a deadline."""

    def __init__(self, config: CameraConfig, *, stall_seconds: float = 10.0) -> None:
        self.frames: list[Frame] = []
        self.states: list[CameraState] = []
        self.error: IngestError | None = None
        self.ended = False
        self.tally = ReaderTally()
        self._changed = threading.Condition()
        self.reader = Reader(
            config, SystemClock(), self._on_frame, self._on_state, self.tally, stall_seconds=stall_seconds
        )
        self.thread = threading.Thread(target=self._run, name="watched")

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE), (self.states, len(self.frames), self.error)

    def wait_for_frames(self, count: int) -> None:
        self.wait(lambda: len(self.frames) >= count or self.ended)
        assert len(self.frames) >= count, self.error

    def wait_for_error(self) -> IngestError:
        self.wait(lambda: self.ended)
        assert self.error is not None
        return self.error

    def _on_frame(self, frame: Frame) -> None:
        with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()

    def _on_state(self, state: CameraState, reason: str) -> None:
        assert reason == ""
        with self._changed:
            self.states.append(state)
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            self.reader.run_once()
        except IngestError as error:
            self.error = error
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()


@contextmanager
def watching(config: CameraConfig, *, stall_seconds: float = 10.0) -> Iterator[Watched]:
    """A running reader, stopped and joined at the end."""
    watched = Watched(config, stall_seconds=stall_seconds)
    watched.thread.start()
    try:
        yield watched
    finally:
        watched.reader.stop()
        watched.thread.join(DEADLINE)
        assert not watched.thread.is_alive()


def run_to_error(config: CameraConfig, *, stall_seconds: float = 10.0) -> IngestError:
    with watching(config, stall_seconds=stall_seconds) as watched:
        return watched.wait_for_error()


def everything_it_says(error: BaseException) -> str:
    """The error as a log would show it, its causes and contexts with all they hold."""
    said = ["".join(traceback.format_exception(error))]
    seen: BaseException | None = error
    while seen is not None:
        said += [str(seen), repr(seen), repr(seen.args), repr(getattr(seen, "filename", None)), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(said)


def connection_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("read-")]
