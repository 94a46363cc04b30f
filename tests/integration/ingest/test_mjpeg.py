"""Motion JPEG over HTTP as a camera."""

from urllib.parse import quote

import numpy as np
import pytest

from gridwatch.config.model import CameraSource
from gridwatch.domain import CameraState
from gridwatch.ingest import CameraRefused, CameraUnreachable, IngestError, NoVideo, StreamEnded, StreamStalled
from tests.integration.ingest.foreign import ipycam
from tests.integration.ingest.harness import camera_config, everything_it_says, run_to_error, watching
from tests.integration.ingest.mjpeg_camera import SECRET, USER, MjpegCamera, mjpeg_camera
from tests.integration.ingest.tls_front import TLS, tls_front
from tests.waiting import wait_until


def source(url: str, secret: str | None = None, **more: object) -> CameraSource:
    return CameraSource(mjpeg=url if secret is None else with_user(url, secret), **more)


def with_user(url: str, secret: str = SECRET) -> str:
    return url.replace("://", f"://{USER}:{quote(secret, safe='')}@")


@pytest.mark.parametrize(
    "behaviour",
    [{}, {"boundary": "frame"}, {"boundary": '"frame"'}, {"with_length": False}, {"path": "/cgi?a=1&b=%20"}],
)
def test_pictures_come_however_they_are_parted(behaviour: dict[str, object]) -> None:
    with mjpeg_camera(**behaviour) as camera, watching(camera_config(source(camera.url), fps=20)) as watched:
        watched.wait_for_frames(6)
    assert watched.states == [CameraState.CONNECTING, CameraState.UP]
    assert {frame.image.shape for frame in watched.frames} == {(180, 320, 3)}
    times = [frame.pts for frame in watched.frames]
    assert times == sorted(times)
    assert times[5] == pytest.approx(0.25, abs=0.2)  # 20 a second, by arrival
    # The square moves 4 px a picture, of which one or two may fall between two samples.
    assert 4 * 5 - 2 <= np.argmax(watched.frames[5].image[90, :, 1] > 150) <= 4 * 8 + 2


@pytest.mark.parametrize("login", ["Digest", "Basic"])
def test_the_proof_asked_for_is_given(login: str) -> None:
    with mjpeg_camera(login=login) as camera, watching(camera_config(source(camera.url, SECRET))) as watched:
        watched.wait_for_frames(1)
    assert all(one.startswith(login) for one in camera.authorizations)


def misbehaving(**behaviour: object) -> tuple[MjpegCamera, IngestError]:
    with mjpeg_camera(**behaviour) as camera:
        return camera, run_to_error(camera_config(source(camera.url, SECRET)), stall_seconds=1.5)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"pictures": 5}, StreamEnded),
        ({"stalls_after": 5}, StreamStalled),
        ({"silent": True}, CameraUnreachable),
        ({"pictures": 0}, CameraUnreachable),
    ],
)
def test_what_goes_wrong_is_told_apart_and_without_the_password(
    behaviour: dict[str, object], error: type[IngestError]
) -> None:
    _, caught = misbehaving(**behaviour)
    assert isinstance(caught, error)
    for secret in (SECRET, quote(SECRET, safe="")):
        assert secret not in everything_it_says(caught)


@pytest.mark.parametrize("login", ["Digest", "Basic"])
def test_a_wrong_password_is_refused_after_one_try(login: str) -> None:
    with mjpeg_camera(login=login) as camera:
        caught = run_to_error(camera_config(source(camera.url, "not it")))
    assert isinstance(caught, CameraRefused)
    assert "not%20it" not in everything_it_says(caught)
    assert len(camera.authorizations) == 1


def test_a_page_that_is_none_is_said_to_be_so() -> None:
    with mjpeg_camera() as camera:
        assert isinstance(run_to_error(camera_config(source(camera.url + "/x"))), NoVideo)


def test_a_redirect_to_another_place_gets_no_credentials() -> None:
    with (
        mjpeg_camera() as other,
        mjpeg_camera(login="Basic", redirect=other.url.replace("127.0.0.1", "localhost")) as camera,
    ):
        with watching(camera_config(source(camera.url, SECRET))) as watched:
            watched.wait_for_frames(1)
        assert other.authorizations == []


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "rtsp://127.0.0.1:1/x"])
def test_a_redirect_cannot_lead_away_from_http(target: str) -> None:
    _, caught = misbehaving(redirect=target)
    assert isinstance(caught, (NoVideo, CameraUnreachable))


def test_damaged_pictures_are_left_out_and_the_next_ones_come() -> None:
    with mjpeg_camera(garbage_every=3) as camera, watching(camera_config(source(camera.url), fps=20)) as watched:
        watched.wait_for_frames(8)


def test_over_tls_the_certificate_can_be_demanded() -> None:
    with mjpeg_camera() as camera, tls_front(camera.port) as port:
        url = f"https://127.0.0.1:{port}{camera.path}"
        with watching(camera_config(source(url, tls_ca=TLS / "ca.pem"))) as watched:
            watched.wait_for_frames(1)
        refused = run_to_error(camera_config(source(url, tls_ca=TLS / "other-ca.pem")))
    assert isinstance(refused, CameraUnreachable)


def test_the_motion_jpeg_of_a_camera_that_is_not_ours_is_read() -> None:
    picture = np.full((360, 640, 3), 99, np.uint8)
    with ipycam(username=USER, password=SECRET) as camera:
        with watching(camera_config(source(camera.mjpeg_url, SECRET))) as watched:

            def seen() -> bool:
                camera.mjpeg_streamer.stream_frame(picture)
                return len(watched.frames) > 1

            wait_until(seen, 10, every=0.05)
        assert watched.frames[0].image.shape == (360, 640, 3)
        assert abs(int(watched.frames[0].image[180, 320, 0]) - 99) < 4
