"""Virtual cameras of the other ONVIF styles, asked by bare HTTP."""

import re
from pathlib import Path

import httpx
import pytest
from zeep.wsse.username import UsernameToken

from gridwatch.rig import Fault, OnvifStyle, Rig, VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig

DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
INFORMATION = f'<GetDeviceInformation xmlns="{DEVICE}"/>'
SERVICES = f'<GetServices xmlns="{DEVICE}"><IncludeCapability>false</IncludeCapability></GetServices>'


def envelope(inside: str, *, token: bool = False) -> bytes:
    from lxml import etree

    soap = "http://www.w3.org/2003/05/soap-envelope"
    message = etree.fromstring(f'<s:Envelope xmlns:s="{soap}"><s:Header/><s:Body>{inside}</s:Body></s:Envelope>')
    if token:
        UsernameToken(USERNAME, PASSWORD, use_digest=True).apply(message, {})
    return etree.tostring(message)


def running(rig: MakeRig, clip: Path, style: OnvifStyle, **options: object) -> Rig:
    return rig(VirtualCamera(id="cam1", clip=clip, username=USERNAME, password=PASSWORD, onvif_style=style, **options))


def ask(url: str, inside: str, *, token: bool = False, password: str | None = None) -> httpx.Response:
    auth = httpx.DigestAuth(USERNAME, password) if password else None
    return httpx.post(url, content=envelope(inside, token=token), auth=auth)


@pytest.mark.parametrize(
    ("style", "without", "by_token", "by_digest"),
    [
        (OnvifStyle.CLASSIC, 400, 200, 400),
        (OnvifStyle.MODERN, 401, 401, 200),
        (OnvifStyle.BOTH, 401, 200, 200),
    ],
)
def test_each_style_takes_its_own_proof_of_the_password(
    rig: MakeRig, tiny_clip: Path, style: OnvifStyle, without: int, by_token: int, by_digest: int
) -> None:
    url = running(rig, tiny_clip, style).onvif_url("cam1")
    assert ask(url, INFORMATION).status_code == without
    assert ask(url, INFORMATION, token=True).status_code == by_token
    assert ask(url, INFORMATION, password=PASSWORD).status_code == by_digest


def test_a_wrong_digest_is_refused_and_so_is_any_while_the_camera_refuses(rig: MakeRig, tiny_clip: Path) -> None:
    cameras = running(rig, tiny_clip, OnvifStyle.MODERN)
    url = cameras.onvif_url("cam1")
    assert ask(url, INFORMATION, password="wrong").status_code == 401
    cameras.set_fault("cam1", Fault.REFUSE)
    assert ask(url, INFORMATION, password=PASSWORD).status_code == 401


@pytest.mark.parametrize(
    "header", ["", "Digest", "Digest x", 'Digest username="operator"', "Basic b3A6eA==", "Digest ="]
)
def test_a_malformed_digest_is_refused(rig: MakeRig, tiny_clip: Path, header: str) -> None:
    url = running(rig, tiny_clip, OnvifStyle.MODERN).onvif_url("cam1")
    answer = httpx.post(url, content=envelope(INFORMATION), headers={"Authorization": header})
    assert answer.status_code == 401
    assert 'qop="auth"' in answer.headers["WWW-Authenticate"]


def test_both_proofs_in_one_request_are_refused(rig: MakeRig, tiny_clip: Path) -> None:
    url = running(rig, tiny_clip, OnvifStyle.BOTH).onvif_url("cam1")
    answer = ask(url, INFORMATION, token=True, password=PASSWORD)
    assert answer.status_code == 200  # the digest client sends its proof only when asked, and a token is enough
    request = httpx.post(url, content=envelope(INFORMATION, token=True), headers={"Authorization": "Digest x"})
    assert (request.status_code, "ter:NotAuthorized" in request.text) == (400, True)


@pytest.mark.parametrize(
    ("style", "namespaces"),
    [
        (OnvifStyle.CLASSIC, {MEDIA}),
        (OnvifStyle.MODERN, {MEDIA2}),
        (OnvifStyle.BOTH, {MEDIA, MEDIA2}),
    ],
)
def test_each_style_has_its_own_media_services(
    rig: MakeRig, tiny_clip: Path, style: OnvifStyle, namespaces: set[str]
) -> None:
    url = running(rig, tiny_clip, style).onvif_url("cam1")
    listed = dict(
        re.findall(r"<tds:Namespace>(.*?)</tds:Namespace><tds:XAddr>(.*?)</tds:XAddr>", ask(url, SERVICES).text)
    )
    assert set(listed) & {MEDIA, MEDIA2} == namespaces
    for namespace in (MEDIA, MEDIA2):
        path = {MEDIA: "media_service", MEDIA2: "media2_service"}[namespace]
        asked = f'<GetProfiles xmlns="{namespace}"/>'
        token = style is OnvifStyle.CLASSIC
        password = None if token else PASSWORD
        answer = ask(url.replace("device_service", path), asked, token=token, password=password)
        assert answer.status_code == (200 if namespace in namespaces else 404)


def test_media2_gives_profile_and_stream(rig: MakeRig, tiny_clip: Path) -> None:
    cameras = running(rig, tiny_clip, OnvifStyle.MODERN)
    url = cameras.onvif_url("cam1").replace("device_service", "media2_service")
    profiles = ask(
        url, f'<GetProfiles xmlns="{MEDIA2}"><Type>VideoEncoder</Type></GetProfiles>', password=PASSWORD
    ).text
    assert '<tr2:Profiles token="main"' in profiles
    assert "<tt:Width>320</tt:Width><tt:Height>180</tt:Height>" in profiles
    wanted = '<GetStreamUri xmlns="{}"><Protocol>RTSP</Protocol><ProfileToken>{}</ProfileToken></GetStreamUri>'
    found = ask(url, wanted.format(MEDIA2, "main"), password=PASSWORD)
    assert f"<tr2:Uri>{cameras.rtsp_url('cam1')}</tr2:Uri>" in found.text
    assert "ter:NoProfile" in ask(url, wanted.format(MEDIA2, "other"), password=PASSWORD).text


def test_a_camera_behind_nat_names_itself_by_an_address_of_its_own_network(rig: MakeRig, tiny_clip: Path) -> None:
    url = running(rig, tiny_clip, OnvifStyle.CLASSIC, told_host="192.168.1.64").onvif_url("cam1")
    listed = ask(url, SERVICES).text
    assert "http://192.168.1.64:" in listed
    assert "127.0.0.1" not in listed
