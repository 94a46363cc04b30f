"""Hears that RTP packets went missing on the way, which FFmpeg says in its log and nowhere else.

It hands on what is left of the pictures as if it were all. With the default log level of PyAV nothing is heard.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import av.logging

_MISSED = "RTP: missed "
"""How libavformat/rtpdec.c of FFmpeg 8.1 begins to say so, when it gives up waiting for what is late."""


class RtpLoss:
    """Holes in the numbers of one connection's RTP packets."""

    def __init__(self, lines: list[tuple[int, str, str]]) -> None:
        """`lines` are those of FFmpeg's log (level, who, what), which whoever fills it appends and this takes away."""
        self._lines = lines

    def took_place(self) -> bool:
        """Whether there was one since this was asked last.

        Asked after each access unit, a hole is in that one or between it and the next: FFmpeg knows where a unit ends
        by reading on.
        """
        missed = any(line.startswith(_MISSED) for _, _, line in self._lines)
        self._lines.clear()
        return missed


@contextmanager
def heard_loss() -> Iterator[RtpLoss]:
    """What is missing of the packets that this thread reads meanwhile."""
    # Warnings of connections that nobody listens to stay out of our log: FFmpeg does not hide passwords.
    logging.getLogger("libav").setLevel(logging.CRITICAL + 1)
    # One and the same line may be said again by the next hole, or by another camera.
    av.logging.set_skip_repeated(False)
    av.logging.set_level(av.logging.WARNING)
    with av.logging.Capture() as lines:
        yield RtpLoss(lines)
