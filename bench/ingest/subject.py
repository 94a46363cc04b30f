"""One measured process: `python -m bench.ingest.subject MODE URL...`, until its standard input closes.

It says `up SECONDS` when every URL gave its first frame (seconds since its readers started), at once without any; in
mode `returning`, for each line it reads, `lost` and `up` as a camera goes and comes back.
"""

import subprocess
import sys
import threading
from collections.abc import Callable

import cv2
import numpy as np

from bench.ingest.clips import SIZE
from gridwatch.app.camera_worker import CameraWorker
from gridwatch.config.model import CameraConfig, CameraSource
from gridwatch.detectors.gate import GateSettings, MotionGate
from gridwatch.domain import CameraState, Frame, SystemClock
from gridwatch.ingest import Attention, IngestError, Reader, ReaderTally

CLOCK = SystemClock()


def say(*words: object) -> None:
    """One line to whoever started this process."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def camera(number: int, url: str) -> CameraConfig:
    """A camera analysed at the default rate, 5 pictures a second."""
    return CameraConfig(id=f"camera-{number}", site="bench", position=(0, 0), source=CameraSource(rtsp=url))


class Firsts:
    """Says when every camera has given a frame."""

    def __init__(self, cameras: int) -> None:
        self._missing = cameras
        self._lock = threading.Lock()
        self._began = CLOCK.monotonic()

    def came(self) -> None:
        """One more has."""
        with self._lock:
            self._missing -= 1
            if self._missing == 0:
                say("up", f"{CLOCK.monotonic() - self._began:.3f}")


def read(urls: list[str], *, gated: bool, watched: bool) -> None:
    """A reader each. `watched`: a motion gate sees the frames; `gated`: what it says leaves idle cameras undecoded."""
    firsts = Firsts(len(urls))
    readers = [_reader(camera(number, url), firsts, gated=gated, watched=watched) for number, url in enumerate(urls)]
    threads = [threading.Thread(target=_run, args=(one,), daemon=True) for one in readers]
    for thread in threads:
        thread.start()
    if not urls:
        say("up")
    sys.stdin.read()
    for one in readers:
        one.stop()
    for thread in threads:
        thread.join()


def _reader(chosen: CameraConfig, firsts: Firsts, *, gated: bool, watched: bool) -> Reader:
    attention = Attention() if gated else None
    # An analysis waits 30 s before it calls a camera idle; what is measured is what comes after.
    gate = MotionGate(settings=GateSettings(recent_seconds=2.0))

    def emit(frame: Frame) -> None:
        if frame.index == 0:
            firsts.came()
        if watched:
            gate.judge(frame.image, frame.pts, tracked=False, unsettled=False)
        if attention is not None:
            attention.looked(frame, idle=gate.is_idle)

    return Reader(chosen, CLOCK, emit, lambda *_: None, ReaderTally(), attention=attention)


def _run(reader: Reader) -> None:
    try:
        reader.run_once()
    except IngestError as error:
        say("failed", error)


def pipe(url: str) -> None:
    """Frigate's way: an ffmpeg process decodes and drops pictures, and Python reads raw ones from its pipe."""
    began = CLOCK.monotonic()
    command = [
        "ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-rtsp_transport", "tcp", "-i", url,
        "-r", "5", "-pix_fmt", "yuv420p", "-f", "rawvideo", "pipe:",
    ]  # fmt: skip
    size = SIZE[0] * SIZE[1] * 3 // 2
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None  # noqa: S101 - asked for
        threading.Thread(target=_end_with_input, args=(child,), daemon=True).start()
        first = True
        while len(data := child.stdout.read(size)) == size:
            np.frombuffer(data, np.uint8)
            if first:
                first = False
                say("up", f"{CLOCK.monotonic() - began:.3f}")


def _end_with_input(child: subprocess.Popen[bytes]) -> None:
    sys.stdin.read()
    child.terminate()


def returning(url: str) -> None:
    """For each line: a worker with a fresh back-off connects (`up`), loses its camera (`lost`), has it back (`up`)."""
    for _ in sys.stdin:
        worker = _worker(camera(0, url))
        worker.start()
        sys.stdin.readline()
        worker.close(5.0)
        say("closed")


def _worker(chosen: CameraConfig) -> CameraWorker:
    def emit(frame: Frame) -> None:
        if frame.index == 0:
            say("up", CLOCK.monotonic())

    def make_reader(on_state: Callable[[CameraState, str], None]) -> Reader:
        return Reader(chosen, CLOCK, emit, on_state, ReaderTally())

    def on_change() -> None:
        if worker.status.state not in {CameraState.CONNECTING, CameraState.UP, CameraState.STOPPED}:
            say("lost", CLOCK.monotonic())

    worker = CameraWorker(chosen, make_reader, CLOCK, on_change)
    return worker


def main() -> None:
    """See the module."""
    cv2.setNumThreads(1)
    mode, *urls = sys.argv[1:]
    match mode:
        case "full":
            read(urls, gated=False, watched=False)
        case "watched":
            read(urls, gated=False, watched=True)
        case "gated":
            read(urls, gated=True, watched=True)
        case "pipe":
            pipe(urls[0])
        case "returning":
            returning(urls[0])
        case _:
            raise SystemExit(f"no mode {mode}")


if __name__ == "__main__":
    main()
