"""Cameras behind TLS: any certificate is taken unless the deployment says who must have signed it."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from gridwatch.config.model import CameraSource, OnvifSource
from gridwatch.domain import SystemClock
from gridwatch.ingest import CameraUnreachable
from gridwatch.ingest.onvif import find_stream
from gridwatch.rig import OnvifStyle, VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig
from tests.integration.ingest.harness import camera_config, everything_it_says, run_to_error, watching
from tests.integration.ingest.tls_front import TLS, tls_front


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


def rtsps(port: int, tls_ca: str | None = None) -> CameraSource:
    url = f"rtsps://{USERNAME}:correct%20horse@127.0.0.1:{port}/cam1"
    return CameraSource(rtsp=url, tls_ca=TLS / tls_ca if tls_ca else None)


@pytest.mark.parametrize("tls_ca", [None, "ca.pem"])
def test_a_stream_over_tls_is_read(rig: MakeRig, tls_ca: str | None) -> None:
    with (
        tls_front(port_of(rig().rtsp_url("cam1"))) as port,
        watching(camera_config(rtsps(port, tls_ca))) as watched,
    ):
        watched.wait_for_frames(2)


@pytest.mark.parametrize(
    ("certificate", "tls_ca"),
    [("camera.pem", "other-ca.pem"), ("elsewhere.pem", "ca.pem"), ("camera.pem", "README.md")],
)
def test_a_stream_with_another_certificate_than_demanded_is_refused(
    rig: MakeRig, certificate: str, tls_ca: str
) -> None:
    with tls_front(port_of(rig().rtsp_url("cam1")), certificate) as port:
        error = run_to_error(camera_config(rtsps(port, tls_ca)))
    assert isinstance(error, CameraUnreachable)
    assert PASSWORD not in everything_it_says(error)
    assert "correct%20horse" not in everything_it_says(error)


@pytest.mark.parametrize("tls_ca", [None, "ca.pem"])
async def test_a_device_over_tls_is_asked_over_tls_for_all_it_has(
    rig: MakeRig, tiny_clip: Path, tls_ca: str | None
) -> None:
    camera = VirtualCamera(
        id="cam1", clip=tiny_clip, username=USERNAME, password=PASSWORD, onvif_style=OnvifStyle.MODERN
    )
    with tls_front(port_of(rig(camera).onvif_url("cam1"))) as port:
        source = OnvifSource(
            url=f"https://127.0.0.1:{port}/onvif/device_service", username=USERNAME, password=SecretStr(PASSWORD),
            tls_ca=TLS / tls_ca if tls_ca else None,
        )  # fmt: skip
        stream = await find_stream("gate-3", source, SystemClock())
    assert stream.serial == "cam1"


@pytest.mark.parametrize(
    ("certificate", "tls_ca"),
    [("camera.pem", "other-ca.pem"), ("elsewhere.pem", "ca.pem"), ("camera.pem", "README.md")],
)
async def test_a_device_with_another_certificate_than_demanded_is_not_asked(
    rig: MakeRig, certificate: str, tls_ca: str
) -> None:
    with tls_front(port_of(rig().onvif_url("cam1")), certificate) as port:
        url = f"https://127.0.0.1:{port}/onvif/device_service"
        source = OnvifSource(url=url, username=USERNAME, password=SecretStr(PASSWORD), tls_ca=TLS / tls_ca)
        with pytest.raises(CameraUnreachable):
            await find_stream("gate-3", source, SystemClock())
