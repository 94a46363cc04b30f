from datetime import UTC, datetime

import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter

from gridwatch.app.discover_skeleton import skeleton
from gridwatch.config.document import read_document
from gridwatch.config.model import CameraConfig
from gridwatch.domain import SitePath
from gridwatch.ingest.discovery import Finding
from gridwatch.ingest.onvif import DeviceDescription
from gridwatch.ingest.onvif_media import VideoProfile
from gridwatch.ingest.urls import Credentials

SITE = SitePath.parse("harbour/north")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LOGINS = [
    Credentials(username="admin", password=SecretStr("hunter2")),
    Credentials(username="view er", password=SecretStr("hunter3")),
]
PROFILES = (
    VideoProfile(token="main", width=1920, height=1080, fps=25, codec="H264"),
    VideoProfile(token="sub", width=704, height=576, fps=12.5, codec="H265"),
)


def found(host: str, *, login: int | None = 0, **said: object) -> Finding:
    device = {
        "make": "Acme", "model": "Eye 4", "firmware": "1", "serial": "0042", "clock_offset_seconds": 0.0,
        "services": ("device",), "profiles": PROFILES,
    } | said  # fmt: skip
    return Finding(
        host=host, port=80, url=f"http://{host}/onvif/device_service", said=DeviceDescription(**device), login=login
    )


def written(*findings: Finding) -> str:
    return skeleton(findings, LOGINS, SITE, AT)


def cameras(text: str) -> list[CameraConfig]:
    return TypeAdapter(list[CameraConfig]).validate_python(yaml.safe_load(text)["cameras"])


def test_the_cameras_are_written_with_a_variable_for_the_password() -> None:
    text = written(found("10.1.0.5"))
    (camera,) = cameras(text)
    assert (camera.id, camera.name, camera.site) == ("eye-4-0042", "Acme Eye 4", "harbour/north")
    assert camera.source.onvif is not None
    assert camera.source.onvif.url == "http://10.1.0.5/onvif/device_service"
    assert (camera.source.onvif.username, camera.source.onvif.profile) == ("admin", None)
    assert camera.source.onvif.password == SecretStr("${GRIDWATCH_CAMERA_PASSWORD}")
    assert '# Set GRIDWATCH_CAMERA_PASSWORD in gridwatch\'s environment: the password of "admin".' in text
    assert "hunter2" not in text
    assert '# profile: "sub"  # H265 704x576, 12.5 a second (the one taken unless another is named)' in text


def test_each_login_in_use_has_a_variable_of_its_own() -> None:
    text = written(
        found("10.1.0.5"), found("10.1.0.6", login=1, serial="0043"), found("10.1.0.7", login=None, serial="9")
    )
    sources = [camera.source.onvif for camera in cameras(text)]
    assert [one.password.get_secret_value() if one and one.password else None for one in sources] == [
        "${GRIDWATCH_CAMERA_PASSWORD_1}", "${GRIDWATCH_CAMERA_PASSWORD_2}", None,
    ]  # fmt: skip
    assert 'GRIDWATCH_CAMERA_PASSWORD_2 in gridwatch\'s environment: the password of "view er"' in text


def test_ids_are_unique_and_short_enough() -> None:
    long = found("10.1.0.8", model="m" * 80, serial="s" * 80)
    findings = [
        found("10.1.0.5"),
        found("10.1.0.6"),
        found("10.1.0.7"),
        found("10.1.0.9", model="", serial="摄像机"),
        long,
    ]
    assert [camera.id for camera in cameras(written(*findings))] == [
        "eye-4-0042", "eye-4-0042-2", "eye-4-0042-3", "camera-10-1-0-9-80", "s" * 63,
    ]  # fmt: skip


def test_a_serial_number_that_holds_the_model_is_the_id() -> None:
    (camera,) = cameras(written(found("10.1.0.5", model="DS-2CD", serial="DS-2CD20190412AA")))
    assert camera.id == "ds-2cd20190412aa"


def test_what_cannot_be_a_camera_is_a_comment() -> None:
    refused = Finding(host="10.1.0.9", port=8080, url="u", said=None, problem="refused")
    text = written(found("10.1.0.5", profiles=()), refused)
    assert cameras(text) == []
    assert "# Left out: 10.1.0.5:80: lists no H.264 or H.265 profile" in text
    assert "# Left out: 10.1.0.9:8080: refused" in text


@given(st.text(max_size=60), st.text(max_size=60), st.text(min_size=1, max_size=60))
def test_nothing_a_device_says_breaks_out_of_its_place(tmp_path_factory, model: str, serial: str, token: str) -> None:
    profile = VideoProfile(token=token, width=640, height=360, fps=5, codec="H264")
    text = written(found("10.1.0.5", login=None, model=f"${{HOME}}{model}", serial=serial, profiles=(profile,)))
    path = tmp_path_factory.mktemp("skeleton") / "cameras.yaml"
    path.write_text(text, encoding="utf-8")
    document = read_document(path, variables=True)  # raises for a variable that is not set
    assert isinstance(document.data, dict)
    (camera,) = TypeAdapter(list[CameraConfig]).validate_python(document.data["cameras"])
    assert camera.source.onvif is not None
    assert camera.source.onvif.profile is None
    assert "$ {HOME}" in camera.name
