import pytest

from gridwatch.domain import CameraState, GridwatchError, UsageError
from gridwatch.ingest import (
    CameraRefused,
    CameraUnreachable,
    IngestError,
    NoVideo,
    StreamEnded,
    StreamStalled,
    UnreadableFile,
)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (CameraRefused, CameraState.REFUSED),
        (CameraUnreachable, CameraState.UNREACHABLE),
        (NoVideo, CameraState.NO_VIDEO),
        (StreamStalled, CameraState.STALLED),
        (StreamEnded, CameraState.UNREACHABLE),
        (UnreadableFile, CameraState.NO_VIDEO),
    ],
)
def test_every_error_names_camera_problem_remedy_and_state(kind: type[IngestError], state: CameraState) -> None:
    error = kind("gate-3", "no answer", "check its cable")
    assert str(error) == "camera gate-3: no answer; check its cable"
    assert error.reason == "no answer; check its cable"
    assert error.state is state
    assert isinstance(error, GridwatchError)


def test_only_an_unreadable_file_is_the_users_mistake_before_anything_started() -> None:
    assert issubclass(UnreadableFile, UsageError)
    assert not issubclass(CameraUnreachable, UsageError)
