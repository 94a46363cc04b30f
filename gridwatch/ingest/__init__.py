"""Cameras to frames: ONVIF, RTSP, recorded files. The only importer of the ONVIF client."""

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
from gridwatch.ingest.reader import Reader
from gridwatch.ingest.recorded import duration_seconds, recorded_frames
from gridwatch.ingest.tally import ReaderTally, TallySnapshot

__all__ = [
    "CameraLocked", "CameraRefused", "CameraUnreachable", "IngestError", "NoVideo", "Reader", "ReaderTally",
    "StreamEnded", "StreamStalled", "TallySnapshot", "UnreadableFile", "duration_seconds", "recorded_frames",
]  # fmt: skip
