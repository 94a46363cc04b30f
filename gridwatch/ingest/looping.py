"""A recorded file without an end: its packets again and again, their times going on."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import av

from gridwatch.ingest.decoding import DEFAULT_RATE, VideoPacket
from gridwatch.ingest.errors import UnreadableFile
from gridwatch.ingest.recorded import open_recording, packets


def looped_packets(
    container: av.container.InputContainer, stream: av.VideoStream, path: Path, camera_id: str
) -> Iterator[VideoPacket]:
    """The packets of `packets`, for ever, as of one stream: each round's times follow the last one's.

    Raises UnreadableFile when it breaks off, or has no times, without which it could not be played at its own speed.
    """
    rate = stream.average_rate or DEFAULT_RATE
    nominal = 0 if stream.time_base is None else int(1 / (rate * stream.time_base))
    offset = 0
    # Opened anew for each round: seeking would empty the decoder, which still holds pictures of the last one.
    for each in chain([packets(container, stream, path, camera_id)], _again(path, camera_id)):
        first, end = None, 0
        for packet in each:
            if packet.dts is None:
                continue  # the empty packet at the end of a round would end the decoder
            first = packet.dts if first is None else first
            end = packet.dts + max(packet.duration or nominal, 1)
            packet.stream = stream
            packet.dts += offset
            if packet.pts is not None:
                packet.pts += offset
            yield packet
        if first is None:
            raise UnreadableFile(camera_id, f"{path.name} does not say when its pictures are", "remux it into MP4")
        offset += end - first


def _again(path: Path, camera_id: str) -> Iterator[Iterator[VideoPacket]]:
    while True:
        with open_recording(path, camera_id) as container:
            yield packets(container, container.streams.video[0], path, camera_id)
