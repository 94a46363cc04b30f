"""Histories with one thing wrong, to see that the checker sees it. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.acceptance.chaos.history import History, Kind, Message

Change = Callable[[list[Message]], list[Message]]


def in_database(history: History, change: Change) -> History:
    messages = change([message for _, message in history.database])
    return replace(history, database=list(enumerate(messages, start=1)))


def at_subscriber(history: History, name: str, change: Change) -> History:
    changed = [replace(one, got=change(list(one.got))) if one.name == name else one for one in history.subscriptions]
    return replace(history, subscriptions=changed)


def drop(place: int) -> Change:
    """The message at `place`, and where it came again."""
    return lambda got: [one for one in got if one != got[place]]


def double(place: int) -> Change:
    return lambda got: [*got, got[place]]


def swap(place: int) -> Change:
    """With the next other one of the same camera, which must be there."""

    def change(got: list[Message]) -> list[Message]:
        first = got[place]
        other = next(n for n in range(place, len(got)) if got[n].camera == first.camera and got[n] != first)
        return [*got[:place], got[other], *got[place + 1 : other], first, *got[other + 1 :]]

    return change


def alter(place: int) -> Change:
    return lambda got: [*got[:place], got[place]._replace(count=-1), *got[place + 1 :]]


def invent(place: int) -> Change:
    return lambda got: [*got, Message(camera=got[place].camera, incident="nobody's", seq=0, phase="updated", count=7)]


BREAKINGS: tuple[tuple[Callable[[int], Change], Kind], ...] = (
    (drop, Kind.LOST), (double, Kind.DOUBLED), (swap, Kind.SWAPPED), (alter, Kind.ALTERED), (invent, Kind.INVENTED),
)  # fmt: skip


def broken(history: History) -> Iterator[tuple[str, Kind, History]]:
    """One history for each way to break this one, in the database and at each subscriber; where, and what it is."""
    for change, kind in BREAKINGS:
        yield "database", kind, in_database(history, change(len(history.database) // 2))
        for one in history.subscriptions:
            # Who may get repeats has first to get them all: there, its first message is the one to break.
            place = len(one.got) // 2 if one.once else 0
            if one.once or kind is not Kind.DOUBLED:
                yield one.name, kind, at_subscriber(history, one.name, change(place))
