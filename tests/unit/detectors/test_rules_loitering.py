import random
from typing import Any

import pytest

from gridwatch.config.rules import LoiteringRule
from gridwatch.detectors.rules import Zone
from gridwatch.detectors.rules.loitering import Loitering
from tests.unit.detectors.scenes import FPS, Foot, at, moment, play, said, tracked, walk

OUT: Foot = (0.8, 0.5)
IN: Foot = (0.3, 0.5)


def loitering(**changes: Any) -> Loitering:
    raw = {"id": "yard", "kind": "loitering", "zone": "left", "seconds": 30, "update_seconds": 600, **changes}
    return Loitering.new(LoiteringRule.model_validate(raw), Zone([(0, 0), (0.5, 0), (0.5, 1), (0, 1)]), 16 / 9)


def stay(seconds: float, *, first: float = 0.0, number: int = 1, foot: Foot = IN, **what: Any) -> list[Any]:
    """Seen at `foot` from `first` on, for `seconds`."""
    begin = round(first * FPS)
    times = [i / FPS for i in range(begin, begin + round(seconds * FPS))]
    return [(at_, [tracked(at_, foot, number, first_seen=first, **what)]) for at_ in times]


def nobody(seconds: float, first: float) -> list[Any]:
    begin = round(first * FPS)
    return [(i / FPS, []) for i in range(begin, begin + round(seconds * FPS))]


def test_raised_once_when_the_time_is_over_and_cleared_after_leaving() -> None:
    _, events = play(loitering(), walk([OUT] * 25 + [IN] * 200 + [OUT] * 100))
    assert [(str(event.phase), event.observed_at) for event in events] == [
        ("raised", at(35.0)), ("cleared", at(44.8 + 10.0)),
    ]  # fmt: skip


def test_leaving_before_the_time_is_over_raises_nothing() -> None:
    assert play(loitering(), walk([IN] * 149 + [OUT] * 60 + [IN] * 100))[1] == []


@pytest.mark.parametrize("hidden", [0.4, 1.0, 3.0, 4.8])
def test_time_goes_on_while_hidden_shortly_though_found_again_as_another_track(hidden: float) -> None:
    script = [*stay(20), *nobody(hidden, 20.0), *stay(20, first=20.0 + hidden, number=2, foot=(0.31, 0.51))]
    _, events = play(loitering(), script)
    assert [(str(event.phase), event.occurred_at) for event in events] == [("raised", at(30.0))]


def test_time_starts_anew_after_a_longer_absence() -> None:
    script = [*stay(20), *nobody(7, 20.0), *stay(40, first=27.0, number=2)]
    _, events = play(loitering(), script)
    assert [event.occurred_at for event in events] == [at(57.0)]


def test_stepping_out_shortly_again_and_again_does_not_reset_the_time() -> None:
    _, events = play(loitering(), walk(([IN] * 20 + [OUT] * 10) * 8))
    assert [(str(event.phase), event.occurred_at) for event in events] == [("raised", at(30.0))]


def test_each_class_has_its_own_patience_and_others_do_not_count() -> None:
    one = loitering(classes=["person", "dog"], class_seconds={"dog": 5})
    assert [event.occurred_at for event in play(one, stay(20, label="dog"))[1]] == [at(5.0)]
    assert [event.occurred_at for event in play(one, stay(40))[1]] == [at(30.0)]
    assert play(one, stay(40, label="car"))[1] == []


def test_several_people_have_a_time_each() -> None:
    script = [(i / FPS, [tracked(i / FPS, IN, 1)] + ([tracked(i / FPS, (0.1, 0.9), 2)] if i >= 50 else []))
              for i in range(250)]  # fmt: skip
    _, events = play(loitering(), script)
    assert [(event.subject, event.occurred_at) for event in events] == [("1", at(30.0)), ("2", at(40.0))]


def test_a_stream_of_passers_by_is_nobody_who_stays() -> None:
    """Each crosses the zone in 4 s, one behind another, three in it at any time."""
    script = []
    for i in range(600):
        seconds = i / FPS
        tracks = []
        for number in range(1, 80):
            entered = 1.5 * number
            if entered <= seconds < entered + 4.0:
                share = (seconds - entered) / 4.0
                tracks.append(tracked(seconds, (share, 0.5), number, first_seen=entered))
        script.append((seconds, tracks))
    assert play(loitering(seconds=10), script)[1] == []


@pytest.mark.parametrize("seed", range(8))
def test_raised_within_a_second_of_its_time_however_the_track_flickers(seed: int) -> None:
    rng = random.Random(seed)
    script, number, born, hidden = [], 1, 0.0, 0
    for i in range(250):
        seconds = i / FPS
        if hidden == 0 and rng.random() < 0.05:
            hidden = rng.randint(1, 4)
        if hidden > 0:
            hidden -= 1
            if hidden == 0:
                number, born = number + 1, seconds + 1 / FPS
            script.append((seconds, []))
            continue
        foot = (0.3 + rng.gauss(0, 0.004), 0.5 + rng.gauss(0, 0.004))
        script.append((seconds, [tracked(seconds, foot, number, first_seen=born)]))
    _, events = play(loitering(), script)
    assert said(events) == ["raised"]
    assert at(30.0) <= events[0].occurred_at <= at(31.0)


def test_nobody_looking_is_no_absence() -> None:
    rule, _ = play(loitering(), stay(20))
    step = rule.step(moment(20.0, blind=15.0), [tracked(20.0, IN, 2, first_seen=20.0)])
    _, events = play(step.rule, stay(20, first=20.2, number=2))
    assert [event.occurred_at for event in events] == [at(30.0)]
