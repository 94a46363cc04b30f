"""Schedules and ledgers: a seed repeats a run, and a kill leaves nothing unclear."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.acceptance.chaos.history import Message, Promise
from tests.acceptance.chaos.ledger import FAILED, REFUSED, STORED, TRY, Ledger, read_promises, read_tries
from tests.acceptance.chaos.schedule import Fault, FaultKind, everything, recorders_only


def test_a_seed_gives_the_same_faults_and_another_seed_others() -> None:
    assert everything(7, 200) == everything(7, 200)
    assert everything(7, 200)[:30] == everything(7, 30)
    assert everything(7, 30) != everything(8, 30)
    assert recorders_only(7, 4, 2) == recorders_only(7, 4, 2)


@pytest.mark.parametrize("seed", range(20))
def test_thirty_faults_are_of_every_kind_and_kill_everything(seed: int) -> None:
    faults = everything(seed, 30)
    assert {one.kind for one in faults} == set(FaultKind)
    killed = {one.target for one in faults if one.kind is FaultKind.KILL}
    assert killed == {"producer-0", "producer-1", "recorder-0", "broker", "database"}


@pytest.mark.parametrize("seed", range(20))
def test_a_target_is_whole_again_before_it_is_struck_again(seed: int) -> None:
    times: dict[str, list[tuple[float, Fault]]] = {}
    now = 0.0
    for one in everything(seed, 100, recorders=2):
        now += one.after
        times.setdefault(one.target, []).append((now, one))
    for struck in times.values():
        for (first, fault), (second, _) in pairwise(struck):
            assert second >= first + fault.lasts


def message(number: int) -> Message:
    return Message(camera="a", incident=f"i{number}", seq=0, phase="raised", count=number)


def test_a_ledger_tells_what_is_certain_from_what_may_be(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    assert read_promises(path) == []
    with Ledger(path) as ledger:
        for number, outcome in enumerate((STORED, REFUSED, FAILED, None)):
            ledger.write(TRY, 1.0, message(number))
            if outcome is not None:
                ledger.write(outcome, 2.0 + number)
    with Ledger(path) as ledger:  # after a kill in between
        ledger.write(TRY, 9.0, message(4))
        ledger.write(STORED, 10.0)
        ledger.write(TRY, 11.0, message(5))
    assert read_promises(path) == [
        Promise(message=message(0), certain=True, at=2.0), Promise(message=message(2), certain=False, at=4.0),
        Promise(message=message(3), certain=False, at=9.0), Promise(message=message(4), certain=True, at=10.0),
        Promise(message=message(5), certain=False, at=10.0),
    ]  # fmt: skip
    assert read_tries(path) == [message(number) for number in range(6)]
