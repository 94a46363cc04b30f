"""Whatever tracks do, what rules say is a legal life of incidents, and saying it again says the same."""

import itertools
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwatch.detectors import rules
from gridwatch.detectors.rules import Rule, RuleEvent
from gridwatch.domain import Phase, Track
from tests.unit.detectors.scenes import camera, moment, tracked

CAMERA = camera(
    rules=[
        {"id": "yard", "kind": "intrusion", "zone": "left", "dwell_seconds": 0.4, "update_seconds": 1.0},
        {"id": "gate", "kind": "line_crossing", "line": "middle"},
        {"id": "stay", "kind": "loitering", "zone": "left", "seconds": 1.0, "absence_seconds": 0.5},
        {"id": "bay", "kind": "stopped_vehicle", "zone": "left", "classes": ["person"], "seconds": 0.5},
        {"id": "lane", "kind": "wrong_way", "zone": "left", "classes": ["person"], "direction": 0, "distance": 0.2},
        {
            "id": "night",
            "kind": "intrusion",
            "zone": "left",
            "dwell_seconds": 0,
            "schedule": ["sun 08:00-08:01"],
            "cooldown_seconds": 3,
            "min_height": 0.1,
        },
        {"id": "dense", "kind": "crowding", "zone": "left", "density": 0.2, "area_m2": 10, "clear_density": 0.1},
        {"id": "square", "kind": "crowding", "zone": "left", "count": 2, "seconds": 0.4, "update_seconds": 1.0},
    ],
    timezone="UTC",
)
sightings = st.builds(
    lambda number, x, y, missed, score: (number, x, y, missed, score),
    st.integers(1, 4), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.booleans(), st.sampled_from([0.3, 0.8]),
)  # fmt: skip
scripts = st.lists(
    st.tuples(st.floats(0.05, 2.5), st.lists(sightings, max_size=4, unique_by=lambda one: one[0])), max_size=40
)


def run(rule: Rule, script: list[tuple[float, list[tuple[int, float, float, bool, float]]]]) -> list[RuleEvent]:
    events: list[RuleEvent] = []
    seconds, last = 0.0, dict[int, float]()
    for elapsed, people in script:
        seconds += elapsed
        tracks: list[Track] = []
        for number, x, y, missed, score in people:
            if not missed:
                last[number] = seconds
            if number in last:
                tracks.append(tracked(seconds, (x, y), number, last_seen=last[number], best_score=score))
        step = rule.step(moment(seconds), tracks)
        rule = step.rule
        events += step.events
    return events + list(rule.finish(moment(seconds)).events)


@pytest.mark.parametrize("name", [rule.id for rule in CAMERA.rules])
@settings(max_examples=60, deadline=None)
@given(script=scripts)
def test_every_incident_is_raised_once_counts_from_zero_and_ends_cleared(
    name: str, script: list[tuple[float, list[tuple[int, float, float, bool, float]]]]
) -> None:
    rule = rules.build(CAMERA, 16 / 9)[name]
    events = run(rule, script)
    assert events == run(rule, script)
    lives = defaultdict(list)
    for event in events:
        lives[event.occurred_at, event.subject].append(event)
    for life in lives.values():
        assert [event.seq for event in life] == list(range(len(life)))
        assert life[0].phase is Phase.RAISED
        assert life[-1].phase is Phase.CLEARED
        assert all(event.phase is Phase.UPDATED for event in life[1:-1])
        assert all(a.observed_at <= b.observed_at for a, b in itertools.pairwise(life))
        assert all(event.observed_at >= event.occurred_at for event in life)
        assert all(0.0 <= event.score <= 1.0 for event in life)
        assert life[0].count == len(life[0].boxes) >= 1
