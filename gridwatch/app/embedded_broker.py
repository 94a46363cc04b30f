"""An MQTT 5 broker as our own child: Mosquitto where installed, else the `iotcore` wheel.

It listens on loopback only and takes one generated account, kept in the data directory so that a restart does not lock
out who is already running.
"""

import base64
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import SecretStr

from gridwatch.bus import MAX_EVIDENCE_BYTES
from gridwatch.config.model import BrokerConfig
from gridwatch.domain import Clock, GridwatchError

log = structlog.get_logger(__name__)

_USER = "gridwatch"
_MESSAGE_LIMIT = 2 * MAX_EVIDENCE_BYTES
_TRIES = 3
"""A port found free may be taken before the broker has it."""
_START_SECONDS = 10.0
_SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))

# FACTS of Mosquitto 2.0: it is durable only when it saves after each change, and over its queue limits it drops without
# a word, so the queue is large; the outbox and the recorder's acknowledgements hold the guarantee.
_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous false
password_file {password_file}
user {user}
persistence true
persistence_location {folder}/
persistence_file mosquitto.db
autosave_interval 1
autosave_on_changes true
persistent_client_expiration 30d
max_inflight_messages 200
max_queued_messages 1000000
message_size_limit {limit}
log_dest file {folder}/mosquitto.log
log_type error
log_type warning
log_type notice
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
max_inflight_count = 200
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


class _Child(Protocol):
    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def stop(self, timeout: float) -> None: ...


@dataclass(frozen=True, kw_only=True)
class RunningBroker:
    """A broker that runs until `close`, or until this process ends, however it ends."""

    kind: BrokerKind
    config: BrokerConfig
    """How to reach it, with the generated account."""
    pid: int
    child: _Child

    @property
    def address(self) -> str:
        """`mqtt://127.0.0.1:port`, without the account."""
        return self.config.url

    def close(self, timeout: float) -> None:
        """Stop it, by force once `timeout` seconds have passed, and wait. Safe to call twice."""
        self.child.stop(timeout)


def start_broker(
    data_dir: Path, clock: Clock, *, port: int | None = None, kind: BrokerKind | None = None
) -> RunningBroker:
    """Start a broker on loopback and wait until it answers; its files go to `data_dir`/broker.

    `port` None takes a free one; `kind` None takes Mosquitto where it is installed. Raises BrokerStartFailed.
    """
    mosquitto = shutil.which("mosquitto", path=_SEARCH_PATH)
    if kind is None:
        kind = BrokerKind.MOSQUITTO if mosquitto else BrokerKind.EMBEDDED
    if kind is BrokerKind.MOSQUITTO and not mosquitto:
        raise BrokerStartFailed("Mosquitto is not installed (Debian: apt install mosquitto)")
    folder = (data_dir / "broker").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    password = _password(folder)
    for attempt in range(1, _TRIES + 1):
        taken = port or _free_port()
        try:
            child = _Mosquitto(str(mosquitto), folder, taken, password) if mosquitto and (
                kind is BrokerKind.MOSQUITTO
            ) else _Embedded(folder, taken, password)  # fmt: skip
            _wait_until_listening(child, taken, clock)
        except BrokerStartFailed as exc:
            if port is not None or attempt == _TRIES:
                raise
            log.warning("broker_start_retried", reason=str(exc))
            continue
        if kind is BrokerKind.EMBEDDED:
            log.warning("broker_is_not_durable", kind=str(kind), remedy="install Mosquitto")
        log.info("broker_started", kind=str(kind), port=taken, pid=child.pid)
        url = f"mqtt://127.0.0.1:{taken}"
        config = BrokerConfig(url=url, username=_USER, password=SecretStr(password))
        return RunningBroker(kind=kind, config=config, pid=child.pid, child=child)
    raise AssertionError("the loop returns or raises")


