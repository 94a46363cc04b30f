"""Requests are read within bounds."""

import asyncio

import pytest

from gridwatch.rig.wire import MAX_BODY_BYTES, MAX_HEAD_BYTES, MessageError, Request, Response, read_request


async def read(data: bytes, *, end: bool = True) -> Request | None:
    reader = asyncio.StreamReader(limit=MAX_HEAD_BYTES)
    reader.feed_data(data)
    if end:
        reader.feed_eof()
    return await read_request(reader, 5.0)


async def test_a_request_with_a_body_is_read() -> None:
    request = await read(b"POST /x HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\n\r\nabc")

    assert request == Request(method="POST", target="/x", headers={"host": "a:1", "content-length": "3"}, body=b"abc")


async def test_interleaved_packets_and_blank_lines_before_a_request_are_skipped() -> None:
    request = await read(b"$\x01\x00\x04RTCP\r\n$\x01\x00\x00OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")

    assert request is not None
    assert (request.method, request.headers) == ("OPTIONS", {"cseq": "1"})


async def test_the_end_between_requests_is_no_error() -> None:
    assert await read(b"") is None


@pytest.mark.parametrize("data", [b"OPT", b"$\x00\x00\x09abc", b"A * RTSP/1.0\r\nContent-Length: 9\r\n\r\nabc"])
async def test_the_end_inside_a_message_is_a_lost_connection(data: bytes) -> None:
    with pytest.raises(ConnectionResetError):
        await read(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"nonsense\r\n\r\n", "METHOD TARGET VERSION"),
        (b"GET / SPDY/3\r\n\r\n", "METHOD TARGET VERSION"),
        (b"\xff\xfe * B\r\n\r\n", "UTF-8"),
        (b"A * RTSP/1.0\r\nX: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n", "over 32768 bytes"),
        (b"A * RTSP/1.0\r\nContent-Length: -1\r\n\r\n", "Content-Length"),
        (b"A * RTSP/1.0\r\nContent-Length: ten\r\n\r\n", "Content-Length"),
        (b"A * RTSP/1.0\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), "Content-Length"),
        (b"A * RTSP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "not chunks"),
    ],
)
async def test_what_is_no_request_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        await read(data)


async def test_a_silent_peer_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        await read_request(asyncio.StreamReader(), 0.01)


def test_a_response_counts_its_body_in_bytes() -> None:
    response = Response(status=200, reason="OK", headers={"CSeq": "2"}, body="é")

    assert response.render("RTSP/1.0") == b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 2\r\n\r\n\xc3\xa9"
