"""What clients may ask in which order, and what happens to nonsense."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridwatch.rig import VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig
from tests.integration.rig.rtsp_client import BareRtsp

TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
def client(rig: MakeRig, tiny_clip: Path) -> Iterator[BareRtsp]:
    with BareRtsp(rig(VirtualCamera(id="open", clip=tiny_clip)).rtsp_url("open")) as connected:
        yield connected


def test_without_credentials_only_options_is_answered(rig: MakeRig) -> None:
    with BareRtsp(rig().rtsp_url("cam1")) as client:
        assert client.ask("OPTIONS")[0] == 200
        for method in ("DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER", "TEARDOWN"):
            status, headers, _ = client.ask(method)
            assert status == 401
            assert 'nonce="' in headers["www-authenticate"]


@pytest.mark.parametrize(
    "authorization", ["Basic b3BlcmF0b3I6eA==", "Digest", "Digest username", 'Digest username="operator", response="é"']
)
def test_malformed_credentials_are_refused(rig: MakeRig, authorization: str) -> None:
    with BareRtsp(rig().rtsp_url("cam1")) as client:
        assert client.ask("DESCRIBE", Authorization=authorization)[0] == 401


def test_a_proof_holds_only_on_the_connection_that_was_challenged(rig: MakeRig) -> None:
    url = rig().rtsp_url("cam1")
    with BareRtsp(url) as first, BareRtsp(url) as second:
        challenge = first.ask("DESCRIBE")[1]["www-authenticate"]
        realm, nonce = re.search('realm="(.*)", nonce="(.*)"', challenge).groups()
        proof = md5(f"{md5(f'{USERNAME}:{realm}:{PASSWORD}')}:{nonce}:{md5(f'DESCRIBE:{url}')}")
        authorization = (
            f'Digest username="{USERNAME}", realm="{realm}", nonce="{nonce}", uri="{url}", response="{proof}"'
        )

        assert first.ask("DESCRIBE", Authorization=authorization)[0] == 200
        assert first.ask("SETUP", Authorization=authorization, Transport=TCP)[0] == 401  # proves the method, too
        assert second.ask("DESCRIBE", Authorization=authorization)[0] == 401


def test_options_lists_what_is_served(client: BareRtsp) -> None:
    status, headers, _ = client.ask("OPTIONS", "*")

    assert (status, headers["cseq"]) == (200, "1")
    assert headers["public"] == "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"


def test_a_session_is_played_kept_alive_and_torn_down(client: BareRtsp) -> None:
    _, described, sdp = client.ask("DESCRIBE")
    assert described["content-base"] == client.url + "/"
    assert "a=control:track1" in sdp
    status, setup, _ = client.ask("SETUP", described["content-base"] + "track1", Transport=TCP)
    session, _, timeout = setup["session"].partition(";")
    assert (status, timeout) == (200, "timeout=60")

    status, playing, _ = client.ask("PLAY", Session=session)
    assert (status, playing["rtp-info"].split(";")[0]) == (200, f"url={client.url}/track1")
    assert client.ask("GET_PARAMETER", Session=session)[0] == 200
    assert client.ask("SETUP", Transport=TCP)[0] == 455
    assert client.ask("TEARDOWN", Session=session)[0] == 200
    with pytest.raises(EOFError):
        client.answer()


def test_steps_out_of_order_or_of_another_session_are_refused(client: BareRtsp) -> None:
    assert client.ask("PLAY", Session="none")[0] == 455
    assert client.ask("SETUP", Transport=TCP)[0] == 200
    for method in ("PLAY", "TEARDOWN", "GET_PARAMETER"):
        assert client.ask(method, Session="other")[0] == 454
    assert client.ask("GET_PARAMETER")[0] == 200  # a ping


@pytest.mark.parametrize(
    "transport",
    [
        "",
        "RTP/AVP;multicast;client_port=5000-5001",
        "RTP/AVP;unicast;client_port=0-99999",
        "RTP/AVP/TCP;interleaved=256-257",
    ],
)
def test_transports_that_are_not_served_are_refused(client: BareRtsp, transport: str) -> None:
    assert client.ask("SETUP", Transport=transport)[0] == 461


def test_the_first_transport_that_is_served_is_taken(client: BareRtsp) -> None:
    status, headers, _ = client.ask("SETUP", Transport=f"RTP/AVP;multicast,{TCP}")

    assert (status, headers["transport"]) == (200, TCP)


def test_udp_ports_are_neighbours_with_rtp_on_the_even_one(client: BareRtsp) -> None:
    _, headers, _ = client.ask("SETUP", Transport="RTP/AVP;unicast;client_port=40000-40001")

    rtp, rtcp = map(int, headers["transport"].rpartition("server_port=")[2].split("-"))
    assert (rtp % 2, rtcp) == (0, rtp + 1)


def test_unknown_methods_and_paths_are_told_apart(client: BareRtsp) -> None:
    assert client.ask("RECORD")[0] == 501
    assert client.ask("DESCRIBE", client.url + "/track2")[0] == 404
    assert client.ask("DESCRIBE", "rtsp://[broken")[0] == 404


def test_nonsense_is_answered_400_and_closed(client: BareRtsp) -> None:
    client.send(b"\x16\x03\x01 TLS hello\r\n\r\n")

    assert client.answer()[0] == 400
    with pytest.raises(EOFError):
        client.answer()
