"""The adapt role as a process, between a real Mosquitto and whoever sends: nothing lost, nothing twice."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import structlog
import yaml

from gridwatch.app.adapt import AdaptRole
from gridwatch.app.run import roles
from gridwatch.app.sink import IncidentSink
from gridwatch.bus import BrokerAddress, Channel, OnvifMirror, decode_incident
from gridwatch.config import Settings, load_settings
from gridwatch.config.sources import MqttSourceBase
from gridwatch.domain import Incident, Phase, SitePath, SystemClock, UsageError
from gridwatch.sources import Unread
from tests.fixtures.broker import BrokerControl
from tests.integration.app.conftest import MakeSettings
from tests.integration.bus.parts import Collector, publishing, subscribed
from tests.unit.bus.samples import incident
from tests.waiting import wait_until

CLOCK = SystemClock()
TOKEN = "0123456789abcdef"
CAMERA = {"id": "gate-1", "source": {"rtsp": "rtsp://192.0.2.1/"}}
SMOKE = {
    "kind": "fire_smoke", "rule": "detector", "camera": "gate-1", "raise_when": {"path": "alarm", "equals": True},
    "clear_when": {"path": "alarm", "equals": False},
}  # fmt: skip


def now() -> datetime:
    return CLOCK.now()


def frigate(number: int, kind: str, begun: datetime) -> str:
    """One line for mosquitto_pub."""
    start = begun.timestamp() - 1
    after = {
        "id": f"{start}-{number}", "camera": "front_door", "label": "person", "top_score": 0.9, "entered_zones": [],
        "start_time": start, "frame_time": start, "end_time": start + 0.5, "sub_label": ["John Smith", 0.9],
    }  # fmt: skip
    return json.dumps({"type": kind, "before": after, "after": after})


def with_sources(settings: Settings, *sources: dict[str, Any], port: int = 0) -> Settings:
    """The same deployment with sources."""
    document = yaml.safe_load(settings.path.read_text(encoding="utf-8"))
    document["sources"] = list(sources)
    document["services"]["webhooks"] = {"port": port}
    settings.path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_settings(settings.path)


def lobby(topic: str) -> dict[str, Any]:
    return {
        "id": "lobby", "type": "frigate", "topic": topic, "burst": 1000, "cameras": {"front_door": "gate-1"},
        "rules": [{"id": "inside", "kind": "intrusion", "labels": ["person"]}],
    }  # fmt: skip


@contextmanager
def adapt(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    """The real process; killed at the end if it still runs."""
    with settings.path.with_suffix(".log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gridwatch", "adapt", "--config", str(settings.path)],
            stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=os.environ,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def log_of(settings: Settings) -> str:
    return settings.path.with_suffix(".log").read_text(encoding="utf-8")


def publish(address: BrokerAddress, topic: str, lines: Sequence[str], folder: Path) -> None:
    """By a client that is not ours, at QoS 1; returns when the broker has them all."""
    (folder / "mosquitto_pub").write_text(f"-u {address.username}\n-P {address.password}\n")
    subprocess.run(
        ["mosquitto_pub", "-h", address.host, "-p", str(address.port), "-V", "5", "-q", "1", "-l", "-t", topic],
        input="\n".join(lines), text=True, check=True, env={**os.environ, "XDG_CONFIG_HOME": str(folder)},
    )  # fmt: skip


def told(collector: Collector) -> list[Incident]:
    """What was heard, without repeats."""
    heard = [decode_incident(one.topic, one.payload, one.content_type) for one in collector.deliveries]
    return list({(one.id, one.seq): one for one in heard}.values())


@pytest.mark.slow
def test_through_kill_9_every_object_of_frigate_is_one_incident_that_ends(
    settings: MakeSettings, mosquitto: BrokerControl, tmp_path: Path
) -> None:
    topic, number, begun = "adapt-a/frigate/events", 60, now()
    chosen = with_sources(settings("adapt-a", broker=mosquitto, cameras=[CAMERA]), lobby(topic))
    collector = Collector()
    with subscribed(mosquitto.address, "adapt-a", collector, channels=[Channel.INCIDENT]):
        with adapt(chosen) as process:
            wait_until(lambda: "broker_subscribed" in log_of(chosen), 20.0)
            publish(mosquitto.address, topic, [frigate(n, "new", begun) for n in range(number)], tmp_path)
            wait_until(lambda: len(told(collector)) >= 5, 20.0)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        publish(mosquitto.address, topic, [frigate(n, "end", begun) for n in range(number)], tmp_path)
        with adapt(chosen) as process:
            wait_until(lambda: len(told(collector)) >= 2 * number, 30.0)
            process.terminate()
            assert process.wait(20) == 0
    lives: dict[UUID, list[tuple[int, Phase]]] = {}
    for one in told(collector):
        lives.setdefault(one.id, []).append((one.seq, one.phase))
    assert len(lives) == number
    assert all(sorted(life) == [(0, Phase.RAISED), (1, Phase.CLEARED)] for life in lives.values())
    assert not any(b"John" in one.payload for one in collector.deliveries)
    assert "John" not in log_of(chosen)
    assert "source_identities_dropped" in log_of(chosen)


@pytest.mark.slow
def test_a_webhook_is_answered_when_its_incident_is_on_disk_and_the_broker_may_be_away(
    settings: MakeSettings, own_mosquitto: BrokerControl
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    hook = {"id": "plant", "type": "webhook", "token": TOKEN, "map": SMOKE}
    chosen = with_sources(settings("adapt-b", broker=own_mosquitto, cameras=[CAMERA]), hook, port=port)
    collector = Collector()
    url = f"http://127.0.0.1:{port}/v1/sources/plant"
    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "k1"}
    with adapt(chosen) as process, httpx.Client(headers=headers) as client:
        wait_until(lambda: "adapt_started" in log_of(chosen), 20.0)
        own_mosquitto.stop()
        answer = client.post(url, json={"alarm": True})
        assert answer.status_code == 202
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        (raised,) = answer.json()["incidents"]
        own_mosquitto.start()
        with (
            subscribed(own_mosquitto.address, "adapt-b", collector, channels=[Channel.INCIDENT]),
            adapt(chosen) as again,
        ):
            wait_until(lambda: len(told(collector)) == 1, 30.0)
            assert client.post(url, json={"alarm": True}).json() == {"incidents": [], "repeated": True}
            (cleared,) = client.post(url, json={"alarm": False}, headers={"Idempotency-Key": "k2"}).json()["incidents"]
            wait_until(lambda: len(told(collector)) == 2, 20.0)
            again.terminate()
            assert again.wait(20) == 0
    assert [(str(one.id), one.seq) for one in told(collector)] == [(raised["id"], 0), (raised["id"], 1)]
    assert cleared == {"id": raised["id"], "seq": 1, "phase": "cleared"}


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[AdaptRole]:
    """The role in this process, subscribed to all its sources."""
    role, stop = AdaptRole(settings.deployment, "adapt", CLOCK), asyncio.Event()
    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(role.run(stop))
        wanted = sum(isinstance(one, MqttSourceBase) for one in settings.deployment.sources)
        await until(lambda: task.done() or sum(one["event"] == "broker_subscribed" for one in logs) >= wanted)
        try:
            yield role
        finally:
            stop.set()
            await task


async def until(condition: Callable[[], object]) -> None:
    """Let the role go on while waiting, in its loop."""
    await asyncio.to_thread(wait_until, condition, 30.0)


async def test_what_one_district_mirrors_another_takes_in_and_a_kept_state_begins_nothing(
    settings: MakeSettings, mosquitto: BrokerControl, tmp_path: Path
) -> None:
    there = SitePath(district="adapt-d")
    source = {"id": "cams", "type": "onvif", "cameras": {"gridwatch/v1/adapt-d/-/-/gate-1": "gate-1"}}
    chosen = with_sources(settings("adapt-e", broker=mosquitto, cameras=[CAMERA]), source)
    before, inside, later = (incident(n, site=there, rule=f"r{n}", occurred_at=now()) for n in range(3))
    collector = Collector()

    def phases() -> list[tuple[str, Phase]]:
        return [(one.rule, one.phase) for one in told(collector)]

    with (
        subscribed(mosquitto.address, "adapt-e", collector, channels=[Channel.INCIDENT]),
        subscribed(mosquitto.address, "adapt-d", Collector(), channels=[Channel.INCIDENT]),
        publishing(mosquitto.address, "adapt-d", tmp_path / "there") as (outbox, publisher),
    ):
        sink = IncidentSink(outbox, publisher, ["gate-1"], mirror=OnvifMirror())
        sink.put("gate-1", [before])
        await until(lambda: publisher.status().pending == 0)
        async with running(chosen):
            sink.put("gate-1", [inside, later])
            await until(lambda: len(phases()) == 2)
            sink.put("gate-1", [inside.cleared(now()), before.cleared(now())])
            await until(lambda: len(phases()) == 3)
        sink.put("gate-1", [later.cleared(now())])
        await until(lambda: publisher.status().pending == 0)
        async with running(chosen):
            await until(lambda: len(phases()) == 4)
    name = "cams.fielddetector.objectsinside."
    assert phases() == [
        (f"{name}r1", Phase.RAISED), (f"{name}r2", Phase.RAISED), (f"{name}r1", Phase.CLEARED),
        (f"{name}r2", Phase.CLEARED),
    ]  # fmt: skip


async def test_a_flood_of_nonsense_is_counted_and_what_comes_after_it_is_told(
    settings: MakeSettings, mosquitto: BrokerControl, tmp_path: Path
) -> None:
    topic, chance = "adapt-g/frigate/events", random.Random(1)
    chosen = with_sources(settings("adapt-g", broker=mosquitto, cameras=[CAMERA]), lobby(topic))
    good = frigate(1, "new", now())
    nonsense = ["".join(chance.choices(good + "{}[]\\\x01", k=chance.randint(1, 300))) for _ in range(400)]
    lines = [line.replace("\n", " ") for line in nonsense]
    collector = Collector()
    with subscribed(mosquitto.address, "adapt-g", collector, channels=[Channel.INCIDENT]):
        async with running(chosen) as role:
            await asyncio.to_thread(publish, mosquitto.address, topic, [*lines, good], tmp_path)
            await until(lambda: len(told(collector)) == 1)
            assert role.tallies["lobby"].unread[Unread.MALFORMED] == len(lines)


def test_run_starts_it_only_where_there_are_sources() -> None:
    names = [[role.name for role in roles(Path("x.yaml"), adapt=adapt)] for adapt in (False, True)]
    assert names == [["record", "serve", "ingest"], ["record", "serve", "adapt", "ingest"]]


def test_without_sources_it_says_what_to_write(settings: MakeSettings) -> None:
    with pytest.raises(UsageError, match="describe other systems under `sources`"):
        AdaptRole(settings("adapt-c").deployment, "adapt", CLOCK)
