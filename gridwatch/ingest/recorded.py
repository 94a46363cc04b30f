"""Recorded files as frames: as fast as they decode, for `gridwatch replay`."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import av

from gridwatch.domain import Frame
from gridwatch.ingest.decoding import PictureDecoder, VideoPacket
from gridwatch.ingest.errors import UnreadableFile
from gridwatch.ingest.tally import ReaderTally

_REMEDY = "give a video file that ffprobe can read"


def recorded_frames(path: Path, camera_id: str, fps: float, start: datetime) -> Iterator[Frame]:
    """The frames of a file at `fps` a second, the first at wall clock `start` (UTC), as fast as they decode.

    The same file gives the same frames every time, and the same pictures as a live reader of the same stream.
    Raises UnreadableFile, at the first frame asked for, when the file is missing or holds no video.
    """
    with open_recording(path, camera_id) as container:
        stream = container.streams.video[0]
        decoder = PictureDecoder(stream, fps, ReaderTally())
        index = 0
        for packet in packets(container, stream, path, camera_id):
            for picture in decoder.sample(packet, decoder.decode(packet)):
                at = start + timedelta(seconds=picture.time)
                yield Frame(
                    camera=camera_id, index=index, pts=picture.time, captured_at=at, arrived_at=at, image=picture.image
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
