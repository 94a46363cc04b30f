"""What was promised and what came of it, and whether the two agree. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Message(NamedTuple):
    """One message of an incident, as far as anybody compares it."""

    camera: str
    incident: str
    seq: int
    phase: str
    count: int
    """A number of the producer's own, different in each of its messages."""

    @property
    def key(self) -> tuple[str, int]:
        return self.incident, self.seq


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """An entry of a producer's ledger."""

    message: Message
    certain: bool
    """The outbox said that it has it; else it was killed, or failed, in between, and either is right."""
    at: float
    """Seconds since the epoch, by the machine's clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """What a subscriber with a persistent session got, in order."""

    name: str
    got: Sequence[Message]
    once: bool = False
    """It promises to hand out each message once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """One run."""

    ledgers: Mapping[str, Sequence[Promise]]
    """By producer, in the order of appending. A camera belongs to one producer."""
    database: Sequence[tuple[int, Message]]
    """Cursor and message, by cursor."""
    memberships: Sequence[tuple[str, str]] = ()
    """Incident and case."""
    subscriptions: Sequence[Subscription] = ()
    quarantined: int = 0


class Kind(StrEnum):
    """What can be wrong."""

    LOST = "lost"  # promised and not there
    DOUBLED = "doubled"  # there more than once
    SWAPPED = "out of order"  # after a later one of its camera
    INVENTED = "invented"  # there and never promised
    ALTERED = "altered"  # there with other contents
    CURSOR = "cursor"  # cursors are not 1, 2, 3...
    CASE = "case"  # a raised incident is not in exactly one case
    REFUSED = "refused"  # a sound message was set aside


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A broken guarantee."""

    kind: Kind
    where: str
    message: Message | None = None
    detail: str = ""

    def __str__(self) -> str:
        what = "" if self.message is None else f" {self.message.camera} {self.message.incident}.{self.message.seq}"
        return f"{self.where}: {self.kind}{what}{f' ({self.detail})' if self.detail else ''}"


def check(history: History) -> list[Violation]:
    """Everything that is wrong with it: in the database each message once and in order per camera; each subscriber got
    each at least once, first deliveries in order per camera."""
    promises = _promises(history.ledgers)
    stored = [message for _, message in history.database]
    found = _compare("database", stored, promises, once=True)
    cursors = [cursor for cursor, _ in history.database]
    if cursors != list(range(1, len(cursors) + 1)):
        found.append(Violation(kind=Kind.CURSOR, where="database", detail=f"{len(cursors)} up to {cursors[-1]}"))
    for one in history.subscriptions:
        found += _compare(one.name, one.got, promises, once=one.once)
    found += _cases(stored, history.memberships)
    if history.quarantined:
        found.append(Violation(kind=Kind.REFUSED, where="quarantine", detail=f"{history.quarantined} messages"))
    return found


def _promises(ledgers: Mapping[str, Sequence[Promise]]) -> dict[tuple[str, int], tuple[int, Promise]]:
    """By key, with its place in its camera's order. One tried again is certain once any try was."""
    found: dict[tuple[str, int], tuple[int, Promise]] = {}
    for ledger in ledgers.values():
        for place, promise in enumerate(ledger):
            key = promise.message.key
            if key not in found or (promise.certain and not found[key][1].certain):
                found[key] = (place, promise)
    return found


def _compare(
    where: str, got: Sequence[Message], promises: Mapping[tuple[str, int], tuple[int, Promise]], *, once: bool
) -> list[Violation]:
    found = []
    times = Counter(message.key for message in got)
    latest: dict[str, int] = {}
    for message in dict.fromkeys(got):
        known = promises.get(message.key)
        if known is None:
            found.append(Violation(kind=Kind.INVENTED, where=where, message=message))
            continue
        place, promise = known
        if promise.message != message:
            found.append(Violation(kind=Kind.ALTERED, where=where, message=message, detail=f"was {promise.message}"))
            continue
        if once and times[message.key] > 1:
            found.append(
                Violation(kind=Kind.DOUBLED, where=where, message=message, detail=f"{times[message.key]} times")
            )
        if place < latest.get(message.camera, -1):
            found.append(Violation(kind=Kind.SWAPPED, where=where, message=message))
        latest[message.camera] = max(place, latest.get(message.camera, -1))
    missing = (one.message for _, one in promises.values() if one.certain and not times[one.message.key])
    return found + [Violation(kind=Kind.LOST, where=where, message=message) for message in missing]


def _cases(stored: Sequence[Message], memberships: Iterable[tuple[str, str]]) -> list[Violation]:
    cases = Counter(incident for incident, _ in memberships)
    raised = {message.incident: message for message in stored if message.phase == "raised"}
    wrong = [message for incident, message in raised.items() if cases[incident] != 1]
    return [
        Violation(kind=Kind.CASE, where="database", message=message, detail=f"in {cases[message.incident]} cases")
        for message in wrong
    ]
