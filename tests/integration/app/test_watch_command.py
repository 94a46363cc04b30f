"""`gridwatch watch` on a real broker, as a pipe and on a terminal."""

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gridwatch.domain import SitePath
from tests.fixtures.broker import BrokerControl
from tests.integration.bus.parts import publishing, wait_until
from tests.unit.bus.samples import incident


def command(broker: BrokerControl, site: str) -> list[str]:
    user = broker.address.username
    assert user
    watch = [sys.executable, "-m", "gridwatch", "watch", "--broker", f"mqtt://127.0.0.1:{broker.address.port}"]
    return [*watch, "--site", site, "--username", user]


def password(broker: BrokerControl) -> str:
    assert broker.address.password
    return broker.address.password + "\n"


@contextmanager
def watching(broker: BrokerControl, site: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    process = subprocess.Popen(
        command(broker, site), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdin.write(password(broker))
    process.stdin.close()
    lines: list[str] = []
    threads = [
        threading.Thread(target=lambda pipe=pipe: lines.extend(pipe)) for pipe in (process.stdout, process.stderr)
    ]
    for one in threads:
        one.start()
    try:
        yield process, lines
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        for one in threads:
            one.join()
        process.stdout.close()
        process.stderr.close()


def test_a_pipe_gets_a_line_for_each_message_of_the_site_and_none_of_others(
    mosquitto: BrokerControl, tmp_path: Path
) -> None:
    with (
        watching(mosquitto, "watch1/north") as (process, lines),
        publishing(mosquitto.address, "watch1", tmp_path) as (outbox, publisher),
    ):
        wait_until(lambda: any("connected" in line for line in lines), "watch to say that it is connected")
        south = incident(1, site=SitePath(district="watch1", substation="south"))
        north = incident(2, site=SitePath(district="watch1", substation="north"))
        outbox.put_incident(south)
        outbox.put_incident(north)
        publisher.wake()
        wait_until(lambda: any(str(north.id) in line for line in lines), "the line of the incident")

    assert process.returncode == 0
    assert not any(str(south.id) in line for line in lines)


def test_a_terminal_gets_tables_and_its_screen_back(mosquitto: BrokerControl, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": "140", "LINES": "60", "TERM": "xterm-256color"}
    # A session of its own whose terminal this is: the question for the password goes there, not to our own.
    process = subprocess.Popen(
        ["setsid", "--ctty", *command(mosquitto, "watch2")], stdin=follower, stdout=follower, stderr=subprocess.DEVNULL,
        env=environment,
    )  # fmt: skip
    os.close(follower)
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                shown.extend(os.read(leader, 65536))
            except OSError:  # the other end is closed
                return

    reader = threading.Thread(target=read)
    reader.start()
    wait_until(lambda: b"Password" in shown, "the question")
    os.write(leader, password(mosquitto).encode())
    with publishing(mosquitto.address, "watch2", tmp_path) as (outbox, publisher):
        wait_until(lambda: b"connected" in shown, "the connection")
        outbox.put_incident(incident(3, site=SitePath(district="watch2")))
        publisher.wake()
        wait_until(lambda: "Open incidents 未结束 1".encode() in shown, "the open incident")
        process.send_signal(signal.SIGINT)
        process.wait(20)
    reader.join()
    os.close(leader)

    assert process.returncode == 0
    assert b"\x1b[?1049l" in shown, "the terminal is as before"
    assert mosquitto.address.password is not None
    assert mosquitto.address.password.encode() not in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--broker", "mqtt://127.0.0.1"], "--broker needs --site"),
        (["--broker", "http://x", "--site", "a"], "--broker is written mqtt://host"),
        (["--broker", "mqtt://x", "--site", "a//b"], "--site:"),
        (["--username", "u"], "--username and --tls-ca go with --broker"),
    ],
)
def test_what_cannot_be_watched_is_said_at_once(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gridwatch", "watch", *arguments], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert said in done.stderr
