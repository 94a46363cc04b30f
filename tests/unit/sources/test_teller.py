"""From what sources tell to incidents: once, in order, over restarts and full disks, bounded."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gridwatch.domain import Phase
from gridwatch.sources import Known, SourceMemory
from tests.unit.sources.builders import FRIGATE, MAPPED, NOON, Desk, frigate


def smoke(*, alarm: bool, **more: Any) -> dict[str, Any]:
    return {"sensor": "s1", "state": {"alarm": alarm}, **more}


def said(desk: Desk) -> list[tuple[Phase, int]]:
    return [(one.phase, one.seq) for one in desk.put]


LIFE = [(Phase.RAISED, 0), (Phase.CLEARED, 1)]


@pytest.mark.parametrize("start", [NOON.timestamp() - 5, 1.0])
def test_what_is_told_again_says_nothing_new(tmp_path: Path, start: float) -> None:
    desk = Desk(tmp_path, FRIGATE)
    for kind in ("new", "new", "new", "end", "end", "update", "new"):
        desk.hear("lobby", frigate(kind, 3, start_time=start, frame_time=start))
        desk.clock.advance(1)
    assert said(desk) == LIFE
    assert desk.teller.tallies["lobby"].repeated == 5


def test_updates_are_told_at_most_every_five_seconds(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FRIGATE)
    desk.hear("lobby", frigate())
    for number in range(20):
        desk.clock.advance(1)
        desk.hear("lobby", frigate("update", number, top_score=0.7 + number / 100))
    assert [one.seq for one in desk.put] == [0, 1, 2, 3, 4]


def test_after_a_restart_the_same_object_is_the_same_incident(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FRIGATE)
    desk.hear("lobby", frigate())
    desk = desk.restarted(tmp_path, FRIGATE)
    desk.hear("lobby", frigate("update", 1))
    desk.hear("lobby", frigate("end", 3))
    desk = desk.restarted(tmp_path, FRIGATE)
    desk.hear("lobby", frigate("end", 3))
    assert said(desk) == LIFE
    assert len({one.id for one in desk.put}) == 1


@pytest.mark.parametrize("start", [NOON.timestamp() - 5, 1.0])
def test_killed_before_the_outbox_had_it_it_is_told_later_under_the_id_it_was_given(
    tmp_path: Path, start: float
) -> None:
    desk = Desk(tmp_path, FRIGATE)
    desk.fails = True
    with pytest.raises(OSError, match="no room"):
        desk.hear("lobby", frigate(start_time=start))
    assert desk.put == []
    assert desk.teller.tallies["lobby"].raised == 0
    desk = desk.restarted(tmp_path, FRIGATE)
    desk.clock.advance(60)
    (raised,) = desk.hear("lobby", frigate("update", 1, start_time=start))
    assert raised.occurred_at <= NOON  # when it was first told, not now
    assert said(desk) == [(Phase.RAISED, 0)]


def test_what_was_never_told_does_not_date_back_what_happens_hours_later(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MAPPED)
    desk.fails = True
    with pytest.raises(OSError, match="no room"):
        desk.hear("smoke", smoke(alarm=True))
    desk = desk.restarted(tmp_path, MAPPED)
    desk.clock.advance(60)
    (soon,) = desk.hear("smoke", smoke(alarm=True))
    assert soon.occurred_at == NOON
    desk.hear("smoke", smoke(alarm=False))
    desk.fails = True
    with pytest.raises(OSError, match="no room"):
        desk.hear("smoke", smoke(alarm=True, at="2026-03-04T12:00:30Z"))
    desk = desk.restarted(tmp_path, MAPPED)
    desk.clock.advance(7200)
    (late,) = desk.hear("smoke", smoke(alarm=True))
    assert late.occurred_at == desk.clock.now()


def test_killed_after_the_outbox_had_it_it_is_known(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FRIGATE)
    desk.hear("lobby", frigate())
    one = desk.put[0]
    # As if the kill came between outbox and memory: the mark that it was told is missing.
    known = Known(incident=one.id, occurred_at=one.occurred_at, told=False)
    desk.memory.begin("lobby", f"inside/{frigate()['after']['id']}", known, NOON)
    desk = desk.restarted(tmp_path, FRIGATE)
    desk.hear("lobby", frigate())
    desk.hear("lobby", frigate("end", 1))
    assert said(desk) == LIFE


def test_an_end_that_could_not_be_kept_ends_when_it_comes_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FRIGATE)
    desk.hear("lobby", frigate())
    desk.fails = True
    with pytest.raises(OSError, match="no room"):
        desk.hear("lobby", frigate("end", 3))
    desk.fails = False
    desk.hear("lobby", frigate("end", 3))
    assert said(desk) == LIFE


def test_what_is_not_heard_of_for_too_long_is_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path, {**FRIGATE, "clear_after": "PT10M"})
    desk.hear("lobby", frigate())
    desk.clock.advance(599)
    desk.teller.tick()
    desk.hear("lobby", frigate("update", 1))
    desk.clock.advance(599)
    desk.teller.tick()
    assert said(desk) == [(Phase.RAISED, 0)]
    desk.clock.advance(1)
    desk.teller.tick()
    assert said(desk) == LIFE


def test_what_a_source_that_is_gone_left_open_is_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FRIGATE, MAPPED)
    desk.hear("lobby", frigate())
    desk.hear("smoke", smoke(alarm=True))
    desk = desk.restarted(tmp_path, MAPPED)
    desk.teller.tick()
    desk.teller.tick()
    assert [one.id for one in desk.put if one.phase is Phase.CLEARED] == [desk.put[0].id]


def test_a_flood_of_one_camera_is_bounded_and_counted_and_others_do_not_notice(tmp_path: Path) -> None:
    desk = Desk(tmp_path, {**FRIGATE, "burst": 5, "per_minute": 6})
    for number in range(50):
        desk.hear("lobby", frigate(id=f"object-{number}"))
    assert len(desk.put) == 5
    assert desk.teller.tallies["lobby"].suppressed == 45
    assert len(desk.hear("lobby", frigate(camera="yard"))) == 1
    desk.clock.advance(10)
    assert len(desk.hear("lobby", frigate(id="object-7"))) == 1  # it is still there, and now there is room


def test_open_incidents_are_bounded_and_the_oldest_gives_way(tmp_path: Path) -> None:
    desk = Desk(tmp_path, {**FRIGATE, "burst": 1000})
    for number in range(257):
        desk.hear("lobby", frigate(id=f"object-{number}"))
    assert [one.id for one in desk.put if one.phase is Phase.CLEARED] == [desk.put[0].id]
    assert len(desk.open) == 256


def test_the_same_moment_told_twice_is_one_incident(tmp_path: Path) -> None:
    moment = {**MAPPED, "map": {**MAPPED["map"], "clear_when": None}}
    desk = Desk(tmp_path, moment)
    for _ in range(2):
        desk.hear("smoke", smoke(alarm=True, at="2026-03-04T11:59:58Z"))
    assert said(desk) == LIFE
    desk.hear("smoke", smoke(alarm=True, at="2026-03-04T11:59:59Z"))
    assert said(desk) == LIFE * 2


def test_times_never_go_back_within_an_incident(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MAPPED)
    desk.hear("smoke", smoke(alarm=True, at="2026-03-04T11:59:58Z"))
    desk.hear("smoke", smoke(alarm=False, at="2026-03-04T11:00:00Z"))
    raised, cleared = desk.put
    assert raised.occurred_at <= raised.observed_at <= cleared.observed_at
    desk = Desk(tmp_path, FRIGATE)
    desk.hear("lobby", frigate("update", 3))
    desk.hear("lobby", frigate("end", 1))
    assert desk.put[1].observed_at == desk.put[0].observed_at


def test_the_memory_keeps_hashes_and_no_more_than_it_may(tmp_path: Path) -> None:
    memory = SourceMemory(tmp_path / "memory")
    memory.open()
    known = Known(incident=Desk(tmp_path, FRIGATE).hear("lobby", frigate())[0].id, occurred_at=NOON, told=False)
    for number in range(10):
        memory.begin("s", f"John Smith {number}", known, NOON + timedelta(seconds=number))
    memory.told("s", "John Smith 9")
    memory.forget(NOON + timedelta(seconds=3), most=4)

    assert [memory.find("s", f"John Smith {number}") is not None for number in range(10)] == [False] * 6 + [True] * 4
    assert memory.find("s", "John Smith 9") == replace(known, told=True)
    memory.close()
    assert b"John" not in (tmp_path / "memory").read_bytes()
