"""Which fault strikes what, when and for how long: all of it from a seed. Pure."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

PRODUCERS = ("producer-0", "producer-1")


class FaultKind(StrEnum):
    """What can happen."""

    KILL = "kill -9"  # a process is gone, and comes back after a while
    CUT = "cut"  # connections end as when the other side closes them
    RESET = "reset"  # connections end as when the other side dies
    STALL = "stall"  # what the server says does not arrive; later it does
    HALF_OPEN = "half-open"  # nothing passes either way and nobody is told; the connections never come back
    REFUSE = "refuse"  # connections end, and new ones are reset for a while
    FULL_DISK = "full disk"  # of an outbox
    CLOCK_STEP = "clock step"  # a producer's wall clock jumps


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault."""

    number: int
    kind: FaultKind
    target: str
    """A process, or for faults of networks the process whose link it is (`recorder` has two: `recorder>database`)."""
    after: float
    """Seconds after the one before began."""
    lasts: float
    """Seconds until it is mended; 0 for what is over at once."""
    step: float = 0.0
    """Seconds a clock jumps."""

    def __str__(self) -> str:
        size = f" by {self.step:+.0f} s" if self.kind is FaultKind.CLOCK_STEP else ""
        lasts = f" for {self.lasts:.1f} s" if self.lasts else ""
        return f"{self.number:3}  +{self.after:.1f} s  {self.kind} {self.target}{size}{lasts}"


Card = tuple[FaultKind, str]
"""A kind and its target."""

_NETWORK = (FaultKind.CUT, FaultKind.RESET, FaultKind.STALL, FaultKind.HALF_OPEN, FaultKind.REFUSE)
_AT_ONCE = {FaultKind.CUT, FaultKind.RESET, FaultKind.CLOCK_STEP}


def links(recorders: int) -> tuple[str, ...]:
    """Everything whose network can fail."""
    of_recorders = [f"{name}{way}" for name in recorder_names(recorders) for way in (">broker", ">database")]
    return (*(f"{name}>broker" for name in PRODUCERS), *of_recorders, "client>broker", "raw>broker")


def recorder_names(recorders: int) -> tuple[str, ...]:
    return tuple(f"recorder-{number}" for number in range(recorders))


def everything(seed: int, count: int, recorders: int = 1) -> list[Fault]:
    """`count` faults of every kind on everything."""
    source = random.Random(seed)
    kills = [(FaultKind.KILL, one) for one in (*PRODUCERS, *recorder_names(recorders), "broker", "database")]

    def deck() -> list[Card]:
        """Each kind is in it, so that a short run has most and a long one has all in the same measure."""
        networks = [(kind, source.choice(links(recorders))) for kind in _NETWORK for _ in range(2)]
        own = [(kind, source.choice(PRODUCERS)) for kind in (FaultKind.FULL_DISK, FaultKind.CLOCK_STEP) for _ in (1, 2)]
        cards = [*kills, *kills, *networks, *own]
        source.shuffle(cards)
        return cards

    return _dealt(source, deck, count)


def recorders_only(seed: int, count: int, recorders: int) -> list[Fault]:
    """`count` kills of recorders, in turn, with time to come back in between."""
    source = random.Random(seed)
    return _dealt(source, lambda: [(FaultKind.KILL, name) for name in recorder_names(recorders)], count, gap=(3.0, 5.0))


def _dealt(
    source: random.Random, deck: Callable[[], list[Card]], count: int, gap: tuple[float, float] = (0.3, 2.2)
) -> list[Fault]:
    faults: list[Fault] = []
    free_at: dict[str, float] = {}
    now = 0.0
    cards: list[Card] = []
    while len(faults) < count:
        cards = cards or deck()
        kind, target = cards.pop()
        lasts = 0.0 if kind in _AT_ONCE else source.choice((0.3, 0.8, 1.5, 3.0)) * source.uniform(0.7, 1.3)
        # One fault of a target ends before its next one begins.
        after = max(source.uniform(*gap), free_at.get(target, 0.0) - now)
        now += after
        free_at[target] = now + lasts + 0.2
        step = source.choice((-86_400.0, -3600.0, -5.0, 5.0, 3600.0)) if kind is FaultKind.CLOCK_STEP else 0.0
        faults.append(
            Fault(
                number=len(faults) + 1,
                kind=kind,
                target=target,
                after=round(after, 3),
                lasts=round(lasts, 3),
                step=step,
            )
        )
    return faults
