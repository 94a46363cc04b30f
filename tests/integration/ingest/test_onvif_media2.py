"""Media2, and the choice among what a camera offers."""

import pytest
from pydantic import SecretStr

from gridwatch.config.model import OnvifSource
from gridwatch.domain import FakeClock, SystemClock
from gridwatch.ingest import CameraLocked, CameraRefused, NoVideo
from gridwatch.ingest.onvif import describe, find_stream
from gridwatch.rig import Fault, OnvifStyle, VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig
from tests.integration.ingest.canned import (
    Canned,
    Serve,
    fault,
    profile,
    profile2,
    profiles,
    profiles2,
    services,
    soap,
    stream_uri2,
    usual,
)
from tests.integration.ingest.harness import camera_config, everything_it_says, onvif_source, watching

BOTH = services("http://192.168.1.64:0/m1", "http://192.168.1.64:0/m2", "http://192.168.1.64:0/onvif/device_service")
MODERN = {
    "GetServices": BOTH,
    "GetProfiles2": profiles2(profile2("m2-main", "H265", "2560", "1440"), profile2("m2-sub", "H264", "704", "576")),
    "GetStreamUri2": stream_uri2("rtsp://192.168.1.64:554/two?a=1&amp;b=2"),
}


def source(url: str, **more: str) -> OnvifSource:
    return OnvifSource(url=url, username="admin", password=SecretStr("pw-secret"), **more)


@pytest.mark.parametrize("style", OnvifStyle)
def test_a_camera_of_every_style_is_read_and_from_behind_nat(rig: MakeRig, tiny_clip, style: OnvifStyle) -> None:
    camera = VirtualCamera(
        id="cam1", clip=tiny_clip, username=USERNAME, password=PASSWORD, clock_skew_seconds=-3600,
        onvif_style=style, told_host="192.168.1.64",
    )  # fmt: skip
    with watching(camera_config(onvif_source(rig(camera), "cam1"))) as watched:
        watched.wait_for_frames(2)


async def test_media2_is_preferred_where_it_is_listed(serve: Serve) -> None:
    stream = await find_stream("gate-3", source(serve(usual(**MODERN))), FakeClock())
    assert stream.stream_url == "rtsp://127.0.0.1:554/two?a=1&b=2"
    assert (stream.profile.token, stream.profile.name) == ("m2-sub", "name of m2-sub")
    assert (stream.profile.width, stream.profile.fps) == (704, 12.5)
    assert [one.codec for one in stream.profiles] == ["H265", "H264"]
    assert stream.services == ("device", "media", "media2")


@pytest.mark.parametrize(
    "broken",
    [
        fault("ter:ActionNotSupported", "no", 500),
        Canned("<html><body>404</body></html>", 404),
        profiles2(),
        profiles2(profile2("jpeg", "JPEG", "1280", "720")),
        profiles2('<tr2:Profiles token="x"><tr2:Name>x</tr2:Name></tr2:Profiles>'),
        soap(""),
    ],
)
async def test_where_media2_gives_nothing_usable_media1_is_asked(serve: Serve, broken: Canned) -> None:
    stream = await find_stream("gate-3", source(serve(usual(**MODERN | {"GetProfiles2": broken}))), FakeClock())
    assert (stream.profile.token, stream.stream_url) == ("sub", "rtsp://127.0.0.1:554/sub?x=1&y=2")


async def test_numbers_that_are_none_do_no_harm(serve: Serve) -> None:
    odd = profiles2(profile2("odd", "h264 ", "wide", "-3", "NaN"), profile2("good", "H264", "640", "360", "25"))
    stream = await find_stream("gate-3", source(serve(usual(**MODERN | {"GetProfiles2": odd}))), FakeClock())
    assert stream.profile.token == "good"
    assert [(one.width, one.height) for one in stream.profiles] == [(0, 0), (640, 360)]


@pytest.mark.parametrize("wanted", ["m2-main", "name of m2-main"])
async def test_the_profile_can_be_named_by_token_or_name(serve: Serve, wanted: str) -> None:
    stream = await find_stream("gate-3", source(serve(usual(**MODERN)), profile=wanted), FakeClock())
    assert stream.profile.token == "m2-main"


async def test_a_profile_that_is_not_there_is_said_with_those_that_are(serve: Serve) -> None:
    with pytest.raises(NoVideo, match="no profile 'third', only m2-main, m2-sub"):
        await find_stream("gate-3", source(serve(usual(**MODERN)), profile="third"), FakeClock())


async def test_a_named_profile_may_have_any_codec(serve: Serve) -> None:
    url = serve(usual(GetProfiles=profiles(profile("main", "H264", 1920, 1080), profile("tiny", "JPEG", 320, 240))))
    assert (await find_stream("gate-3", source(url, profile="tiny"), FakeClock())).profile.codec == "JPEG"


async def test_behind_a_mapped_port_services_are_asked_where_the_device_was_found(serve: Serve) -> None:
    # It believes itself to be at port 80, which is mapped to the one we dialled; another port cannot be known.
    answers = usual(
        GetServices=services("http://10.0.0.7/onvif/media", device="http://10.0.0.7:80/onvif/device_service")
    )
    stream = await find_stream("gate-3", source(serve(answers)), FakeClock())
    assert stream.profile.token == "sub"


async def test_a_service_with_an_unusable_address_is_one_that_is_not_there(serve: Serve) -> None:
    url = serve(
        usual(GetServices=services("http:///nowhere"), GetCapabilities=fault("ter:ActionNotSupported", "", 500))
    )
    assert (await describe("gate-3", source(url), FakeClock())).profiles == ()
    with pytest.raises(NoVideo, match="offers no ONVIF media service"):
        await find_stream("gate-3", source(url), FakeClock())


@pytest.mark.parametrize(
    "answer",
    [
        fault("ter:NotAuthorized", "The user is locked"),
        Canned("<ResponseStatus><lockStatus>lock</lockStatus><retryLoginTime>0</retryLoginTime></ResponseStatus>", 401),
        Canned("", 423),
        Canned("Account LOCKED for 30 minutes", 403),
    ],
)
async def test_a_locked_account_is_not_asked_again(serve: Serve, answer: Canned) -> None:
    with pytest.raises(CameraLocked, match="locked its account") as caught:
        await find_stream("gate-3", source(serve(usual(GetDeviceInformation=answer))), FakeClock())
    assert "pw-secret" not in everything_it_says(caught.value)


async def test_an_unlocked_status_is_a_mere_refusal(serve: Serve) -> None:
    page = Canned("<ResponseStatus><lockStatus>unlock</lockStatus></ResponseStatus>", 401)
    with pytest.raises(CameraRefused) as caught:
        await find_stream("gate-3", source(serve(usual(GetDeviceInformation=page))), FakeClock())
    assert not isinstance(caught.value, CameraLocked)


@pytest.mark.parametrize("style", OnvifStyle)
async def test_a_wrong_password_is_refused_by_every_style(rig: MakeRig, tiny_clip, style: OnvifStyle) -> None:
    cameras = rig(VirtualCamera(id="cam1", clip=tiny_clip, username=USERNAME, password=PASSWORD, onvif_style=style))
    cameras.set_fault("cam1", Fault.REFUSE)
    with pytest.raises(CameraRefused):
        await find_stream("gate-3", source(cameras.onvif_url("cam1")), SystemClock())
