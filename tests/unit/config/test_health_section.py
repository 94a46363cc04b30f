from collections.abc import Callable
from pathlib import Path

import pytest

from gridwatch.config import ConfigError, load_settings


def test_a_camera_changes_only_what_it_names_of_the_deployments_health(deployment: Callable[..., Path]) -> None:
    path = deployment(
        ("    position: [121.5", "    health: {offline_seconds: 5, moved_seconds: null}\n    position: [121.5"),
        extra="health: {offline_seconds: 60, frozen_seconds: 30}\n",
    )
    settings = load_settings(path).deployment
    health = settings.health_of(settings.cameras[0])
    assert (health.offline_seconds, health.frozen_seconds, health.moved_seconds) == (5, 30, None)
    assert health.covered_seconds == 3
    assert settings.health.offline_seconds == 60


def test_without_a_section_health_is_watched_by_default(deployment: Callable[..., Path]) -> None:
    settings = load_settings(deployment()).deployment
    assert settings.health_of(settings.cameras[0]).offline_seconds == 20


@pytest.mark.parametrize("bad", ["{offline_seconds: -1}", "{clock_drift_seconds: 0}", "{covred_seconds: 3}"])
def test_bad_health_is_refused(deployment: Callable[..., Path], bad: str) -> None:
    with pytest.raises(ConfigError, match="health"):
        load_settings(deployment(extra=f"health: {bad}\n"))


def test_a_rule_may_not_call_itself_health(deployment: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match="those of health"):
        load_settings(deployment(("id: fence", "id: health.fence")))
