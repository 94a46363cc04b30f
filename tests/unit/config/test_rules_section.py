"""What a rule is told wrongly is named with its line, its key and the remedy."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gridwatch.config import ConfigError, load_settings

STEP = "      - {id: step, kind: line_crossing, line: kerb, direction: left}"
STEP_LINE = 21
NAME = "  name: Harbour\n"


def rule(text: str) -> tuple[str, str]:
    return (STEP, f"      - {{id: step, {text}}}")


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("kind: loitering, zone: plaza, seconds: 0", "seconds", "greater than 0"),
        ("kind: loitering, zone: plaza, second: 9", "second", "unknown key; did you mean 'seconds'"),
        ("kind: loitering, zone: plazza", "zone", "no zone 'plazza'"),
        ("kind: loitering, zone: plaza, class_seconds: {dog: 9}", "", "class_seconds names dog, which classes do"),
        ("kind: loitering, zone: plaza, class_scores: {dog: 0.9}", "", "class_scores names dog"),
        ("kind: loitering, zone: plaza, classes: []", "classes", "at least 1"),
        ("kind: stopped_vehicle, zone: plaza, seconds: soon", "seconds", "valid number"),
        ("kind: stopped_vehicle, seconds: 60", "zone", "required but not given"),
        ("kind: wrong_way, zone: plaza", "direction", "required but not given"),
        ("kind: wrong_way, zone: plaza, direction: 400", "direction", "give degrees"),
        ("kind: wrong_way, zone: plaza, direction: [0, 0]", "direction", "a vector with length"),
        ("kind: wrong_way, zone: plaza, direction: north", "direction", "give degrees"),
        ("kind: wrong_way, zone: plaza, direction: 90, tolerance: 5", "tolerance", "greater than or equal to 10"),
        ("kind: crowding, zone: plaza", "", "exactly one of count or density"),
        ("kind: crowding, zone: plaza, density: 1", "", "density and area_m2 go together"),
        ("kind: crowding, zone: plaza, count: 4, clear_count: 5", "", "clear_count 5 must not exceed count 4"),
        ("kind: crowding, zone: plaza, count: 4, clear_density: 1", "", "clear_density goes with density"),
        ("kind: intrusion, zone: plaza, inertia: 0", "inertia", "greater than or equal to 1"),
        ("kind: intrusion, zone: plaza, anchor: middle", "anchor", "'bottom_center' or 'center'"),
        ("kind: intrusion, zone: plaza, min_height: 2", "min_height", "less than or equal to 1"),
        ("kind: intrusion, zone: plaza, min_height: {top: 0.1}", "min_height.bottom", "required but not given"),
        ("kind: intrusion, zone: plaza, min_height: 0.5, max_height: {top: 0.1, bottom: 0.9}", "", "must not exceed"),
        ("kind: intrusion, zone: plaza, cooldown_seconds: -1", "cooldown_seconds", "greater than or equal to 0"),
        ("kind: intrusion, zone: plaza, schedule: [night]", "schedule[0]", "is no span of a week: write"),
        ("kind: intrusion, zone: plaza, schedule: []", "schedule", "at least 1"),
        ("kind: intrusion, zone: plaza, schedule: ['22:00-06:00']", "schedule", "a schedule needs a time zone"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(deployment: Callable[..., Path], text: str, key: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(deployment(rule(text)))
    problem = caught.value.problems[0]
    place = "cameras[0].rules[1]"
    assert problem.key.startswith(f"{place}.{key}" if key else place)
    assert problem.line == STEP_LINE
    assert says in problem.message


def test_a_height_is_one_number_or_one_by_place(deployment: Callable[..., Path]) -> None:
    text = "kind: intrusion, zone: plaza, min_height: 0.1, max_height: {top: 0.2, bottom: 1}"
    one = load_settings(deployment(rule(text))).deployment.cameras[0].rules[1]
    assert one.min_height is not None
    assert one.max_height is not None
    assert (one.min_height.at(0), one.min_height.at(1)) == (0.1, 0.1)
    assert one.max_height.at(0.5) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ((NAME, NAME + "  timezone: Asia/Shanghai\n"), "Asia/Shanghai"),
        (("      name: East\n", "      name: East\n      timezone: Asia/Urumqi\n"), "Asia/Urumqi"),
        (("name: Gate 1}", "name: Gate 1, timezone: Europe/Berlin}"), "Europe/Berlin"),
        (("    position: [121.5", "    timezone: UTC\n    position: [121.5"), "UTC"),
    ],
)
def test_the_time_zone_of_the_nearest_level_counts(
    deployment: Callable[..., Path], level: tuple[str, str], expected: str
) -> None:
    text = "kind: intrusion, zone: plaza, schedule: ['22:00-06:00']"
    settings = load_settings(deployment(level, rule(text)))
    assert settings.deployment.cameras[0].timezone == expected


def test_a_time_zone_that_does_not_exist_is_refused(deployment: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match="no time zone 'Asia/Shanghia'; take an IANA name"):
        load_settings(deployment((NAME, NAME + "  timezone: Asia/Shanghia\n")))
