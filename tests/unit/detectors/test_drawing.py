from dataclasses import replace

import numpy as np

from gridwatch.detectors.drawing import ALARM, LINE, ZONE, Label, Overlay, draw, overlay_of, track_colour
from gridwatch.domain import Box, Image, Point
from tests.unit.detectors.scenes import box_at, camera, seen, tracked

GREY = np.full((360, 640, 3), 100, np.uint8)


def has(picture: Image, colour: tuple[int, int, int], box: Box) -> bool:
    """Whether some pixel inside `box` is about of that colour."""
    height, width = picture.shape[:2]
    part = picture[int(box.y1 * height) : int(box.y2 * height) + 1, int(box.x1 * width) : int(box.x2 * width) + 1]
    return bool((np.abs(part.astype(int) - np.array(colour)).max(axis=2) < 30).any())


def around(x: float, y: float, by: float = 0.02) -> Box:
    return Box(x1=max(0.0, x - by), y1=max(0.0, y - by), x2=min(1.0, x + by), y2=min(1.0, y + by))


def test_a_cameras_zones_and_lines_are_drawn_where_they_are() -> None:
    drawn = draw(GREY, overlay_of(camera()))
    assert has(drawn, ZONE, around(0.25, 1.0))
    assert has(drawn, LINE, around(0.5, 0.8))
    assert not has(drawn, ZONE, around(0.8, 0.5))


def test_the_arrow_of_a_line_points_to_what_the_rule_calls_right() -> None:
    """`middle` runs down the picture: its right is the picture's left."""
    drawn = draw(GREY, replace(overlay_of(camera()), zones={}))
    assert has(drawn, LINE, around(0.48, 0.5, 0.005))
    assert not has(drawn, LINE, around(0.52, 0.5, 0.005))


def test_tracks_coasting_ones_trails_and_labels_can_be_told_apart() -> None:
    now, lost = tracked(2.0, (0.3, 0.8)), tracked(2.0, (0.7, 0.8), 2, last_seen=1.0)
    overlay = Overlay(
        tracks=[now, lost], at=2.0, trails={1: [Point(x=0.1, y=0.8), Point(x=0.3, y=0.8)]},
        labels=[Label(box=box_at(0.9, 0.5), text="missed", dashed=True)], detections=[seen(0.5, 0.5)],
        notes=["one", "two"], caption="three",
    )  # fmt: skip
    drawn = draw(GREY, overlay)
    assert has(drawn, track_colour(1), around(0.3, 0.8))
    assert has(drawn, track_colour(1), around(0.2, 0.8))
    assert not has(drawn, track_colour(2), around(0.7, 0.8))
    assert has(drawn, ALARM, around(0.9, 0.3))
    for corner in (around(0.03, 0.04), around(0.03, 0.97)):
        assert has(drawn, (255, 255, 255), corner)


def test_the_picture_given_is_left_as_it_is_and_equal_calls_give_equal_pictures() -> None:
    image = GREY.copy()
    overlay = replace(overlay_of(camera()), tracks=[tracked(0.0, (0.02, 0.1))], notes=["入侵"] * 40, caption="x" * 300)
    first = draw(image, overlay)
    assert np.array_equal(image, GREY)
    assert np.array_equal(first, draw(image, overlay))


def test_places_at_and_beyond_the_edges_do_no_harm() -> None:
    edges = [Box(x1=0, y1=0, x2=0, y2=0), Box(x1=0, y1=0, x2=1, y2=1), Box(x1=1, y1=1, x2=1, y2=1)]
    overlay = Overlay(labels=[Label(box=box, text="at the edge", dashed=True) for box in edges], trails={1: []})
    for height, width in ((360, 640), (1, 1), (7, 3)):
        assert draw(np.zeros((height, width, 3), np.uint8), overlay).shape == (height, width, 3)
