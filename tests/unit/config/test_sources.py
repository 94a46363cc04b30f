"""The source of a camera."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gridwatch.config import ConfigError, load_settings

Deployment = Callable[..., Path]
GIVEN = '{rtsp: "rtsp://192.0.2.1/live"}'


@pytest.mark.parametrize(
    "source",
    [
        '{rtsp: "rtsps://192.0.2.1/live", tls_ca: ca.pem}',
        '{mjpeg: "http://192.0.2.1/video.cgi"}',
        '{mjpeg: "https://192.0.2.1/video.cgi", tls_ca: ca.pem}',
        '{onvif: {url: "https://192.0.2.1/onvif/device_service", profile: sub, tls_ca: ca.pem}}',
        "{file: ca.pem, loop: true}",
    ],
)
def test_a_source_of_every_kind_is_read_and_its_files_are_found(deployment: Deployment, source: str) -> None:
    path = deployment((GIVEN, source))
    (path.parent / "ca.pem").write_text("")
    read = load_settings(path).deployment.camera("square").source
    files = {read.file, read.tls_ca, read.onvif.tls_ca if read.onvif else None} - {None}
    assert files <= {path.parent.resolve() / "ca.pem"}
    assert bool(files) == ("ca.pem" in source)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ('{mjpeg: "rtsp://192.0.2.1/live"}', "cameras[0].source.mjpeg"),
        ('{rtsp: "rtsp://192.0.2.1/live", mjpeg: "http://192.0.2.1/"}', "exactly one of onvif, rtsp, mjpeg or file"),
        ('{rtsp: "rtsp://192.0.2.1/live", loop: true}', "loop is for a file"),
        ('{rtsp: "rtsp://192.0.2.1/live", tls_ca: deployment.yaml}', "tls_ca is for an rtsps or https address"),
        ('{rtsp: "rtsps://192.0.2.1/live", tls_ca: no.pem}', "cameras[0].source.tls_ca: no such file"),
        ('{onvif: {url: "https://x/", tls_ca: no.pem}}', "cameras[0].source.onvif.tls_ca: no such file"),
    ],
)
def test_a_source_that_cannot_be_is_refused(deployment: Deployment, source: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(deployment((GIVEN, source)))
    assert says in str(caught.value)
