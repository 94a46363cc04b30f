"""Everything between cameras and database as real processes, with a bad network between each two of them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote, urlsplit

import paho.mqtt.client as mqtt
import psycopg
import yaml
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gridwatch.app.children import PARENT_VARIABLE
from gridwatch.app.embedded_broker import BrokerKind
from gridwatch.app.embedded_postgres import EmbeddedPostgresError, RunningPostgres, start_postgres
from gridwatch.app.record import ensure_session
from gridwatch.bus import BrokerAddress, LinkState
from gridwatch.bus.client import IncidentClient
from gridwatch.config import load_settings
from gridwatch.domain import SitePath, SystemClock
from gridwatch.store.migrate import migrate
from tests.acceptance.chaos.history import History, Message, Subscription
from tests.acceptance.chaos.ledger import read_promises
from tests.acceptance.chaos.producer import Orders
from tests.acceptance.chaos.schedule import PRODUCERS, recorder_names
from tests.fixtures.broker import BrokerControl
from tests.fixtures.proxy import FaultProxy, Network
from tests.waiting import wait_until

CLOCK = SystemClock()
DISTRICT = "chaos"
RECORDER_MODULE = "gridwatch"
DISK_BYTES = 16 * 1024 * 1024
"""Of a producer's outbox: more than its write-ahead log grows to."""
_GRID = {
    "type": "Feature", "properties": {"code": "310101001001001", "unit": "order"},
    "geometry": {"type": "Polygon", "coordinates": [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]]},
}  # fmt: skip
_RECOVERY_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """A message in the database, and when it was recorded (seconds since the epoch)."""

    cursor: int
    message: Message
    at: float


