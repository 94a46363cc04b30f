"""Hostile messages through the recorder into a real database: none stops it, and none is stored that is not sound."""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from psycopg.rows import dict_row

from gridwatch.app.recorder import Recorder, RecorderCounts
from gridwatch.bus import Delivery, encode_incident
from gridwatch.cases import CaseLinker
from gridwatch.domain import Grid, Position, SitePath, SystemClock
from gridwatch.store import Database
from tests.fixtures.broker import BrokerControl
from tests.fixtures.hostile import Wire, hostile
from tests.fixtures.second_reader import Refused, moment, read
from tests.integration.app.conftest import MakeSettings
from tests.integration.app.test_record import eventually, recording
from tests.integration.store.build import CATEGORY, UNITS
from tests.unit.bus.samples import incident

CLOCK = SystemClock()
BATCH = 200
CORNERS = ((-180, -90), (180, -90), (180, 90), (-180, 90), (-180, -90))
EVERYWHERE = Grid(
    code="g1", name="Everywhere", unit="u1", people=(), rings=(tuple(Position(lon=x, lat=y) for x, y in CORNERS),)
)


def delivery(wire: Wire, acknowledged: list[Wire]) -> Delivery:
    return Delivery(
        topic=wire.topic, payload=wire.payload, content_type=wire.content_type, retained=False,
        received_at=datetime(2026, 3, 1, tzinfo=UTC), ack=lambda: acknowledged.append(wire),
    )  # fmt: skip


def sound(wires: Sequence[Wire]) -> dict[str, list[dict[str, Any]]]:
    """What a reader that has nothing of ours takes, by channel."""
    taken: dict[str, list[dict[str, Any]]] = {
        channel: [] for channel in ("incident", "evidence", "clip", "state", "observation")
    }
    for wire in wires:
        with suppress(Refused):
            channel, values = read(wire)
            taken[channel].append(values)
    return taken


def rows(dsn: str, statement: str) -> list[dict[str, Any]]:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(statement.encode()).fetchall()


def wrongly_stored(dsn: str, files: Path, wires: Sequence[Wire]) -> list[object]:
    """Whatever is in the database and on the disk that is not, value by value, what a sound message said."""
    said = sound(wires)
    messages = {_incident_said(one) for one in said["incident"]}
    clips = {(one["incident"], one["sha256"], one["bytes"], moment(one["captured_at"])) for one in said["clip"]}
    named = {
        (one["id"], e["sha256"], e["bytes"], moment(e["captured_at"]))
        for one in said["incident"]
        for e in one["evidence"]
    }
    states = {
        (one["camera"], one["site"], one["state"], one["reason"], moment(one["observed_at"])) for one in said["state"]
    }
    found: list[object] = [
        row for row in map(_incident_stored, rows(dsn, "SELECT * FROM incident_message")) if row not in messages
    ]
    for row in rows(dsn, "SELECT incident_id::text, sha256, bytes, captured_at FROM evidence"):
        found += [row] if tuple(row.values()) not in clips | named else []
    for row in rows(
        dsn,
        "SELECT camera, concat_ws('/', district, substation, checkpoint), state, reason, observed_at"
        " FROM camera_health",
    ):
        found += [row] if tuple(row.values()) not in states else []
    minutes = {(one["camera"], moment(one["minute"]), one["frames"], one["moving"]) for one in said["observation"]}
    for row in rows(dsn, "SELECT camera, minute, frames, moving FROM observation"):
        found += [row] if tuple(row.values()) not in minutes else []
    pictures = {one["sha256"] for one in said["evidence"]}
    for file in (one for one in files.rglob("*") if one.is_file()):
        genuine = hashlib.sha256(file.read_bytes()).hexdigest() == file.name
        found += [] if genuine and file.name in pictures else [file]
    return found


def _incident_said(one: dict[str, Any]) -> tuple[object, ...]:
    boxes = tuple(tuple(b[k] for k in ("x1", "y1", "x2", "y2", "label", "score")) for b in one["boxes"])
    place = (one["position"]["lon"], one["position"]["lat"])
    times = (moment(one["occurred_at"]), moment(one["observed_at"]))
    words = tuple(
        one[k] for k in ("id", "seq", "kind", "severity", "phase", "site", "camera", "rule", "score", "count")
    )
    return (*words, *place, *times, boxes, tuple(e["sha256"] for e in one["evidence"]), _detector(one["detector"]))


