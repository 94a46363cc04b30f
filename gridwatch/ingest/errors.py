"""Why there are no frames: one tree, each error naming the camera, its state and the remedy, never a credential."""

# ruff: noqa: N818 - the names are the camera states they stand for, as `except CameraRefused` reads

from typing import ClassVar

from gridwatch.domain import CameraState, GridwatchError, UsageError


class IngestError(GridwatchError):
    """A camera or recorded file gives no frames (any more).

    `state` is what the camera's health should say, `camera` its id. The message reads
    `camera <id>: <what happened>; <remedy>`; whoever raises it passes nothing that holds a credential (see `urls`).
    """

    state: ClassVar[CameraState] = CameraState.NO_VIDEO

    def __init__(self, camera: str, problem: str, remedy: str) -> None:
        super().__init__(f"camera {camera}: {problem}; {remedy}")
        self.camera = camera
        self.reason = f"{problem}; {remedy}"
        """The message without the camera, for its health."""


class CameraRefused(IngestError):
    """It answered and refused the user name or password."""

    state = CameraState.REFUSED


class CameraLocked(CameraRefused):
    """It refuses every password for a while, after too many wrong ones."""


class CameraUnreachable(IngestError):
    """No answer, connection refused, or an answer that is neither ONVIF nor RTSP."""

    state = CameraState.UNREACHABLE


class NoVideo(IngestError):
    """It answers, but serves no video we can use."""

    state = CameraState.NO_VIDEO


class StreamStalled(IngestError):
    """Connected, but no frame arrived for too long."""

    state = CameraState.STALLED


class StreamEnded(IngestError):
    """Frames came and then the connection, or the recording, ended."""

    state = CameraState.UNREACHABLE


class UnreadableFile(IngestError, UsageError):
    """A recorded file is missing, or holds no video that can be read."""

    state = CameraState.NO_VIDEO


class BadTarget(UsageError):
    """An address, range or list to look for cameras at cannot be used; nothing was sent."""


class ClipError(GridwatchError):
    """What a camera sent cannot be made a file of."""
