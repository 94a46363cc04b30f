"""Frames to incidents: gate, detect, track, rules, evidence."""

from gridwatch.detectors.analysis import Analysis, CameraAnalysis
from gridwatch.detectors.detector import Detector
from gridwatch.detectors.errors import DetectorError, WeightsError
from gridwatch.detectors.evidence import Snapshot
from gridwatch.detectors.loading import load_detector, load_detectors, people_detector
from gridwatch.detectors.picture_watch import PICTURE_RULES
from gridwatch.detectors.pool import AnalysisPool, Load
from gridwatch.detectors.rehearsal import rehearse

__all__ = [
    "PICTURE_RULES", "Analysis", "AnalysisPool", "CameraAnalysis", "Detector", "DetectorError", "Load", "Snapshot",
    "WeightsError", "load_detector", "load_detectors", "people_detector", "rehearse",
]  # fmt: skip
