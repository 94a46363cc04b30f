"""`python -m bench.bus [--quick] [--json FILE]`. Broker, sender and listener are processes of their own."""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from rich.console import Console

from bench.bus.subject import THREADS, Order, Part
from bench.figures import Figure, measure, show
from gridwatch.app.embedded_broker import BrokerKind, RunningBroker, start_broker
from gridwatch.bus import BrokerAddress
from gridwatch.domain import SystemClock

RATE = 200.0
"""Incidents a second at which latency is measured."""

_console = Console(stderr=True, highlight=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How much to measure."""

    rounds: int
    paced: int
    """Incidents a round at RATE."""
    unpaced_rounds: int
    unpaced: int
    backlog_rounds: int
    backlog: int
    appended: int


FULL = Plan(rounds=5, paced=1000, unpaced_rounds=3, unpaced=2000, backlog_rounds=2, backlog=20_000, appended=500)
QUICK = Plan(rounds=2, paced=400, unpaced_rounds=1, unpaced=500, backlog_rounds=1, backlog=1000, appended=200)


class Peer:
    """A measured process."""

    def __init__(self, order: Order) -> None:
        """Start it, and wait until it is ready."""
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "bench.bus.subject"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.go(order.dump())
        self.told("up")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.terminate()
        self._popen.communicate(timeout=10.0)

    def go(self, line: str = "") -> None:
        """Send one line."""
        assert self._popen.stdin is not None  # noqa: S101 - asked for
        self._popen.stdin.write(line + "\n")
        self._popen.stdin.flush()

    def told(self, word: str) -> dict[str, float]:
        """Wait for the line with `word`; its numbers, those of `word` itself by their keys."""
        assert self._popen.stdout is not None  # noqa: S101 - asked for
        for line in self._popen.stdout:
            words = json.loads(line)
            if "failed" in words:
                raise RuntimeError(words["failed"])
            if word in words:
                own = words.pop(word)
                numbers = (
                    own if isinstance(own, dict) else dict(enumerate(own)) if isinstance(own, list) else {word: own}
                )
                return {**{str(key): float(value) for key, value in numbers.items()}, **words}
        raise RuntimeError(f"the measured process ended without {word!r}")


class Bench:
    """Runs one thing after another on one broker."""

    def __init__(self, broker: RunningBroker, folder: Path) -> None:
        self._address = BrokerAddress.from_config(broker.config)
        self._folder = folder
        self._runs = 0

    def order(self, part: Part, count: int, *, ours: bool, rate: float = 0.0, threads: int = 1) -> Order:
        """In topics and files of its own."""
        self._runs += 1
        address = self._address
        return Order(
            part=part, ours=ours, host=address.host, port=address.port, username=address.username or "",
            password=address.password or "", district=f"run-{self._runs}", count=count, rate=rate,
            folder=str(self._folder), threads=threads,
        )  # fmt: skip

    def pass_on(self, sender: Order) -> tuple[dict[str, float], dict[str, float]]:
        """What came when, and what the sender said."""
        listener = replace(sender, part=Part.LISTEN)
        word = "raised" if sender.part is Part.SEND else "began"
        with Peer(listener) as listening, Peer(sender) as sending:
            sending.go()
            came = listening.told("came")
            sending.go()
            return came, sending.told(word)

    def append(self, count: int, threads: int) -> dict[str, float]:
        """What putting incidents into an outbox took."""
        with Peer(self.order(Part.APPEND, count, ours=True, threads=threads)) as one:
            one.go()
            return one.told("took")


def latency(bench: Bench, plan: Plan) -> list[Figure]:
    """From raising to the subscriber, at a rate that leaves everything idle most of the time."""
    figures: dict[str, list[float]] = {}
    for number in range(plan.rounds):
        found: dict[bool, list[float]] = {}
        for ours in _alternating(number):
            came, raised = bench.pass_on(bench.order(Part.SEND, plan.paced, ours=ours, rate=RATE))
            cpu = raised.pop("cpu")
            found[ours] = sorted(1000 * (came[key] - at) for key, at in raised.items())
            name = "ours" if ours else "raw"
            for percent in (50, 99):
                figures.setdefault(f"p{percent}_{name}_ms", []).append(_percentile(found[ours], percent))
            figures.setdefault(f"cpu_{name}_ms", []).append(1000 * cpu / plan.paced)
    for percent in (50, 99):
        both = zip(figures[f"p{percent}_ours_ms"], figures[f"p{percent}_raw_ms"], strict=True)
        figures[f"p{percent}_vs_raw"] = [one / other for one, other in both]
    goals = {"p99_vs_raw": 3.0}
    notes = {"cpu_ours_ms": "of the sender, an incident", "cpu_raw_ms": "of the sender, a message"}
    order = ("p99_vs_raw", "p50_vs_raw", *(name for name in figures if not name.endswith("_vs_raw")))
    return [
        Figure.of(
            name,
            figures[name],
            goal=goals.get(name),
            unit="ms" if name.endswith("_ms") else "",
            note=notes.get(name, ""),
        )
        for name in order
    ]


def speed(bench: Bench, plan: Plan) -> list[Figure]:
    """As many a second as go through, raised by some threads at once."""

    def run(*, ours: bool) -> float:
        came, raised = bench.pass_on(bench.order(Part.SEND, plan.unpaced, ours=ours, threads=THREADS))
        raised.pop("cpu")
        return len(came) / (max(came.values()) - min(raised.values()))

    return _side_by_side("messages", run, plan.unpaced_rounds, f"raised by {THREADS} threads, until the last has come")


def backlog(bench: Bench, plan: Plan) -> list[Figure]:
    """Getting rid of what has waited, without the limit of the drain rate."""

    def run(*, ours: bool) -> float:
        came, sender = bench.pass_on(bench.order(Part.DRAIN, plan.backlog, ours=ours))
        return len(came) / (max(came.values()) - sender["began"])

    return _side_by_side("drain", run, plan.backlog_rounds, f"{plan.backlog} messages, from connecting to the last")


def cost(bench: Bench, plan: Plan) -> list[Figure]:
    """Of the outbox by itself, beside as many bytes written and flushed to a plain file."""
    figures: dict[str, list[float]] = {}
    size = 1024
    for _ in range(plan.rounds):
        one = bench.append(plan.appended, 1)
        cpu, seconds, on_disk = (one.pop(name) for name in ("cpu", "seconds", "bytes"))
        took = sorted(1000 * value for value in one.values())
        size = round(on_disk / plan.appended)
        some = bench.append(plan.appended, THREADS)
        flushed = sorted(bench_flush(size, plan.appended))
        for name, value in (
            ("append_p50_ms", _percentile(took, 50)), ("append_p99_ms", _percentile(took, 99)),
            ("append_cpu_ms", 1000 * cpu / plan.appended), ("append_bytes", on_disk / plan.appended),
            ("appends_per_second_1", plan.appended / seconds),
            (f"appends_per_second_{THREADS}", plan.appended / some["seconds"]),
            ("flush_p50_ms", _percentile(flushed, 50)), ("flush_p99_ms", _percentile(flushed, 99)),
            ("append_p50_vs_flush", _percentile(took, 50) / _percentile(flushed, 50)),
        ):  # fmt: skip
            figures.setdefault(name, []).append(value)
    notes = {
        "append_p50_ms": "encoded, on disk and flushed", "append_bytes": "in the file",
        "flush_p50_ms": "as many bytes appended to a plain file, fdatasync", f"appends_per_second_{THREADS}": "threads",
    }  # fmt: skip
    return [
        Figure.of(name, values, unit="ms" if name.endswith("_ms") else "", note=notes.get(name, ""))
        for name, values in figures.items()
    ]


def bench_flush(size: int, count: int) -> list[float]:
    """Milliseconds of each write and fdatasync."""
    took = []
    with tempfile.TemporaryFile() as file:
        for _ in range(count):
            start = time.perf_counter()
            os.write(file.fileno(), bytes(size))
            os.fdatasync(file.fileno())
            took.append(1000 * (time.perf_counter() - start))
    return took


def _side_by_side(name: str, run: Callable[..., float], rounds: int, note: str) -> list[Figure]:
    found: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds):
        for ours in _alternating(number):
            found[ours].append(run(ours=ours))
    ratios = [one / other for one, other in zip(found[True], found[False], strict=True)]
    return [
        Figure.of(f"{name}_vs_raw", ratios, note=note),
        Figure.of(f"{name}_per_second_ours", found[True]),
        Figure.of(f"{name}_per_second_raw", found[False]),
    ]


def _alternating(number: int) -> tuple[bool, bool]:
    """Who is first, in turn: what grows in the broker is nobody's disadvantage."""
    return (True, False) if number % 2 else (False, True)


def _percentile(values: Sequence[float], percent: int) -> float:
    """Nearest rank, of sorted values."""
    return values[max(0, math.ceil(len(values) * percent / 100) - 1)]


def run(plan: Plan) -> list[Figure]:
    """All figures, printed on the way."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gridwatch-bench-")))
        broker = start_broker(folder, SystemClock(), kind=BrokerKind.MOSQUITTO)
        stack.callback(broker.close, 5.0)
        bench = Bench(broker, folder)
        figures: list[Figure] = []
        for title, part in (
            (f"{RATE:g} incidents a second, {plan.rounds} rounds of {plan.paced}", latency),
            (f"as fast as it goes, {plan.unpaced_rounds} rounds of {plan.unpaced}", speed),
            (f"a backlog, {plan.backlog_rounds} rounds", backlog),
            (f"the outbox by itself, {plan.rounds} rounds of {plan.appended}", cost),
        ):
            _console.print(f"{title} ...")
            done = part(bench, plan)
            show(title, done)
            figures += done
        return figures


if __name__ == "__main__":
    measure("bus", run, full=FULL, quick=QUICK)
