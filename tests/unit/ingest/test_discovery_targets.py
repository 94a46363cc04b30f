from pathlib import Path

import pytest

from gridwatch.ingest.discovery_targets import (
    MAX_ADDRESSES,
    Target,
    distinct,
    expand_network,
    parse_target,
    read_targets,
)
from gridwatch.ingest.errors import BadTarget

PORTS = (80, 8080)


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("10.1.0.5", ["http://10.1.0.5/onvif/device_service", "http://10.1.0.5:8080/onvif/device_service"]),
        ("gate-3.example:8899", ["http://gate-3.example:8899/onvif/device_service"]),
        ("10.1.0.5:443", ["https://10.1.0.5/onvif/device_service"]),
        ("fe80::1", ["http://[fe80::1]/onvif/device_service", "http://[fe80::1]:8080/onvif/device_service"]),
        ("[fe80::1]:8000", ["http://[fe80::1]:8000/onvif/device_service"]),
        ("http://10.1.0.5/odd/path", ["http://10.1.0.5/odd/path"]),
        ("https://10.1.0.5:8081", ["https://10.1.0.5:8081/onvif/device_service"]),
        ("http://10.1.0.5", ["http://10.1.0.5/onvif/device_service"]),
    ],
)
def test_an_address_becomes_the_device_services_to_try(text: str, urls: list[str]) -> None:
    assert [url for _, url in parse_target(text).urls(PORTS)] == urls


@pytest.mark.parametrize(
    "text", ["", "a b", "10.1.0.5:", "10.1.0.5:99999", "host:http", "host/path", "ftp://host/", "http://", "http:///x"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadTarget):
        parse_target(text)


@pytest.mark.parametrize("text", ["admin:hunter2@10.1.0.5", "http://admin:hunter2@10.1.0.5/onvif/device_service"])
def test_credentials_in_an_address_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadTarget) as caught:
        parse_target(text)
    assert "hunter2" not in str(caught.value)


def test_a_network_is_its_host_addresses() -> None:
    assert [target.host for target in expand_network("10.1.0.0/29")] == [f"10.1.0.{last}" for last in range(1, 7)]
    assert [target.host for target in expand_network("10.1.0.9/32")] == ["10.1.0.9"]
    assert not any(target.named for target in expand_network("10.1.0.0/30"))


@pytest.mark.parametrize("text", ["10.0.0.0/8", "0.0.0.0/0", "fe80::/64", "10.0.0.0/19"])
def test_a_range_too_large_is_refused_at_once_with_the_limit(text: str) -> None:
    with pytest.raises(BadTarget, match=rf"at most {MAX_ADDRESSES} are probed at once"):
        expand_network(text)


@pytest.mark.parametrize("text", ["10.1.0.0/33", "ten/24", "10.1.0/24"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(BadTarget, match="ADDRESS/PREFIX"):
        expand_network(text)


def test_a_list_holds_addresses_and_networks(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("# gate\n10.1.0.5:8080  # the old one\n\n10.2.0.0/30\nhttp://10.3.0.1/odd\n")
    assert [(target.host, target.port) for target in read_targets(path)] == [
        ("10.1.0.5", 8080), ("10.2.0.1", None), ("10.2.0.2", None), ("10.3.0.1", 80),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"10.1.0.5\nx y\n", r"list\.txt:2: 'x y'"),
        (b"10.0.0.0/8\n", r"list\.txt:1: 10\.0\.0\.0/8 has"),
        (b"10.0.0.0/20\n10.1.0.0/20\n", "more than 4096"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_bad_list_is_refused_by_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(BadTarget, match=message):
        read_targets(path)


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTarget, match="cannot be read: No such file"):
        read_targets(tmp_path / "none.txt")


def test_each_place_is_asked_once() -> None:
    named, announced = parse_target("10.1.0.2:80"), parse_target("http://10.1.0.3/onvif/device_service")
    assert distinct([named, announced, parse_target("10.1.0.2:80"), *expand_network("10.1.0.0/29")]) == [
        named, Target(host="10.1.0.3", port=80),
        *(Target(host=f"10.1.0.{last}", named=False) for last in (1, 4, 5, 6)),
    ]  # fmt: skip


def test_too_many_places_together_are_refused() -> None:
    with pytest.raises(BadTarget, match="8188 addresses"):
        distinct([*expand_network("10.0.0.0/20"), *expand_network("10.1.0.0/20")])
