"""One measured process: `python -m bench.pipeline.subject WAY RUNTIME URL...`, until its standard input closes.

It says `up` when every URL gave its first picture. For each line it reads, it says `latencies`, those since the last
one in milliseconds from a picture's capture until its incidents are handed over, and `looks`, how many networks ran.
"""

import sys
import threading
from typing import Literal

import cv2

from bench.ingest.clips import SIZE
from bench.pipeline.regions import RegionPipeline, raw_pictures
from gridwatch.config import DetectorModel
from gridwatch.config.model import CameraConfig, CameraSource, HealthConfig
from gridwatch.detectors import Analysis, AnalysisPool, CameraAnalysis, Detector, load_detector
from gridwatch.domain import Frame, SystemClock
from gridwatch.ingest import Attention, IngestError, Reader, ReaderTally

CLOCK = SystemClock()
WORKERS = 2
RULES = [
    {"id": "lawn", "kind": "intrusion", "zone": "lawn", "update_seconds": 2.0},
    {"id": "road", "kind": "line_crossing", "line": "road"},
    {"id": "crowd", "kind": "crowding", "zone": "all", "count": 4, "update_seconds": 2.0},
]
"""So that there is something to say every second."""


def camera(name: str, source: CameraSource, *, gate: bool) -> CameraConfig:
    """A camera analysed at the default rate, 5 pictures a second, with the rules above."""
    return CameraConfig.model_validate({
        "id": name, "site": "bench", "position": (0, 0), "source": source, "gate": gate, "rules": RULES,
        "zones": {"all": [(0, 0), (1, 0), (1, 1), (0, 1)], "lawn": [(0, 0.5), (0.4, 0.6), (0.5, 1), (0, 1)]},
        "lines": {"road": {"start": (0.4, 0.4), "end": (1, 0.6)}},
    })  # fmt: skip


def detector(runtime: str, workers: int = WORKERS) -> Detector:
    """The packaged model: `onnxruntime`, `openvino`, or a GPU by `cuda`."""
    if runtime == "cuda":
        return load_detector(DetectorModel(device="cuda"), workers=workers)
    return load_detector(DetectorModel.model_validate({"runtime": runtime}), workers=workers)


def say(*words: object) -> None:
    """One line to whoever started this process."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Results:
    """What came out, until it is asked for."""

    def __init__(self, cameras: int) -> None:
        self._cameras = cameras
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._latencies: list[float] = []
        self._looks = 0

    def came(self, camera: str) -> None:
        """A picture of this camera."""
        with self._lock:
            if camera not in self._seen:
                self._seen.add(camera)
                if len(self._seen) == self._cameras:
                    say("up")

    def add(self, incidents: int, looks: int, latency: float) -> None:
        """One picture gave so many messages, and asked a network so many times."""
        with self._lock:
            self._looks += looks
            self._latencies += [latency * 1000] * incidents

    def tell(self) -> None:
        """See the module."""
        with self._lock:
            say("latencies", *(f"{one:.1f}" for one in self._latencies))
            say("looks", self._looks)
            self._latencies.clear()
            self._looks = 0


def whole(urls: list[str], model: Detector, *, gate: bool) -> None:
    """Our way, or without `gate` every picture decoded and detected in."""
    results = Results(len(urls))
    cameras = [camera(f"camera-{number}", CameraSource(rtsp=url), gate=gate) for number, url in enumerate(urls)]
    attention = {one.id: Attention() for one in cameras if gate}
    analyses = {one.id: CameraAnalysis(one, model, health=HealthConfig()) for one in cameras}

    def on_result(frame: Frame, analysis: Analysis) -> None:
        results.came(frame.camera)
        if frame.camera in attention:
            attention[frame.camera].looked(frame, idle=analysis.idle)
        latency = (CLOCK.now() - frame.captured_at).total_seconds()
        results.add(len(analysis.incidents), int(analysis.detected), latency)

    pool = AnalysisPool(analyses, WORKERS, on_result, CLOCK, longest_wait=2.0)
    readers = [
        Reader(one, CLOCK, pool.submit, lambda *_: None, ReaderTally(), attention=attention.get(one.id))
        for one in cameras
    ]
    pool.start()
    threads = [threading.Thread(target=_run, args=(one,), daemon=True) for one in readers]
    for thread in threads:
        thread.start()
    for _ in sys.stdin:
        results.tell()
    for reader in readers:
        reader.stop()
    for thread in threads:
        thread.join()
    pool.close(5.0)


def _run(reader: Reader) -> None:
    try:
        reader.run_once()
    except IngestError as error:
        say("failed", error)


def by_regions(urls: list[str], model: Detector) -> None:
    """Frigate's way, one camera a thread."""
    results = Results(len(urls))
    stopping = threading.Event()
    threads = [
        threading.Thread(target=_regions, args=(f"camera-{number}", url, model, results, stopping), daemon=True)
        for number, url in enumerate(urls)
    ]
    for thread in threads:
        thread.start()
    for _ in sys.stdin:
        results.tell()
    stopping.set()
    for thread in threads:
        thread.join()


def _regions(name: str, url: str, model: Detector, results: Results, stopping: threading.Event) -> None:
    pipeline = RegionPipeline(model, SIZE)
    for picture in raw_pictures(url, SIZE):
        results.came(name)
        before = pipeline.regions
        pipeline.look(picture)
        results.add(0, pipeline.regions - before, 0.0)
        if stopping.is_set():
            return
    say("failed", "ffmpeg ended; it was left behind if this machine does other things too")


Way = Literal["ours", "every", "regions"]


def main() -> None:
    """See the module."""
    cv2.setNumThreads(1)
    way, runtime, *urls = sys.argv[1:]
    model = detector(runtime)
    match way:
        case "ours":
            whole(urls, model, gate=True)
        case "every":
            whole(urls, model, gate=False)
        case "regions":
            by_regions(urls, model)
        case _:
            raise SystemExit(f"no way {way}")


if __name__ == "__main__":
    main()
