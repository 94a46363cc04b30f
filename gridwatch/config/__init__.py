"""Typed settings and the site tree, from one YAML."""

from gridwatch.config.loading import Settings, load_settings
from gridwatch.config.model import (
    BrokerConfig,
    CameraConfig,
    CameraSource,
    CrowdingRule,
    Deployment,
    DetectorConfig,
    HealthConfig,
    IntrusionRule,
    LineConfig,
    LineCrossingRule,
    MovingConfig,
    OnvifSource,
    RuleConfig,
)
from gridwatch.config.problems import ConfigError, Problem

__all__ = [
    "BrokerConfig", "CameraConfig", "CameraSource", "ConfigError", "CrowdingRule", "Deployment", "DetectorConfig",
    "HealthConfig", "IntrusionRule", "LineConfig", "LineCrossingRule", "MovingConfig", "OnvifSource", "Problem",
    "RuleConfig", "Settings", "load_settings",
]  # fmt: skip
