"""Recorded files to virtual ONVIF cameras, for demo, tests and integrators."""

from gridwatch.rig.camera import Fault, OnvifStyle, RtspDigest, VirtualCamera
from gridwatch.rig.clip import Clip
from gridwatch.rig.errors import ClipError, RigError, RigSetupError
from gridwatch.rig.onvif_events import PropertyOperation
from gridwatch.rig.rtsp import RtspLimits, RtspStats
from gridwatch.rig.virtual import Rig, RigThread, serve

__all__ = [
    "Clip", "ClipError", "Fault", "OnvifStyle", "PropertyOperation", "Rig", "RigError", "RigSetupError", "RigThread",
    "RtspDigest", "RtspLimits", "RtspStats", "VirtualCamera", "serve",
]  # fmt: skip
