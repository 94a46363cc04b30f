"""Recorded files as frames: as fast as they decode, for `gridwatch replay`."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import av

from gridwatch.domain import Frame
from gridwatch.ingest.activity import Attention
from gridwatch.ingest.activity_gate import ActivityGate
from gridwatch.ingest.decoding import Arrival, VideoPacket
from gridwatch.ingest.errors import UnreadableFile
from gridwatch.ingest.tally import ReaderTally

_REMEDY = "give a video file that ffprobe can read"


def recorded_frames(
    path: Path, camera_id: str, fps: float, start: datetime, attention: Attention | None = None
) -> Iterator[Frame]:
    """The frames of a file at `fps` a second, the first at wall clock `start` (UTC), as fast as they decode.

    The same file gives the same frames every time, and the same pictures as a live reader of the same stream. With an
    `attention`, which must hear of each frame before the next is asked for, what a live reader would leave out as idle
    is left out here too. Raises UnreadableFile, at the first frame asked for, when the file is missing or holds no
    video.
    """
    with open_recording(path, camera_id) as container:
        stream = container.streams.video[0]
        gate = ActivityGate(stream, fps, ReaderTally(), attention, camera_id)
        index = 0
        for packet in packets(container, stream, path, camera_id):
            for picture in gate.feed(Arrival(packet=packet, arrived_at=start)):
                at = start + timedelta(seconds=picture.time)
                yield Frame(
                    camera=camera_id, index=index, pts=picture.time, captured_at=at, arrived_at=at,
                    image=picture.image, quiet=picture.quiet,
                )  # fmt: skip
                index += 1
        if index == 0:
            raise UnreadableFile(camera_id, f"no picture in {path.name} can be decoded", _REMEDY)


def duration_seconds(path: Path) -> float:
    """Length of a recorded file in seconds as its header has it, 0.0 when it does not say. Raises UnreadableFile."""
    with open_recording(path, path.stem) as container:
        stream = container.streams.video[0]
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return (container.duration or 0) / av.time_base


def open_recording(path: Path, camera_id: str) -> av.container.InputContainer:
    """Open a file that has video. The caller closes it. Raises UnreadableFile."""
    if not path.is_file():
        raise UnreadableFile(camera_id, f"there is no file {path}", "correct its path")
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise UnreadableFile(camera_id, f"{path} cannot be read as video ({error.strerror})", _REMEDY) from error
    if not container.streams.video or container.streams.video[0].codec_context is None:
        container.close()
        raise UnreadableFile(camera_id, f"{path} holds no video", _REMEDY)
    return container


def packets(
    container: av.container.InputContainer, stream: av.VideoStream, path: Path, camera_id: str
) -> Iterator[VideoPacket]:
    """The packets of a file, an empty one last. Raises UnreadableFile when it breaks off in the middle."""
    try:
        yield from container.demux(stream)
    except av.FFmpegError as error:
        raise UnreadableFile(camera_id, f"{path} breaks off ({error.strerror})", _REMEDY) from error