class Process:
    """A Python process that can be killed and started again. Its output goes to a file."""

    def __init__(self, name: str, command: Callable[[], Sequence[str]], log_file: Path) -> None:
        self._name = name
        self._command = command
        self._log_file = log_file
        self._running: subprocess.Popen[str] | None = None

    def start(self) -> None:
        with self._log_file.open("ab") as output:
            self._running = subprocess.Popen(
                [sys.executable, "-m", *self._command()], stdin=subprocess.PIPE, stdout=output, stderr=output,
                text=True, env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
            )  # fmt: skip

    def kill(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.wait()
            self._close_input()
            self._running = None

    def stop(self) -> None:
        """In good order."""
        if self._running is not None:
            self._running.send_signal(signal.SIGTERM)
            self._close_input()
            self._finish()

    def finish(self) -> None:
        """End its input and wait for it."""
        if self._running is not None:
            self._close_input()
            self._finish()

    def tell(self, order: str) -> None:
        if self._running is not None and self._running.stdin is not None:
            with suppress(BrokenPipeError):
                self._running.stdin.write(f"{order}\n")
                self._running.stdin.flush()

    def ended_by_itself(self) -> str:
        """Says so; empty while it runs, or is meant not to."""
        if self._running is None or self._running.poll() is None:
            return ""
        tail = " | ".join(self._log_file.read_text(errors="replace").splitlines()[-3:])
        return f"{self._name} ended by itself with code {self._running.returncode}: {tail}"

    def _close_input(self) -> None:
        if self._running is not None and self._running.stdin is not None:
            with suppress(BrokenPipeError):
                self._running.stdin.close()

    def _finish(self) -> None:
        assert self._running is not None
        try:
            self._running.wait(15)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
        self._running = None


class Postgres:
    """The database server; `kill` takes its first process, as the kernel does when memory runs out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: RunningPostgres | None = start_postgres(folder)
        self.dsn = self._running.dsn
        self.socket = Path(unquote(urlsplit(self.dsn).query.removeprefix("host="))) / ".s.PGSQL.5432"

    def kill(self) -> None:
        if self._running is not None:
            os.kill(self._running.pid, signal.SIGKILL)
            self._running.close(2.0)
            self._running = None

    def start(self) -> None:
        deadline = CLOCK.monotonic() + _RECOVERY_SECONDS
        while self._running is None:
            try:
                self._running = start_postgres(self._folder)
            except EmbeddedPostgresError:  # processes of the one before have not noticed yet that it is gone
                if CLOCK.monotonic() > deadline:
                    raise

    def close(self) -> None:
        if self._running is not None:
            self._running.close(10.0)


class Watcher:
    """A subscriber with a session, in a thread of ours: `bus.client` as an integrator would use it."""

    def __init__(self, address: BrokerAddress, memory: Path) -> None:
        self.got: list[Message] = []
        site = SitePath(district=DISTRICT)
        self._client = IncidentClient(address, name="chaos-client", site=site, memory=memory)
        self._thread = threading.Thread(target=self._run, name="chaos-client")

    def __enter__(self) -> Self:
        self._client.open()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._thread.join()

    @property
    def subscribed(self) -> bool:
        return self._client.status.link.state is LinkState.CONNECTED

    def _run(self) -> None:
        for one in self._client:
            self.got.append(Message(one.camera, str(one.id), one.seq, one.phase, one.count))


class Stranger:
    """A subscriber with a session that has nothing of ours: paho as anybody would use it."""

    def __init__(self, address: BrokerAddress) -> None:
        self.got: list[Message] = []
        self.subscribed = False
        self._address = address
        self._client = client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="stranger", protocol=mqtt.MQTTv5)
        client.username_pw_set(address.username, address.password)
        client.reconnect_delay_set(1, 2)
        client.on_connect = lambda *_: client.subscribe(f"gridwatch/v1/{DISTRICT}/+/+/+/incident/+", qos=1)
        client.on_subscribe = self._granted
        client.on_message = self._take

    def __enter__(self) -> Self:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        self._client.connect_async(
            self._address.host, self._address.port, keepalive=10, clean_start=False, properties=properties
        )
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _granted(self, *_: object) -> None:
        self.subscribed = True

    def _take(self, _: mqtt.Client, __: object, message: mqtt.MQTTMessage) -> None:
        data = json.loads(message.payload)["data"]
        self.got.append(Message(data["camera"], data["id"], data["seq"], data["phase"], data["count"]))


class Disk:
    """A small disk of a producer's own, where the system lets us mount one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(folder)]
        self.small = subprocess.run(["mount", *options], check=False, capture_output=True).returncode == 0
        self._filler = folder / "filler"

    def fill(self) -> bool:
        """False where it cannot be: the disk is not a small one."""
        if not self.small:
            return False
        with self._filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        return True

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        if self.small:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)


