"""The `sources` of a deployment: what is refused, and with which words."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridwatch.config import ConfigError, load_settings
from tests.unit.sources.builders import FRIGATE, MAPPED, ONVIF, deployment

HOOK: dict[str, Any] = {"id": "hook", "type": "webhook", "token": "0123456789abcdef", "map": MAPPED["map"]}


def problems(folder: Path, *sources: dict[str, Any], **camera: Any) -> str:
    """What is said of a deployment with these sources; empty when it is good."""
    base = deployment().model_dump(mode="json", include={"version", "district"}, exclude_none=True)
    one = {"id": "gate-1", "site": "harbour/north", "position": [0, 0], "source": {"rtsp": "rtsp://192.0.2.1/"}}
    path = folder / "deployment.yaml"
    path.write_text(yaml.safe_dump({**base, "cameras": [one | camera], "sources": list(sources)}), encoding="utf-8")
    try:
        load_settings(path)
    except ConfigError as error:
        return str(error)
    return ""


def changed(source: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """`source` with another value at a dotted place."""
    result = deepcopy(source)
    inside: Any = result
    *steps, last = place.split(".")
    for step in steps:
        inside = inside[int(step) if step.isdecimal() else step]
    inside[last] = value
    return result


def test_all_types_together_are_good(tmp_path: Path) -> None:
    assert problems(tmp_path, FRIGATE, ONVIF, MAPPED, HOOK) == ""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (changed(FRIGATE, "type", "frigat"), "no source of type 'frigat'; did you mean 'frigate'?"),
        (changed(FRIGATE, "cameras.front_door", "gate-2"), "no camera 'gate-2'; did you mean 'gate-1'?"),
        (changed(FRIGATE, "cameras.yard.site", "harbour/nort"), "no site 'harbour/nort'"),
        (changed(FRIGATE, "cameras.yard.id", "gate-1"), "is a camera of the deployment"),
        (changed(FRIGATE, "pictures", {"garage": [1, 1]}), "garage is not among its cameras"),
        (changed(FRIGATE, "rules.0.cameras", ["garage"]), "garage is not among its cameras"),
        (changed(FRIGATE, "rules.0.labels", ["license_plate"]), "gridwatch takes in neither"),
        (changed(FRIGATE, "rules.0.labels", ["face"]), "gridwatch takes in neither"),
        (changed(FRIGATE, "topic", "#"), "something comes before it"),
        (changed(ONVIF, "cameras", {"site/+": "gate-1"}), "no + or #"),
        (changed(MAPPED, "map.subject", "driver.name"), "no source may tell"),
        (changed(MAPPED, "map.raise_when.path", "after.sub_label"), "no source may tell"),
        (changed(MAPPED, "map.score", "plateScore"), "no source may tell"),
        (changed(MAPPED, "map.raise_when", {"path": "a"}), "give equals, one_of, above or below"),
        (changed(MAPPED, "map.camera", None), "give either camera, or camera_path and cameras"),
        (changed(MAPPED, "map.lasts", True), "lasts is for what nothing clears"),
        (changed(MAPPED, "broker", {"url": "mqtts://b", "tls_ca": "gone.pem"}), "no such file"),
        (changed(MAPPED, "topic", "a/b#"), "stand for whole levels"),
        (changed(HOOK, "token", "short"), "at least 16 characters"),
        (changed(HOOK, "hmac_key", "0123456789abcdef"), "give either token or hmac_key"),
        (changed(HOOK, "id", "a.b"), "pattern"),
    ],
)
def test_mistakes_are_named(source: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in problems(tmp_path, source)


def test_two_of_one_name_and_rules_that_look_like_a_sources_are_refused(tmp_path: Path) -> None:
    assert "defined twice" in problems(tmp_path, MAPPED, MAPPED)
    rules = [{"id": "smoke.mine", "kind": "intrusion", "zone": "all"}]
    assert "a camera has a rule that begins with 'smoke.'" in problems(
        tmp_path, MAPPED, zones={"all": [[0, 0], [1, 0], [1, 1]]}, rules=rules
    )


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    assert "0123456789abcdef" not in repr(deployment(HOOK))
    assert "0123456789abcdef" not in problems(tmp_path, changed(HOOK, "map.kind", "nothing"))
