import pytest
from pydantic import ValidationError

from gridwatch.config.model import CameraSource

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "given",
    [
        {"rtsp": f"rtsp://operator:{SECRET}@192.0.2.7/live"},
        {"mjpeg": f"http://operator:{SECRET}@192.0.2.7/live"},
        {"onvif": {"url": f"http://operator:{SECRET}@192.0.2.7/", "username": "operator", "password": SECRET}},
    ],
)
def test_a_source_shows_no_password(given: dict[str, object]) -> None:
    source = CameraSource.model_validate(given)
    assert SECRET not in f"{source!r} {source}"


@pytest.mark.parametrize(
    "given",
    [
        {"rtsp": f"rtspx://operator:{SECRET}@192.0.2.7/live"},
        {"rtsp": f"rtsp://operator:{SECRET}@192.0.2.7/live", "mjpeg": f"http://operator:{SECRET}@192.0.2.7/live"},
        {"onvif": {"url": f"operator:{SECRET}@192.0.2.7", "password": [SECRET]}},
        {"rtps": f"rtsp://operator:{SECRET}@192.0.2.7/live"},
    ],
)
def test_an_error_repeats_no_password(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        CameraSource.model_validate(given)
    assert SECRET not in f"{caught.value!r} {caught.value}"
