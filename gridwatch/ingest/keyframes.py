"""Which keyframes decoding can start at as if nothing had come before them."""

from typing import Final

from gridwatch.ingest.decoding import VideoPacket

_HEAD_BYTES: Final = 4096
"""What precedes a picture's first slice (parameter sets, SEI) is far shorter."""
_H264_SLICES, _H264_IDR = range(1, 6), 5
_H265_SLICES, _H265_IRAP = range(32), range(16, 22)


def starts_afresh(packet: VideoPacket) -> bool:
    """True for an IDR picture of H.264 (ITU-T H.264, 7.4.1.2.4) or an IRAP picture of H.265 (ITU-T H.265, 7.4.2.2).

    Others that FFmpeg calls keyframes are recovery points: the pictures before them are still counted on. Every picture
    of motion JPEG is whole.
    """
    codec = packet.stream.codec_context
    head = bytes(memoryview(packet)[:_HEAD_BYTES])
    configuration = codec.extradata or b""
    has_lengths = configuration[:1] == b"\1"  # avcC or hvcC: in MP4 and MKV, where RTSP has start codes
    if codec.name == "h264":
        headers = _after_lengths(head, (configuration[4] & 3) + 1) if has_lengths else _after_start_codes(head)
        return next((kind == _H264_IDR for one in headers if (kind := one & 0x1F) in _H264_SLICES), False)
    if codec.name == "hevc":
        headers = _after_lengths(head, (configuration[21] & 3) + 1) if has_lengths else _after_start_codes(head)
        return next((kind in _H265_IRAP for one in headers if (kind := one >> 1 & 0x3F) in _H265_SLICES), False)
    return codec.name == "mjpeg"


def _after_start_codes(data: bytes) -> list[int]:
    headers, at = [], data.find(b"\0\0\1")
    while 0 <= at < len(data) - 3:
        headers.append(data[at + 3])
        at = data.find(b"\0\0\1", at + 3)
    return headers


def _after_lengths(data: bytes, size: int) -> list[int]:
    headers, at = [], 0
    while at + size < len(data):
        headers.append(data[at + size])
        at += size + int.from_bytes(data[at : at + size])
    return headers
