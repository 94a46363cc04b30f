"""The checker itself: it takes what is right, and sees each kind of wrong, on both sides."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.acceptance.chaos.breaking import (
    BREAKINGS,
    at_subscriber,
    broken,
    double,
    drop,
    in_database,
    invent,
    swap,
)
from tests.acceptance.chaos.history import History, Kind, Message, Promise, Subscription, Violation, check


def ledger(producer: str, seed: int = 1, incidents: int = 20) -> list[Promise]:
    """Incidents of two cameras, interleaved; every one raised, updated and cleared."""
    source = random.Random(f"{producer}-{seed}")
    waiting = {
        f"{producer}-{camera}": [
            (f"{producer}-{camera}-{n}", seq, phase)
            for n in range(incidents)
            for seq, phase in enumerate(("raised", "updated", "cleared"))
        ]
        for camera in range(2)
    }
    made: list[Promise] = []
    while any(waiting.values()):
        camera = source.choice([name for name, left in waiting.items() if left])
        incident, seq, phase = waiting[camera].pop(0)
        message = Message(camera=camera, incident=incident, seq=seq, phase=phase, count=len(made))
        made.append(Promise(message=message, certain=True, at=float(len(made))))
    return made


def good() -> History:
    """Both producers' messages merged, as two streams would come in; the second subscriber saw some again."""
    ledgers = {name: ledger(name) for name in ("north", "south")}
    source = random.Random(5)
    left = [[one.message for one in promises] for promises in ledgers.values()]
    merged: list[Message] = []
    while any(left):
        merged.append(source.choice([one for one in left if one]).pop(0))
    again = [*merged[:40], *merged[20:]]
    return History(
        ledgers=ledgers, database=[(n, one) for n, one in enumerate(merged, start=1)],
        memberships=[(one.incident, "case") for one in merged if one.phase == "raised"],
        subscriptions=[
            Subscription(name="client", got=merged, once=True), Subscription(name="raw", got=again),
        ],
    )  # fmt: skip


def kinds(found: Sequence[Violation]) -> set[tuple[str, Kind]]:
    return {(one.where, one.kind) for one in found}


def test_a_history_without_fault_passes() -> None:
    history = good()
    assert len(history.database) == 240
    assert check(history) == []


@pytest.mark.parametrize("place", [0, 100, 230])
@pytest.mark.parametrize(("change", "kind"), BREAKINGS)
@pytest.mark.parametrize("where", ["database", "client"])
def test_one_wrong_message_is_found_where_it_is(where: str, change: Callable, kind: Kind, place: int) -> None:
    history = good()
    raised = history.database[place][1].phase == "raised"
    broken = (
        in_database(history, change(place)) if where == "database" else at_subscriber(history, where, change(place))
    )
    found = kinds(check(broken))
    assert (where, kind) in found
    # An altered or lost message of the database may be one that a case holds; nothing else is blamed.
    assert {one for one in found if one[1] is not kind} <= ({("database", Kind.CASE)} if raised else set())


@pytest.mark.parametrize(("change", "kind"), [(drop, Kind.LOST), (swap, Kind.SWAPPED), (invent, Kind.INVENTED)])
def test_a_subscriber_that_may_get_repeats_may_still_miss_and_mix_nothing(change: Callable, kind: Kind) -> None:
    assert kinds(check(at_subscriber(good(), "raw", change(150)))) == {("raw", kind)}
    assert check(at_subscriber(good(), "raw", double(30))) == []


def test_every_way_to_break_a_history_is_found_where_it_is() -> None:
    ways = list(broken(good()))
    assert len(ways) == 14
    for where, kind, history in ways:
        assert (where, kind) in kinds(check(history))


def test_what_was_in_flight_when_its_producer_died_may_be_there_or_not() -> None:
    history = good()
    message = history.ledgers["north"][-1].message
    unsure = [*history.ledgers["north"][:-1], replace(history.ledgers["north"][-1], certain=False)]
    history = replace(history, ledgers={**history.ledgers, "north": unsure})
    assert check(history) == []

    def without(got: list[Message]) -> list[Message]:
        return [one for one in got if one != message]

    gone = at_subscriber(at_subscriber(in_database(history, without), "client", without), "raw", without)
    assert check(gone) == []


def test_one_tried_again_after_a_failure_is_certain_once_it_was_taken() -> None:
    history = good()
    ledger = list(history.ledgers["north"])
    twice = [*ledger[:5], replace(ledger[5], certain=False), *ledger[5:]]
    history = replace(history, ledgers={**history.ledgers, "north": twice})
    assert check(history) == []
    lost = ledger[5].message
    assert ("client", Kind.LOST) in kinds(
        check(at_subscriber(history, "client", lambda got: [one for one in got if one != lost]))
    )


def test_cursors_with_a_hole_or_a_repeat_are_found() -> None:
    history = good()
    *most, (_, last) = history.database
    for cursor in (241, 239):
        assert kinds(check(replace(history, database=[*most, (cursor, last)]))) == {("database", Kind.CURSOR)}


def test_a_raised_incident_belongs_to_one_case() -> None:
    history = good()
    for wrong in (history.memberships[1:], [*history.memberships, (history.memberships[0][0], "another case")]):
        assert kinds(check(replace(history, memberships=wrong))) == {("database", Kind.CASE)}


def test_a_sound_message_that_was_set_aside_is_found() -> None:
    assert kinds(check(replace(good(), quarantined=1))) == {("quarantine", Kind.REFUSED)}
