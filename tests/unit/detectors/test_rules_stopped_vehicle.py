import random
from dataclasses import replace
from typing import Any

import pytest

from gridwatch.config.rules import StoppedVehicleRule
from gridwatch.detectors.rules import Zone
from gridwatch.detectors.rules.stopped_vehicle import StoppedVehicle
from gridwatch.domain import Box, Track
from tests.unit.detectors.scenes import FPS, Foot, at, moment, play, said

STOP: Foot = (0.4, 0.5)
Script = list[tuple[float, list[Track]]]


def stopped(**changes: Any) -> StoppedVehicle:
    raw = {"id": "bay", "kind": "stopped_vehicle", "zone": "left", "seconds": 20, "update_seconds": 900, **changes}
    return StoppedVehicle.new(
        StoppedVehicleRule.model_validate(raw), Zone([(0.2, 0), (0.6, 0), (0.6, 1), (0.2, 1)]), 16 / 9
    )


def car(seconds: float, foot: Foot, number: int = 1, *, born: float = 0.0, last_seen: float | None = None) -> Track:
    """A car 0.12 wide and 0.1 high: 0.21 heights of the picture long."""
    x, y = foot
    return Track(
        id=number, label="car", box=Box(x1=x - 0.06, y1=y - 0.1, x2=x + 0.06, y2=y), score=0.7, best_score=0.8,
        first_seen=born, last_seen=seconds if last_seen is None else last_seen, hits=9,
    )  # fmt: skip


def drive(seconds: float, stops_at: float = 5.0, leaves_at: float = 1e9, stop: Foot = STOP) -> Foot:
    """From the left edge to `stop`, braking over the last 3 s; then away to the right."""
    if seconds >= leaves_at:
        return (stop[0] + 0.06 * (seconds - leaves_at) ** 2, stop[1])
    left = max(0.0, stops_at - seconds)
    return (stop[0] - (0.03 * left**2 if left < 3 else 0.27 + 0.18 * (left - 3)), stop[1])


def times(until: float, since: float = 0.0) -> list[float]:
    return [i / FPS for i in range(round(since * FPS), round(until * FPS))]


def test_raised_once_after_the_time_and_cleared_when_it_has_left() -> None:
    script = [(t, [car(t, drive(t, leaves_at=60))]) for t in times(80)]
    _, events = play(stopped(), script)
    assert said(events) == ["raised", "cleared"]
    assert at(24.0) <= events[0].occurred_at <= at(26.0)
    assert at(60.0 + 10.0) <= events[1].observed_at <= at(73.0)


def test_parked_for_hours_raises_once_and_updates_by_its_period() -> None:
    script = [(t, [car(t, drive(t))]) for t in [*times(10), *(10.0 + 2 * i for i in range(3 * 1800))]]
    _, events = play(stopped(), script)
    assert said(events).count("raised") == 1
    assert said(events).count("updated") == 11
    assert "cleared" not in said(events)


def test_what_stands_there_from_the_start_belongs_to_the_scene_until_it_has_moved() -> None:
    script = [(t, [car(t, STOP)]) for t in times(100)]
    rule, events = play(stopped(), script)
    assert events == []
    moved = [(t, [car(t, drive(t - 100, stop=(0.3, 0.8)) if t >= 105 else (0.4 + 0.02 * (t - 100), 0.5))])
             for t in times(140, since=100)]  # fmt: skip
    _, events = play(rule, moved)
    assert said(events) == ["raised"]


def test_a_parked_car_that_is_found_only_later_or_under_ever_new_tracks_belongs_to_the_scene() -> None:
    rng = random.Random(1)
    script: Script = [(t, []) for t in times(30)]
    number, born = 1, 30.0
    for t in times(300, since=30):
        if rng.random() < 0.03:
            number, born = number + 1, t + 1 / FPS
            script.append((t, []))
            continue
        foot = (0.4 + rng.gauss(0, 0.006), 0.5 + rng.gauss(0, 0.006))
        script.append((t, [car(t, foot, number, born=born)]))
    assert play(stopped(), script)[1] == []


def test_a_passer_by_that_takes_a_parked_car_s_box_with_it_for_a_moment_is_no_movement() -> None:
    """A bus passes before a parked car: for a second the one box lies on the bus, and is then back."""
    script = []
    for t in times(120):
        shift = 0.25 if 30 <= t < 31 else 0.0
        script.append((t, [car(t, (0.4 + shift, 0.5))]))
    assert play(stopped(), script)[1] == []


