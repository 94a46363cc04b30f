"""A recorded file without an end: its packets again and again, their times going on."""

from collections.abc import Iterator
from pathlib import Path

import av

from gridwatch.ingest.decoding import DEFAULT_RATE, VideoPacket
from gridwatch.ingest.errors import UnreadableFile
from gridwatch.ingest.recorded import packets


def looped_packets(
    container: av.container.InputContainer, stream: av.VideoStream, path: Path, camera_id: str
) -> Iterator[VideoPacket]:
    """The packets of `packets`, for ever, as of one stream: each round's times follow the last one's.

    Raises UnreadableFile when it breaks off, or has no times, without which it could not be played at its own speed.
    """
    tick = stream.time_base
    offset = 0
    while True:
        first, end = None, 0
        for packet in packets(container, stream, path, camera_id):
            if packet.dts is None:
                continue  # the empty packet that ends a round would end the decoder
            if first is None:
                first = packet.dts
            nominal = 0 if tick is None else int(1 / ((stream.average_rate or DEFAULT_RATE) * tick))
            end = packet.dts + max(packet.duration or nominal, 1)
            packet.dts += offset
            if packet.pts is not None:
                packet.pts += offset
            yield packet
        if first is None or tick is None:
            raise UnreadableFile(camera_id, f"{path.name} does not say when its pictures are", "remux it into MP4")
        offset += end - first
        container.seek(0, stream=stream)
