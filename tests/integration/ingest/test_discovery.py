"""Surveys of real sockets: virtual cameras, canned devices, web servers, silence."""

import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from gridwatch.domain import SystemClock
from gridwatch.ingest.discovery import MAX_TRIES, Finding, Survey
from gridwatch.ingest.discovery_targets import Target, expand_network, parse_target
from gridwatch.ingest.urls import Credentials
from gridwatch.rig import Fault, OnvifStyle, VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig
from tests.integration.ingest.canned import Canned, Serve, fault, profile, profiles, soap, usual

RANGE = "127.0.0.0/29"
"""Nothing listens at 127.0.0.2 to .6."""


def login(password: str, username: str = USERNAME) -> Credentials:
    return Credentials(username=username, password=SecretStr(password))


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


async def survey(
    targets: Sequence[Target], logins: Sequence[Credentials] = (login(PASSWORD),), ports: Sequence[int] = (80,)
) -> list[Finding]:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1

    found = await Survey(clock=SystemClock(), logins=logins, ports=ports).run(targets, count)
    assert done == len(targets)
    return found


@pytest.mark.parametrize("style", OnvifStyle)
async def test_a_camera_in_a_range_is_found_and_described(rig: MakeRig, tiny_clip: Path, style: OnvifStyle) -> None:
    camera = VirtualCamera(
        id="gate-3", clip=tiny_clip, username=USERNAME, password=PASSWORD, clock_skew_seconds=-3600,
        onvif_style=style, told_host="192.168.1.64",
    )  # fmt: skip
    url = rig(camera).onvif_url("gate-3")

    (found,) = await survey(expand_network(RANGE), ports=(port_of(url), 1))

    assert (found.host, found.port, found.url, found.login, found.problem) == ("127.0.0.1", port_of(url), url, 0, "")
    assert found.said is not None
    assert (found.said.make, found.said.model, found.said.serial) == ("gridwatch", "virtual camera", "gate-3")
    assert [(one.codec, one.width, one.height, one.fps) for one in found.said.profiles] == [("H264", 320, 180, 10.0)]
    assert found.said.clock_offset_seconds == pytest.approx(-3600, abs=2)
    assert "device" in found.said.services


async def test_of_several_open_ports_the_one_that_speaks_onvif_is_taken(rig: MakeRig, serve: Serve) -> None:
    web = serve({"*": Canned("<html><body>Welcome</body></html>")})
    url = rig().onvif_url("cam1")
    (found,) = await survey(expand_network(RANGE), ports=(port_of(web), port_of(url)))
    assert found.port == port_of(url)
    assert found.said is not None


async def test_the_logins_are_tried_in_order_until_one_is_right(rig: MakeRig) -> None:
    url = rig().onvif_url("cam1")
    (found,) = await survey([parse_target(url)], [login("wrong"), login(PASSWORD), login("never")])
    assert (found.login, found.passwords_tried) == (1, 1)
    assert found.said is not None


async def test_no_more_than_three_passwords_are_tried_on_a_device(serve: Serve, refusals: list[str]) -> None:
    url = serve(usual(), digest="the right one")
    five = [login(f"wrong-{number}", "admin") for number in range(4)] + [login("the right one", "admin")]
    (found,) = await survey([parse_target(url)], five)
    assert found.said is None
    assert "refused the user name or password" in found.problem
    assert found.passwords_tried == MAX_TRIES == 3
    # Without credentials once, then for each password the challenge and the one answer to it.
    assert len(refusals) == 1 + 2 * MAX_TRIES


async def test_a_locked_account_ends_the_tries(serve: Serve) -> None:
    url = serve(usual(GetDeviceInformation=fault("ter:NotAuthorized", "User is locked")))
    (found,) = await survey([parse_target(url)], [login("one"), login("two"), login("three")])
    assert found.passwords_tried == 1
    assert "locked" in found.problem


