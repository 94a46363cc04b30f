"""`python -m bench.ingest [--quick] [--json FILE]`. The rig is in this process; what is measured is not."""

import os
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import psutil
from rich.console import Console

from bench.figures import Figure, measure, show
from bench.ingest.clips import busy, idle
from bench.ingest.processes import Process, cpu_use
from gridwatch.rig import Fault, Rig, RigThread, VirtualCamera

SATURATED = 0.85
"""Share of all cores in use from which figures say more about the machine than about us."""

_Start: TypeAlias = Callable[[], Process]
_console = Console(stderr=True, highlight=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How long to measure."""

    idle_clip_seconds: float
    settle_seconds: float
    """Before the first round: an idle camera falls asleep, start-up is over."""
    rounds: int
    round_seconds: float
    """Also how long the busy clip is, so that each round sees all of it once, whenever it begins."""
    counts: tuple[int, ...]
    """Busy streams read by one process."""
    idle_count: int
    """The same, of idle ones; 0: not measured."""
    count_seconds: float
    returns: int


FULL = Plan(
    idle_clip_seconds=20.0, settle_seconds=15.0, rounds=11, round_seconds=6.0, counts=(1, 4, 8, 16, 32), idle_count=32,
    count_seconds=6.0, returns=20,
)  # fmt: skip
QUICK = Plan(
    idle_clip_seconds=6.0, settle_seconds=9.0, rounds=2, round_seconds=4.0, counts=(1, 4), idle_count=0,
    count_seconds=2.0, returns=4,
)  # fmt: skip


def costs(rig: Rig, plan: Plan) -> list[Figure]:
    """Our reader beside FFmpeg and a pipe, busy and idle."""
    busy_url, idle_url = rig.rtsp_url("busy"), rig.rtsp_url("idle")

    def awake() -> dict[str, _Start]:
        return {
            "floor": lambda: Process.floor(busy_url),
            "busy": lambda: Process.subject("full", busy_url),
            "pipe": lambda: Process.subject("pipe", busy_url),
        }

    def asleep() -> dict[str, _Start]:
        return {
            "idle_floor": lambda: Process.floor(idle_url),
            "idle_full": lambda: Process.subject("watched", idle_url),
            "idle": lambda: Process.subject("gated", idle_url),
        }

    # Processes that decode at the same moment slow each other down on cores that share caches, and streams keep their
    # beat: so each by itself, in turn, and beside each other only for comparison. Asleep they have little to share.
    in_turn = [_in_turn(awake(), turn, 2.0, plan.round_seconds) for turn in range(plan.rounds)]
    at_once = [_together(awake(), 2.0, plan.round_seconds, 1)[0] for _ in range(plan.rounds)]
    idle_rounds = _together(asleep(), plan.settle_seconds, plan.round_seconds, plan.rounds)
    rounds = [
        {**one, **{f"{name}_at_once": cpu for name, cpu in other.items()}, **idle}
        for one, other, idle in zip(in_turn, at_once, idle_rounds, strict=True)
    ]

    def ratio(name: str, over: str, figure: str, goal: float | None = None, note: str = "") -> Figure:
        return Figure.of(figure, [one[name] / one[over] for one in rounds], goal=goal, note=note)

    def cost(name: str, figure: str, note: str) -> Figure:
        return Figure.of(figure, [one[name] * 1000 for one in rounds], unit="ms/s", note=note)

    return [
        ratio("busy", "floor", "busy_vs_ffmpeg_floor", 0.95, "our reader, 5 pictures/s as BGR, in turn"),
        ratio("busy_at_once", "floor_at_once", "busy_vs_ffmpeg_floor_at_once", None, "the same beside each other"),
        ratio("pipe", "floor", "frigates_way_vs_ffmpeg_floor", None, "ffmpeg child, raw pictures over a pipe"),
        ratio("idle", "idle_full", "idle_vs_full_decode", 0.12, "both with the motion gate"),
        ratio("idle", "idle_floor", "idle_vs_ffmpeg_floor"),
        cost("floor", "busy_ffmpeg_floor_cpu", "ffmpeg -threads 1 -f null"),
        cost("busy", "busy_cpu", "our reader"),
        cost("pipe", "busy_frigates_way_cpu", "both processes"),
        cost("idle_floor", "idle_ffmpeg_floor_cpu", "ffmpeg -threads 1 -f null"),
        cost("idle_full", "idle_full_decode_cpu", "our reader, gate off"),
        cost("idle", "idle_cpu", "our reader, asleep"),
    ]


def _in_turn(subjects: Mapping[str, _Start], turn: int, settle: float, seconds: float) -> dict[str, float]:
    """CPU of each by itself, one after the other; which begins goes with `turn`."""
    names = deque(subjects)
    names.rotate(turn)
    return {name: _together({name: subjects[name]}, settle, seconds, 1)[0][name] for name in names}


def _together(subjects: Mapping[str, _Start], settle: float, seconds: float, rounds: int) -> list[dict[str, float]]:
    """CPU of all of them at the same time, `rounds` times."""
    with ExitStack() as stack:
        processes = {name: stack.enter_context(start()) for name, start in subjects.items()}
        for name, one in processes.items():
            if not name.endswith("floor"):
                one.told("up")
        cpu_use({}, settle)
        return [cpu_use(processes, seconds) for _ in range(rounds)]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Load:
    """What one process with `count` readers used."""

    count: int
    cpu: float
    memory: int
    threads: int
    machine: float
    """Share of all cores in use meanwhile, by anybody."""


def scaling(rig: Rig, plan: Plan) -> list[Figure]:
    """Busy streams, more and more of them in one process, and idle ones."""
    with Process.subject("full") as nobody:
        nobody.told("up")
        base = nobody.memory()
    loads = [_load(rig, count, "full", "busy", 2.0, plan.count_seconds) for count in plan.counts]
    figures = []
    for one in loads:
        memory = (one.memory - base) / one.count / 2**20
        figures += [
            Figure.of(f"cpu_per_camera_{one.count}", [one.cpu / one.count * 1000], unit="ms/s"),
            Figure.of(f"memory_per_camera_{one.count}", [memory], unit="MiB", note=f"over {base / 2**20:.0f} MiB"),
            Figure.of(f"threads_{one.count}", [one.threads]),
            Figure.of(f"machine_busy_{one.count}", [one.machine], note="saturated" * (one.machine > SATURATED)),
        ]
    if count := plan.idle_count:
        asleep = _load(rig, count, "gated", "idle", plan.settle_seconds, plan.count_seconds)
        figures += [
            Figure.of(f"idle_cpu_per_camera_{count}", [asleep.cpu / count * 1000], unit="ms/s"),
            Figure.of(f"idle_memory_per_camera_{count}", [(asleep.memory - base) / count / 2**20], unit="MiB"),
        ]
    free = [one for one in loads if one.machine <= SATURATED]
    if len(free) < 2:
        _console.print("the machine is too busy to say how cost grows with the number of streams")
        return figures
    for name, values in (
        ("cpu_per_camera_growth", [one.cpu / one.count for one in free]),
        ("memory_per_camera_growth", [(one.memory - base) / one.count for one in free]),
    ):
        note = f"{free[-1].count} streams against {free[0].count}"
        figures.append(Figure.of(name, [values[-1] / values[0]], goal=1.1, note=note))
    return figures


def _load(rig: Rig, count: int, mode: str, camera: str, settle: float, seconds: float) -> _Load:
    with Process.subject(mode, *[rig.rtsp_url(camera)] * count) as readers:
        readers.told("up")
        cpu_use({}, settle)
        psutil.cpu_percent()
        cpu = cpu_use({"readers": readers}, seconds)["readers"]
        machine = psutil.cpu_percent() / 100.0
        return _Load(count=count, cpu=cpu, memory=readers.memory(), threads=readers.threads(), machine=machine)


def returns(rig: Rig, plan: Plan) -> list[Figure]:
    """Connecting, and back after the shortest outage: the first wait of the back-off is up to half a second."""
    connected, back = [], []
    with Process.subject("full", rig.rtsp_url("busy")) as one:
        connected.append(one.told("up"))
    with Process.subject("returning", rig.rtsp_url("busy")) as one:
        for _ in range(plan.returns):
            one.ask()
            one.told("up")
            rig.set_fault("busy", Fault.DROP)
            lost = one.told("lost")
            rig.set_fault("busy", Fault.NONE)
            back.append(one.told("up") - lost)
            one.ask()
            one.told("closed")
    p95 = sorted(back)[min(len(back) - 1, round(0.95 * len(back)))]
    return [
        Figure.of("first_frame_seconds", connected, unit="s", note="from starting a reader"),
        Figure.of(
            "return_seconds", back, unit="s", note=f"from losing a camera that is back at once, {len(back)} times"
        ),
        Figure.of("return_p95_seconds", [p95], goal=3.0, unit="s"),
    ]


def run(plan: Plan) -> Sequence[Figure]:
    """All figures, printed on the way."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gridwatch-bench-")))
        _console.print("making two streams ...")
        cameras = [
            VirtualCamera(id="busy", clip=busy(folder / "busy.mp4", plan.round_seconds)),
            VirtualCamera(id="idle", clip=idle(folder / "idle.mp4", plan.idle_clip_seconds)),
        ]
        rig = stack.enter_context(RigThread(Rig(cameras)))
        figures: list[Figure] = []
        parts = {
            f"one camera, {plan.rounds} rounds of {plan.round_seconds:g} s": costs,
            f"{', '.join(map(str, plan.counts))} streams in one process, {os.cpu_count()} cores": scaling,
            "first frame": returns,
        }
        for title, part in parts.items():
            _console.print(f"{title} ...")
            done = part(rig, plan)
            show(title, done)
            figures += done
        return figures


if __name__ == "__main__":
    measure("ingest", run, full=FULL, quick=QUICK)