@pytest.mark.parametrize("seed", range(6))
def test_a_box_that_trembles_and_a_track_that_flickers_neither_delay_nor_repeat(seed: int) -> None:
    rng = random.Random(seed)
    script: Script = []
    number, born, hidden = 1, 0.0, 0
    for t in times(200):
        if t > 8 and hidden == 0 and rng.random() < 0.02:
            hidden = rng.randint(1, 15)
        if hidden:
            hidden -= 1
            if not hidden:
                number, born = number + 1, t + 1 / FPS
            script.append((t, []))
            continue
        x, y = drive(t)
        script.append((t, [car(t, (x + rng.gauss(0, 0.002), y + rng.gauss(0, 0.002)), number, born=born)]))
    _, events = play(stopped(seconds=60), script)
    assert said(events) == ["raised"]
    assert at(64.0) <= events[0].occurred_at <= at(66.0 + 3.0)


def test_hidden_behind_a_bus_for_a_while_it_goes_on_standing() -> None:
    shown = [(t, [car(t, drive(t))]) for t in times(15)]
    hidden: Script = [(t, []) for t in times(27, since=15)]
    again = [(t, [car(t, (0.405, 0.5), 2, born=27.0)]) for t in times(40, since=27)]
    _, events = play(stopped(seconds=30), shown + hidden + again)
    assert [str(event.phase) for event in events] == ["raised"]
    assert at(34.0) <= events[0].occurred_at <= at(36.0)


def test_one_that_stops_outside_the_zone_or_not_for_long_enough_or_creeps_raises_nothing() -> None:
    outside = [(t, [car(t, drive(t, stop=(0.8, 0.5)))]) for t in times(60)]
    assert play(stopped(), outside)[1] == []
    short = [(t, [car(t, drive(t, leaves_at=22))]) for t in times(40)]
    assert play(stopped(), short)[1] == []
    creeping = [(t, [car(t, (0.2 + 0.004 * t, 0.5))]) for t in times(90)]
    assert play(stopped(), creeping)[1] == []


def test_a_few_metres_further_is_the_same_stop() -> None:
    def place(t: float) -> Foot:
        return (drive(t)[0] + min(0.06, max(0.0, 0.03 * (t - 40))), 0.5)

    _, events = play(stopped(), [(t, [car(t, place(t))]) for t in times(100)])
    assert said(events) == ["raised"]


def test_the_next_vehicle_at_the_place_is_another_incident() -> None:
    first = [(t, [car(t, drive(t, leaves_at=40))]) for t in times(60)]
    second = [(t, [car(t, drive(t - 60), 2, born=60.0)]) for t in times(100, since=60)]
    _, events = play(stopped(), first + second)
    assert said(events) == ["raised", "cleared", "raised"]


def test_a_camera_s_absence_ends_nothing_when_the_vehicle_is_still_there() -> None:
    rule, events = play(stopped(), [(t, [car(t, drive(t))]) for t in times(40)])
    assert said(events) == ["raised"]
    step = rule.step(moment(40.0, blind=1800.0), [car(40.0, (0.41, 0.5), 9, born=40.0)])
    _, after = play(step.rule, [(t, [car(t, (0.41, 0.5), 9, born=40.0)]) for t in times(80, since=40.2)])
    assert [*step.events, *after] == []
    step = rule.step(moment(40.0, blind=1800.0), [])
    _, after = play(step.rule, [(t, []) for t in times(80, since=40.2)])
    assert said(after) == ["cleared"]


def test_people_who_stand_are_no_vehicles() -> None:
    script = [(t, [replace(car(t, drive(t)), label="person")]) for t in times(60)]
    assert play(stopped(), script)[1] == []


def test_a_parked_car_that_takes_over_the_place_of_a_lost_moving_one_has_not_moved() -> None:
    """A car passes behind a parked one and is lost there; the next track begins on the parked one."""
    script: Script = []
    for t in times(60):
        if t < 2.0:
            script.append((t, [car(t, (0.1 + 0.14 * t, 0.48))]))
        else:
            script.append((t, [car(t, (0.4, 0.5), 2, born=2.0)]))
    assert play(stopped(), script)[1] == []


def test_a_vehicle_whose_track_breaks_just_before_it_halts_has_moved() -> None:
    script = [(t, [car(t, drive(t), 1 if t < 3.8 else 2, born=0.0 if t < 3.8 else 3.8)]) for t in times(40)]
    _, events = play(stopped(), script)
    assert said(events) == ["raised"]


def test_after_an_outage_parked_cars_do_not_inherit_the_movement_of_who_drove_before() -> None:
    rule, _ = play(stopped(), [(t, [car(t, drive(t, stops_at=50)), car(t, (0.55, 0.9), 2)]) for t in times(3)])
    step = rule.step(moment(3.0, blind=40.0), [car(3.0, (0.5, 0.6), 3, born=3.0), car(3.0, (0.55, 0.9), 4, born=3.0)])
    _, events = play(
        step.rule,
        [(t, [car(t, (0.5, 0.6), 3, born=3.0), car(t, (0.55, 0.9), 4, born=3.0)]) for t in times(60, since=3.2)],
    )
    assert events == []
