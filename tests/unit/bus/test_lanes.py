from collections.abc import Iterable

import pytest

from gridwatch.bus.lanes import LIVE, Lanes, Pick, Waiting, lane_of

NOW = 1_000_000.0
OLD = NOW - 3600


def waiting(number: int, camera: str, at: float = OLD) -> Waiting:
    return Waiting(id=number, topic=f"gridwatch/v1/d/s/-/{camera}/incident/intrusion", appended_at=at)


def ids(picks: Iterable[Pick]) -> list[int]:
    return [pick.id for pick in picks]


def test_what_happens_now_goes_before_what_is_old_elsewhere() -> None:
    lanes = Lanes(rate=1000)
    lanes.add(waiting(n, "away") for n in range(50))
    assert ids(lanes.take(2, NOW, 0)) == [0, 1]
    lanes.add([waiting(50, "gate", NOW), waiting(51, "yard", NOW), waiting(52, "gate", NOW)])
    assert ids(lanes.take(5, NOW, 0)) == [50, 51, 52, 2, 3]


def test_a_camera_with_something_new_is_brought_up_to_date_before_others_and_in_order() -> None:
    lanes = Lanes(rate=1000)
    lanes.add([*(waiting(n, "away") for n in range(3)), *(waiting(n, "gate") for n in range(3, 6))])
    lanes.add([waiting(6, "gate", NOW)])
    assert ids(lanes.take(9, NOW, 0)) == [3, 4, 5, 6, 0, 1, 2]


def test_what_is_old_goes_at_the_rate_and_what_is_new_at_once() -> None:
    lanes = Lanes(rate=100)
    lanes.add(waiting(n, "away") for n in range(1000))
    sent = len(lanes.take(1000, NOW, 0.0))
    for hundredths in range(1, 501):
        sent += len(lanes.take(1000, NOW, hundredths / 100))
    assert sent == pytest.approx(510, abs=1)  # a tenth of a second's worth at once, then 100/s for 5 s

    lanes.add(waiting(n, "gate", NOW) for n in range(1000, 2000))
    assert len(lanes.take(2000, NOW, 5.0)) == 1000


def test_an_idle_time_does_not_save_up_a_flood() -> None:
    lanes = Lanes(rate=100)
    lanes.add(waiting(n, "away") for n in range(1000))
    lanes.take(1000, NOW, 0.0)
    assert len(lanes.take(1000, NOW, 3600.0)) == 10


def test_one_knows_when_more_may_go() -> None:
    lanes = Lanes(rate=100)
    assert lanes.wait(0.0) is None
    lanes.add(waiting(n, "away") for n in range(30))
    lanes.take(30, NOW, 0.0)
    assert lanes.wait(0.02) == pytest.approx(0.08)
    assert len(lanes.take(30, NOW, 0.1)) == 10


def test_what_could_not_be_sent_comes_again_and_costs_no_rate() -> None:
    lanes = Lanes(rate=20)
    lanes.add([waiting(0, "a"), waiting(1, "b"), waiting(2, "a")])
    first = lanes.take(2, NOW, 0.0)
    lanes.put_back(first[1:])
    assert ids(lanes.take(2, NOW, 0.0)) == [1]
    assert ids(lanes.take(2, NOW, 1.0)) == [2]
    assert lanes.is_empty


def test_after_a_rewind_all_that_is_not_done_with_comes_again() -> None:
    lanes = Lanes(rate=1000)
    lanes.add(waiting(n, "ab"[n % 2]) for n in range(10))
    lanes.take(8, NOW, 0)
    for entry in (0, 2, 3, 9):  # 9 expired before it was sent
        lanes.drop(lane_of(waiting(entry, "ab"[entry % 2]).topic), entry)
    lanes.rewind()
    assert ids(lanes.take(99, NOW, 1)) == [1, 4, 5, 6, 7, 8]
    for entry in (1, 4, 5, 6, 7, 8):
        lanes.drop(lane_of(waiting(entry, "ab"[entry % 2]).topic), entry)
    lanes.drop("unknown", 4)
    lanes.rewind()
    assert lanes.is_empty


def test_dropping_many_keeps_the_place() -> None:
    lanes = Lanes(rate=1e9)
    lanes.add(waiting(n, "a") for n in range(5000))
    for expected in range(5000):
        (pick,) = lanes.take(1, NOW, float(expected))
        assert pick.id == expected
        lanes.drop(pick.lane, pick.id)


def test_all_of_one_camera_is_one_lane_and_a_node_is_its_own() -> None:
    camera = "gridwatch/v1/d/s/-/gate"
    topics = ("incident/intrusion", "evidence/x", "clip/x", "onvif-ej/RuleEngine/LineDetector/Crossed/&1/2/My")
    assert {lane_of(f"{camera}/{rest}") for rest in topics} == {camera}
    assert lane_of("gridwatch/v1/d/s/-/-/node/n1/state") == "gridwatch/v1/d/s/-/-"
    assert lane_of("short") == "short"


def test_a_step_of_the_clock_changes_no_order_within_a_camera() -> None:
    lanes = Lanes(rate=1000)
    lanes.add([waiting(0, "a", NOW), waiting(1, "a", NOW - 86400), waiting(2, "a", NOW + 86400)])
    assert ids(lanes.take(9, NOW + 2 * LIVE, 0)) == [0, 1, 2]
