"""An MQTT 5 broker as our own child: Mosquitto where installed, else the `iotcore` wheel.

It listens on loopback only and takes one generated account, kept in the data directory so that a restart does not lock
out who is already running.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil
import structlog
from pydantic import SecretStr

from gridwatch.app.brokers.mosquitto import DURABLE, MESSAGE_LIMIT, hash_password
from gridwatch.app.owned_process import CannotRun, OwnedProcess
from gridwatch.app.private_files import write_private
from gridwatch.bus import RECEIVE_MAXIMUM
from gridwatch.config.services import BrokerConfig
from gridwatch.domain import Clock, GridwatchError

log = structlog.get_logger(__name__)

_USER = "gridwatch"
_TRIES = 3
"""A port found free may be taken before the broker has it."""
_START_SECONDS = 10.0
_SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous false
password_file {password_file}
user {user}
persistence_location {folder}/
log_dest stderr
"""
_RUMQTTD = """\
id = 0
[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "loopback"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = {limit}
max_inflight_count = {inflight}
dynamic_filters = true
[v5.1.connections.auth]
{user} = "{password}"
"""


class BrokerStartFailed(GridwatchError):  # noqa: N818  (reads as what happened)
    """No broker could be started; the message says what was tried."""


class BrokerKind(StrEnum):
    """Which program it is."""

    MOSQUITTO = "mosquitto"  # a child process, durable
    EMBEDDED = "embedded"  # rumqttd from the iotcore wheel, a child process, not durable


@dataclass(frozen=True, kw_only=True)
class RunningBroker:
    """A broker that runs until `close`, or until this process ends, however it ends."""

    kind: BrokerKind
    config: BrokerConfig
    """How to reach it, with the generated account."""
    process: OwnedProcess

    @property
    def address(self) -> str:
        """`mqtt://127.0.0.1:port`, without the account."""
        return self.config.url

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def close(self, timeout: float) -> None:
        """Stop it, by force once `timeout` seconds have passed, and wait. Safe to call twice."""
        self.process.stop((signal.SIGTERM, timeout))


def start_broker(
    data_dir: Path, clock: Clock, *, port: int | None = None, kind: BrokerKind | None = None
) -> RunningBroker:
    """Start a broker on loopback and wait until it answers; its files go to `data_dir`/broker.

    `port` None takes a free one; `kind` None takes Mosquitto where it is installed. Raises BrokerStartFailed.
    """
    folder = (data_dir / "broker").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if kind is None:
        kind = BrokerKind.MOSQUITTO if _mosquitto() else BrokerKind.EMBEDDED
    password = _password(folder)
    for attempt in range(1, _TRIES + 1):
        chosen = port or _free_port()
        command = (_mosquitto_command if kind is BrokerKind.MOSQUITTO else _rumqttd_command)(folder, chosen, password)
        process = OwnedProcess("broker", command, folder / "broker.log")
        try:
            process.start()
            _wait_until_listening(process, chosen, clock)
        except CannotRun as exc:
            raise BrokerStartFailed(f"cannot run {command[0]}: {exc}") from exc
        except BrokerStartFailed as exc:
            if port is not None or attempt == _TRIES:
                raise
            log.warning("broker_start_retried", reason=str(exc))
            continue
        if kind is BrokerKind.EMBEDDED:
            log.warning("broker_is_not_durable", kind=str(kind), remedy="install Mosquitto")
        log.info("broker_started", kind=str(kind), port=chosen, pid=process.pid)
        url = f"mqtt://127.0.0.1:{chosen}"
        config = BrokerConfig(url=url, username=_USER, password=SecretStr(password))
        return RunningBroker(kind=kind, config=config, process=process)
    raise AssertionError("the loop returns or raises")


def _mosquitto() -> str | None:
    return shutil.which("mosquitto", path=_SEARCH_PATH)


def _mosquitto_command(folder: Path, port: int, password: str) -> list[str]:
    program = _mosquitto()
    if program is None:
        raise BrokerStartFailed("Mosquitto is not installed (Debian: apt install mosquitto)")
    password_file = folder / "mosquitto.passwd"
    write_private(password_file, f"{_USER}:{hash_password(password)}\n")
    # Only root may choose the user, and dropping root would drop the death signal of OwnedProcess.
    user = "root" if os.geteuid() == 0 else "mosquitto"
    text = _MOSQUITTO.format(port=port, password_file=password_file, folder=folder, user=user)
    text += DURABLE.format(limit=MESSAGE_LIMIT, inflight=RECEIVE_MAXIMUM)
    config = folder / "mosquitto.conf"
    write_private(config, text)
    return [program, "-c", str(config)]


def _rumqttd_command(folder: Path, port: int, password: str) -> list[str]:
    if importlib.util.find_spec("iotcore") is None:
        raise BrokerStartFailed(
            "neither Mosquitto (Debian: apt install mosquitto) nor iotcore (pip install 'gridwatch[demo]') is installed"
        )
    config = folder / "rumqttd.toml"
    write_private(
        config, _RUMQTTD.format(port=port, limit=MESSAGE_LIMIT, inflight=RECEIVE_MAXIMUM, user=_USER, password=password)
    )
    # CRITICAL: rumqttd wraps every packet in a span of level ERROR.
    return [sys.executable, "-m", "iotcore", "--config", str(config), "--log-level", "CRITICAL"]


def _wait_until_listening(process: OwnedProcess, port: int, clock: Clock) -> None:
    deadline = clock.monotonic() + _START_SECONDS
    pause = threading.Event()
    while process.poll() is None and clock.monotonic() < deadline:
        if _listens(process.pid, port):
            return
        pause.wait(0.02)
    code = process.poll()
    process.stop((signal.SIGTERM, 1.0))
    why = f"ended with code {code}" if code is not None else f"did not listen within {_START_SECONDS:.0f} s"
    raise BrokerStartFailed(f"the broker on port {port} {why}; see broker.log in its folder")


def _listens(pid: int | None, port: int) -> bool:
    """Whether that very process listens there: to connect would not tell it from another that has taken the port."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in connections)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _password(folder: Path) -> str:
    file = folder / "password"
    if not file.exists():
        write_private(file, secrets.token_urlsafe(24))
    return file.read_text(encoding="ascii")
