import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import av.logging
import pytest

from gridwatch.ingest.loss import heard_loss


def say(line: str) -> None:
    av.logging.log(av.logging.WARNING, "rtsp", line)


@pytest.fixture(autouse=True)
def quiet_again() -> Iterator[None]:
    yield
    av.logging.set_level(None)


def test_each_hole_is_told_once_although_the_line_is_the_same() -> None:
    with heard_loss() as loss:
        assert not loss.took_place()
        for _ in range(3):
            say("RTP: missed 1 packets\n")
            assert loss.took_place()
            assert not loss.took_place()


def test_nothing_else_that_is_said_is_a_hole() -> None:
    with heard_loss() as loss:
        say("max delay reached. need to consume packet\n")
        say("RTP: dropping old packet received too late\n")
        assert not loss.took_place()


def test_a_hole_of_one_connection_is_none_of_another() -> None:
    with heard_loss() as loss, ThreadPoolExecutor(1) as another:
        another.submit(say, "RTP: missed 7 packets\n").result()
        assert not loss.took_place()


def test_what_ffmpeg_says_to_nobody_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with heard_loss():
        pass
    with caplog.at_level(logging.DEBUG):
        say("rtsp://admin:secret@10.1.0.5/ is not well\n")
        av.logging.log(av.logging.FATAL, "rtsp", "rtsp://admin:secret@10.1.0.5/ is gone\n")
    assert caplog.records == []
