import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwatch.detectors.postprocess import Letterbox, to_detections, to_tensor
from gridwatch.domain import Box

LABELS = ("person", "car")
WHOLE = Letterbox.fit((100, 200), (100, 200))
"""Input pixels are picture pixels: x / 200, y / 100."""

sides = st.integers(1, 4000)
inputs = st.sampled_from([(416, 416), (256, 416), (640, 640), (32, 32)])


def output(*rows: tuple[float, float, float, float, float, float]) -> npt.NDArray[np.float32]:
    """One anchor a row: centre x, centre y, width, height, score of person, score of car."""
    return np.array(rows, np.float32).reshape(-1, 6).T


def found(*rows: tuple[float, float, float, float, float, float], min_score: float = 0.1) -> list[tuple[str, float]]:
    return [(one.label, round(one.score, 3)) for one in to_detections(output(*rows), WHOLE, LABELS, min_score)]


@given(height=sides, width=sides, target=inputs)
def test_the_edges_of_any_picture_come_back_as_exactly_zero_and_one(
    height: int, width: int, target: tuple[int, int]
) -> None:
    box = Letterbox.fit((height, width), target)
    x = np.array([box.left, box.left + box.inner_width], np.float64)
    y = np.array([box.top, box.top + box.inner_height], np.float64)
    assert box.fractions(x, y).tolist() == [[0.0, 1.0], [0.0, 1.0]]
    assert 0 <= box.top <= box.top + box.inner_height <= target[0]
    assert 0 <= box.left <= box.left + box.inner_width <= target[1]


@given(height=sides, width=sides, target=inputs)
def test_a_picture_fills_the_input_on_one_axis_and_keeps_its_aspect(
    height: int, width: int, target: tuple[int, int]
) -> None:
    box = Letterbox.fit((height, width), target)
    assert box.inner_height == target[0] or box.inner_width == target[1]
    scale = min(target[0] / height, target[1] / width)
    assert abs(box.inner_height - height * scale) <= 1
    assert abs(box.inner_width - width * scale) <= 1


@pytest.mark.parametrize(("height", "width"), [(431, 767), (577, 333), (1081, 1919), (101, 103)])
@pytest.mark.parametrize("target", [(416, 416), (256, 416)])
def test_an_object_in_an_odd_sized_picture_is_found_where_it_is(
    height: int, width: int, target: tuple[int, int]
) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    top, bottom, left, right = height // 3, height // 2, width // 5, 4 * width // 5
    image[top:bottom, left:right] = 255
    box = Letterbox.fit((height, width), target)
    tensor = to_tensor(image, box)[0, 0]
    # The bars are grey, so the object is what is brighter than grey.
    rows, columns = np.flatnonzero((tensor > 0.5).any(1)), np.flatnonzero((tensor > 0.5).any(0))
    x, y = box.fractions(np.array([columns[0], columns[-1] + 1.0]), np.array([rows[0], rows[-1] + 1.0]))
    assert x == pytest.approx([left / width, right / width], abs=1 / box.inner_width)
    assert y == pytest.approx([top / height, bottom / height], abs=1 / box.inner_height)


def test_a_tensor_is_rgb_from_zero_to_one_with_grey_bars() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:] = (255, 128, 0)
    tensor = to_tensor(image, Letterbox.fit((40, 80), (64, 64)))
    assert (tensor.shape, tensor.dtype) == ((1, 3, 64, 64), np.float32)
    assert tensor[0, :, 32, 32].tolist() == pytest.approx([0, 128 / 255, 1])
    assert tensor[0, :, 15, 0].tolist() == pytest.approx([114 / 255] * 3)
    assert tensor[0, :, 16, 0].tolist() == pytest.approx([0, 128 / 255, 1])
    assert tensor[0, :, 48, 0].tolist() == pytest.approx([114 / 255] * 3)


def test_a_box_is_given_as_fractions_of_the_picture() -> None:
    (one,) = to_detections(output((100, 50, 40, 20, 0.9, 0)), WHOLE, LABELS, 0.1)
    assert one.box == Box(x1=0.4, y1=0.4, x2=0.6, y2=0.6)


