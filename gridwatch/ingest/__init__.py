"""Cameras to frames: ONVIF, RTSP, recorded files. The only importer of the ONVIF client."""

from gridwatch.ingest.activity import Attention
from gridwatch.ingest.drift import CLOCK_DRIFT_RULE, DriftWatch
from gridwatch.ingest.errors import (
    CameraLocked,
    CameraRefused,
    CameraUnreachable,
    IngestError,
    NoVideo,
    StreamEnded,
    StreamStalled,
    UnreadableFile,
)
from gridwatch.ingest.outage import OFFLINE_RULE, SITE_OFFLINE_RULE, OutageWatch
from gridwatch.ingest.positions import NmeaReader, PositionsLost
from gridwatch.ingest.positions_onvif import NoGeoLocation, OnvifPositionReader
from gridwatch.ingest.reader import Reader
from gridwatch.ingest.recorded import duration_seconds, recorded_frames
from gridwatch.ingest.tally import ReaderTally, TallySnapshot

__all__ = [
    "CLOCK_DRIFT_RULE", "OFFLINE_RULE", "SITE_OFFLINE_RULE", "Attention", "CameraLocked", "CameraRefused",
    "CameraUnreachable", "DriftWatch", "IngestError", "NmeaReader", "NoGeoLocation", "NoVideo",
    "OnvifPositionReader", "OutageWatch", "PositionsLost",
    "Reader", "ReaderTally", "StreamEnded", "StreamStalled", "TallySnapshot", "UnreadableFile", "duration_seconds",
    "recorded_frames",
]  # fmt: skip
