"""A district broker and those of two substations, each in a network of its own, whose links a test can cut.

`test_broker_levels` runs it as root of fresh namespaces. It renders the configurations with `gridwatch broker-config`,
starts the three Mosquittos on them, sends incidents through cuts and kills, and writes what arrived where.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from gridwatch.app.commands.authority import Authority
from gridwatch.app.commands.clerk import Clerk
from gridwatch.app.commands.fakes import MemoryLedger, MemoryMemory
from gridwatch.app.commands.office import Done, Office, OfficeDesk
from gridwatch.bus import (
    BrokerAddress,
    CameraPath,
    Channel,
    CommandClient,
    Delivery,
    LinkState,
    NoAnswer,
    Outbox,
    Publisher,
    Subscriber,
    answer_filter,
    command_filter,
    decode_incident,
    subscriptions,
)
from gridwatch.config.commands import CommandsConfig
from gridwatch.domain import Acknowledge, Command, CommandName, Phase, SitePath, SystemClock, TakeSnapshot, Wish
from tests.integration.bus.parts import Collector, wait_until
from tests.unit.bus.samples import JPEG, evidence, incident

CLOCK = SystemClock()
PORT = 8883
DISTRICT, NORTH, SOUTH = "10.78.0.1", "10.77.1.2", "10.77.2.2"
PATIENCE = 60.0
YAML = f"""
version: 1
district:
  id: harbour
  name: Harbour
  broker: {{host: {DISTRICT}}}
  substations:
    - id: north
      name: North
      broker: {{host: {NORTH}}}
      checkpoints: [{{id: gate, name: Gate}}, {{id: pier, name: Pier}}]
    - {{id: south, name: South, broker: {{host: {SOUTH}}}}}
"""


def ip(text: str, namespace: str | None = None) -> None:
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    subprocess.run([*inside, "ip", *text.split()], check=True)


def set_up() -> None:
    """The district's network 10.78.0.0/24, joined by all; and a line of our own to each substation."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    ip("link set lo up")
    for name in ("harbour", "north", "south"):
        ip(f"netns add {name}")
        ip("link set lo up", name)
    ip("link add wan type bridge", "harbour")
    ip(f"addr add {DISTRICT}/24 dev wan", "harbour")
    ip("link set wan up", "harbour")
    for number, name in enumerate(("north", "south", None), start=1):
        ip(f"link add up{number} type veth peer name wan{number}")
        ip(f"link set wan{number} netns harbour")
        ip(f"link set wan{number} master wan up", "harbour")
        if name:
            ip(f"link set up{number} netns {name}")
        ip(f"addr add 10.78.0.{10 + number}/24 dev up{number}", name)
        ip(f"link set up{number} up", name)
        if name:
            ip(f"link add lan{number} type veth peer name in{number}")
            ip(f"link set in{number} netns {name}")
            ip(f"addr add 10.77.{number}.1/24 dev lan{number}")
            ip(f"link set lan{number} up")
            ip(f"addr add 10.77.{number}.2/24 dev in{number}", name)
            ip(f"link set in{number} up", name)


