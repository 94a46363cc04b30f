"""Our ONVIF client against a device that is not ours."""

import pytest
from pydantic import SecretStr

from gridwatch.config.model import OnvifSource
from gridwatch.domain import SystemClock
from gridwatch.ingest.discovery import Survey
from gridwatch.ingest.discovery_targets import parse_target
from gridwatch.ingest.onvif import find_stream
from gridwatch.ingest.urls import Credentials
from tests.integration.ingest.foreign import ipycam

WRONG, RIGHT = (Credentials(username="admin", password=SecretStr(word)) for word in ("wrong", "right one"))


@pytest.mark.parametrize("config", [{}, {"username": "admin", "password": "right one"}])
async def test_it_is_found_and_described(config: dict[str, str]) -> None:
    with ipycam(**config) as camera:
        survey = Survey(clock=SystemClock(), logins=[WRONG, RIGHT])
        (found,) = await survey.run([parse_target(camera.device_url)], lambda: None)
    assert found.problem == ""
    assert found.passwords_tried == (1 if config else 0)
    assert found.said is not None
    assert (found.said.make, found.said.model, found.said.serial) == ("PythonCam", "VirtualCam-1", "PY-000001")
    assert found.said.services == ("device", "media", "ptz")
    assert abs(found.said.clock_offset_seconds) < 2
    assert [(one.token, one.codec, one.width, one.fps) for one in found.said.profiles] == [
        ("Profile_Main", "H264", camera.config.main_width, camera.config.main_fps),
        ("Profile_Sub", "H264", camera.config.sub_width, camera.config.sub_fps),
    ]


@pytest.mark.parametrize(("wanted", "path"), [(None, "video_sub"), ("MainStream", "video_main")])
async def test_its_stream_is_found_from_behind_nat(wanted: str | None, path: str) -> None:
    with ipycam(main_stream_name="video_main", sub_stream_name="video_sub") as camera:
        stream = await find_stream("gate-3", OnvifSource(url=camera.device_url, profile=wanted), SystemClock())
    assert stream.stream_url == f"rtsp://127.0.0.1:8554/{path}"
