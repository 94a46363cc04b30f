"""Where cameras say over ONVIF that they are: virtual ones and devices of canned answers, over real HTTP."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from gridwatch.config.model import CameraSource, OnvifSource
from gridwatch.domain import Position, PositionFix, SystemClock
from gridwatch.ingest import CameraRefused, CameraUnreachable, IngestError, NoGeoLocation, OnvifPositionReader
from gridwatch.rig import OnvifStyle, VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig
from tests.integration.ingest.canned import Canned, Serve, soap, usual
from tests.integration.ingest.harness import camera_config, everything_it_says, onvif_source
from tests.integration.ingest.hearing import DEADLINE, Hearing
from tests.waiting import wait_until

CLOCK = SystemClock()
EVERY = 0.05


def locations(*entries: str) -> Canned:
    return soap(f"<tds:GetGeoLocationResponse>{''.join(entries)}</tds:GetGeoLocationResponse>")


def entry(lon: object, lat: object, more: str = 'Entity="Device" AutoGeo="true"') -> str:
    return f'<tds:Location {more}><tt:GeoLocation lon="{lon}" lat="{lat}" elevation="3.5"/></tds:Location>'


class Asked:
    """A reader in a task."""

    def __init__(self, source: CameraSource) -> None:
        self.fixes: list[PositionFix] = []
        self.reader = OnvifPositionReader(camera_config(source), CLOCK, self.fixes.append, EVERY)

    async def until(self, answers: int) -> None:
        """Run until so many answers came, or it raised."""
        running = asyncio.create_task(self.reader.run_once())
        async with asyncio.timeout(DEADLINE):
            while self.reader.answers < answers and not running.done():
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait({running})
        if not running.cancelled():
            running.result()


def canned_source(url: str) -> CameraSource:
    return CameraSource(onvif=OnvifSource(url=url, username="admin", password=SecretStr("pw-secret")))


async def ask(url: str) -> Asked:
    asked = Asked(canned_source(url))
    await asked.until(1)
    return asked


async def fail(source: CameraSource) -> IngestError:
    with pytest.raises(IngestError) as caught:
        await Asked(source).until(1)
    assert PASSWORD not in everything_it_says(caught.value)
    return caught.value


@pytest.mark.parametrize("style", list(OnvifStyle))
async def test_a_camera_is_asked_again_and_again_whatever_way_it_asks_for_credentials(
    rig: MakeRig, tiny_clip: Path, style: OnvifStyle
) -> None:
    device = rig(
        VirtualCamera(
            id="cam1", clip=tiny_clip, username=USERNAME, password=PASSWORD, onvif_style=style, has_events=False,
            clock_skew_seconds=-3600, told_host="192.168.1.64",
        )
    )  # fmt: skip
    device.set_position("cam1", 121.4737, 31.2304)
    asked = Asked(onvif_source(device, "cam1"))
    began = CLOCK.now()
    await asked.until(2)
    device.set_position("cam1", 121.4738, 31.2305)
    await asked.until(3)
    first, *_, last = asked.fixes
    assert (first.position, last.position) == (Position(lon=121.4737, lat=31.2304), Position(lon=121.4738, lat=31.2305))
    times = [began, *(one.at for one in asked.fixes), CLOCK.now()]
    assert times == sorted(times)  # by our clock, whatever the camera's is
    assert not asked.reader.refused


async def test_a_camera_without_receiver_says_so_and_what_to_do_instead(rig: MakeRig) -> None:
    error = await fail(onvif_source(rig(), "cam1"))
    assert isinstance(error, NoGeoLocation)
    assert "follow it by nmea or mqtt" in str(error)


async def test_a_wrong_password_and_a_dead_address_are_told_apart(rig: MakeRig) -> None:
    device = rig()
    device.set_position("cam1", 1, 2)
    assert isinstance(await fail(onvif_source(device, "cam1", "wrong")), CameraRefused)
    assert isinstance(await fail(canned_source("http://127.0.0.1:1/")), CameraUnreachable)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (locations(), "none"),
        (soap("<tds:GetGeoLocationResponse/>"), "none"),
        (locations(entry(0, 0)), "no_fix"),
        (locations(entry(1, 2, 'Entity="Device" AutoGeo="false"')), "typed_in"),
        (locations(entry("121E", 2)), "malformed"),
        (locations('<tds:Location Entity="Device"><vendor:X xmlns:vendor="urn:v"/></tds:Location>'), "none"),
    ],
)
async def test_an_answer_without_a_place_is_counted_and_asked_for_again(serve: Serve, answer: Canned, why: str) -> None:
    asked = Asked(canned_source(serve(usual(GetGeoLocation=answer))))
    await asked.until(2)
    assert asked.fixes == []
    assert list(asked.reader.refused) == [why]
    assert asked.reader.refused[why] >= 2


async def test_a_device_of_another_make_is_read_by_its_own_entry(serve: Serve) -> None:
    answer = locations(
        entry(9, 9, 'Entity="AudioSource"'),
        '<tds:Location Entity="VideoSource" Token="v1"><tt:LocalLocation x="1"/></tds:Location>',
        entry(-58.38155, -34.6036667, 'Entity="Device" Token="1" Fixed="true"'),
    )
    (fix, *_) = (await ask(serve(usual(GetGeoLocation=answer)))).fixes
    assert fix.position == Position(lon=-58.38155, lat=-34.6036667)


async def test_a_page_that_is_no_onvif_is_no_place(serve: Serve) -> None:
    page = Canned("<html><body>hello</body></html>")
    assert isinstance(await fail(canned_source(serve(usual(GetGeoLocation=page)))), CameraUnreachable)


async def test_a_camera_that_tells_by_events_is_not_asked(serve: Serve) -> None:
    requests: list[bytes] = []
    asked = Asked(canned_source(serve(usual(GetGeoLocation=locations(entry(1, 2))), requests=requests)))
    told = PositionFix(at=CLOCK.now(), position=Position(lon=3, lat=4))
    asked.reader.told(told)
    running = asyncio.create_task(asked.reader.run_once())
    async with asyncio.timeout(DEADLINE):
        while not any(b"GetServices" in one for one in requests):
            await asyncio.sleep(0.01)
    await asyncio.sleep(5 * EVERY)  # that nothing happens can only be waited for
    running.cancel()
    await asyncio.wait({running})
    assert asked.fixes == [told]
    assert not any(b"GetGeoLocation" in one for one in requests)


def test_an_event_tells_where_the_camera_was_and_when(rig: MakeRig, tiny_clip: Path) -> None:
    device = rig(
        VirtualCamera(id="cam1", clip=tiny_clip, username=USERNAME, password=PASSWORD, clock_skew_seconds=7200)
    )
    heard: list[tuple[str, PositionFix]] = []
    hearing = Hearing([camera_config(onvif_source(device, "cam1"))], lambda *one: heard.append(one))
    device.set_position("cam1", 10, 20)  # before anybody listens: its state, told to who comes
    hearing.events.start()
    try:
        hearing.wait_for_subscription()
        wait_until(lambda: len(heard) >= 1, DEADLINE)
        began = CLOCK.now()
        device.set_position("cam1", 10.0001, 20)
        wait_until(lambda: heard[-1][1].position.lon == 10.0001, DEADLINE)
    finally:
        hearing.events.close(5.0)
    assert {camera for camera, _ in heard} == {"gate-3"}
    assert heard[0][1].position == Position(lon=10, lat=20)
    assert abs(heard[-1][1].at - began) < timedelta(seconds=5)
    assert hearing.tally.positions == len(heard)
    assert hearing.incidents == []
    assert Counter(hearing.events.totals())["refused"] == 0
