import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gridwatch.config import ConfigError, Problem, load_settings

Deployment = Callable[..., Path]


def only_problem(path: Path) -> Problem:
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert len(caught.value.problems) == 1, str(caught.value)
    return caught.value.problems[0]


def test_a_good_file_loads_with_its_tree(deployment: Deployment) -> None:
    settings = load_settings(deployment())
    assert [str(site.path) for site in settings.sites] == ["harbour", "harbour/east", "harbour/east/gate-1"]
    assert [rule.kind for rule in settings.deployment.camera("square").rules] == [
        "intrusion",
        "line_crossing",
        "crowding",
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "says"),
    [
        ("    site: h", "    sitee: x\n    site: h", 12, "cameras[0].sitee", "did you mean 'site'?"),
        ("kind: intrusion, zone: plaza", "kind: intrusion, zone: plaza, dwel_seconds: 2", 20,
         "cameras[0].rules[0].dwel_seconds", "did you mean 'dwell_seconds'?"),
        ("kind: intrusion", "kind: intrusoin", 20, "cameras[0].rules[0]", "did you mean 'intrusion'?"),
        ("id: fence, kind: intrusion, zone: plaza", "id: fence, zone: plaza", 20, "cameras[0].rules[0]", "kind is req"),
        ("kind: intrusion, zone: plaza", "kind: intrusion, zone: plazza", 20, "cameras[0].rules[0].zone",
         "did you mean 'plaza'?"),
        ("line: kerb", "line: curb", 21, "cameras[0].rules[1].line", "no line 'curb'"),
        ("[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]", "[[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]", 16,
         "cameras[0].zones.plaza", "crosses itself"),
        ("[0.9, 0.9]]", "[0.9, 1.9]]", 16, "cameras[0].zones.plaza[2][1]", "less than or equal to 1"),
        ("site: harbour/east/gate-1", "site: harbour/east/gate-2", 12, "cameras[0].site",
         "did you mean 'harbour/east/gate-1'?"),
        ("    position: [121.5, 31.2]\n", "", 11, "cameras[0].position", "is required"),
        ("[121.5, 31.2]", "[31.2, 121.5]", 13, "cameras[0].position[1]", "less than or equal to 90"),
        ('source: {rtsp: "rtsp://192.0.2.1/live"}', "source: {}", 14, "cameras[0].source", "exactly one of"),
        ('{rtsp: "rtsp://192.0.2.1/live"}', "{file: nowhere.mp4}", 14, "cameras[0].source.file", "no such file"),
        ("id: crowd", "id: fence", 11, "cameras[0]", "rule 'fence' is defined twice"),
        ("count: 4", "count: 4, clear_count: 6", 22, "cameras[0].rules[2]", "must not exceed"),
        ("version: 1", "version: 2", 1, "version", "1"),
        ("    position: [121.5, 31.2]", "    site: again\n    position: [121.5, 31.2]", 13, "cameras[0].site",
         "given twice, first on line 12"),
        ("rtsp://192.0.2.1/live", "rtsp://${GRIDWATCH_TEST_UNSET}/live", 14, "cameras[0].source.rtsp",
         "GRIDWATCH_TEST_UNSET is not set"),
        ("id: gate-1", "id: Gate 1", 9, "district.substations[0].checkpoints[0].id", "match pattern"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_key(
    deployment: Deployment, old: str, new: str, line: int, key: str, says: str
) -> None:
    path = deployment((old, new))
    problem = only_problem(path)
    assert (problem.line, problem.key) == (line, key), str(problem)
    assert says in problem.message
    assert str(problem).startswith(f"{path}:{line}: {key}: ")


def test_every_mistake_of_a_pass_is_reported_in_file_order(deployment: Deployment) -> None:
    path = deployment(("zone: plaza", "zone: nowhere"), ("line: kerb", "line: nowhere"), ("gate-1\n", "gate-9\n"))
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert [problem.line for problem in caught.value.problems] == [12, 20, 21]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [("", 0, "is empty"), ("a: [1\nb: 2", 2, "not valid YAML"), ("- 1", 1, "dictionary"), ("\x00", 0, "YAML")],
)
def test_what_is_no_yaml_mapping_is_refused(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = tmp_path / "deployment.yaml"
    path.write_text(text, encoding="utf-8")
    problem = only_problem(path)
    assert problem.line == line
    assert says in problem.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert only_problem(tmp_path / "nowhere.yaml").message == "no such file"


def test_the_environment_fills_variables_and_wins_over_the_file(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMERA_HOST", "192.0.2.9")
    monkeypatch.setenv("GRIDWATCH_MQTT", "mqtt://192.0.2.7:1884")
    monkeypatch.setenv("GRIDWATCH_DSN", "postgresql://elsewhere/gridwatch")
    loaded = load_settings(deployment(("192.0.2.1", "${CAMERA_HOST}"))).deployment
    assert loaded.camera("square").source.rtsp == "rtsp://192.0.2.9/live"
    assert loaded.services.broker.url == "mqtt://192.0.2.7:1884"
    assert loaded.services.database.dsn.get_secret_value() == "postgresql://elsewhere/gridwatch"


def test_secrets_do_not_show_in_a_loaded_deployment(deployment: Deployment) -> None:
    path = deployment(
        ('{rtsp: "rtsp://192.0.2.1/live"}', "{onvif: {url: 'http://192.0.2.1/', username: admin, password: hunter2}}")
    )
    assert "hunter2" not in repr(load_settings(path))


def square(code: str, unit: str, ring: list[list[float]]) -> dict[str, object]:
    return {
        "type": "Feature",
        "properties": {"code": code, "unit": unit},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


RING = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ([square("1", "u", RING), square("1", "u", RING)], "grid '1' is already feature 0"),
        ([square("1", "v", RING)], "no unit 'v'"),
        ([square("1", "u", [*RING[:-1], [0.5, 0.5]])], "is open"),
        ([square("1", "u", [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])], "Self-intersection"),
        ([square("1", "u", [RING[0], [1.0, 91.0], *RING[2:]])], "less than or equal to 90"),
    ],
)
def test_a_wrong_grid_is_named_with_its_line(
    deployment: Deployment, tmp_path: Path, features: list[dict[str, object]], says: str
) -> None:
    geojson = tmp_path / "grids.geojson"
    geojson.write_text(json.dumps({"type": "FeatureCollection", "features": features}, indent=1), encoding="utf-8")
    path = deployment(extra="grids: grids.geojson\nunits: [{code: u, name: Unit}]\n")
    problem = only_problem(path)
    assert says in problem.message
    assert problem.file == geojson
    assert problem.line > 1


def test_grids_load_with_their_unit(deployment: Deployment, tmp_path: Path) -> None:
    geojson = {"type": "FeatureCollection", "features": [square("310101", "u", RING)]}
    (tmp_path / "grids.geojson").write_text(json.dumps(geojson), encoding="utf-8")
    settings = load_settings(deployment(extra="grids: grids.geojson\nunits: [{code: u, name: Unit}]\n"))
    assert [(grid.code, grid.unit, len(grid.rings[0])) for grid in settings.grids] == [("310101", "u", 4)]
