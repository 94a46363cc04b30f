"""Floors and ceilings in the YAML."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gridwatch.config import ConfigError, Settings, load_settings
from gridwatch.domain import IncidentKind, SitePath

CAMERAS = (
    "cameras:\n  - {id: gate, site: d/north, position: [1, 2], source: {file: f.mkv}}\n"
    "  - {id: hall, site: d, position: [1, 2], source: {file: f.mkv}}\n"
)
CROWDS_THEN_SITE = "retention: {rules: [{kinds: [crowding], floor: P40D}, {site: d/north, floor: P20D}]}\n"
SITE_THEN_CROWDS = "retention: {rules: [{site: d, floor: P20D}, {kinds: [crowding], floor: P40D}]}\n"
HEAD = "version: 1\ndistrict: {id: d, name: D, substations: [{id: north, name: North}]}\n"


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Settings]:
    def write(text: str) -> Settings:
        path = tmp_path / "deployment.yaml"
        (tmp_path / "f.mkv").touch()
        path.write_text(HEAD + text, encoding="utf-8")
        return load_settings(path)

    return write


def test_without_a_word_everything_is_kept_thirty_days_at_least(load: Callable[[str], Settings]) -> None:
    [policy] = load("").deployment.retention.policies("d")
    assert (policy.floor, policy.ceiling) == (timedelta(days=30), timedelta(days=180))
    assert (policy.site, policy.kinds) == (SitePath(district="d"), ())


def test_rules_come_first_and_take_what_they_do_not_say_from_the_whole(load: Callable[[str], Settings]) -> None:
    settings = load(
        "retention:\n  ceiling: P100D\n  rules:\n"
        "    - {site: d/north, floor: P60D}\n    - {kinds: [camera_offline], ceiling: P40D}\n"
    )
    north, offline, rest = settings.deployment.retention.policies("d")
    assert (north.site, north.floor.days, north.ceiling.days) == (SitePath.parse("d/north"), 60, 100)
    assert (offline.kinds, offline.floor.days, offline.ceiling.days) == ((IncidentKind.CAMERA_OFFLINE,), 30, 40)
    assert (rest.floor.days, rest.ceiling.days) == (30, 100)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("retention:\n  floor: P40D\n  ceiling: P39D\n", ":3: retention: the ceiling P39D is below the floor P40D"),
        (
            "retention:\n  rules:\n    - site: d\n      ceiling: P20D\n",
            ":6: retention.rules[0].ceiling: the ceiling P20D is below the floor P30D",
        ),
        (
            "retention:\n  rules:\n    - site: d\n      floor: P200D\n",
            ":6: retention.rules[0].floor: the ceiling P180D is below the floor P200D",
        ),
        ("retention:\n  rules:\n    - site: d/nroth\n", ":5: retention.rules[0].site: no site 'd/nroth' in the tree"),
        ("retention:\n  flor: P40D\n", ":4: retention.flor: unknown key; did you mean 'floor'?"),
        ("retention:\n  floor: 30\n", ":4: retention.floor: Input should be greater than or equal to 1 day"),
        ("retention:\n  rules:\n    - kinds: [intrusoin]\n", ":5: retention.rules[0].kinds[0]: "),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(load: Callable[[str], Settings], text: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(text)
    assert f"deployment.yaml{says}" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "clips:\n  mode: original\n  keep: P7D\n",
            ":8: clips.keep: clips of camera 'gate' go after P7D, before its floor P30D: give P30D or more",
        ),
        (
            "clips: {mode: original}\nretention:\n  rules:\n    - {site: d/north, floor: P60D}\n",
            ":6: clips.keep: clips of camera 'gate' go after P30D, before its floor P60D: give P60D or more",
        ),
        (
            f"clips: {{mode: original}}\n{CROWDS_THEN_SITE}",
            ":6: clips.keep: clips of camera 'gate' go after P30D, before its floor P40D",
        ),
    ],
)
def test_clips_that_would_go_before_their_floor_are_refused(
    load: Callable[[str], Settings], text: str, says: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(CAMERAS + text)
    assert f"deployment.yaml{says}" in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "clips: {mode: original}\n",
        "clips: {keep: P7D}\n",
        f"clips: {{mode: original, keep: P20D}}\n{SITE_THEN_CROWDS}",
    ],
    ids=["as long as the floor", "no camera keeps clips", "a rule that comes first is shorter"],
)
def test_clips_that_stay_as_long_as_their_floor_or_are_not_kept_are_fine(
    load: Callable[[str], Settings], text: str
) -> None:
    load(CAMERAS + text)
