"""A new run goes on with what the last one left open: neither repeated nor forgotten."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gridwatch.config.model import HealthConfig
from gridwatch.detectors.analysis import CameraAnalysis
from gridwatch.detectors.detector import ScriptedDetector
from gridwatch.domain import Detection, Image, Incident, OpenIncident, Phase
from tests.unit.detectors.picture_faults import FAULTS, pictures
from tests.unit.detectors.scenes import FPS, at, camera, frame, seen
from tests.unit.detectors.still_pictures import film, leaves_a_bag, person

GREY = np.full((90, 160, 3), 100, np.uint8)
INSIDE = (0.3, 0.6)
CAR = {"label": "car", "width": 0.12, "height": 0.1}
Script = Sequence[Sequence[Detection]]


def run(
    script: Script, began: float, left: Sequence[OpenIncident] = (), **changes: Any
) -> tuple[list[Incident], tuple[OpenIncident, ...]]:
    """A run that sees `script` from `began` on and is then killed: its messages, and what it leaves open."""
    analysis = CameraAnalysis(camera(gate=False, **changes), ScriptedDetector(script), still_open=left)
    messages: list[Incident] = []
    for i in range(len(script)):
        messages += analysis.analyse(frame(i, GREY, connected=began)).incidents
    ended = at(began + (len(script) - 1) / FPS)
    latest = {one.latest.id: one.latest for one in left} | {one.id: one for one in messages}
    still = [OpenIncident(latest=one, seen_at=ended) for one in latest.values() if one.phase is not Phase.CLEARED]
    return messages, tuple(still)


def life(messages: Sequence[Incident]) -> list[tuple[str, int]]:
    return [(str(one.phase), one.seq) for one in messages]


def test_the_same_object_goes_on_under_the_same_id_with_the_next_number() -> None:
    (raised,), left = run([[seen(*INSIDE)]] * 20, 0.0)
    after, left = run([[seen(0.31, 0.61)]] * 20, 12.0, left)
    assert life(after) == [("updated", 1)]
    assert (after[0].id, after[0].occurred_at) == (raised.id, raised.occurred_at)
    assert after[0].observed_at == at(12.0)
    third, left = run([[seen(0.31, 0.61)]] * 5 + [[]] * 30, 24.0, left)
    assert life(third) == [("updated", 2), ("cleared", 3)]
    assert {one.id for one in third} == {raised.id}
    assert left == ()


def test_one_that_has_gone_is_cleared_once_after_looking_for_it() -> None:
    (raised,), left = run([[seen(*INSIDE)]] * 20, 0.0)
    after, left = run([[]] * 30, 12.0, left)
    assert life(after) == [("cleared", 1)]
    assert after[0].id == raised.id
    assert after[0].observed_at == at(12.0 + 2.0)
    assert left == ()


def test_somebody_far_from_where_it_was_is_another() -> None:
    (raised,), left = run([[seen(0.05, 0.95)]] * 20, 0.0)
    after, _ = run([[seen(0.45, 0.3)]] * 30, 4.2, left)
    assert sorted(life(after)) == [("cleared", 1), ("raised", 0)]
    assert next(one for one in after if one.seq == 1).id == raised.id


def test_after_more_than_a_minute_it_ends_with_when_it_was_last_watched() -> None:
    (raised,), left = run([[seen(*INSIDE)]] * 20, 0.0)
    after, _ = run([[seen(*INSIDE)]] * 20, 100.0, left)
    assert life(after) == [("cleared", 1), ("raised", 0)]
    assert (after[0].id, after[0].observed_at) == (raised.id, at(3.8))
    assert after[1].occurred_at == at(101.0)


def test_a_clock_that_was_set_back_in_between_ends_nothing() -> None:
    _, left = run([[seen(*INSIDE)]] * 20, 3600.0)
    after, _ = run([[seen(*INSIDE)]] * 20, 0.0, left)
    assert life(after) == [("updated", 1)]
    assert after[0].observed_at == after[0].occurred_at


def test_a_stopped_vehicle_goes_on_though_nobody_sees_it_move_again_and_however_long_it_took() -> None:
    rules = [{"id": "bay", "kind": "stopped_vehicle", "zone": "left", "seconds": 5}]
    arrives = [[seen(min(0.3, 0.05 + 0.05 * i), 0.5, **CAR)] for i in range(60)]
    (raised,), left = run(arrives, 0.0, rules=rules)
    after, left = run([[seen(0.3, 0.5, **CAR)]] * 40, 7200.0, left, rules=rules)
    assert life(after) == [("updated", 1)]
    gone, left = run([[]] * 80, 7300.0, left, rules=rules)
    assert life(gone) == [("cleared", 2)]
    assert {one.id for one in (*after, *gone)} == {raised.id}
    assert left == ()


def test_who_walked_on_while_nobody_looked_is_the_same() -> None:
    (raised,), left = run([[seen(*INSIDE)]] * 20, 0.0)
    after, _ = run([[seen(0.45, 0.6)]] * 5, 12.0, left)
    assert [(one.id, one.seq) for one in after] == [(raised.id, 1)]


def test_a_vehicle_beside_where_one_stood_is_another() -> None:
    rules = [{"id": "bay", "kind": "stopped_vehicle", "zone": "left", "seconds": 5}]
    arrives = [[seen(min(0.3, 0.05 + 0.05 * i), 0.5, **CAR)] for i in range(60)]
    (raised,), left = run(arrives, 0.0, rules=rules)
    after, _ = run([[seen(0.384, 0.5, **CAR)]] * 80, 20.0, left, rules=rules)  # 0.7 of its length
    assert [(one.id, str(one.phase)) for one in after] == [(raised.id, "cleared")]


def test_a_loiterer_and_one_who_goes_the_wrong_way_go_on() -> None:
    rules = [
        {"id": "stay", "kind": "loitering", "zone": "left", "seconds": 3},
        {"id": "lane", "kind": "wrong_way", "zone": "left", "direction": 0, "classes": ["person"], "distance": 0.5},
    ]
    walks = [[seen(0.3, 0.3 + 0.01 * i)] for i in range(20)]
    before, left = run(walks, 0.0, rules=rules)
    assert sorted(one.rule for one in before) == ["lane", "stay"]
    after, _ = run([[seen(0.3, 0.52 + 0.01 * i)] for i in range(15)], 4.2, left, rules=rules)
    assert sorted((one.rule, str(one.phase)) for one in after) == [("lane", "updated"), ("stay", "updated")]
    assert {one.id for one in after} == {one.id for one in before}


def test_the_same_restart_gives_the_same_messages() -> None:
    _, left = run([[seen(*INSIDE)]] * 20, 0.0)
    assert run([[seen(0.32, 0.6)]] * 30, 9.0, left) == run([[seen(0.32, 0.6)]] * 30, 9.0, left)


def test_a_camera_with_something_open_is_not_idle_before_it_has_looked() -> None:
    _, left = run([[seen(*INSIDE)]] * 20, 0.0)
    analysis = CameraAnalysis(camera(), ScriptedDetector([[]] * 5), still_open=left)
    first = analysis.analyse(frame(0, GREY, connected=9.0))
    assert (first.idle, first.has_open) == (False, True)


def look(images: Sequence[Image], began: float, left: Sequence[OpenIncident] = ()) -> list[Incident]:
    one = CameraAnalysis(
        camera(rules=[], gate=False), ScriptedDetector([[]] * len(images)), health=HealthConfig(), still_open=left
    )
    return [m for i, image in enumerate(images) for m in one.analyse(frame(i, image, connected=began)).incidents]


@pytest.mark.parametrize("fault", ["black", "covered by grey cloth", "covered by a hand", "blurred, sigma 6",
                                   "moved by 20 %"])  # fmt: skip
def test_a_bad_picture_stays_told_over_a_restart_until_it_is_good_again(fault: str) -> None:
    good = (pictures("road-day") * 9)[: 12 * int(FPS)]
    spoil = FAULTS[fault][1]
    assert spoil is not None
    bad = [spoil(image) for image in good]
    (raised,) = look([*good, *bad], 0.0)
    left = [OpenIncident(latest=raised, seen_at=at(24))]
    assert look(bad * 2, 27.0, left) == []
    (over,) = look([*bad, *good], 27.0, left)
    assert (over.id, over.seq, over.phase) == (raised.id, 1, Phase.CLEARED)
    assert at(39) <= over.observed_at <= at(39 + 3.5)


BAG_RULE = {"id": "bag", "kind": "abandoned_object", "zone": "all", "seconds": 8.0}


def film_of_a_bag(began: float, ended: float) -> tuple[list[Image], list[Sequence[Detection]]]:
    """The part from `began` to `ended` of one in which a bag is left, somebody passes, and it is taken at 60 s."""

    def scene(picture: Image, t: float) -> Sequence[Detection]:
        passer = [person(picture, int(38 * (t - 40.0)))] if 40.0 <= t < 49.0 else []
        return [*leaves_a_bag(picture, t, until=60.0), *passer]

    steps = film(ended, scene)[round(began * FPS) :]
    return [image for image, _ in steps], [seen for _, seen in steps]


def watch(began: float, ended: float, left: Sequence[OpenIncident] = ()) -> list[Incident]:
    images, detections = film_of_a_bag(began, ended)
    config = camera(gate=False, zones={"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}, rules=[BAG_RULE])
    one = CameraAnalysis(config, ScriptedDetector(detections), still_open=left)
    return [m for i, image in enumerate(images) for m in one.analyse(frame(i, image, connected=began)).incidents]


def test_a_thing_that_was_left_goes_on_over_a_restart_until_it_is_taken() -> None:
    (raised,) = watch(0.0, 25.0)
    left = [OpenIncident(latest=raised, seen_at=at(25))]
    after = watch(30.0, 80.0, left)
    assert {one.id for one in after} == {raised.id}
    assert (life(after)[0], life(after)[-1][0]) == (("updated", 1), "cleared")
    assert [phase for phase, _ in life(after)].count("cleared") == 1
    assert at(60) <= after[-1].observed_at <= at(75)
