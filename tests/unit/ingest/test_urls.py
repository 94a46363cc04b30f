import pytest
from pydantic import SecretStr

from gridwatch.ingest.urls import Credentials, endpoint, hostname, rehost, split_credentials, with_credentials

NASTY = ["p@ss", "pa/ss", "100%", "a:b", "?#&=", "%41", "p@/:%#?[]", "pässwörd 密码", " ", "%zz"]


@pytest.mark.parametrize("password", NASTY)
def test_an_escaped_password_survives_the_way_into_a_url_and_back(password: str) -> None:
    credentials = Credentials(username="ad:min@x", password=SecretStr(password))
    url = with_credentials("rtsp://10.0.0.9:554/live?x=1", credentials)
    bare, found = split_credentials(url)
    assert bare == "rtsp://10.0.0.9:554/live?x=1"
    assert found is not None
    assert (found.username, found.password.get_secret_value()) == ("ad:min@x", password)


@pytest.mark.parametrize(
    ("url", "bare", "password"),
    [
        ("rtsp://admin:p@ss@10.0.0.9/live", "rtsp://10.0.0.9/live", "p@ss"),
        ("rtsp://admin:pa/ss@10.0.0.9:554/live", "rtsp://10.0.0.9:554/live", "pa/ss"),
        ("rtsp://admin:pa?s#s@cam.example", "rtsp://cam.example", "pa?s#s"),
        ("rtsp://admin:100%@10.0.0.9/live", "rtsp://10.0.0.9/live", "100%"),
        ("rtsp://admin:a:b@[fe80::1]:554/live", "rtsp://[fe80::1]:554/live", "a:b"),
        ("rtsp://admin:@10.0.0.9/live", "rtsp://10.0.0.9/live", ""),
        ("rtsp://admin@10.0.0.9/live", "rtsp://10.0.0.9/live", ""),
    ],
)
def test_a_password_that_nobody_escaped_is_still_told_from_the_host(url: str, bare: str, password: str) -> None:
    found_bare, found = split_credentials(url)
    assert found_bare == bare
    assert found is not None
    assert found.password.get_secret_value() == password


def test_an_at_sign_in_the_path_of_a_url_with_a_port_is_no_password() -> None:
    assert split_credentials("rtsp://10.0.0.9:554/stream@1") == ("rtsp://10.0.0.9:554/stream@1", None)


@pytest.mark.parametrize("url", ["", "rtsp://", "10.0.0.9/live", "rtsp:///live", "rtsp://user:secret@", "rtsp://a b/"])
def test_what_has_no_host_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        split_credentials(url)
    assert "secret" not in str(caught.value)
    assert endpoint(url) == "(unreadable URL)"


@pytest.mark.parametrize("password", [*NASTY, "12/34", "x@y/z"])
def test_an_endpoint_shows_nothing_of_a_password_escaped_or_not(password: str) -> None:
    for url in (
        f"rtsp://admin:{password}@10.0.0.9:554/live",
        with_credentials("rtsp://10.0.0.9:554/live", Credentials(username="admin", password=SecretStr(password))),
        f"rtsp://10.0.0.9:554/user=admin&password={password}&channel=1",
        f"rtsp://10.0.0.9:554/live?password={password}",
    ):
        assert endpoint(url) in {"rtsp://10.0.0.9:554", "rtsp://(hidden)", "(unreadable URL)"}, url


def test_credentials_do_not_represent_themselves() -> None:
    credentials = Credentials(username="somebody", password=SecretStr("hunter2"))
    assert "hunter2" not in f"{credentials!r} {credentials}"
    assert "somebody" not in f"{credentials!r} {credentials}"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://192.168.1.10:554/live?x=1", "rtsp://cam.example:554/live?x=1"),
        ("http://192.168.1.10/onvif/media", "http://cam.example/onvif/media"),
        ("rtsp://[fe80::1]:8554/live", "rtsp://cam.example:8554/live"),
    ],
)
def test_a_rehosted_url_keeps_its_port_and_path(url: str, expected: str) -> None:
    assert rehost(url, "cam.example") == expected
    assert hostname(expected) == "cam.example"
