import pytest

from gridwatch.ingest.discovery_targets import Target
from gridwatch.ingest.discovery_ws import Announcement, local_addresses, read_answer
from gridwatch.rig.ws_discovery import probe_match

URL = "http://10.1.0.5/onvif/device_service"


def answer(addresses: str, name: str = "cam") -> bytes:
    return probe_match(name, "URL", "urn:uuid:1").replace(">URL<", f">{addresses}<").encode()


def test_an_answer_tells_where_the_device_is() -> None:
    assert read_answer(answer(f"{URL} http://[fe80::1]/x"), "10.1.0.5") == [
        Announcement(sender="10.1.0.5", addresses=(URL, "http://[fe80::1]/x"))
    ]


def test_several_devices_may_answer_in_one_datagram() -> None:
    match = answer(URL).decode().partition("<d:ProbeMatch>")[2].partition("</d:ProbeMatch>")[0]
    two = answer(URL).decode().replace("</d:ProbeMatches>", f"<d:ProbeMatch>{match}</d:ProbeMatch></d:ProbeMatches>")
    assert len(read_answer(two.encode(), "10.1.0.5")) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"not xml",
        b"<a/>",
        answer("")[:300],
        answer(""),
        answer("soap.udp://10.1.0.5 file:///etc/passwd"),
        b'<!DOCTYPE a [<!ENTITY e "x">]>' + answer(URL),
    ],
)
def test_what_is_no_answer_is_ignored(data: bytes) -> None:
    assert read_answer(data, "10.1.0.5") == []


def test_a_malformed_sequence_does_no_harm() -> None:
    data = answer(URL).replace(b'InstanceId="1"', b'InstanceId="one"')
    assert len(read_answer(data, "10.1.0.5")) == 1


@pytest.mark.parametrize(
    ("addresses", "target"),
    [
        ((URL,), Target(host="10.1.0.5", port=80, url=URL)),
        (
            ("http://192.168.1.64/a", "http://10.1.0.5:8080/b"),
            Target(host="10.1.0.5", port=8080, url="http://10.1.0.5:8080/b"),
        ),
        (("http://192.168.1.64:81/a",), Target(host="10.1.0.5", port=81, url="http://10.1.0.5:81/a")),
        (
            ("http://admin:x@10.1.0.5/a", "http://[fe80::1]/b"),
            Target(host="10.1.0.5", port=80, url="http://10.1.0.5/b"),
        ),
        (("http://", "http://10.1.0.5:99999/a"), None),
    ],
)
def test_a_device_is_asked_where_its_answer_came_from(addresses: tuple[str, ...], target: Target | None) -> None:
    assert Announcement(sender="10.1.0.5", addresses=addresses).target() == target


def test_loopback_is_not_asked() -> None:
    assert not any(address.startswith("127.") for address in local_addresses())