class Mosquitto:
    """One broker on rendered files, in its namespace."""

    def __init__(self, files: Path, data: Path) -> None:
        self._name = files.name
        data.mkdir()
        # Each broker has a machine of its own in production, so one folder for data is rendered for all.
        conf = (files / "mosquitto.conf").read_text().replace("/var/lib/mosquitto/", f"{data}/")
        (files / "mosquitto.conf").write_text(f"{conf}\nuser root\n")
        self._command = ["ip", "netns", "exec", self._name, _mosquitto(), "-c", str(files / "mosquitto.conf")]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=sys.stderr)

    def kill(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()


def _mosquitto() -> str:
    found = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, "install mosquitto"
    return found


class District:
    """The three brokers and how to log in at each."""

    def __init__(self, folder: Path) -> None:
        (folder / "gridwatch.yaml").write_text(YAML)
        command = [sys.executable, "-m", "gridwatch", "broker-config", str(folder / "brokers")]
        subprocess.run([*command, "-c", str(folder / "gridwatch.yaml")], check=True, stdout=sys.stderr)
        self._files = folder / "brokers"
        self._passwords = json.loads((self._files / "accounts.json").read_text())
        self.brokers = {
            name: Mosquitto(self._files / name, folder / f"{name}-data") for name in ("harbour", "north", "south")
        }

    def login(self, host: str, account: str) -> BrokerAddress:
        return BrokerAddress(
            host=host, port=PORT, tls=True, username=account, password=self._passwords[account],
            tls_ca=self._files / "ca.pem",
        )  # fmt: skip


class Substation:
    """A worker's outbox and publisher at a substation's broker."""

    def __init__(self, district: District, host: str, name: str, folder: Path) -> None:
        self.name = name
        self.site = SitePath(district="harbour", substation=name, checkpoint="gate" if name == "north" else None)
        self.outbox = Outbox(folder / f"{name}.db", 50_000_000, CLOCK)
        address = district.login(host, f"ingest@harbour/{name}")
        above = SitePath(district="harbour", substation=name)
        self.publisher = Publisher(self.outbox, address, f"worker-{name}", "n1", above, CLOCK)
        self.sent: list[str] = []

    def put(self, first: int, count: int) -> None:
        """Raise and clear `count` incidents of two cameras, in turn."""
        for number in range(first, first + count):
            raised = incident(number, camera=f"{self.name}-{number % 2}", site=self.site)
            for one in (raised, replace(raised, phase=Phase.CLEARED, seq=1)):
                self.outbox.put_incident(one)
                self.publisher.wake()
                self.sent.append(one.message_id)


@contextmanager
def subscribed(address: BrokerAddress, client: str, site: str) -> Iterator[Collector]:
    collector = Collector()
    filters = subscriptions(SitePath.parse(site), Channel.INCIDENT)
    subscriber = Subscriber(address, client, filters, collector, True, CLOCK)
    subscriber.start()
    try:
        wait_until(lambda: subscriber.status.state is LinkState.CONNECTED, f"{client} to connect", PATIENCE)
        yield collector
    finally:
        subscriber.close(5)


def arrived(collector: Collector, camera: str = "") -> list[str]:
    """Message ids in order of their first delivery."""
    ids = []
    for one in list(collector.deliveries):
        got = decode_incident(one.topic, one.payload, one.content_type)
        if got.camera.startswith(camera):
            ids.append(got.message_id)
    return list(dict.fromkeys(ids))


class Commanding:
    """A worker of the north that shows its camera, and who asks it from where."""

    def __init__(self, district: District, stack: ExitStack) -> None:
        self._district = district
        self._camera = CameraPath(site=SitePath.parse("harbour/north/gate"), camera="north-0")
        self.heard = Collector()
        filters = [command_filter(SitePath(district="harbour")), answer_filter(SitePath(district="harbour"))]
        ledger = MemoryLedger(CLOCK)
        ledger.incidents[incident().id] = (self._camera.site, self._camera.camera)
        clerk = Clerk(ledger, Authority(CommandsConfig(enabled=True)), "recorder", CLOCK)

        def hear(delivery: Delivery) -> None:
            self.heard(delivery)
            answer = asyncio.run(clerk.take(delivery))
            if answer is not None:
                ear.send(answer.message, answer.headers)

        ear = Subscriber(district.login(DISTRICT, "recorder@harbour"), "ear", filters, hear, True, CLOCK)
        self.office = Office(
            node="n1", authority=Authority(CommandsConfig(enabled=True)), memory=MemoryMemory(), clock=CLOCK,
            actions={CommandName.SNAPSHOT: lambda _: Done(detail=evidence(), picture=JPEG)},
        )  # fmt: skip
        desk = OfficeDesk(self.office, district.login(NORTH, "ingest@harbour/north"), "n1", [self._camera], CLOCK)
        ear.start()
        stack.callback(ear.close, 5)
        desk.start()
        stack.callback(desk.close, 5)
        wait_until(lambda: desk.subscribed and ear.status.state is LinkState.CONNECTED, "the worker", PATIENCE)

    def ask(self, host: str, account: str, login: str | None = None, wish: Wish | None = None) -> str:
        """What became of a snapshot, or of `wish`, asked for there, and whether its picture came."""
        now = CLOCK.now()
        asked = Command(
            id=uuid4(), site=self._camera.site, camera=self._camera.camera, account=account,
            wish=wish or TakeSnapshot(),
            reason="a test of levels", asked_at=now, expires_at=now + timedelta(minutes=1),
        )  # fmt: skip
        try:
            with CommandClient(self._district.login(host, login or account), account, self._camera, CLOCK) as client:
                reply = client.request(asked, 10)
        except NoAnswer as error:
            return str(error)
        return f"{reply.answer.outcome} {reply.picture == JPEG}"

    @property
    def recorded(self) -> list[str]:
        """Commands and answers, as the district's recorder hears them: kind and account."""
        topics = [one.topic.split("/") for one in self.heard.deliveries]
        return sorted(f"{one[1]} {next(level for level in one if '@' in level)}" for one in topics)


def main(folder: Path) -> dict[str, object]:
    set_up()
    district = District(folder)
    with ExitStack() as stack:
        for broker in district.brokers.values():
            broker.start()
            stack.callback(broker.stop)
        recorder = stack.enter_context(subscribed(district.login(DISTRICT, "recorder@harbour"), "recorder", "harbour"))
        officer = stack.enter_context(
            subscribed(district.login(NORTH, "officer@harbour/north"), "officer", "harbour/north")
        )
        pier = stack.enter_context(
            subscribed(district.login(NORTH, "officer@harbour/north/pier"), "pier", "harbour/north")
        )
        stations = {}
        for name, host in (("north", NORTH), ("south", SOUTH)):
            one = Substation(district, host, name, folder)
            stack.enter_context(one.outbox)
            one.publisher.start()
            stack.callback(one.publisher.close, 5)
            stations[name] = one
        north, south = stations["north"], stations["south"]

        def all_arrived(*names: str) -> bool:
            return {one for name in names for one in stations[name].sent} <= set(arrived(recorder))

        north.put(0, 20)
        south.put(0, 20)
        wait_until(lambda: all_arrived("north", "south"), "what was sent over whole links", PATIENCE)

        ip("link set up1 down", "north")
        north.put(20, 100)
        south.put(20, 50)
        wait_until(lambda: set(north.sent) <= set(arrived(officer)), "the substation to work alone", PATIENCE)
        wait_until(lambda: all_arrived("south"), "the other substation", PATIENCE)
        alone = len(set(north.sent) - set(arrived(recorder)))
        wait_until(lambda: north.outbox.stats().count == 0, "the outbox to be empty", PATIENCE)
        district.brokers["north"].kill()
        district.brokers["north"].start()
        north.put(120, 50)
        wait_until(lambda: set(north.sent) <= set(arrived(officer)), "the restarted substation", PATIENCE)
        ip("link set up1 up", "north")
        wait_until(lambda: all_arrived("north", "south"), "everything after the link returned", PATIENCE)

        commanding = Commanding(district, stack)
        asked = {
            "operator_above": commanding.ask(DISTRICT, "operator@harbour"),
            "officer_below": commanding.ask(NORTH, "officer@harbour/north"),
            "acknowledged_below": commanding.ask(
                NORTH, "officer@harbour/north", wish=Acknowledge(incident=incident().id)
            ),
            "forged_by_the_bridge": commanding.ask(DISTRICT, "operator@harbour", "bridge@harbour/north"),
        }
        ip("link set up1 down", "north")
        asked["officer_alone"] = commanding.ask(NORTH, "officer@harbour/north/gate")
        ip("link set up1 up", "north")
        wait_until(lambda: len(commanding.recorded) >= 8, "the recorder to hear of all commands", PATIENCE)

        before = south.publisher.status().refused
        south.outbox.put_incident(incident(999, camera="south-0", site=north.site))
        south.publisher.wake()
        wait_until(lambda: south.publisher.status().refused > before, "a foreign site to be refused", PATIENCE)
        return {
            "sent": {name: one.sent for name, one in stations.items()},
            "recorder": {name: arrived(recorder, name) for name in stations},
            "deliveries": len(recorder.deliveries),
            "officer": arrived(officer),
            "pier": arrived(pier),
            "held_back_by_the_cut": alone,
            "asked": asked,
            "carried_out": commanding.office.counts.done + commanding.office.counts.repeated,
            "recorded": commanding.recorded,
        }


if __name__ == "__main__":
    result = main(Path(sys.argv[1]))
    sys.stdout.write("RESULT " + json.dumps(result))