def _incident_stored(row: dict[str, Any]) -> tuple[object, ...]:
    site = "/".join(row[level] for level in ("district", "substation", "checkpoint") if row[level])
    words = (str(row["incident_id"]), row["seq"], row["kind"], row["severity"], row["phase"], site, row["camera"])
    numbers = (row["rule"], row["score"], row["count"], row["lon"], row["lat"], row["occurred_at"], row["observed_at"])
    detail = row["detail"]
    boxes = tuple(map(tuple, detail["boxes"]))
    detector = None if detail["detector"] is None else tuple(detail["detector"])
    return (*words, *numbers, boxes, tuple(e["sha256"] for e in detail["evidence"]), detector)


def _detector(said: dict[str, Any] | None) -> tuple[object, ...] | None:
    return None if said is None else tuple(said[k] for k in ("name", "version", "weights_sha256"))


def accounted(counts: RecorderCounts) -> int:
    """Messages of which the counts say what became of them."""
    return sum(astuple(counts)) - counts.filed - counts.joined


@pytest.mark.slow
async def test_ten_thousand_hostile_messages_store_nothing_wrong_and_stop_nothing(
    database: Database, database_dsn: str, tmp_path: Path
) -> None:
    await database.sync_directory([], [], [EVERYWHERE], UNITS)
    recorder = Recorder(database, CaseLinker([CATEGORY], database, CLOCK))
    wires = list(hostile(1, 10_000))
    acknowledged: list[Wire] = []
    for start in range(0, len(wires), BATCH):
        await recorder.record([delivery(one, acknowledged) for one in wires[start : start + BATCH]])
    assert acknowledged == wires
    assert accounted(recorder.counts) == 10_000
    kept = await database.quarantine.newest(20_000)
    assert sum(one.seen for one in kept) == recorder.counts.quarantined
    assert all(one.reason for one in kept)
    assert recorder.counts.quarantined > 5000
    assert min(recorder.counts.stored, recorder.counts.pictures, recorder.counts.clips, recorder.counts.states) > 50
    assert recorder.counts.filed + recorder.counts.joined > 20
    assert wrongly_stored(database_dsn, tmp_path / "evidence", wires) == []

    good = encode_incident(incident(1))
    last = Wire(topic=good.topic, payload=good.payload, content_type=good.content_type)
    stored = recorder.counts.stored
    await recorder.record([delivery(last, acknowledged)])
    assert recorder.counts.stored == stored + 1


async def test_hostile_messages_over_a_broker_leave_the_recorder_at_work(
    settings: MakeSettings, mosquitto: BrokerControl, database_dsn: str, database: Database, tmp_path: Path
) -> None:
    chosen = settings("harbour", broker=mosquitto, dsn=database_dsn)
    # What a broker passes on: topics that are some, in the district that is subscribed to, and in packets it takes.
    wires = [one for one in hostile(2, 600) if followed(one.topic) and one.content_type not in ("a\x00b", "\ud800")]
    assert len(wires) > 400
    async with recording(chosen) as role:
        await asyncio.to_thread(publish, mosquitto, wires)
        await eventually(lambda: accounted(role.recorder.counts) >= len(set(wires)), timeout=60)
        good = encode_incident(incident(1, site=SitePath(district="harbour")))
        stored = role.recorder.counts.stored
        await asyncio.to_thread(
            publish, mosquitto, [Wire(topic=good.topic, payload=good.payload, content_type=good.content_type)]
        )
        await eventually(lambda: role.recorder.counts.stored == stored + 1)
        assert role.recorder.counts.quarantined > 200
    files = chosen.deployment.services.data_dir / "evidence"
    said = [*wires, Wire(topic=good.topic, payload=good.payload, content_type=good.content_type)]
    assert wrongly_stored(database_dsn, files, said) == []


def followed(topic: str) -> bool:
    """Whether a broker takes it, and a recorder of that district has subscribed to it."""
    *camera, channel = topic.split("/")[:7]
    rest = topic.split("/")[7:]
    there = (
        len(rest) == 0
        if channel in ("state", "observation")
        else channel in ("incident", "evidence", "clip") and len(rest) == 1
    )
    plain = topic.isascii() and topic.isprintable() and not {"+", "#"} & set(topic)
    return plain and camera[:3] == ["gridwatch", "v1", "harbour"] and len(camera) == 6 and there


def publish(broker: BrokerControl, wires: Sequence[Wire]) -> None:
    """With a client that is not ours; returns when the broker has all of them."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set(broker.address.username, broker.address.password)
    client.connect(broker.address.host, broker.address.port)
    client.loop_start()
    try:
        for wire in wires:
            properties = Properties(PacketTypes.PUBLISH)
            if wire.content_type:
                properties.ContentType = wire.content_type
            client.publish(wire.topic, wire.payload, qos=1, properties=properties).wait_for_publish(20)
    finally:
        client.disconnect()
        client.loop_stop()
