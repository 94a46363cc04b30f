"""`python -m bench.pipeline [--quick] [--json FILE]`. The rig is in this process; what is measured is not."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import onnxruntime as ort
from rich.console import Console

from bench.figures import Figure, measure, show
from bench.ingest.clips import busy, empty
from bench.ingest.processes import Process, cpu_use
from bench.pipeline.incidents import SAMPLES, Comparison, compare
from bench.pipeline.subject import Way, detector
from gridwatch.detectors.openvino_engine import has_openvino
from gridwatch.rig import Rig, RigThread, VirtualCamera

_console = Console(stderr=True, highlight=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How long to measure."""

    clip_seconds: float
    settle_seconds: float
    """Before the first round: 30 s until an idle camera falls asleep, at the next keyframe; start-up is over."""
    rounds: int
    round_seconds: float
    runtimes: int
    """How many of those that are here."""
    memory_cameras: int
    clips: tuple[str, ...]
    """Samples to compare incidents on, beside the busy and the idle clip."""


FULL = Plan(
    clip_seconds=20.0, settle_seconds=46.0, rounds=5, round_seconds=6.0, runtimes=9, memory_cameras=4,
    clips=("plaza-day.mp4", "road-day.mp4", "pets2009-s2l1-street.mp4"),
)  # fmt: skip
QUICK = Plan(
    clip_seconds=6.0, settle_seconds=38.0, rounds=2, round_seconds=3.0, runtimes=1, memory_cameras=0,
    clips=("plaza-day.mp4",),
)  # fmt: skip


class Subject(Process):
    """`bench.pipeline.subject`."""

    @classmethod
    def going(cls, way: Way, runtime: str, *urls: str) -> Self:
        """Start it on `urls`."""
        return cls([sys.executable, "-m", "bench.pipeline.subject", way, runtime, *urls])

    def results(self) -> tuple[list[float], int]:
        """Latencies in milliseconds and networks run since it was last asked."""
        self.ask()
        return list(self.numbers("latencies")), round(next(self.numbers("looks")))

    def numbers(self, word: str) -> Iterator[float]:
        """Those of the next line that begins with `word`. Raises RuntimeError when it ends without."""
        assert self._popen.stdout is not None  # noqa: S101 - asked for
        for line in self._popen.stdout:
            first, *rest = line.split()
            if first == "failed":
                raise RuntimeError(line)
            if first == word:
                return iter([float(one) for one in rest])
        raise RuntimeError(f"the measured process ended without {word!r}")


def runtimes() -> list[str]:
    """What can run the packaged model here; first what `runtime: auto` takes."""
    found = ["openvino"] if has_openvino() else []
    gpu = ["cuda"] if "CUDAExecutionProvider" in ort.get_available_providers() else []
    return [*found, "onnxruntime", *gpu]


def costs(
    rig: Rig, plan: Plan, runtime: str, suffix: str, meanwhile: Callable[[], None] = lambda: None
) -> list[Figure]:
    """All three ways, busy and idle, in the same rounds. `meanwhile` is done while they settle."""
    urls = {"busy": rig.rtsp_url("busy"), "idle": rig.rtsp_url("idle")}
    ways: tuple[Way, ...] = ("ours", "every", "regions")
    with ExitStack() as stack:
        subjects = {
            f"{scene}_{way}": stack.enter_context(Subject.going(way, runtime, url))
            for scene, url in urls.items()
            for way in ways
        }
        for one in subjects.values():
            one.told("up")
        began = time.perf_counter()
        meanwhile()
        cpu_use({}, max(0.0, plan.settle_seconds - (time.perf_counter() - began)))
        for one in subjects.values():
            one.results()
        rounds = [cpu_use(subjects, plan.round_seconds) for _ in range(plan.rounds)]
        told = {name: one.results() for name, one in subjects.items()}
    pictures = 5 * plan.rounds * plan.round_seconds

    def ratio(name: str, over: str, figure: str, goal: float | None = None) -> Figure:
        values = [one[over] / one[name] for one in rounds]
        return Figure.of(figure + suffix, values, goal=goal, at_least=True, note=f"cameras per core, {runtime}")

    figures = [
        ratio("busy_ours", "busy_regions", "busy_vs_motion_region", 2.0),
        ratio("idle_ours", "idle_regions", "idle_vs_motion_region", 8.0),
        ratio("busy_ours", "busy_every", "busy_vs_every_frame"),
        ratio("idle_ours", "idle_every", "idle_vs_every_frame"),
    ]
    for name in subjects:
        looks = f"{told[name][1] / pictures:.2f} networks a picture"
        values = [1 / one[name] for one in rounds]
        figures.append(Figure.of(f"{name}_cameras_per_core{suffix}", values, note=looks))
    latencies = sorted(told["busy_ours"][0])
    if latencies:
        note = f"capture to incident, {len(latencies)} messages"
        p95 = latencies[min(len(latencies) - 1, round(0.95 * len(latencies)))]
        figures += [
            Figure.of(f"incident_p50_ms{suffix}", [statistics.median(latencies)], unit="ms", note=note),
            Figure.of(f"incident_p95_ms{suffix}", [p95], unit="ms", note=note),
        ]
    return figures


def memory(rig: Rig, cameras: int, runtime: str) -> list[Figure]:
    """What one more busy camera takes in a process."""
    sizes = []
    for count in (1, cameras):
        with Subject.going("ours", runtime, *[rig.rtsp_url("busy")] * count) as one:
            one.told("up")
            cpu_use({}, 6.0)
            sizes.append(one.memory() / 2**20)
    each = (sizes[1] - sizes[0]) / (cameras - 1)
    note = f"{cameras} cameras against one, which takes {sizes[0]:.0f} MiB"
    return [Figure.of("memory_per_camera_mib", [each], unit="MiB", note=note)]


def lost(comparison: Comparison) -> list[Figure]:
    """As figures."""
    saved = 1 - comparison.looks_ours / comparison.looks_every
    return [
        Figure.of("incidents_every_frame", [comparison.every], note="raised on recorded clips"),
        Figure.of("incidents_ours", [comparison.ours], note=f"with {saved:.0%} fewer pictures detected in"),
        Figure.of("incidents_lost", [comparison.lost], goal=0.0, note="of those of every frame"),
    ]


def run(plan: Plan) -> Sequence[Figure]:
    """All figures, printed on the way."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gridwatch-bench-")))
        _console.print("making two streams ...")
        clips = {
            "busy": busy(folder / "busy.mp4", plan.clip_seconds),
            "idle": empty(folder / "idle.mp4", plan.clip_seconds),
        }
        rig = stack.enter_context(RigThread(Rig([VirtualCamera(id=name, clip=clip) for name, clip in clips.items()])))
        chosen = runtimes()[: plan.runtimes]
        recorded = [*clips.values(), *(SAMPLES / name for name in plan.clips)]
        figures: list[Figure] = []

        def part(title: str, done: list[Figure]) -> None:
            show(title, done)
            figures.extend(done)

        def incidents() -> None:
            part("incidents", lost(compare(recorded, detector(chosen[0]))))

        for number, runtime in enumerate(chosen):
            _console.print(f"three ways by {runtime}, {plan.rounds} rounds of {plan.round_seconds:g} s ...")
            done = costs(rig, plan, runtime, f"_{runtime}") if number else costs(rig, plan, runtime, "", incidents)
            part(f"{runtime}: one camera each way", done)
        if plan.memory_cameras:
            _console.print("memory ...")
            part("memory", memory(rig, plan.memory_cameras, chosen[0]))
        return figures


if __name__ == "__main__":
    measure("pipeline", run, full=FULL, quick=QUICK)