async def test_a_camera_that_needs_no_credentials_is_described_without(rig: MakeRig, tiny_clip: Path) -> None:
    url = rig(VirtualCamera(id="open", clip=tiny_clip)).onvif_url("open")
    (found,) = await survey([parse_target(url)], [])
    assert found.said is not None
    assert found.login is None


async def test_a_camera_that_needs_some_says_so_where_there_are_none(rig: MakeRig) -> None:
    (found,) = await survey([parse_target(rig().onvif_url("cam1"))], [])
    assert (found.said, found.passwords_tried) == (None, 0)
    assert "--credentials" in found.problem


async def test_credentials_are_not_shown_to_a_page_that_merely_lies_in_the_range(
    serve: Serve, refusals: list[str]
) -> None:
    url = serve(usual(), digest="pw")
    (found,) = await survey(expand_network(RANGE), [login("pw", "admin")], ports=(port_of(url),))
    assert (found.said, found.passwords_tried) == (None, 0)
    assert "name it with --address" in found.problem
    assert refusals == ["GetSystemDateAndTime"]
    (named,) = await survey([parse_target(url)], [login("pw", "admin")])
    assert named.said is not None


async def test_what_is_not_onvif_is_left_out_of_a_range_and_said_where_it_was_named(serve: Serve) -> None:
    url = serve({"*": Canned("<html><body>Welcome</body></html>")})
    assert await survey(expand_network(RANGE), ports=(port_of(url),)) == []
    (found,) = await survey([parse_target(url)])
    assert "as ONVIF does" in found.problem


async def test_a_named_place_where_nothing_listens_is_reported() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        port = taken.getsockname()[1]
        (found,) = await survey([parse_target(f"127.0.0.1:{port}")])
    assert found.problem == f"no answer at port {port}"


@pytest.mark.parametrize("name", ["no-such-host.invalid", f"{'a' * 70}.example"])
async def test_a_name_that_does_not_resolve_is_reported(name: str) -> None:
    (found,) = await survey([parse_target(f"{name}:80")])
    assert found.problem == "no answer at port 80"


async def test_a_listener_that_never_answers_does_not_hold_up_the_others(rig: MakeRig) -> None:
    url = rig().onvif_url("cam1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        slow, good = await survey([parse_target(f"127.0.0.1:{port}"), parse_target(url)])
    assert "did not answer" in slow.problem
    assert good.said is not None


async def test_a_dead_camera_is_not_found_until_it_lives_again(rig: MakeRig) -> None:
    running = rig()
    targets = expand_network(RANGE)
    port = port_of(running.onvif_url("cam1"))
    running.set_fault("cam1", Fault.DROP)
    assert await survey(targets, ports=(port,)) == []
    running.set_fault("cam1", Fault.NONE)
    assert len(await survey(targets, ports=(port,))) == 1


async def test_a_device_without_video_is_described_without_profiles(serve: Serve) -> None:
    (found,) = await survey([parse_target(serve(usual(GetProfiles=profiles())))])
    assert found.said is not None
    assert found.said.profiles == ()


async def test_names_that_would_move_the_cursor_are_cleaned(serve: Serve) -> None:
    information = soap(
        "<tds:GetDeviceInformationResponse><tds:Manufacturer>Ac&#x9;me&#x85;\u202eX</tds:Manufacturer>"
        f"<tds:Model>{'m' * 5000}</tds:Model><tds:FirmwareVersion>1</tds:FirmwareVersion>"
        "<tds:SerialNumber>2\n3</tds:SerialNumber><tds:HardwareId>7</tds:HardwareId></tds:GetDeviceInformationResponse>"
    )
    answers = usual(GetDeviceInformation=information, GetProfiles=profiles(profile("a", "H264", 640, 360)))
    (found,) = await survey([parse_target(serve(answers))])
    assert found.said is not None
    assert (found.said.make, found.said.serial, len(found.said.model)) == ("Ac me  X", "2 3", 100)
