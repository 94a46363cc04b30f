"""Cameras to frames: ONVIF, RTSP, recorded files. The only importer of the ONVIF client."""

from gridwatch.ingest.activity import Attention
from gridwatch.ingest.clips import Cut, PacketRing, RingCounts, remux
from gridwatch.ingest.drift import CLOCK_DRIFT_RULE, DriftWatch
from gridwatch.ingest.errors import (
    CameraLocked,
    CameraRefused,
    CameraUnreachable,
    ClipError,
    IngestError,
    NoVideo,
    StreamEnded,
    StreamStalled,
    UnreadableFile,
)
from gridwatch.ingest.outage import OFFLINE_RULE, SITE_OFFLINE_RULE, OutageWatch
from gridwatch.ingest.positions import NmeaReader, PositionsLost
from gridwatch.ingest.positions_metadata import NoMetadata, OnvifMetadataReader
from gridwatch.ingest.positions_onvif import NoGeoLocation, OnvifPositionReader
from gridwatch.ingest.reader import Reader
from gridwatch.ingest.recorded import duration_seconds, recorded_frames
from gridwatch.ingest.tally import ReaderTally, TallySnapshot

__all__ = [
    "CLOCK_DRIFT_RULE", "OFFLINE_RULE", "SITE_OFFLINE_RULE", "Attention", "CameraLocked", "CameraRefused",
    "CameraUnreachable", "ClipError", "Cut", "DriftWatch", "IngestError", "NmeaReader", "NoGeoLocation", "NoMetadata",
    "NoVideo", "OnvifMetadataReader", "OnvifPositionReader", "OutageWatch", "PacketRing", "PositionsLost", "Reader",
    "ReaderTally", "RingCounts",
    "StreamEnded", "StreamStalled", "TallySnapshot", "UnreadableFile", "duration_seconds", "recorded_frames", "remux",
]  # fmt: skip
