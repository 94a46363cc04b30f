"""Incidents from geometry, on cases small enough to work out by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gridwatch.config import load_settings
from gridwatch.domain import Box, IncidentKind, Point
from gridwatch.rig.scenes import (
    TrueBox,
    TrueFrame,
    Variant,
    builtin_scenes,
    crossed,
    deployment_document,
    frames_of,
    incidents_of,
    kit_scenes,
    truth_document,
)  # fmt: skip
from gridwatch.rig.scenes.model import (
    Bag,
    Car,
    Cover,
    Fire,
    Line,
    Person,
    Place,
    Scene,
    SceneRule,
    Spell,
    View,
    Waypoint,
)  # fmt: skip

TRUTH = Path(__file__).parents[4] / "samples" / "truth"


def at(x: float, y: float) -> Point:
    return Point(x=x, y=y)


def box(foot_x: float, foot_y: float) -> Box:
    return Box(x1=foot_x - 0.02, y1=foot_y - 0.2, x2=foot_x + 0.02, y2=foot_y)


def moving(*feet: tuple[float, float] | None, label: str = "person", name: str = "a") -> list[TrueFrame]:
    """One object, one foot a frame at 10 frames/s; None where it is not in the picture."""
    return [
        TrueFrame(
            t=index / 10,
            boxes=() if foot is None else (TrueBox(name=name, label=label, box=box(*foot), visible=1.0),),
        )
        for index, foot in enumerate(feet)
    ]


def scene(rule: SceneRule, **more: object) -> Scene:
    square = {"square": (at(0.4, 0.4), at(0.6, 0.4), at(0.6, 0.8), at(0.4, 0.8))}
    line = {"gate": Line(start=at(0.5, 0.2), end=at(0.5, 0.8))}
    return Scene(name="small", seconds=2, place=Place.PLAZA, zones=square, lines=line, rules=(rule,), **more)


def test_an_intrusion_lasts_from_the_first_to_the_last_frame_with_the_foot_in_the_zone():
    rule = SceneRule(id="r", kind=IncidentKind.INTRUSION, zone="square", seconds=0.2)
    walk = moving(*((0.37 + 0.02 * step, 0.6) for step in range(16)))  # x 0.37 .. 0.67, inside from 0.41 to 0.59
    (found,) = incidents_of(scene(rule), walk)
    assert (found.start, found.due, found.end) == pytest.approx((0.2, 0.4, 1.1))


def test_an_intrusion_shorter_than_the_dwell_is_none():
    rule = SceneRule(id="r", kind=IncidentKind.INTRUSION, zone="square", seconds=0.5)
    assert incidents_of(scene(rule), moving((0.3, 0.6), (0.5, 0.6), (0.5, 0.6), (0.7, 0.6))) == []


def test_the_foot_decides_not_the_middle_of_the_box():
    rule = SceneRule(id="r", kind=IncidentKind.INTRUSION, zone="square")
    assert incidents_of(scene(rule), moving((0.5, 0.85))) == []  # centre at 0.75 is inside, foot at 0.85 is not
    assert len(incidents_of(scene(rule), moving((0.5, 0.45)))) == 1  # centre at 0.35 is outside, foot is not


def test_leaving_and_coming_back_are_two_intrusions():
    rule = SceneRule(id="r", kind=IncidentKind.INTRUSION, zone="square")
    found = incidents_of(scene(rule), moving((0.5, 0.6), (0.7, 0.6), (0.5, 0.6), None, (0.5, 0.6)))
    assert [incident.start for incident in found] == [0.0, 0.2, 0.4]


def test_other_classes_do_not_intrude():
    rule = SceneRule(id="r", kind=IncidentKind.INTRUSION, zone="square")
    assert incidents_of(scene(rule), moving((0.5, 0.6), label="car")) == []


@pytest.mark.parametrize(
    ("before", "after", "side"),
    [
        ((0.4, 0.5), (0.6, 0.5), "left"),  # the line points down the picture: screen right is its left
        ((0.6, 0.5), (0.4, 0.5), "right"),
        ((0.4, 0.5), (0.45, 0.5), None),
        ((0.4, 0.9), (0.6, 0.9), None),  # passes below its end
        ((0.4, 0.7), (0.6, 0.95), None),  # cuts the extended line at 0.825
    ],
)
def test_a_line_is_crossed_between_its_ends_only(before, after, side):
    assert crossed(Line(start=at(0.5, 0.2), end=at(0.5, 0.8)), at(*before), at(*after)) == side


def test_touching_the_line_and_going_on_is_one_crossing():
    rule = SceneRule(id="r", kind=IncidentKind.LINE_CROSSING, line="gate")
    (found,) = incidents_of(scene(rule), moving((0.4, 0.5), (0.5, 0.5), (0.6, 0.5), (0.7, 0.5)))
    assert (found.start, found.end, found.direction) == (0.2, 0.2, "left")


def test_a_crossing_against_the_watched_direction_is_none():
    rule = SceneRule(id="r", kind=IncidentKind.LINE_CROSSING, line="gate", direction="right")
    assert incidents_of(scene(rule), moving((0.4, 0.5), (0.6, 0.5))) == []


def test_a_crossing_rule_without_a_line_is_refused():
    rule = SceneRule(id="r", kind=IncidentKind.LINE_CROSSING)
    with pytest.raises(ValueError, match="names no line"):
        incidents_of(scene(rule), [])


def test_a_crowd_lasts_while_enough_are_inside():
    rule = SceneRule(id="r", kind=IncidentKind.CROWDING, zone="square", count=2, seconds=0.1)
    inside, outside = (0.5, 0.6), (0.1, 0.6)
    one = moving(inside, inside, inside, inside, outside)
    other = moving(outside, inside, inside, inside, inside, name="b")
    both = [TrueFrame(t=a.t, boxes=a.boxes + b.boxes) for a, b in zip(one, other, strict=True)]
    (found,) = incidents_of(scene(rule), both)
    assert (found.start, found.end, found.count) == (0.1, 0.3, 2)


def test_a_vehicle_stops_when_it_stays_and_not_while_it_crawls():
    rule = SceneRule(id="r", kind=IncidentKind.STOPPED_VEHICLE, zone="square", labels=("car",), seconds=0.3)
    (found,) = incidents_of(scene(rule), moving((0.3, 0.6), *[(0.5, 0.6)] * 5, (0.6, 0.6), label="car"))
    assert (found.start, found.end) == (0.1, 0.5)
    crawl = moving(*((0.42 + 0.03 * step, 0.6) for step in range(6)), label="car")  # 0.03 is half a metre there
    assert incidents_of(scene(rule), crawl) == []


def test_a_bag_is_abandoned_once_nobody_is_near():
    rule = SceneRule(
        id="r", kind=IncidentKind.ABANDONED_OBJECT, zone="square", labels=("suitcase",), seconds=0.2
    )  # fmt: skip
    bag = moving(*[(0.5, 0.6)] * 6, label="suitcase", name="bag")
    owner = moving((0.52, 0.6), (0.55, 0.6), (0.8, 0.6), (0.9, 0.6), None, None)
    both = [TrueFrame(t=a.t, boxes=a.boxes + b.boxes) for a, b in zip(bag, owner, strict=True)]
    (found,) = incidents_of(scene(rule), both)
    assert (found.start, found.due, found.end) == pytest.approx((0.2, 0.4, 0.5))


def test_a_lens_is_tampered_with_while_it_is_nearly_all_covered():
    cover = Cover(start=0.48, end=1.52, slide=0.5)  # 64 % at 0.8, 84 % at 0.9 and 1.1, 64 % at 1.2
    rule = SceneRule(id="r", kind=IncidentKind.CAMERA_TAMPER, seconds=0.1)
    small = scene(rule, cover=cover)
    (found,) = incidents_of(small, frames_of(small))
    assert (found.start, found.end) == pytest.approx((0.9, 1.1))


def test_boxes_follow_the_path_and_the_perspective():
    view = View()
    walker = Person(path=(Waypoint(t=0, at=at(0.2, 0.5)), Waypoint(t=2, at=at(0.2, 0.9))), height=1.8)
    small = Scene(name="s", seconds=2, place=Place.PLAZA, view=view, actors={"w": walker})
    frames = frames_of(small)
    near, far = frames[-1].boxes[0].box, frames[0].boxes[0].box
    assert near.foot.x == pytest.approx(0.2, abs=0.01)
    assert near.foot.y == pytest.approx(0.88, abs=0.02)
    assert far.height == pytest.approx(1.8 * view.metre(0.5), rel=0.06)
    assert near.height > 1.5 * far.height


def test_an_actor_leaves_the_truth_at_the_edge_and_behind_nearer_ones():
    def stand(x: float, y: float) -> tuple[Waypoint, ...]:
        return (Waypoint(t=0, at=at(x, y)), Waypoint(t=1, at=at(x, y)))

    actors = {
        "outside": Person(path=stand(-0.03, 0.6)),
        "behind": Person(path=stand(0.5, 0.55)),
        "car": Car(path=stand(0.5, 0.6)),
        "free": Bag(path=stand(0.9, 0.6)),
    }
    (frame,) = frames_of(Scene(name="s", seconds=0.1, place=Place.ROAD, actors=actors))
    seen = {one.name: one.visible for one in frame.boxes}
    assert set(seen) == {"behind", "car", "free"}
    assert seen["car"] == seen["free"] == 1.0
    assert seen["behind"] < 0.8


@pytest.mark.parametrize("name", list(builtin_scenes()))
def test_the_committed_truth_is_what_the_scene_gives(name):
    made, kept = (json.loads(text) for text in (truth_document(builtin_scenes()[name]), _kept(name)))
    made_frames, kept_frames = made.pop("frames"), kept.pop("frames")
    assert made == kept
    assert made["incidents"], "a sample without incidents shows nothing"
    for one, other in zip(made_frames, kept_frames, strict=True):
        assert one["boxes"].keys() == other["boxes"].keys()
        for actor, values in one["boxes"].items():  # rounding may differ by one digit on another machine
            assert values[:4] == pytest.approx(other["boxes"][actor][:4], abs=2e-4)


def _kept(name: str) -> str:
    return (TRUTH / f"{name}.json").read_text(encoding="utf-8")


def test_every_kind_a_scene_can_show_is_in_some_sample():
    kinds = {
        incident["kind"] for path in TRUTH.glob("*.json") for incident in json.loads(path.read_text())["incidents"]
    }
    assert kinds == {
        "intrusion", "line_crossing", "crowding", "abandoned_object", "stopped_vehicle", "camera_tamper",
    }  # fmt: skip


def test_hand_made_truth_refers_to_its_own_rules_zones_and_time():
    truth = json.loads(_kept("pets2009-s2l1-street"))
    rules = {rule["id"]: rule for rule in truth["rules"]}
    for rule in rules.values():
        assert rule.get("zone") in {None, *truth["zones"]}
        assert rule.get("line") in {None, *truth["lines"]}
    for incident in truth["incidents"]:
        assert rules[incident["rule"]]["kind"] == incident["kind"]
        assert 0 <= incident["from"] <= incident["to"] <= truth["seconds"]


def test_loitering_is_staying_long_and_each_stay_counts_alone():
    rule = SceneRule(id="r", kind=IncidentKind.LOITERING, zone="square", seconds=0.4)
    stays = moving(*[(0.5, 0.6)] * 6, (0.8, 0.6), *[(0.5, 0.6)] * 4)
    (found,) = incidents_of(scene(rule), stays)
    assert (found.start, found.due, found.end, found.actors) == (0.0, 0.4, 0.5, ("a",))


def test_wrong_way_is_moving_against_the_way_inside_the_zone_and_not_standing_or_across():
    rule = SceneRule(
        id="r", kind=IncidentKind.WRONG_WAY, zone="square", labels=("car",), seconds=0.3, way=(1.0, 0.0)
    )  # fmt: skip
    against = moving(*((0.7 - 0.03 * step, 0.6) for step in range(12)), label="car")  # inside from 0.58 on, step 4
    (found,) = incidents_of(scene(rule), against)
    assert (found.start, found.due) == pytest.approx((0.4, 0.7))
    along = moving(*((0.42 + 0.03 * step, 0.6) for step in range(6)), label="car")
    across = moving(*((0.5, 0.42 + 0.05 * step) for step in range(7)), label="car")
    stands = moving(*((0.5 - 0.0001 * step, 0.6) for step in range(7)), label="car")
    for others in (along, across, stands):
        assert incidents_of(scene(rule), others) == []


def test_a_wrong_way_without_a_direction_is_a_mistake():
    with pytest.raises(ValueError, match="names none"):
        incidents_of(scene(SceneRule(id="r", kind=IncidentKind.WRONG_WAY)), [])


def test_something_is_removed_once_it_is_no_longer_where_it_stood_from_the_beginning():
    rule = SceneRule(id="r", kind=IncidentKind.REMOVED_OBJECT, zone="square", seconds=0.2)
    taken = moving(*[(0.5, 0.6)] * 3, (0.7, 0.6), *[None] * 3, label="suitcase")
    (found,) = incidents_of(scene(rule), taken)
    assert (found.start, found.due, found.end) == pytest.approx((0.3, 0.5, 0.6))
    came_later = moving((0.1, 0.6), *[(0.5, 0.6)] * 4, None, None, label="suitcase")
    assert incidents_of(scene(rule), came_later) == []


def test_a_car_that_stands_from_the_first_picture_on_is_parked():
    rule = SceneRule(id="r", kind=IncidentKind.STOPPED_VEHICLE, zone="square", labels=("car",), seconds=0.3)
    assert incidents_of(scene(rule), moving(*[(0.5, 0.6)] * 8, label="car")) == []


def test_a_fire_burns_from_its_first_flame_to_its_last():
    rule = SceneRule(id="r", kind=IncidentKind.FIRE_SMOKE, zone="square", seconds=0.2)
    small = scene(rule, fire=Fire(at=at(0.5, 0.7), start=0.35, end=1.25, grow=0.1))
    (found,) = incidents_of(small, frames_of(small))
    assert (found.start, found.due, found.end) == pytest.approx((0.4, 0.6, 1.2))


def test_a_lens_out_of_focus_is_told_from_a_covered_one():
    rules = tuple(
        SceneRule(id=f"health.{fault}", kind=IncidentKind.CAMERA_TAMPER, seconds=0.2)
        for fault in ("covered", "blurred")
    )
    small = replace(
        scene(rules[0]), rules=rules, defocus=Spell(start=0.5, end=1.0), cover=Cover(start=1.2, end=1.8, slide=0.05)
    )
    assert [(one.rule, one.start) for one in incidents_of(small, frames_of(small))] == [
        ("health.blurred", 0.5), ("health.covered", 1.3),
    ]  # fmt: skip


@pytest.mark.parametrize("name", list(kit_scenes()))
def test_a_scene_of_the_kit_has_its_own_kind_and_no_other_and_what_must_raise_nothing(name):
    one = kit_scenes()[name]
    frames = frames_of(one)
    kinds = {incident.kind for incident in incidents_of(one, frames)}
    assert kinds == ({IncidentKind(name.replace("-", "_"))} if name != "uneventful" else set())
    guilty = {actor for incident in incidents_of(one, frames) for actor in incident.actors}
    innocent = {box.name for frame in frames for box in frame.boxes} - guilty
    assert innocent, "hard negatives"
    assert 20 <= one.seconds <= 60


def test_what_happens_is_the_same_under_every_condition_and_only_shaking_moves_the_boxes():
    one = replace(kit_scenes()["intrusion"], seconds=8.0)
    day, *others = (json.loads(truth_document(one.under(variant))) for variant in Variant)
    assert {other["clip"] for other in others} == {f"intrusion-{variant}.mp4" for variant in list(Variant)[1:]}
    for other in others:
        assert other["incidents"] == day["incidents"]
        assert (other["frames"] != day["frames"]) == (other["clip"] == "intrusion-shake.mp4")


@pytest.mark.parametrize(
    ("kind", "seconds"), [(IncidentKind.LOITERING, 1.0), (IncidentKind.CROWDING, 1.0), (IncidentKind.INTRUSION, 2.0)]
)
def test_who_stays_for_too_long_must_be_told_within_a_second_and_all_else_within_two(kind, seconds):
    assert SceneRule(id="r", kind=kind, zone="square").tolerance == seconds


@pytest.mark.parametrize("name", list(kit_scenes()))
def test_the_deployment_of_a_scene_passes_every_check(name, tmp_path):
    path = tmp_path / "scene.yaml"
    one = kit_scenes()[name].under(Variant.DAY)
    path.write_text(deployment_document(one), encoding="utf-8")
    (tmp_path / f"{one.name}.mp4").touch()
    watched = load_settings(path).deployment.cameras[0]
    health = {rule.id for rule in one.rules if rule.kind is IncidentKind.CAMERA_TAMPER}
    assert {rule.id for rule in watched.rules} | health == {rule.id for rule in one.rules}
