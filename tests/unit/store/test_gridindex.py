"""Which grid a place is in, on borders, in holes and in overlaps."""

import pytest

from gridwatch.domain import Position
from gridwatch.store import GridIndex
from tests.integration.store.build import square


def found(index: GridIndex, lon: float, lat: float) -> str | None:
    grid = index.locate(Position(lon=lon, lat=lat))
    return grid.code if grid else None


@pytest.mark.parametrize(
    ("lon", "lat", "code"),
    [
        (0.5, 0.5, "a"),
        (1.5, 0.5, "b"),
        (-0.1, 0.5, None),
        (2.1, 0.5, None),
        (0.0, 0.5, "a"),  # outer border
        (0.0, 0.0, "a"),  # corner
        (2.0, 1.0, "b"),
        (1.0, 0.5, "a"),  # shared border: the smaller code
        (1.0, 1.0, "a"),  # shared corner
        (0.5, 1.0, "a"),
        (0.5, 1.0 + 1e-9, None),
    ],
)
def test_a_place_has_one_grid_also_on_a_border(lon: float, lat: float, code: str | None) -> None:
    assert found(GridIndex([square("b", 1, 0), square("a", 0, 0)]), lon, lat) == code


def test_a_hole_is_outside_and_its_edge_inside() -> None:
    index = GridIndex([square("ring", 0, 0, hole=0.5)])
    assert found(index, 0.5, 0.5) is None
    assert found(index, 0.25, 0.5) == "ring"
    assert found(index, 0.1, 0.5) == "ring"


def test_a_grid_in_the_hole_of_another_has_its_places() -> None:
    index = GridIndex([square("a", 0, 0, hole=0.5), square("b", 0.25, 0.25, size=0.5)])
    assert found(index, 0.5, 0.5) == "b"
    assert found(index, 0.25, 0.5) == "a"


def test_an_overlap_belongs_to_the_smaller_code() -> None:
    for order in ([square("a", 0, 0), square("b", 0.5, 0)], [square("b", 0.5, 0), square("a", 0, 0)]):
        assert found(GridIndex(order), 0.75, 0.5) == "a"


def test_without_grids_nothing_is_found() -> None:
    assert found(GridIndex([]), 0, 0) is None
