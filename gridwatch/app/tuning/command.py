"""The tune command: which frames, what they gave, and where the page and the pictures go."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import cv2
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from gridwatch.app.recordings import choose_camera
from gridwatch.app.replay import START
from gridwatch.app.tuning.look import Json, Looks, camera_data
from gridwatch.app.tuning.page import render_page
from gridwatch.config import CameraConfig, Deployment, Settings
from gridwatch.detectors import CameraAnalysis, load_detectors, people_detector
from gridwatch.domain import CameraState, Clock, Frame, UsageError
from gridwatch.ingest import IngestError, Reader, ReaderTally, duration_seconds, recorded_frames

MOST_PICTURES: Final = 600
"""On a page: two minutes at five a second, some 40 MB. What is beyond is left out, and the page says so."""
_WAITING: Final = 4
"""Frames of a live camera that wait for analysis; the oldest are dropped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TuneOptions:
    """What the command line was given."""

    source: str
    """A camera's id, or a file."""
    camera: str | None
    """Whose zones and rules apply to a file."""
    begin: float
    """Seconds from which the page shows pictures; what is before is analysed all the same."""
    end: float | None
    seconds: float
    """How long a live camera is watched."""
    start: datetime | None
    """Wall clock of a file's first picture, in the camera's time zone where it has none of its own."""
    out: Path | None


def run_tune(options: TuneOptions, settings: Settings, clock: Clock) -> int:
    """Watch, write the page and the pictures, and say where. Raises UsageError and IngestError."""
    camera, file = _source(settings.deployment, options)
    if not camera.rules:
        raise UsageError(f"camera {camera.id} has no rules, so there is nothing to tune")
    if options.end is not None and options.end <= options.begin:
        raise UsageError(f"--to {options.end:g} must be after --from {options.begin:g}")
    if file is None:
        frames = _live(camera, options.end or options.seconds, clock)
        total, about = options.end or options.seconds, f"watched live at {clock.now():%Y-%m-%d %H:%M:%S} UTC"
    else:
        total, about = duration_seconds(file), file.name
        frames = recorded_frames(file, camera.id, camera.analysis_fps, _start(options, camera))
    out = options.out or Path(f"tune-{camera.id}")
    looked = _look(frames, camera, settings.deployment, options, out, min(total, options.end or total))
    if not looked.frames:
        raise UsageError(f"there is no picture from {options.begin:g} s on; the stretch lasts {total:.1f} s")
    page = out / "tune.html"
    _write(page, render_page(camera_data(camera), looked.frames, about, looked.notice).encode())
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{len(looked.frames)} pictures, {looked.raised} incidents raised in them")
    console.print(f"{page} (open it in a browser), {out / 'frames'}")
    if looked.notice:
        console.print(f"[yellow]{looked.notice}[/]")
    return 0


def _source(deployment: Deployment, options: TuneOptions) -> tuple[CameraConfig, Path | None]:
    """The camera, and the file whose frames it gets; None: its own, live."""
    named = next((one for one in deployment.cameras if one.id == options.source), None)
    if named is not None:
        return named, named.source.file
    file = Path(options.source)
    if not file.exists():
        names = ", ".join(camera.id for camera in deployment.cameras) or "none"
        raise UsageError(f"{options.source} is neither a camera nor a file; the configuration has {names}")
    return choose_camera(deployment, file, options.camera), file


def _start(options: TuneOptions, camera: CameraConfig) -> datetime:
    if options.start is None:
        return START
    zone = ZoneInfo(camera.timezone or "UTC")
    start = options.start if options.start.tzinfo is not None else options.start.replace(tzinfo=zone)
    return start.astimezone(UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Looked:
    """What a stretch gave."""

    frames: list[Json]
    raised: int
    notice: str


def _look(
    frames: Iterator[Frame],
    camera: CameraConfig,
    deployment: Deployment,
    options: TuneOptions,
    out: Path,
    total: float,
) -> _Looked:
    cv2.setNumThreads(1)
    detector = load_detectors(deployment, [camera])[camera.id]
    health = deployment.health_of(camera)
    analysis = CameraAnalysis(camera, detector, health=health, people=people_detector(detector))
    looks, shown, raised, notice = Looks(camera), list[Json](), 0, ""
    with _progress(camera.id, total) as done:
        for frame in frames:
            if options.end is not None and frame.pts > options.end:
                break
            if len(shown) >= MOST_PICTURES:
                notice = (
                    f"Only the first {MOST_PICTURES} pictures are here, up to {frame.pts:.1f} s; "
                    "choose another stretch with --from and --to."
                )
                break
            step = analysis.analyse(frame)
            looks.follow(step)
            if frame.pts >= options.begin:
                look = looks.take(frame, step, analysis.people(frame, step), analysis.explain(step))
                _write(out / "frames" / f"{frame.index:06d}.jpg", look.drawn)
                shown.append(look.data)
                raised += sum(one.seq == 0 for one in step.incidents)
            done(frame.pts)
    return _Looked(frames=shown, raised=raised, notice=notice)


class _progress:  # noqa: N801 - read as a function: `with _progress(...) as done`
    """A bar on stderr; what it gives takes the seconds done."""

    def __init__(self, name: str, total: float) -> None:
        bars = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._bar = Progress(*bars, console=Console(stderr=True))
        self._task = self._bar.add_task(name, total=total)

    def __enter__(self) -> Callable[[float], None]:
        self._bar.start()
        return lambda seconds: self._bar.update(self._task, completed=seconds)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _live(camera: CameraConfig, seconds: float, clock: Clock) -> Iterator[Frame]:
    """Frames of a camera, so many seconds of its stream. Raises what its reader raises; there is no second try."""
    waiting: queue.Queue[Frame] = queue.Queue(_WAITING)
    ended: list[IngestError] = []

    def emit(frame: Frame) -> None:
        while True:
            try:
                waiting.put_nowait(frame)
            except queue.Full:
                _take_one(waiting)
            else:
                return

    def read() -> None:
        try:
            reader.run_once()
        except IngestError as error:
            ended.append(error)

    reader = Reader(camera, clock, emit, _ignore, ReaderTally())
    thread = threading.Thread(target=read, name=f"tune-{camera.id}", daemon=True)
    thread.start()
    try:
        while True:
            try:
                frame = waiting.get(timeout=0.2)
            except queue.Empty:
                if ended:
                    raise ended[0] from None
                continue
            if frame.pts > seconds:
                return
            yield frame
    finally:
        reader.stop()
        thread.join(2.0)


def _take_one(waiting: queue.Queue[Frame]) -> None:
    try:
        waiting.get_nowait()
    except queue.Empty:
        return


def _ignore(_: CameraState, __: str) -> None:
    """What becomes of the connection shows in the frames."""


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