def test_overlapping_boxes_of_one_class_are_one_object_with_the_best_score() -> None:
    assert found((100, 50, 40, 20, 0.6, 0), (102, 50, 40, 20, 0.9, 0), (98, 51, 40, 20, 0.5, 0)) == [("person", 0.9)]


def test_overlapping_boxes_of_two_classes_are_two_objects() -> None:
    assert found((100, 50, 40, 20, 0.6, 0), (100, 50, 40, 20, 0, 0.7)) == [("car", 0.7), ("person", 0.6)]


@pytest.mark.parametrize(("shift", "count"), [(13.0, 1), (13.6, 2)])
def test_boxes_are_one_object_from_half_overlap_on(shift: float, count: int) -> None:
    # Two 40 wide boxes moved by 40/3 have an IoU of exactly one half.
    assert len(found((100, 50, 40, 20, 0.9, 0), (100 + shift, 50, 40, 20, 0.8, 0))) == count


def test_a_suppressed_box_suppresses_nothing_itself() -> None:
    chain = [(100 + 10 * i, 50, 40, 20, 0.9 - i / 10, 0) for i in range(3)]
    assert found(*chain) == [("person", 0.9), ("person", 0.7)]


def test_the_threshold_itself_counts_and_less_does_not() -> None:
    rows = (30, 50, 20, 20, 0.25, 0), (100, 50, 20, 20, 0.2499, 0)
    assert found(*rows, min_score=0.25) == [("person", 0.25)]


def test_results_are_sorted_by_score_and_ties_keep_their_order() -> None:
    rows = [(20 + 40 * i, 50, 20, 20, score, 0) for i, score in enumerate((0.5, 0.8, 0.5, 0.8))]
    detections = to_detections(output(*rows), WHOLE, LABELS, 0.1)
    assert [(one.score > 0.6, round(one.box.centre.x * 200)) for one in detections] == [
        (True, 60), (True, 140), (False, 20), (False, 100),
    ]  # fmt: skip


def test_boxes_are_cut_at_the_picture_and_dropped_outside_it() -> None:
    inside = Letterbox.fit((50, 200), (100, 200))  # bars of 25 pixels above and below
    rows = [(0, 50, 40, 20, 0.9, 0), (100, 10, 20, 10, 0.8, 0), (195, 30, 30, 30, 0.7, 0)]
    first, second = to_detections(output(*rows), inside, LABELS, 0.1)
    assert (first.box.x1, second.box.x2, second.box.y1) == (0, 1, 0)


def test_numbers_that_are_none_are_no_detections() -> None:
    nan = float("nan")
    assert found((nan, 50, 20, 20, 0.9, 0), (100, 50, 20, nan, 0.8, 0), (100, 50, 20, 20, nan, 0)) == []
    assert found((100, 50, -20, 20, 0.9, 0)) == []


def test_nothing_in_the_picture_gives_an_empty_tuple() -> None:
    assert to_detections(output((100, 50, 20, 20, 0.01, 0.02)), WHOLE, LABELS, 0.1) == ()


def test_a_picture_of_noise_keeps_its_best_and_is_bounded() -> None:
    rng = np.random.default_rng(7)
    rows = np.empty((6, 20_000), np.float32)
    rows[:2] = rng.uniform(0, 100, (2, 20_000))
    rows[2:4] = 0.01
    rows[4:] = rng.uniform(0.1, 0.9, (2, 20_000))
    rows[4, 12_345] = 0.99
    detections = to_detections(rows, WHOLE, LABELS, 0.1)
    assert detections[0].score == pytest.approx(0.99)
    assert len(detections) == 1000


def test_a_car_that_looks_more_like_a_phone_counts_as_a_car_too() -> None:
    rows = np.array([[100, 50, 40, 20, 0.05, 0.3, 0.6], [20, 50, 10, 20, 0.05, 0.2, 0.15]], np.float32).T
    labels = ("person", "car", "cell phone")
    detections = to_detections(rows, WHOLE, labels, 0.1)
    assert [(one.label, round(one.score, 2)) for one in detections] == [("cell phone", 0.6), ("car", 0.3), ("car", 0.2)]
    assert detections[0].box == detections[1].box


def test_a_person_that_looks_a_little_like_a_car_is_a_person_only() -> None:
    assert found((100, 50, 40, 20, 0.6, 0.3)) == [("person", 0.6)]
