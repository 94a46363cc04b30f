"""One run: faults strike, all is mended, and then it is looked at what came of what was promised."""

import heapq
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gridwatch.domain import SystemClock
from tests.acceptance.chaos.history import History, Kind, Violation, check
from tests.acceptance.chaos.schedule import PRODUCERS, Fault, FaultKind
from tests.acceptance.chaos.world import Recorded, World
from tests.fixtures.proxy import Network
from tests.waiting import wait_until

CLOCK = SystemClock()
GRACE_SECONDS = 3.0
"""More than a publisher's SETTLE: what would come twice has come by then."""
_LOOK_EVERY = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Struck:
    """A fault that was injected."""

    fault: Fault
    began: float
    """Seconds since the epoch."""
    ended: float
    skipped: str = ""
    """Why it was not, if it was not."""


@dataclass(kw_only=True, slots=True)
class Result:
    """What a run came to."""

    seed: int
    struck: list[Struck] = field(default_factory=list)
    history: History
    recorded: Sequence[Recorded] = ()
    violations: Sequence[Violation] = ()
    deaths: Sequence[str] = ()
    """Processes that ended without being killed."""
    took: float = 0.0

    @property
    def held(self) -> bool:
        """Whether nothing is wrong."""
        return not self.violations and not self.deaths


class Conductor:
    """Injects faults and mends them. For one thread."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._pause = threading.Event()
        self.struck: list[Struck] = []
        self.deaths: list[str] = []

    def play(self, faults: Sequence[Fault]) -> None:
        """All of them, and until the last one is mended."""
        begin = CLOCK.monotonic()
        for fault in faults:
            self._run_until(begin + fault.after)
            begin = CLOCK.monotonic()  # what took long moves those after it
            self._strike(fault)
        while self._due:
            self._run_until(self._due[0][0])

    def _run_until(self, moment: float) -> None:
        """Mend what is to be mended until then, and look for processes that died by themselves."""
        while True:
            # The clock is read anew each time: to mend a database takes seconds, and others are due meanwhile.
            while self._due and self._due[0][0] <= CLOCK.monotonic():
                heapq.heappop(self._due)[2]()
            now = CLOCK.monotonic()
            self.deaths += [death for one in self._world.processes.values() if (death := one.ended_by_itself())]
            if self.deaths or now >= moment:
                return
            self._pause.wait(min(_LOOK_EVERY, moment - now))

    def _strike(self, fault: Fault) -> None:
        began = CLOCK.now().timestamp()
        mend, skipped = self._inject(fault)
        place = len(self.struck)
        self.struck.append(Struck(fault=fault, began=began, ended=began, skipped=skipped))

        def mended() -> None:
            mend()
            self.struck[place] = Struck(fault=fault, began=began, ended=CLOCK.now().timestamp(), skipped=skipped)

        heapq.heappush(self._due, (CLOCK.monotonic() + fault.lasts, next(self._order), mended))

    def _inject(self, fault: Fault) -> tuple[Callable[[], None], str]:
        """What mends it, and why it could not be injected, if so."""
        if fault.kind is FaultKind.KILL:
            return self._kill(fault.target), ""
        if fault.kind is FaultKind.CLOCK_STEP:
            self._world.step_clock(fault.target, fault.step)
            return _nothing, ""
        if fault.kind is FaultKind.FULL_DISK:
            disk = self._world.disks[fault.target]
            return disk.empty, "" if disk.fill() else "needs root, for a small disk"
        return self._disturb(fault), ""

    def _kill(self, target: str) -> Callable[[], None]:
        victims = {"broker": self._world.broker, "database": self._world.postgres, **self._world.processes}
        victims[target].kill()
        return victims[target].start

    def _disturb(self, fault: Fault) -> Callable[[], None]:
        link = self._world.links[fault.target]
        if fault.kind is FaultKind.CUT:
            link.cut()
            return _nothing
        if fault.kind is FaultKind.RESET:
            link.reset()
            return _nothing
        link.network = {
            FaultKind.STALL: Network(stalled=True), FaultKind.HALF_OPEN: Network(gone=True),
            FaultKind.REFUSE: Network(refusing=True),
        }[fault.kind]  # fmt: skip
        if fault.kind is FaultKind.REFUSE:
            link.reset()

        def mend() -> None:
            link.network = Network()
            if fault.kind is FaultKind.HALF_OPEN:
                link.reset()

        return mend


def run(world: World, faults: Sequence[Fault], seed: int, patience: float) -> Result:
    """Play the faults, give all of it `patience` seconds to arrive, and check."""
    began = CLOCK.monotonic()
    wait_until(world.recorded, 60.0)  # from then on all of it works
    conductor = Conductor(world)
    conductor.play(faults)
    world.calm()
    for name in PRODUCERS:
        world.processes[name].tell("quiet")
    _settle(world, patience)
    deaths = conductor.deaths + [death for one in world.processes.values() if (death := one.ended_by_itself())]
    history = world.history()
    return Result(
        seed=seed, struck=conductor.struck, history=history, recorded=world.recorded(), violations=check(history),
        deaths=deaths, took=CLOCK.monotonic() - began,
    )  # fmt: skip


def _settle(world: World, patience: float) -> None:
    deadline = CLOCK.monotonic() + patience
    pause = threading.Event()
    while any(one.kind is Kind.LOST for one in check(world.history())) and CLOCK.monotonic() < deadline:
        pause.wait(0.5)
    pause.wait(GRACE_SECONDS)


def recoveries(result: Result) -> Iterator[tuple[Struck, float]]:
    """For each fault, seconds after its end until all was recorded that was appended while it lasted."""
    recorded = {one.message.key: one.at for one in result.recorded}
    promises = [one for ledger in result.history.ledgers.values() for one in ledger if one.certain]
    for one in result.struck:
        late = [recorded.get(p.message.key, 0.0) - one.ended for p in promises if one.began <= p.at <= one.ended + 0.1]
        yield one, max([0.0, *late])


def save(result: Result, folder: Path) -> None:
    """What is needed to look at a run that failed, beside its ledgers and logs."""
    history = result.history
    for name, lines in (
        ("schedule.txt", [f"{one.fault} {one.skipped}".rstrip() for one in result.struck]),
        ("database.txt", [f"{one.cursor} {one.at:.3f} {' '.join(map(str, one.message))}" for one in result.recorded]),
        ("violations.txt", [*map(str, result.violations), *result.deaths]),
        *((f"{one.name}.txt", [" ".join(map(str, message)) for message in one.got]) for one in history.subscriptions),
    ):  # fmt: skip
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _nothing() -> None:
    """Over by itself."""
