import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gridwatch.ingest.relay_dialogue import MAX_MESSAGE, Dialogue, NotRtspError
from gridwatch.ingest.urls import Credentials

OURS, THEIRS = "rtsp://127.0.0.1:5000/secret", "rtsp://cam:554"
WANTED = b'WWW-Authenticate: Digest realm="r", nonce="%s", algorithm=SHA-256, qop="auth"%s\r\n'


def dialogue() -> Dialogue:
    return Dialogue(OURS, THEIRS, Credentials(username="u", password=SecretStr("p")))


def request(number: int, method: str = "DESCRIBE", url: str = f"{OURS}/live", more: str = "") -> bytes:
    return f"{method} {url} RTSP/1.0\r\nCSeq: {number}\r\n{more}User-Agent: Lavf\r\n\r\n".encode()


def answer(number: int, status: int = 200, headers: bytes = b"", body: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return b"RTSP/1.0 %d X\r\nCSeq: %d\r\n%s%s\r\n%s" % (status, number, headers, length, body)


def refusal(number: int, nonce: bytes = b"n1", stale: bool = False, body: bytes = b"") -> bytes:
    return answer(number, 401, WANTED % (nonce, b", stale=TRUE" if stale else b""), body)


def frame(payload: bytes, channel: int = 0) -> bytes:
    return b"$" + bytes((channel,)) + len(payload).to_bytes(2) + payload


def nonce_in(sent: bytes) -> str | None:
    found = re.search(rb'nonce="([^"]*)".*nc=(\d+)', sent)
    return f"{found[1].decode()} {int(found[2])}" if found else None


def proved(talk: Dialogue) -> None:
    """Past the first challenge."""
    talk.from_client(request(1))
    _, back = talk.from_camera(refusal(1))
    assert nonce_in(back) == "n1 1"
    assert talk.from_camera(answer(2)) == (answer(1), b"")


def test_a_request_is_readdressed_and_its_other_headers_are_kept() -> None:
    talk = dialogue()
    assert talk.from_client(request(7, more="Authorization: Basic x\r\n")) == request(1, url=f"{THEIRS}/live")
    elsewhere = "rtsp://10.0.0.9/track1"  # as the camera's Content-Base names it
    assert talk.from_client(request(8, "SETUP", elsewhere)) == request(2, "SETUP", elsewhere)
    whole = b"SET_PARAMETER * RTSP/1.0\r\nCSeq: 9\r\nContent-Length: 3\r\n\r\na\r\n" + frame(b"rr", 1) + b"RTSP/1.0 200"
    assert talk.from_client(whole) == whole.replace(b"CSeq: 9", b"CSeq: 3").removesuffix(b"RTSP/1.0 200")


def test_a_challenge_is_answered_and_not_passed_on() -> None:
    talk = dialogue()
    talk.from_client(request(1))
    for_client, back = talk.from_camera(frame(b"a") + refusal(1, body=b"$no$") + frame(b"b"))
    assert for_client == frame(b"a") + frame(b"b")
    assert back.startswith(b"DESCRIBE rtsp://cam:554/live RTSP/1.0\r\nCSeq: 2\r\nAuthorization: Digest username=")
    assert back.endswith(b"\r\nUser-Agent: Lavf\r\n\r\n")
    sdp = b"v=0 RTSP/1.0 401\r\n\r\n$$"
    assert talk.from_camera(answer(2, body=sdp)) == (answer(1, body=sdp), b"")
    assert nonce_in(talk.from_client(request(2, "SETUP"))) == "n1 2"


def test_a_wrong_password_is_tried_once_and_the_client_is_told_so_that_it_does_not_ask_again() -> None:
    talk = dialogue()
    talk.from_client(request(1))
    _, back = talk.from_camera(refusal(1))
    assert back
    for_client, back = talk.from_camera(refusal(2, b"n2"))
    assert back == b""
    assert for_client == answer(1, 401)


@pytest.mark.parametrize("stale", [True, False])
def test_a_nonce_that_ran_out_is_replaced(stale: bool) -> None:
    talk = dialogue()
    proved(talk)
    assert nonce_in(talk.from_client(request(2, "GET_PARAMETER"))) == "n1 2"
    for_client, back = talk.from_camera(refusal(3, b"n2", stale))
    assert for_client == b""
    assert nonce_in(back) == "n2 1"
    assert talk.from_camera(answer(4)) == (answer(2), b"")


def test_a_camera_that_finds_every_nonce_stale_is_not_asked_for_ever() -> None:
    talk = dialogue()
    proved(talk)
    sent = talk.from_client(request(2, "GET_PARAMETER"))
    for i in range(10):
        said, sent = talk.from_camera(refusal(3 + i, b"n%d" % (i + 2), stale=True))
        if said:
            break
    assert i == 2
    assert said == answer(2, 401)
    assert sent == b""


@pytest.mark.parametrize("headers", [b"", b'WWW-Authenticate: Digest realm="r", nonce="n"\r\n'])
def test_a_challenge_that_cannot_be_met_is_the_clients_refusal(headers: bytes) -> None:
    talk = dialogue()
    talk.from_client(request(1))
    assert talk.from_camera(answer(1, 401, headers)) == (answer(1, 401), b"")


def test_several_requests_may_wait_and_an_answer_without_number_is_the_oldests() -> None:
    talk = dialogue()
    proved(talk)
    talk.from_client(request(2, "GET_PARAMETER") + request(3, "TEARDOWN"))
    assert talk.from_camera(answer(4)) == (answer(3), b"")
    assert talk.from_camera(b"RTSP/1.0 200 OK\r\n\r\n") == (b"RTSP/1.0 200 OK\r\n\r\n", b"")
    assert talk.from_camera(answer(99)) == (answer(99), b"")


MEDIA = st.binary(max_size=40).map(frame)
ASKED = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"


@given(st.lists(MEDIA, max_size=8), st.data())
def test_however_the_bytes_are_cut_the_client_gets_the_same(frames: list[bytes], data: st.DataObject) -> None:
    parts = [*frames, refusal(3, b"n2", stale=True, body=b"$\0\0"), *frames, answer(4, body=b"RTSP/$"), ASKED, b"\r\n"]
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    talk = dialogue()
    proved(talk)
    talk.from_client(request(2, "GET_PARAMETER"))
    said = [talk.from_camera(whole[begin:end]) for begin, end in pairwise([0, *cuts, len(whole)])]
    media = b"".join(frames)
    assert b"".join(one for one, _ in said) == media + media + answer(2, body=b"RTSP/$") + ASKED + b"\r\n"
    assert nonce_in(b"".join(back for _, back in said)) == "n2 1"


@given(st.binary(max_size=300), st.data())
def test_garbage_of_a_camera_raises_nothing_and_loses_nothing_but_a_beginning(
    garbage: bytes, data: st.DataObject
) -> None:
    talk = dialogue()
    passed = b""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(garbage)), max_size=5)))
    for begin, end in pairwise([0, *cuts, len(garbage)]):
        passed += talk.from_camera(garbage[begin:end])[0]
    assert garbage.startswith(passed)


def test_where_the_place_is_lost_all_passes_as_it_comes() -> None:
    talk = dialogue()
    proved(talk)
    talk.from_client(request(2, "GET_PARAMETER"))
    rest = frame(b"x") + b"\xff\xff" + refusal(3, b"n2", stale=True) + frame(b"y")
    assert talk.from_camera(rest) == (rest, b"")
    assert talk.from_camera(rest) == (rest, b"")
    endless = b"R" * (2 * MAX_MESSAGE)
    assert dialogue().from_camera(endless) == (endless, b"")


def test_media_passes_without_a_copy() -> None:
    chunk = frame(b"x" * 1400) * 20
    assert dialogue().from_camera(chunk)[0] is chunk


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"x" * (MAX_MESSAGE + 1), b"hello\r\n\r\n"])
def test_a_client_that_speaks_no_rtsp_is_told_apart(nonsense: bytes) -> None:
    with pytest.raises(NotRtspError):
        dialogue().from_client(nonsense)


def test_a_camera_that_answers_nothing_does_not_make_us_remember_more_and_more() -> None:
    talk = dialogue()
    for i in range(1000):
        talk.from_client(request(i))
    assert len(talk._pending) == 32
