"""onvif-zeep-async, the client that ingest uses, and bare HTTP ask the virtual cameras."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from onvif import ONVIFCamera
from zeep.exceptions import Fault as SoapFault

from gridwatch.domain import SystemClock
from gridwatch.rig import Fault, Rig, VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig

STREAM = {"StreamSetup": {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}}


@asynccontextmanager
async def asked(url: str, password: str = PASSWORD, **options: bool) -> AsyncIterator[ONVIFCamera]:
    parts = urlsplit(url)
    camera = ONVIFCamera(parts.hostname, parts.port, USERNAME, password, **options)
    try:
        await camera.update_xaddrs()
        yield camera
    finally:
        await camera.close()


async def profiles(url: str, **options: object) -> list[object]:
    async with asked(url, **options) as camera:
        media = await camera.create_media_service()
        return await media.GetProfiles() or []


async def test_the_stream_is_found_from_nothing_but_address_and_password(rig: MakeRig, tiny_clip: Path) -> None:
    running = rig("cam1", "cam2")
    async with asked(running.onvif_url("cam2")) as camera:
        media = await camera.create_media_service()
        (profile,) = await media.GetProfiles()
        stream = await media.GetStreamUri({"ProfileToken": profile.token, **STREAM})

    encoder = profile.VideoEncoderConfiguration
    assert (encoder.Encoding, encoder.Resolution.Width, encoder.Resolution.Height) == ("H264", 320, 180)
    assert (encoder.RateControl.FrameRateLimit, encoder.H264.GovLength) == (10, 10)
    assert stream.Uri == running.rtsp_url("cam2")


async def test_the_device_tells_what_it_is(rig: MakeRig) -> None:
    async with asked(rig().onvif_url("cam1")) as camera:
        device = await camera.create_devicemgmt_service()
        information = await device.GetDeviceInformation()
        scopes = [scope.ScopeItem for scope in await device.GetScopes()]
        (interface,) = await device.GetNetworkInterfaces()
        capabilities = await camera.get_capabilities()

    assert (information.Manufacturer, information.SerialNumber) == ("gridwatch", "cam1")
    assert "onvif://www.onvif.org/Profile/Streaming" in scopes
    assert interface.Info.HwAddress.startswith("02:")
    assert capabilities["Media"]["XAddr"].endswith("/onvif/media_service")


async def test_the_time_is_told_without_credentials(rig: MakeRig, tiny_clip: Path) -> None:
    skewed = VirtualCamera(id="late", clip=tiny_clip, username=USERNAME, password=PASSWORD, clock_skew_seconds=-600)
    async with asked(rig(skewed).onvif_url("late"), "wrong") as camera:
        device = await camera.create_devicemgmt_service()
        told = (await device.authless_GetSystemDateAndTime()).UTCDateTime

    date, time = told.Date, told.Time
    at = datetime(date.Year, date.Month, date.Day, time.Hour, time.Minute, time.Second, tzinfo=UTC)
    assert (SystemClock().now() - at).total_seconds() == pytest.approx(600, abs=3)


async def test_a_wrong_password_is_not_authorized(rig: MakeRig) -> None:
    with pytest.raises(SoapFault, match="not authorized") as caught:
        await profiles(rig().onvif_url("cam1"), password="wrong")

    assert caught.value.subcodes[0].localname == "NotAuthorized"


async def test_a_camera_with_a_wrong_clock_wants_tokens_of_its_own_time(rig: MakeRig, tiny_clip: Path) -> None:
    camera = VirtualCamera(id="early", clip=tiny_clip, username=USERNAME, password=PASSWORD, clock_skew_seconds=90)
    url = rig(camera).onvif_url("early")

    with pytest.raises(SoapFault, match="not authorized"):
        await profiles(url)
    assert len(await profiles(url, adjust_time=True)) == 1


async def test_an_unknown_profile_is_a_fault(rig: MakeRig) -> None:
    async with asked(rig().onvif_url("cam1")) as camera:
        media = await camera.create_media_service()
        with pytest.raises(SoapFault) as caught:
            await media.GetStreamUri({"ProfileToken": "other", **STREAM})

    assert [subcode.localname for subcode in caught.value.subcodes] == ["InvalidArgVal", "NoProfile"]


async def test_an_unknown_action_is_a_fault(rig: MakeRig) -> None:
    async with asked(rig().onvif_url("cam1")) as camera:
        device = await camera.create_devicemgmt_service()
        with pytest.raises(SoapFault) as caught:
            await device.SystemReboot()

    assert caught.value.subcodes[0].localname == "ActionNotSupported"


HELLO = '<GetSystemDateAndTime xmlns="http://www.onvif.org/ver10/device/wsdl"/>'


def envelope(inside: str) -> str:
    return f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{inside}</s:Body></s:Envelope>'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not xml",
        b"<a/>",
        envelope("").encode(),
        b"\xff\xfe\x00",
        f"<!DOCTYPE a [<!ENTITY e '{HELLO}'>]>{envelope('&e;')}".encode(),
        ('<?xml version="1.0" encoding="UTF-16"?>' + envelope("<a/>")).encode("utf-16"),
    ],
)
def test_what_is_no_soap_is_a_fault_and_the_camera_lives_on(rig: MakeRig, content: bytes) -> None:
    url = rig().onvif_url("cam1")

    answer = httpx.post(url, content=content)

    assert (answer.status_code, "ter:WellFormed" in answer.text) == (400, True)
    assert httpx.post(url, content=envelope(HELLO)).status_code == 200


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (httpx.get, 405),
        (lambda url: httpx.post(url + "2"), 404),
        (lambda url: httpx.post(url, content=iter([b"chunked"])), 400),
    ],
)
def test_other_http_is_refused(rig: MakeRig, ask: Callable[[str], httpx.Response], status: int) -> None:
    assert ask(rig().onvif_url("cam1")).status_code == status


async def test_a_dead_camera_does_not_answer_and_another_does(rig: MakeRig) -> None:
    running: Rig = rig("cam1", "cam2")
    running.set_fault("cam1", Fault.DROP)

    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(running.onvif_url("cam1"))
    assert len(await profiles(running.onvif_url("cam2"))) == 1

    running.set_fault("cam1", Fault.NONE)
    assert len(await profiles(running.onvif_url("cam1"))) == 1


async def test_a_refusing_camera_takes_no_password(rig: MakeRig) -> None:
    running = rig()
    running.set_fault("cam1", Fault.REFUSE)

    with pytest.raises(SoapFault, match="not authorized"):
        await profiles(running.onvif_url("cam1"))


async def test_a_camera_without_video_has_no_profiles(rig: MakeRig) -> None:
    running = rig()
    running.set_fault("cam1", Fault.NO_VIDEO)

    assert await profiles(running.onvif_url("cam1")) == []
