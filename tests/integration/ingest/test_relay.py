"""Cameras that want Digest with SHA-256, read through the relay."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import av.logging
import numpy as np
import psutil
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from gridwatch.config.model import CameraSource
from gridwatch.domain import SystemClock
from gridwatch.ingest import CameraRefused, CameraUnreachable, StreamEnded, StreamStalled, recorded_frames
from gridwatch.ingest.relay import Relay
from gridwatch.ingest.rtsp import open_stream
from gridwatch.ingest.urls import Credentials
from gridwatch.rig import Fault, Rig, RigThread, RtspDigest, RtspLimits, VirtualCamera
from tests.fixtures.rig import USERNAME, encode_clip
from tests.integration.ingest.harness import (
    DEADLINE,
    camera_config,
    connection_threads,
    everything_it_says,
    rtsp_source,
    run_to_error,
    watching,
)
from tests.integration.ingest.tls_front import TLS, tls_front
from tests.waiting import wait_until

PASSWORD = "p@ss wörd"
USERINFO = f"{USERNAME}:p%40ss%20w%C3%B6rd@"
CREDENTIALS = Credentials(username=USERNAME, password=SecretStr(PASSWORD))


def camera(clip: Path, **more: object) -> VirtualCamera:
    return VirtualCamera(
        id="cam1", clip=clip, username=USERNAME, password=PASSWORD, **{"rtsp_digest": RtspDigest.SHA_256, **more}
    )


@pytest.fixture
def strong(tiny_clip: Path) -> Iterator[Rig]:
    with RigThread(Rig((camera(tiny_clip),))) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = psutil.Process().num_fds()
    yield
    wait_until(lambda: relays() == [] and connection_threads() == [], DEADLINE)
    wait_until(lambda: psutil.Process().num_fds() <= before, 5.0)


def relays() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("relay-")]


@pytest.mark.parametrize("digest", [RtspDigest.SHA_256, RtspDigest.SHA_256_SESS])
def test_its_pictures_are_those_recorded(tiny_clip: Path, digest: RtspDigest) -> None:
    with (
        RigThread(Rig((camera(tiny_clip, rtsp_digest=digest),))) as rig,
        watching(camera_config(rtsp_source(rig, "cam1", USERINFO), fps=10)) as watched,
    ):
        watched.wait_for_frames(12)
        assert [thread.name for thread in relays()] == ["relay-gate-3"]
    recorded = recorded_frames(tiny_clip, "gate-3", 10, datetime(2026, 1, 1, tzinfo=UTC))
    for live, replayed in zip(watched.frames, recorded, strict=False):
        assert np.array_equal(live.image, replayed.image)
    assert watched.tally.snapshot().decode_errors == 0


def test_another_camera_is_not_relayed(tiny_clip: Path) -> None:
    with (
        RigThread(Rig((camera(tiny_clip, rtsp_digest=RtspDigest.MD5),))) as rig,
        watching(camera_config(rtsp_source(rig, "cam1", USERINFO))) as watched,
    ):
        watched.wait_for_frames(1)
        assert relays() == []


def test_a_wrong_password_is_named_at_once_and_shown_nowhere(strong: Rig) -> None:
    with capture_logs() as logs:
        error = run_to_error(camera_config(rtsp_source(strong, "cam1", f"{USERNAME}:wr-ong@")))
    assert type(error) is CameraRefused
    assert "refused the user name or password" in str(error)
    refused = [one for one in logs if one["event"] == "rtsp_credentials_refused"]
    assert len(refused) == 1, "one wrong proof, since a few lock an account"
    assert "wr-ong" not in everything_it_says(error) + repr(logs)


def test_no_password_is_one_that_is_refused(strong: Rig) -> None:
    error = run_to_error(camera_config(rtsp_source(strong, "cam1", "")))
    assert type(error) is CameraRefused


def test_a_session_is_kept_alive_with_nonces_that_run_out(tiny_clip: Path) -> None:
    """The server ends a session without a request that it takes for three seconds; each nonce is good for one."""
    short = RtspLimits(session_seconds=2)
    with (
        RigThread(Rig((camera(tiny_clip, nonce_uses=1),), limits=short)) as rig,
        watching(camera_config(rtsp_source(rig, "cam1", USERINFO), fps=10)) as watched,
    ):
        watched.wait_for_frames(65)
        assert watched.error is None
        assert watched.tally.snapshot().connections == 1


@pytest.mark.parametrize("tls_ca", [None, "ca.pem"])
def test_a_stream_over_tls_is_read(strong: Rig, tls_ca: str | None) -> None:
    port = int(strong.rtsp_url("cam1").split(":")[2].split("/")[0])
    with tls_front(port) as front:
        url = f"rtsps://{USERINFO}127.0.0.1:{front}/cam1"
        source = CameraSource(rtsp=url, tls_ca=TLS / tls_ca if tls_ca else None)
        with watching(camera_config(source, fps=10)) as watched:
            watched.wait_for_frames(12)


def test_another_certificate_than_demanded_is_not_shown_a_proof(strong: Rig) -> None:
    port = int(strong.rtsp_url("cam1").split(":")[2].split("/")[0])
    with tls_front(port) as front:
        relay = Relay("gate-3", f"rtsps://127.0.0.1:{front}/cam1", CREDENTIALS, (5.0, 5.0), TLS / "other-ca.pem")
        with pytest.raises(OSError, match="certificate verify failed"):
            relay.__enter__()


def test_udp_falls_to_tcp_and_says_so(strong: Rig) -> None:
    source = rtsp_source(strong, "cam1", USERINFO).model_copy(update={"transport": "udp"})
    with capture_logs() as logs, watching(camera_config(source)) as watched:
        watched.wait_for_frames(2)
    assert [one["reason"] for one in logs if one["event"] == "rtsp_over_tcp"] == [
        "Digest with SHA-256 is not given over UDP"
    ]


def test_what_ffmpeg_says_is_not_kept_where_nobody_asks_for_it(strong: Rig) -> None:
    url = rtsp_source(strong, "cam1", "").rtsp
    assert url is not None
    with av.logging.Capture() as lines, open_stream("cam1", url, CREDENTIALS, "udp", DEADLINE) as opened:
        assert opened.loss is None, "over TCP"
        lines.clear()
        av.logging.log(av.logging.WARNING, "rtsp", "one more")
        assert [line for _, _, line in lines] == ["one more"]


def test_an_end_a_stall_and_a_stop_are_what_they_are_without_relay(strong: Rig) -> None:
    source = rtsp_source(strong, "cam1", USERINFO)
    with watching(camera_config(source)) as watched:
        watched.wait_for_frames(2)
        strong.set_fault("cam1", Fault.DROP)
        assert isinstance(watched.wait_for_error(), StreamEnded)
    assert isinstance(run_to_error(camera_config(source)), CameraUnreachable)
    strong.set_fault("cam1", Fault.NONE)
    with watching(camera_config(source), stall_seconds=1.0) as watched:
        watched.wait_for_frames(2)
        strong.set_fault("cam1", Fault.STALL)
        assert isinstance(watched.wait_for_error(), StreamStalled)
    strong.set_fault("cam1", Fault.NONE)
    with watching(camera_config(source)) as watched:
        watched.wait_for_frames(2)
    assert watched.error is None


def test_who_does_not_know_the_secret_is_not_served(strong: Rig) -> None:
    with capture_logs() as logs, Relay("gate-3", strong.rtsp_url("cam1"), CREDENTIALS, (5.0, 5.0)) as relay:
        port, secret = re.fullmatch(r"rtsp://127\.0\.0\.1:(\d+)/([\w-]{20,})/cam1", relay.url).groups()
        assert PASSWORD not in relay.url
        for guess in ("x" * len(secret), secret[:-1] + "é", ""):
            with socket.create_connection(("127.0.0.1", int(port)), 5.0) as stranger:
                stranger.sendall(f"DESCRIBE rtsp://127.0.0.1:{port}/{guess}/cam1 RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
                assert stranger.recv(100) == b""
        with socket.create_connection(("127.0.0.1", int(port)), 5.0) as ours:
            ours.sendall(f"DESCRIBE {relay.url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
            assert ours.recv(100).startswith(b"RTSP/1.0 200")
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", int(port)), 5.0)
    assert [one["event"] for one in logs].count("relay_refused_a_stranger") == 3


def test_a_relay_that_nobody_uses_ends_with_its_owner(strong: Rig) -> None:
    began = SystemClock().monotonic()
    with Relay("gate-3", strong.rtsp_url("cam1"), CREDENTIALS, (5.0, 5.0)):
        assert len(relays()) == 1
    assert relays() == []
    assert SystemClock().monotonic() - began < 1.0


def test_media_is_passed_on_for_next_to_nothing(tmp_path: Path) -> None:
    """At 3 Mbit/s; to decode that of a 720p camera takes some 80 ms a second."""
    clip = encode_clip(tmp_path / "busy.mp4", seconds=4, fps=15, size=(160, 90), noise=True)
    with (
        RigThread(Rig((camera(clip),))) as rig,
        watching(camera_config(rtsp_source(rig, "cam1", USERINFO), fps=15)) as watched,
    ):
        watched.wait_for_frames(5)
        first, began = cpu_seconds(relays()[0]), watched.tally.snapshot().bytes
        watched.wait_for_frames(65)
        spent, size = cpu_seconds(relays()[0]) - first, watched.tally.snapshot().bytes - began
    print(f"\n{spent / 4 * 1e3:.2f} ms of CPU a second at {size * 8 / 4e6:.1f} Mbit/s")  # noqa: T201 - -s
    assert spent / 4 < 0.015


def cpu_seconds(thread: threading.Thread) -> float:
    assert thread.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