class World:
    """All of it. A context manager; afterwards only files are left in `folder`."""

    def __init__(self, folder: Path, seed: int, recorders: int, recorder_module: str, rate: float) -> None:
        self._folder = folder
        self._seed = seed
        self._recorders = recorder_names(recorders)
        self._module = recorder_module
        self._rate = rate
        self._stack = ExitStack()
        self._offsets = dict.fromkeys(PRODUCERS, 0.0)
        self.processes: dict[str, Process] = {}
        self.links: dict[str, FaultProxy] = {}
        self.disks: dict[str, Disk] = {}

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _set_up(self) -> None:
        self.broker = BrokerControl(self._folder, BrokerKind.MOSQUITTO)
        self._stack.callback(self.broker.stop)
        self.postgres = Postgres(self._folder / "postgres")
        self._stack.callback(self.postgres.close)
        asyncio.run(migrate(self.postgres.dsn, CLOCK))
        for name in self._recorders:
            self._add_recorder(name)
        self.client = self._stack.enter_context(Watcher(self._through("client>broker"), self._folder / "client.db"))
        self.stranger = self._stack.enter_context(Stranger(self._through("raw>broker")))
        # Sessions first: a broker keeps nothing for whom it has never seen.
        for name in self._recorders:
            ensure_session(load_settings(self._folder / f"{name}.yaml"), CLOCK, threading.Event(), name)
        wait_until(lambda: self.client.subscribed and self.stranger.subscribed, 20.0)
        for name in self._recorders:
            self.processes[name].start()
        for name in PRODUCERS:
            self._add_producer(name)

    def _link(self, name: str, target: int | Path) -> FaultProxy:
        self.links[name] = link = self._stack.enter_context(FaultProxy(target, seed=self._seed))
        return link

    def _through(self, link: str) -> BrokerAddress:
        broker = self.broker.address
        port = self._link(link, broker.port).port
        return BrokerAddress(host="127.0.0.1", port=port, username=broker.username, password=broker.password)

    def _add_recorder(self, name: str) -> None:
        address = self._through(f"{name}>broker")
        database = self._link(f"{name}>database", self.postgres.socket)
        path = self._folder / f"{name}.yaml"
        (self._folder / "grids.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [_GRID]}))
        login = f"{address.username}:{quote(address.password or '', safe='')}"
        document = {
            "version": 1, "district": {"id": DISTRICT, "name": "Chaos", "substations": [{"id": "east", "name": "E"}]},
            "cameras": [], "grids": "grids.geojson", "units": [{"code": "order", "name": "Public order"}],
            "services": {
                "data_dir": str(self._folder / "data"), "broker": {"url": f"mqtt://{login}@127.0.0.1:{address.port}"},
                "database": {"dsn": f"postgresql://postgres@127.0.0.1:{database.port}/gridwatch", "pool_size": 2},
            },
        }  # fmt: skip
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        command = [self._module, "record", "--config", str(path), "--name", name]
        self.processes[name] = Process(name, lambda: command, self._folder / f"{name}.log")
        self._stack.callback(self.processes[name].stop)

    def _add_producer(self, name: str) -> None:
        address = self._through(f"{name}>broker")
        self.disks[name] = disk = Disk(self._folder / f"{name}-disk")
        self._stack.callback(disk.close)

        def command() -> list[str]:
            orders = Orders(
                name=name, district=DISTRICT, port=address.port, username=address.username or "",
                password=address.password or "", outbox=str(disk.folder / "outbox.db"), ledger=str(self.ledger(name)),
                rate=self._rate, seed=self._seed, clock_offset=self._offsets[name],
            )  # fmt: skip
            return ["tests.acceptance.chaos.producer", json.dumps(asdict(orders))]

        self.processes[name] = Process(name, command, self._folder / f"{name}.log")
        self._stack.callback(self.processes[name].finish)
        self.processes[name].start()

    def ledger(self, name: str) -> Path:
        return self._folder / f"{name}.ledger"

    def step_clock(self, name: str, seconds: float) -> None:
        self._offsets[name] += seconds
        self.processes[name].tell(f"step {seconds}")

    def calm(self) -> None:
        """No network fails any more."""
        for link in self.links.values():
            link.network = Network()

    def recorded(self) -> list[Recorded]:
        """Everything in the database, by cursor; read past all that can fail."""
        rows = self._rows(
            "SELECT cursor, camera, incident_id::text, seq, phase, count, extract(epoch FROM recorded_at)::float8"
            " FROM incident_message ORDER BY cursor"
        )
        return [Recorded(cursor=row[0], message=Message(*row[1:6]), at=row[6]) for row in rows]

    def history(self) -> History:
        """As it is now."""
        client, stranger = list(self.client.got), list(self.stranger.got)
        database = [(one.cursor, one.message) for one in self.recorded()]
        return History(
            ledgers={name: read_promises(self.ledger(name)) for name in PRODUCERS},
            database=database,
            memberships=self._rows("SELECT incident_id::text, case_id::text FROM case_incident"),
            subscriptions=[
                Subscription(name="client", got=client, once=True), Subscription(name="raw paho", got=stranger),
            ],
            quarantined=int(self._rows("SELECT count(*) FROM quarantine")[0][0]),
        )  # fmt: skip

    def _rows(self, statement: str) -> list[tuple]:
        with psycopg.connect(self.postgres.dsn) as connection:
            return connection.execute(statement.encode()).fetchall()
