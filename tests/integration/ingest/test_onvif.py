"""How the client copes with devices that answer ONVIF unlike the rig does."""

from datetime import timedelta

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from gridwatch.config.model import OnvifSource
from gridwatch.domain import FakeClock, SystemClock
from gridwatch.ingest import CameraRefused, CameraUnreachable, NoVideo
from gridwatch.ingest.onvif import OnvifStream, find_stream
from gridwatch.rig import VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig
from tests.integration.ingest.canned import (
    Canned,
    Serve,
    date_and_time,
    fault,
    profile,
    profiles,
    services,
    soap,
    stream_uri,
    usual,
)
from tests.integration.ingest.harness import everything_it_says


async def find(url: str, *, username: str | None = "admin") -> OnvifStream:
    password = SecretStr("pw-secret") if username else None
    return await find_stream("gate-3", OnvifSource(url=url, username=username, password=password), FakeClock())


async def test_a_camera_behind_nat_is_reached_where_it_was_found(serve: Serve) -> None:
    with capture_logs() as logs:
        stream = await find(serve(usual()))
    assert stream.stream_url == "rtsp://127.0.0.1:554/sub?x=1&y=2"
    assert (stream.profile.token, stream.profile.width, stream.profile.height) == ("sub", 704, 576)
    assert (stream.make, stream.model, stream.firmware, stream.serial) == ("Acme", "Eye", "1.2", "0042")
    rewritten = [
        (entry["told"], entry["used"], entry["what"]) for entry in logs if entry["event"] == "onvif_host_rewritten"
    ]
    assert rewritten == [
        ("192.168.1.64", "127.0.0.1", "media"), ("192.168.1.64", "127.0.0.1", "stream"),
    ]  # fmt: skip


async def test_credentials_that_a_camera_puts_into_its_stream_uri_are_dropped(serve: Serve) -> None:
    url = serve(usual(GetStreamUri=stream_uri("rtsp://admin:pw-secret@192.168.1.64:554/sub")))
    with capture_logs() as logs:
        stream = await find(url)
    assert stream.stream_url == "rtsp://127.0.0.1:554/sub"
    assert "pw-secret" not in f"{stream!r} {logs!r}"
    assert stream.credentials is not None
    assert stream.credentials.password.get_secret_value() == "pw-secret"


async def test_a_camera_without_credentials_is_asked_without(serve: Serve) -> None:
    stream = await find(serve(usual()), username=None)
    assert stream.credentials is None


async def test_credentials_in_the_device_url_are_used(serve: Serve) -> None:
    url = serve(usual()).replace("://", "://admin:p%40ss@")
    stream = await find(url, username=None)
    assert stream.credentials is not None
    assert stream.credentials.password.get_secret_value() == "p@ss"


async def test_an_old_device_that_knows_only_capabilities_is_understood(serve: Serve) -> None:
    answers = usual()
    del answers["GetServices"]
    answers["GetCapabilities"] = soap(
        "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media><tt:XAddr>http://10.0.0.1:0/m</tt:XAddr>"
        "<tt:StreamingCapabilities/></tt:Media></tds:Capabilities></tds:GetCapabilitiesResponse>"
    )
    assert (await find(serve(answers))).profile.token == "sub"


@pytest.mark.parametrize("skew", [-86_400, -30, 0, 7200])
async def test_the_clock_offset_is_known_to_half_a_second(serve: Serve, skew: int) -> None:
    at = FakeClock().now() + timedelta(seconds=skew)
    stream = await find(serve(usual(GetSystemDateAndTime=date_and_time(at))))
    assert stream.clock_offset_seconds == pytest.approx(skew, abs=0.5)


async def test_a_camera_that_tells_no_time_has_no_offset(serve: Serve) -> None:
    assert (await find(serve(usual(GetSystemDateAndTime=date_and_time(None))))).clock_offset_seconds == 0.0


@pytest.mark.parametrize("skew", [-7200.0, 300.0])
async def test_a_password_is_accepted_by_a_camera_whose_clock_is_wrong(rig: MakeRig, tiny_clip, skew: float) -> None:
    camera = VirtualCamera(id="cam1", clip=tiny_clip, username=USERNAME, password=PASSWORD, clock_skew_seconds=skew)
    source = OnvifSource(url=rig(camera).onvif_url("cam1"), username=USERNAME, password=SecretStr(PASSWORD))
    stream = await find_stream("gate-3", source, SystemClock())
    assert stream.clock_offset_seconds == pytest.approx(skew, abs=1.0)
    assert stream.serial


@pytest.mark.parametrize(
    "changes",
    [
        {"*": soap("<tds:SomethingElse/>"), "GetServices": soap("<tds:SomethingElse/>")},
        {"GetProfiles": profiles()},
        {"GetProfiles": profiles(profile("m", "JPEG", 1280, 720))},
        {"GetProfiles": profiles('<trt:Profiles token="audio"><tt:Name>a</tt:Name></trt:Profiles>')},
        {"GetServices": services(""), "GetCapabilities": fault("ter:ActionNotSupported", "no", 500)},
        {"GetStreamUri": stream_uri("")},
        {"GetStreamUri": stream_uri("http://192.168.1.64/mjpeg")},
        {"GetStreamUri": fault("ter:NoProfile", "gone")},
    ],
)
async def test_a_camera_without_a_usable_stream_has_no_video(serve: Serve, changes: dict[str, Canned]) -> None:
    with pytest.raises(NoVideo, match="camera gate-3: ") as caught:
        await find(serve(usual(**changes)))
    assert "pw-secret" not in everything_it_says(caught.value)


async def test_a_camera_that_wants_http_digest_gets_it_and_no_token(serve: Serve, refusals: list[str]) -> None:
    stream = await find(serve(usual(), digest="pw-secret"))
    assert stream.profile.token == "sub"
    # One challenge for each service; after it, every request carries the answer.
    assert refusals == ["GetSystemDateAndTime", "GetProfiles"]


async def test_a_password_wrong_by_digest_is_tried_once_lest_the_account_be_locked(
    serve: Serve, refusals: list[str]
) -> None:
    with pytest.raises(CameraRefused) as caught:
        await find(serve(usual(), digest="another"))
    assert refusals == ["GetSystemDateAndTime"] * 2  # the challenge, and the one answer to it
    assert "pw-secret" not in everything_it_says(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        fault("ter:NotAuthorized", "Sender not Authorized"),
        fault("ter:InvalidArgVal", "Authority failure", 500),
        Canned("<html><body>401</body></html>", 401),
        Canned("", 401),
        Canned("", 403),
    ],
)
async def test_a_refused_password_is_told_however_the_camera_says_it(serve: Serve, answer: Canned) -> None:
    with pytest.raises(CameraRefused, match=r"camera gate-3: http://127\.0\.0\.1:\d+ refused") as caught:
        await find(serve(usual(GetDeviceInformation=answer)))
    assert "pw-secret" not in everything_it_says(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        Canned(""),
        Canned("<html><body>Welcome</body></html>"),
        Canned("<html><p>tag soup"),
        Canned("\0\1\2 garbage"),
        Canned("not found", 404),
        Canned("<a/>", 500),
        soap(""),
    ],
)
async def test_what_is_not_onvif_is_said_to_be_so(serve: Serve, answer: Canned) -> None:
    with pytest.raises(CameraUnreachable, match=r"camera gate-3: .*ONVIF") as caught:
        await find(serve({"*": answer}))
    assert "pw-secret" not in everything_it_says(caught.value)
