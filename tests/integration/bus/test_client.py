"""The documented client: each message once, over reconnects, restarts and failures of whoever handles them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gridwatch.bus.client import IncidentClient, MemoryUnusable
from gridwatch.domain import Incident, Phase, SitePath
from tests.fixtures.broker import BrokerControl
from tests.integration.bus.parts import DEADLINE, publishing, wait_until
from tests.unit.bus.samples import incident


@contextmanager
def following(broker: BrokerControl, district: str, memory: Path) -> Iterator[IncidentClient]:
    with IncidentClient(broker.address, f"desk-{district}", SitePath(district=district), memory) as client:
        wait_until(lambda: client.status.link.state == "connected", "the client to connect")
        yield client


def one(number: int, district: str) -> Incident:
    return incident(number, site=SitePath(district=district))


def taken(client: IncidentClient, count: int) -> list[str]:
    """Ids of the next `count` messages."""
    messages = [client.next(DEADLINE) for _ in range(count)]
    assert None not in messages
    return [message.message_id for message in messages if message]


def test_messages_come_once_and_in_order_over_a_broker_that_is_killed(
    own_mosquitto: BrokerControl, tmp_path: Path
) -> None:
    sent = [one(number, "cl1") for number in range(60)]
    with (
        following(own_mosquitto, "cl1", tmp_path / "seen.db") as client,
        publishing(own_mosquitto.address, "cl1", tmp_path) as (outbox, publisher),
    ):
        for number, message in enumerate(sent):
            if number == 30:
                own_mosquitto.kill()
                own_mosquitto.start()
            outbox.put_incident(message)
            publisher.wake()
        got = taken(client, 60)
        assert client.next(0.2) is None

    assert got == [message.message_id for message in sent]


def test_what_came_while_away_is_given_at_the_next_start_and_what_was_handled_is_not(
    mosquitto: BrokerControl, tmp_path: Path
) -> None:
    memory = tmp_path / "seen.db"
    with publishing(mosquitto.address, "cl2", tmp_path) as (outbox, publisher):
        with following(mosquitto, "cl2", memory) as client:
            outbox.put_incident(one(0, "cl2"))
            publisher.wake()
            first = taken(client, 1)
            assert client.next(0.2) is None, "asking for the next says that the first is done with"
        for number in (1, 2):
            outbox.put_incident(one(number, "cl2"))
        publisher.wake()
        wait_until(lambda: publisher.status().pending == 0, "the broker to have them")
        with following(mosquitto, "cl2", memory) as client:
            second = taken(client, 2)

    assert first + second == [one(number, "cl2").message_id for number in range(3)]


def test_a_message_whose_handling_failed_comes_again(mosquitto: BrokerControl, tmp_path: Path) -> None:
    def handle(client: IncidentClient) -> None:
        for message in client:
            raise RuntimeError(message.message_id)

    with publishing(mosquitto.address, "cl3", tmp_path) as (outbox, publisher):
        with following(mosquitto, "cl3", tmp_path / "seen.db") as client:
            outbox.put_incident(one(0, "cl3"))
            publisher.wake()
            with pytest.raises(RuntimeError, match=one(0, "cl3").message_id.replace(".", r"\.")):
                handle(client)
        with following(mosquitto, "cl3", tmp_path / "seen.db") as client:
            assert taken(client, 1) == [one(0, "cl3").message_id]


def test_a_message_published_twice_is_given_once_and_phases_of_one_incident_apart(
    mosquitto: BrokerControl, tmp_path: Path
) -> None:
    raised = one(0, "cl4")
    cleared = replace(raised, phase=Phase.CLEARED, seq=1)
    with (
        following(mosquitto, "cl4", tmp_path / "seen.db") as client,
        publishing(mosquitto.address, "cl4", tmp_path) as (outbox, publisher),
    ):
        for message in (raised, raised, cleared, raised):
            outbox.put_incident(message)
        publisher.wake()
        assert taken(client, 2) == [raised.message_id, cleared.message_id]
        assert client.next(0.2) is None
        wait_until(lambda: client.status.handled + client.status.repeats >= 3, "repeats to be counted")


def test_a_message_that_breaks_the_contract_is_counted_and_the_next_one_comes(
    mosquitto: BrokerControl, tmp_path: Path
) -> None:
    good = one(1, "cl5")
    with (
        following(mosquitto, "cl5", tmp_path / "seen.db") as client,
        publishing(mosquitto.address, "cl5", tmp_path) as (outbox, publisher),
    ):
        from gridwatch.bus import encode_incident

        outbox.append([replace(encode_incident(one(0, "cl5")), payload=b"{")])
        outbox.put_incident(good)
        publisher.wake()
        assert taken(client, 1) == [good.message_id]
        assert client.status.malformed == 1


def test_a_memory_that_cannot_be_used_is_named(mosquitto: BrokerControl, tmp_path: Path) -> None:
    (tmp_path / "seen.db").write_bytes(b"not a database" * 100)
    client = IncidentClient(mosquitto.address, "desk", SitePath(district="cl6"), tmp_path / "seen.db")

    with pytest.raises(MemoryUnusable, match=r"seen\.db cannot remember what was handled"):
        client.open()
    client.close()


def test_what_the_broker_has_forgotten_is_forgotten(mosquitto: BrokerControl, tmp_path: Path) -> None:
    memory = tmp_path / "seen.db"
    with following(mosquitto, "cl7", memory), sqlite3.connect(memory) as database:
        database.execute("INSERT INTO handled VALUES (?, 0, 0)", (bytes(16),))
    with (
        publishing(mosquitto.address, "cl7", tmp_path) as (outbox, publisher),
        following(mosquitto, "cl7", memory) as client,
    ):
        outbox.put_incident(one(0, "cl7"))
        publisher.wake()
        taken(client, 1)
        client.next(0.1)
        with sqlite3.connect(memory) as database:
            ids = [row[0] for row in database.execute("SELECT id FROM handled")]
    assert ids == [one(0, "cl7").id.bytes]
