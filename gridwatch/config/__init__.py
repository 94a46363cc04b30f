"""Typed settings and the site tree, from one YAML."""

from gridwatch.config.detectors import DetectorConfig, DetectorModel
from gridwatch.config.document import Document
from gridwatch.config.loading import Settings, check_settings, load_settings
from gridwatch.config.model import (
    CameraConfig,
    CameraSource,
    Deployment,
    HealthConfig,
    LineConfig,
    MovingConfig,
    OnvifSource,
)
from gridwatch.config.problems import ConfigError, Problem
from gridwatch.config.rules import CrowdingRule, IntrusionRule, LineCrossingRule, RuleConfig
from gridwatch.config.services import BrokerConfig

__all__ = [
    "BrokerConfig", "CameraConfig", "CameraSource", "ConfigError", "CrowdingRule", "Deployment", "DetectorConfig",
    "DetectorModel", "Document", "HealthConfig", "IntrusionRule", "LineConfig", "LineCrossingRule", "MovingConfig",
    "OnvifSource", "Problem", "RuleConfig", "Settings", "check_settings", "load_settings",
]  # fmt: skip