class _Mosquitto:
    """Mosquitto, owned by a thread of its own.

    The kernel sends the parent-death signal when the *thread* that started the child ends, so the thread that starts it
    stays for as long as it runs; it also notices when the broker dies by itself.
    """

    def __init__(self, program: str, folder: Path, port: int, password: str) -> None:
        config = folder / "mosquitto.conf"
        password_file = folder / "mosquitto.passwd"
        _write_private(password_file, f"{_USER}:{_hashed(password)}\n")
        user = "root" if os.geteuid() == 0 else _USER  # only root may choose; to drop root would drop the death signal
        text = _MOSQUITTO.format(port=port, password_file=password_file, folder=folder, limit=_MESSAGE_LIMIT, user=user)
        _write_private(config, text)
        setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
        wrapper = (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()
        self._command = (*wrapper, program, "-c", str(config))
        self._closing = False
        self._process: subprocess.Popen[bytes] | None = None
        self._started = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="broker-keeper", daemon=True)
        self._keeper.start()
        self._started.wait()
        if self._process is None:
            raise BrokerStartFailed(f"cannot start {program}")

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def poll(self) -> int | None:
        return self._process.poll() if self._process else 1

    def stop(self, timeout: float) -> None:
        self._closing = True
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        self._keeper.join(timeout)
        if self._keeper.is_alive():
            log.warning("broker_killed", pid=process.pid, after=timeout)
            process.kill()
            self._keeper.join()

    def _keep(self) -> None:
        try:
            process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            self._process = process
        except OSError as exc:
            log.error("broker_start_failed", reason=exc.strerror)  # noqa: TRY400  (the constructor raises)
            return
        finally:
            self._started.set()
        code = process.wait()
        if not self._closing:
            log.critical("broker_died", pid=process.pid, code=code)


class _Embedded:
    """rumqttd in a child that ends when its standard input closes, so it cannot outlive us."""

    def __init__(self, folder: Path, port: int, password: str) -> None:
        try:
            from iotcore import Broker
        except ImportError as exc:
            raise BrokerStartFailed(
                "neither Mosquitto (apt install mosquitto) nor iotcore (pip install 'gridwatch[demo]') is installed"
            ) from exc
        config = folder / "rumqttd.toml"
        _write_private(config, _RUMQTTD.format(port=port, limit=_MESSAGE_LIMIT, user=_USER, password=password))
        self._broker = Broker(config_path=str(config))
        try:
            self._broker.start(timeout=_START_SECONDS)
        except (OSError, RuntimeError) as exc:
            raise BrokerStartFailed(f"the embedded broker did not start: {exc}") from exc
        self._pid = int(self._broker._process.pid)  # noqa: SLF001  (there is no public name for it)

    @property
    def pid(self) -> int:
        return self._pid

    def poll(self) -> int | None:
        return None if self._broker.is_running else 1

    def stop(self, timeout: float) -> None:
        self._broker.stop(timeout)


def _wait_until_listening(child: _Child, port: int, clock: Clock) -> None:
    deadline = clock.monotonic() + _START_SECONDS
    pause = threading.Event()
    while child.poll() is None and clock.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0):
                return
        except OSError:
            pause.wait(0.02)
    code = child.poll()
    child.stop(1.0)
    why = f"ended with code {code}" if code is not None else f"did not listen within {_START_SECONDS:.0f} s"
    raise BrokerStartFailed(f"the broker on port {port} {why}; see mosquitto.log in its data folder")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _password(folder: Path) -> str:
    file = folder / "password"
    if not file.exists():
        _write_private(file, secrets.token_urlsafe(24))
    return file.read_text(encoding="ascii")


def _hashed(password: str) -> str:
    """A line of Mosquitto's password file: PBKDF2-SHA512 as mosquitto_passwd writes it (2.0, type 7)."""
    salt, rounds = secrets.token_bytes(12), 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, 64)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _write_private(file: Path, text: str) -> None:
    """Written whole and readable by us only from the first byte on."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)
