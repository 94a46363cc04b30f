"""Whether a camera could be analysed as it is configured, found out before it is."""

from gridwatch.config.model import CameraConfig
from gridwatch.detectors import rules
from gridwatch.detectors.detector import Detector
from gridwatch.detectors.loading import check_rules

_ANY_SHAPE = 16 / 9


def rehearse(camera: CameraConfig, name: str, detector: Detector) -> None:
    """Build its rules, and let them go. `name` is that of its detector. Raises LabelsError (a UsageError)."""
    check_rules(camera, name, detector)
    rules.build(camera, _ANY_SHAPE)
