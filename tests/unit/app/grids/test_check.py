"""What is wrong with a file of grids, found and shown."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gridwatch.app.grids.check import check_features
from gridwatch.app.grids.command import Checked, check, draw, report
from gridwatch.app.grids.reading import Feature, Finding, Problem, read_features
from gridwatch.domain import Position, UsageError

HERE = (121.47, 31.23)
SIDE = 0.002


def code(number: int) -> str:
    return f"310101001001{number:03}"


def square(number: int, x: float, y: float, *, side: float = SIDE, **changes: Any) -> dict[str, Any]:
    """A grid `x` and `y` sides from HERE."""
    west, south = HERE[0] + x * SIDE, HERE[1] + y * SIDE
    ring = [[west, south], [west + side, south], [west + side, south + side], [west, south + side], [west, south]]
    properties = {"code": code(number), "name": f"Grid {number}", "unit": "order", **changes}
    return {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def write(folder: Path, *features: Any) -> Path:
    path = folder / "grids.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def findings_of(folder: Path, *features: Any, district: Position | None = None) -> list[Finding]:
    found: list[Finding] = []
    read = read_features(write(folder, *features), found, district)
    return [*found, *check_features(read, frozenset({"order"}), None, 1.0)]


def shaped(number: int, coordinates: object, kind: str = "Polygon") -> dict[str, Any]:
    return {**square(number, 0, 0), "geometry": {"type": kind, "coordinates": coordinates}}


BOW_TIE = [[[121.0, 31.0], [121.1, 31.1], [121.1, 31.0], [121.0, 31.1], [121.0, 31.0]]]
OPEN = [[[121.0, 31.0], [121.1, 31.0], [121.1, 31.1], [121.0, 31.1]]]
FLAT = [[[121.0, 31.0], [121.1, 31.0], [121.2, 31.0], [121.0, 31.0]]]
TURNED = [[[31.23, 121.47], [31.24, 121.47], [31.24, 121.48], [31.23, 121.47]]]
PROJECTED = [[[500000.0, 3400000.0], [500100.0, 3400000.0], [500100.0, 3400100.0], [500000.0, 3400000.0]]]


def test_grids_side_by_side_are_good(tmp_path: Path) -> None:
    assert findings_of(tmp_path, square(1, 0, 0), square(2, 1, 0), square(3, 0, 1)) == []


@pytest.mark.parametrize(
    ("feature", "problem", "says"),
    [
        (shaped(1, TURNED), Problem.ORDER, "latitude comes before longitude"),
        (shaped(1, PROJECTED), Problem.ORDER, "out of range"),
        (shaped(1, BOW_TIE), Problem.RING, "Self-intersection"),
        (shaped(1, OPEN), Problem.RING, "ring 0 is open"),
        (shaped(1, FLAT), Problem.RING, "not valid"),
        (shaped(1, BOW_TIE, "MultiPolygon"), Problem.SHAPE, "its geometry is MultiPolygon"),
        (shaped(1, [[["a", "b"]]]), Problem.SHAPE, "not a Polygon"),
        (shaped(1, []), Problem.SHAPE, "not a Polygon"),
        ({**square(1, 0, 0), "geometry": None}, Problem.SHAPE, "its geometry is nothing"),
        (square(1, 0, 0, code="3101010010010"), Problem.CODE, "not 15 digits"),
        (square(1, 0, 0, code="３10101001001001"), Problem.CODE, "not 15 digits"),
        (square(1, 0, 0, unit=None), Problem.SHAPE, "the property unit is missing"),
        (square(1, 0, 0, unit="ordre"), Problem.UNIT, "no unit 'ordre'"),
        ("nonsense", Problem.SHAPE, "the property code and unit is missing"),
    ],
)
def test_what_is_wrong_with_one_feature_is_said(tmp_path: Path, feature: Any, problem: Problem, says: str) -> None:
    [finding] = findings_of(tmp_path, square(2, 5, 5), feature)
    assert (finding.problem, finding.features) == (problem, (1,))
    assert says in finding.message


def test_turned_coordinates_that_could_be_right_are_told_by_where_the_district_is(tmp_path: Path) -> None:
    vienna = [[[48.2, 16.3], [48.21, 16.3], [48.21, 16.31], [48.2, 16.3]]]
    assert findings_of(tmp_path, shaped(1, vienna)) == []
    [finding] = findings_of(tmp_path, shaped(1, vienna), district=Position(lon=16.37, lat=48.2))
    assert finding.problem is Problem.ORDER


def test_a_code_or_a_place_given_twice_is_found(tmp_path: Path) -> None:
    found = findings_of(tmp_path, square(1, 0, 0), square(1, 3, 0), square(2, 0, 0))
    assert [(one.problem, one.features) for one in found] == [(Problem.TWICE, (1,)), (Problem.TWICE, (0, 2))]


def test_an_overlap_is_measured_and_located(tmp_path: Path) -> None:
    [finding] = findings_of(tmp_path, square(1, 0, 0), square(2, 0.5, 0))
    assert (finding.problem, finding.codes) == (Problem.OVERLAP, (code(1), code(2)))
    # Half of 0.002 degrees: 222.6 m north, 190.4 m east at this latitude.
    assert int(finding.message.split()[0].replace(",", "")) == pytest.approx(222.6 * 190.4 / 2, rel=0.01)
    assert finding.place is not None
    assert HERE[0] + SIDE / 2 < finding.place[0] < HERE[0] + SIDE


def test_borders_drawn_twice_need_not_agree_to_the_last_digit(tmp_path: Path) -> None:
    assert findings_of(tmp_path, square(1, 0, 0), square(2, 1 - 1e-6, 0)) == []


def ring_of_eight() -> list[dict[str, Any]]:
    places = [(x, y) for x in range(3) for y in range(3) if (x, y) != (1, 1)]
    return [square(number, x, y) for number, (x, y) in enumerate(places)]


def test_a_gap_between_grids_is_found_with_those_around_it(tmp_path: Path) -> None:
    [finding] = findings_of(tmp_path, *ring_of_eight())
    assert finding.problem is Problem.GAP
    assert len(finding.features) == 6, "no more than six are named"
    assert finding.place == pytest.approx((HERE[0] + 1.5 * SIDE, HERE[1] + 1.5 * SIDE), abs=SIDE / 2)


def test_with_the_boundary_of_the_district_gaps_at_its_edge_are_found_too(tmp_path: Path) -> None:
    boundary = tmp_path / "district.geojson"
    boundary.write_text(json.dumps(square(0, 0, 0, side=2 * SIDE)["geometry"]), encoding="utf-8")
    path = write(tmp_path, square(1, 0, 0), square(2, 1, 0), square(3, 0, 1))
    assert check(path, None, None, 1.0).findings == ()
    [finding] = check(path, None, boundary, 1.0).findings
    assert "of the district have no grid" in finding.message


@pytest.mark.parametrize("text", ["", "{", "[]", '{"type": "Feature"}', '{"type": "FeatureCollection"}'])
def test_a_file_that_is_no_collection_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "grids.geojson"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"grids\.geojson"):
        read_features(path, [])


def test_the_report_names_features_and_places_and_the_picture_shows_them(tmp_path: Path) -> None:
    path = write(tmp_path, square(1, 0, 0), square(2, 0.5, 0), square(3, 9, 9, unit="<&>"))
    checked = check(path, None, None, 1.0)
    console = Console(width=200, record=True, file=(tmp_path / "out").open("w"))
    console.print(report(checked, path))
    told = console.export_text()
    assert f"{code(1)}, {code(2)}" in told
    assert "3 grids read, 1 problems" in told
    draw(checked, tmp_path / "grids.svg")
    paths = ET.parse(tmp_path / "grids.svg").getroot().findall("{*}path")  # noqa: S314 - made by us just now
    assert [one.get("class") for one in paths] == ["g", "g", "g", "x"]
    console.file.close()


def test_thousands_of_grids_are_checked(tmp_path: Path) -> None:
    features: Sequence[Any] = [square(n % 1000, n % 50, n // 50, code=f"310101{n:09}") for n in range(2_500)]
    found: list[Finding] = []
    read: list[Feature] = read_features(write(tmp_path, *features), found)
    assert found == []
    assert list(check_features(read, None, None, 1.0)) == []
    assert isinstance(report(Checked(features=tuple(read), findings=()), tmp_path), str)
