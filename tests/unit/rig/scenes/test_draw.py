"""Versions of a scene: the same happens, otherwise, and beyond dispute."""

from dataclasses import replace

import pytest

from gridwatch.domain import IncidentKind, Point
from gridwatch.rig.scenes import Scene, Variant, another, kit_scenes
from gridwatch.rig.scenes.draw import PACE, PLACE, START, Draw, is_clear
from gridwatch.rig.scenes.model import Fire, Line, Person, Place, SceneRule, View, Waypoint

VIEW = View(width=320, height=180)
STOPS = [(-0.03, 0.6), (0.3, 0.7), (0.6, 0.6), (1.03, 0.6)]


def at(x: float, y: float) -> Point:
    return Point(x=x, y=y)


def stays(seconds: float, x: float = 0.5) -> Scene:
    """Somebody stands at `x` for so long, in a zone from .4 to .6 with a dwell of a second."""
    path = (Waypoint(t=0.5, at=at(x, 0.6)), Waypoint(t=0.5 + seconds, at=at(x, 0.6)))
    square = {"square": (at(0.4, 0.4), at(0.6, 0.4), at(0.6, 0.8), at(0.4, 0.8))}
    rule = SceneRule(id="r", kind=IncidentKind.INTRUSION, zone="square", seconds=1.0)
    return Scene(
        name="small", seconds=4, place=Place.PLAZA, view=VIEW, actors={"a": Person(path=path)}, zones=square,
        rules=(rule,),
    )  # fmt: skip


def passes(y: float) -> Scene:
    """Somebody passes a line that ends at .8 in row `y`."""
    path = (Waypoint(t=0.0, at=at(0.3, y)), Waypoint(t=2.0, at=at(0.7, y)))
    rule = SceneRule(id="r", kind=IncidentKind.LINE_CROSSING, line="gate")
    line = {"gate": Line(start=at(0.5, 0.4), end=at(0.5, 0.8))}
    return replace(stays(2.0), actors={"a": Person(path=path)}, zones={}, lines=line, rules=(rule,))


@pytest.mark.parametrize(
    ("scene", "usual", "clear"),
    [
        (stays(2.0), stays(2.0), True),
        (stays(1.8, x=0.52), stays(2.0), True),
        (stays(0.5), stays(2.0), False),  # nothing happens any more
        (stays(1.1), stays(2.0), False),  # its dwell is too close to call
        (stays(2.0, x=0.595), stays(2.0), False),  # so is its place
        (stays(0.8), stays(0.8), True),
        (stays(0.95), stays(0.8), False),
        (passes(0.7), passes(0.6), True),
        (passes(0.788), passes(0.6), False),
        (passes(0.798), passes(0.9), False),
    ],
)
def test_a_version_is_beyond_dispute_when_the_same_happens_by_a_margin(scene: Scene, usual: Scene, clear: bool) -> None:
    assert is_clear(scene, usual) is clear


def test_a_walk_is_drawn_near_the_usual_one_and_comes_in_and_goes_out_at_the_edges() -> None:
    usual = Draw().walk(VIEW, 3.0, STOPS, 1.4, {1: 5.0})
    other = Draw((1,)).walk(VIEW, 3.0, STOPS, 1.4, {1: 5.0})
    assert other != usual
    assert other == Draw((1,)).walk(VIEW, 3.0, STOPS, 1.4, {1: 5.0})
    assert abs(other[0].t - usual[0].t) <= START
    assert abs((other[2].t - other[1].t) - 5.0) <= PACE * 5.0
    for one, there in zip(other, usual, strict=True):
        assert abs(one.at.x - there.at.x) <= PLACE[0]
        assert abs(one.at.y - there.at.y) <= PLACE[1]
    assert (other[0].at.x, other[-1].at.x) == (-0.03, 1.03)


def test_who_is_there_from_the_first_picture_on_is_there_in_every_version() -> None:
    assert {Draw((seed,)).walk(VIEW, -4.0, STOPS)[0].t for seed in range(5)} == {-4.0}
    assert all(Draw((seed,)).walk(VIEW, 0.2, STOPS)[0].t >= 0 for seed in range(5))


def test_a_seed_gives_a_scene_of_its_own_in_which_the_same_is_to_be_raised() -> None:
    usual, other = kit_scenes()["fire-smoke"], another("fire-smoke", 3)
    assert other == another("fire-smoke", 3)
    assert other.under(Variant.RAIN).name == "fire-smoke-3-rain"
    assert other.seed != usual.seed
    assert isinstance(usual.fire, Fire)
    assert other.fire != usual.fire
    assert other.rules == usual.rules
    assert {name: type(actor) for name, actor in other.actors.items()} == {
        name: type(actor) for name, actor in usual.actors.items()
    }
    assert all(other.actors[name] != actor for name, actor in usual.actors.items())
    assert another("fire-smoke", 4) != other
