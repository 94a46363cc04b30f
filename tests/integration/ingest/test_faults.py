import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from gridwatch.config.model import CameraSource, OnvifSource
from gridwatch.domain import CameraState
from gridwatch.ingest import (
    CameraRefused,
    CameraUnreachable,
    IngestError,
    NoVideo,
    StreamEnded,
    StreamStalled,
)
from gridwatch.rig import Fault, VirtualCamera
from tests.fixtures.rig import USERNAME, MakeRig
from tests.integration.ingest.harness import (
    DEADLINE,
    camera_config,
    everything_it_says,
    onvif_source,
    rtsp_source,
    run_to_error,
    watching,
)

NASTY = ["p@ss/w:rd%", "ends-with@", "%41%zz", "a b?c#d&e=f", "密码!", "co:lon"]


@pytest.mark.parametrize(
    ("fault", "by_onvif", "by_rtsp"),
    [
        (Fault.REFUSE, CameraRefused, CameraRefused),
        (Fault.NO_VIDEO, NoVideo, NoVideo),
        (Fault.DROP, CameraUnreachable, CameraUnreachable),
    ],
)
def test_a_camera_that_does_not_serve_says_why_by_name(
    rig: MakeRig, fault: Fault, by_onvif: type[IngestError], by_rtsp: type[IngestError]
) -> None:
    running = rig()
    running.set_fault("cam1", fault)
    for source, kind in ((onvif_source(running, "cam1"), by_onvif), (rtsp_source(running, "cam1"), by_rtsp)):
        error = run_to_error(camera_config(source))
        assert type(error) is kind
        assert str(error).startswith("camera gate-3: ")
        assert "correct horse" not in everything_it_says(error)
        assert "correct%20horse" not in everything_it_says(error)


def test_a_stall_is_told_from_an_end_and_the_reader_does_not_wait_for_the_library(rig: MakeRig) -> None:
    running = rig()
    with watching(camera_config(onvif_source(running, "cam1")), stall_seconds=1.0) as watched:
        watched.wait_for_frames(2)
        running.set_fault("cam1", Fault.STALL)
        began = time.perf_counter()
        error = watched.wait_for_error()
    assert isinstance(error, StreamStalled)
    assert error.state is CameraState.STALLED
    assert 0.7 < time.perf_counter() - began < 2.5


def test_a_stall_shorter_than_the_limit_is_survived(rig: MakeRig) -> None:
    running = rig()
    with watching(camera_config(onvif_source(running, "cam1"))) as watched:
        watched.wait_for_frames(2)
        running.set_fault("cam1", Fault.STALL)
        recovery = threading.Timer(1.5, running.set_fault, ("cam1", Fault.NONE))
        recovery.start()
        watched.wait_for_frames(len(watched.frames) + 6)
        recovery.join(DEADLINE)
    assert watched.error is None
    assert watched.tally.snapshot().connections == 1


def test_stop_does_not_wait_for_a_camera_that_stalls(rig: MakeRig) -> None:
    running = rig()
    with watching(camera_config(onvif_source(running, "cam1"))) as watched:
        watched.wait_for_frames(2)
        running.set_fault("cam1", Fault.STALL)
        began = time.perf_counter()
        watched.reader.stop()
        watched.thread.join(DEADLINE)
        assert time.perf_counter() - began < 1.0
    assert watched.error is None


def test_a_connection_dropped_in_mid_stream_ends_the_reader_and_the_next_one_works(rig: MakeRig) -> None:
    running = rig()
    camera = camera_config(onvif_source(running, "cam1"))
    with watching(camera) as watched:
        watched.wait_for_frames(2)
        running.set_fault("cam1", Fault.DROP)
        error = watched.wait_for_error()
    assert isinstance(error, StreamEnded)
    running.set_fault("cam1", Fault.NONE)
    with watching(camera) as watched:
        watched.wait_for_frames(2)


def test_one_cameras_fault_is_not_noticed_by_another(rig: MakeRig) -> None:
    running = rig("cam1", "cam2")
    with watching(camera_config(onvif_source(running, "cam2"))) as healthy:
        healthy.wait_for_frames(1)
        running.set_fault("cam1", Fault.DROP)
        run_to_error(camera_config(onvif_source(running, "cam1")))
        healthy.wait_for_frames(len(healthy.frames) + 3)


@pytest.mark.parametrize("password", NASTY)
def test_a_nasty_password_opens_the_camera_and_a_wrong_one_never_shows(
    rig: MakeRig, tiny_clip: Path, password: str
) -> None:
    running = rig(VirtualCamera(id="cam1", clip=tiny_clip, username=USERNAME, password=password))
    with watching(camera_config(onvif_source(running, "cam1", password))) as watched:
        watched.wait_for_frames(1)
    wrong = password + "-wrong"
    with capture_logs() as logs:
        errors = [run_to_error(camera_config(onvif_source(running, "cam1", wrong)))]
        running.set_fault("cam1", Fault.DROP)
        errors.append(run_to_error(camera_config(onvif_source(running, "cam1", wrong))))
        urls = [rtsp_source(running, "cam1", f"{USERNAME}:{given}@") for given in (wrong, quote(wrong, safe=""))]
        errors += [run_to_error(camera_config(source)) for source in urls]
    assert isinstance(errors[0], CameraRefused)
    for piece in (wrong, quote(wrong, safe=""), "-wrong"):
        for error in errors:
            assert piece not in everything_it_says(error)
        assert piece not in repr(logs)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_dead_address_is_unreachable(closed_port: int) -> None:
    onvif = OnvifSource(
        url=f"http://127.0.0.1:{closed_port}/onvif/device_service", username="u", password=SecretStr("pw-secret")
    )
    for source in (CameraSource(onvif=onvif), CameraSource(rtsp=f"rtsp://u:pw-secret@127.0.0.1:{closed_port}/live")):
        error = run_to_error(camera_config(source))
        assert type(error) is CameraUnreachable
        assert f"127.0.0.1:{closed_port}" in str(error)
        assert "pw-secret" not in everything_it_says(error)


def test_a_camera_that_answers_nothing_is_unreachable_within_its_limits(silent_port: int) -> None:
    onvif = OnvifSource(url=f"http://127.0.0.1:{silent_port}/onvif/device_service")
    for source in (CameraSource(onvif=onvif), CameraSource(rtsp=f"rtsp://u:pw-secret@127.0.0.1:{silent_port}/live")):
        began = time.perf_counter()
        error = run_to_error(camera_config(source))
        assert type(error) is CameraUnreachable
        assert time.perf_counter() - began < 7.0
        assert "pw-secret" not in everything_it_says(error)


def test_stop_does_not_wait_for_a_camera_that_never_answers(silent_port: int) -> None:
    onvif = OnvifSource(url=f"http://127.0.0.1:{silent_port}/onvif/device_service")
    for source in (CameraSource(onvif=onvif), CameraSource(rtsp=f"rtsp://127.0.0.1:{silent_port}/live")):
        with watching(camera_config(source)) as watched:
            watched.wait(lambda w=watched: w.states == [CameraState.CONNECTING])
            began = time.perf_counter()
            watched.reader.stop()
            watched.thread.join(DEADLINE)
            assert time.perf_counter() - began < 1.0


def test_an_rtsp_address_that_is_none_is_named_without_its_password() -> None:
    error = run_to_error(camera_config(CameraSource(rtsp="rtsp://admin:pw-secret@")))
    assert type(error) is CameraUnreachable
    assert "pw-secret" not in everything_it_says(error)
