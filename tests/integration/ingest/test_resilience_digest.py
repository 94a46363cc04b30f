"""Cameras that want a proof of the password that neither FFmpeg nor the relay can give, and those that refuse one."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from gridwatch.config.model import CameraSource
from gridwatch.domain import CameraState
from gridwatch.ingest import CameraRefused
from gridwatch.ingest.challenge import asked_digest
from tests.integration.ingest.harness import camera_config, everything_it_says, run_to_error

MD5 = 'WWW-Authenticate: Digest realm="cam", nonce="abc", algorithm=MD5'
PLAIN = 'WWW-Authenticate: Digest realm="cam", nonce="abc"'
SHA256 = 'WWW-Authenticate: Digest realm="cam", nonce="abc", algorithm="SHA-256", qop="auth"'
SHA512 = 'WWW-Authenticate: Digest realm="cam", nonce="abc", algorithm="SHA-512-256", qop="auth"'
BASIC = 'WWW-Authenticate: Basic realm="cam"'


class Refusing:
    """Answers everything but OPTIONS by 401 and the challenges given; keeps what it was told."""

    def __init__(self, *challenges: str) -> None:
        self._challenges = "\r\n".join(challenges)
        self._stack = ExitStack()
        self._listening = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port: int = self._listening.getsockname()[1]
        self.told: list[str] = []
        self._thread = threading.Thread(target=self._run, name="refusing")
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._stack.close()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                with client:
                    while data := client.recv(4096).decode("ascii", "replace"):
                        self.told.append(data)
                        cseq = next((line for line in data.split("\r\n") if line.startswith("CSeq")), None)
                        if cseq is None:
                            break
                        refusal = f"401 Unauthorized\r\n{cseq}\r\n{self._challenges}\r\n\r\n"
                        granted = f"200 OK\r\n{cseq}\r\nPublic: DESCRIBE\r\n\r\n"
                        client.sendall(f"RTSP/1.0 {granted if data.startswith('OPTIONS') else refusal}".encode())


@pytest.fixture
def refusing(request: pytest.FixtureRequest) -> Iterator[Refusing]:
    server = Refusing(*request.param)
    yield server
    server.close()


@pytest.mark.parametrize("refusing", [[SHA512], [MD5, SHA512], [BASIC, SHA512]], indirect=True)
def test_a_digest_that_cannot_be_given_is_named_and_not_called_a_wrong_password(refusing: Refusing) -> None:
    source = CameraSource(rtsp=f"rtsp://operator:s3cr3t@127.0.0.1:{refusing.port}/live")
    error = run_to_error(camera_config(source))
    assert type(error) is CameraRefused
    assert error.state is CameraState.REFUSED
    assert "wants Digest with SHA-512-256" in str(error)
    assert "SHA-256 or MD5" in str(error)
    assert "s3cr3t" not in everything_it_says(error)
    assert "s3cr3t" not in "".join(refusing.told)


@pytest.mark.parametrize(
    "refusing", [[MD5], [PLAIN], [SHA256, MD5], [MD5, SHA256], [SHA256], [BASIC], []], indirect=True
)
def test_any_other_refusal_is_one_of_the_password(refusing: Refusing) -> None:
    source = CameraSource(rtsp=f"rtsp://operator:s3cr3t@127.0.0.1:{refusing.port}/live")
    error = run_to_error(camera_config(source))
    assert type(error) is CameraRefused
    assert "refused the user name or password" in str(error)


@pytest.mark.parametrize("refusing", [[MD5, SHA256]], indirect=True)
def test_asking_gives_up_in_time_and_takes_no_for_an_answer(refusing: Refusing) -> None:
    asked = asked_digest(f"rtsp://127.0.0.1:{refusing.port}/live")
    assert asked is not None
    assert asked.algorithm == "SHA-256"
    assert asked_digest(f"rtsps://127.0.0.1:{refusing.port}/live") is None
    assert asked_digest("rtsp://127.0.0.1:1/live") is None
    assert asked_digest("nonsense") is None
