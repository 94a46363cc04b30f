"""The recorder's part in commands: audit of all, and acknowledgements, each once."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from gridwatch.app.commands.authority import Authority
from gridwatch.app.commands.clerk import Clerk
from gridwatch.app.commands.fakes import MemoryLedger
from gridwatch.bus import (
    EVENT_CONTENT_TYPE,
    AnswerTopic,
    CameraPath,
    Delivery,
    decode_answer,
    encode_answer,
    encode_command,
)
from gridwatch.config.commands import CommandsConfig
from gridwatch.domain import Answer, Command, CommandName, FakeClock, Outcome
from gridwatch.store import StoreUnavailable
from tests.unit.bus.command_samples import GATE, OFFICER, WISHES, answer, command
from tests.unit.bus.samples import WHEN, incident

INBOX = AnswerTopic(camera=CameraPath(site=GATE, camera="gate-1"), account=OFFICER, inbox="desk")
SEEN = command(WISHES[CommandName.ACKNOWLEDGE])


class Desk:
    """A clerk with its ledger, and the last answer."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock(WHEN)
        self.ledger = MemoryLedger(self.clock)
        self.ledger.incidents[incident().id] = (GATE, "gate-1")
        self.clerk = Clerk(
            self.ledger, Authority(CommandsConfig(**{"enabled": True} | settings)), "recorder", self.clock
        )  # fmt: skip
        self.payload = b""

    async def ask(self, asked: Command, **changes: Any) -> Answer | None:
        message = encode_command(asked)
        to = INBOX if asked.account == OFFICER else replace(INBOX, account=asked.account)
        return await self.take(message.topic, message.payload, **{"response_topic": str(to)} | changes)

    async def take(self, topic: str, payload: bytes, **changes: Any) -> Answer | None:
        fields: dict[str, Any] = {
            "topic": topic, "payload": payload, "content_type": EVENT_CONTENT_TYPE, "retained": False,
            "received_at": self.clock.now(), "ack": lambda: None, "correlation": b"7",
        }  # fmt: skip
        sent = await self.clerk.take(Delivery(**fields | changes))
        if sent is None:
            return None
        assert sent.headers.correlation == b"7"
        self.payload = sent.message.payload
        return decode_answer(sent.message.topic, sent.message.payload, sent.message.content_type)

    @property
    def audit(self) -> list[tuple[str, str, str]]:
        return [(one.account, one.action, one.reason) for one in self.ledger.audit]


async def test_an_acknowledgement_is_kept_answered_and_in_the_audit() -> None:
    desk = Desk()
    reply = await desk.ask(SEEN)

    assert reply is not None
    assert (reply.outcome, reply.command, reply.node) == (Outcome.DONE, SEEN.id, "recorder")
    assert desk.ledger.acknowledged[incident().id].by == OFFICER
    assert desk.audit == [(OFFICER, "command.acknowledge", "a call from the gate")]
    assert str(incident().id) in desk.ledger.audit[0].subject


async def test_the_same_command_again_takes_effect_once_and_is_answered_alike() -> None:
    desk = Desk()
    first = await desk.ask(SEEN)
    before = desk.payload
    desk.clock.advance(30)
    again = await desk.ask(SEEN)

    assert first == again
    assert desk.payload == before
    assert len(desk.ledger.audit) == 1
    assert desk.clerk.counts.acknowledged == 1


async def test_whoever_comes_second_learns_who_was_first() -> None:
    desk = Desk()
    await desk.ask(SEEN)
    desk.clock.advance(5)
    reply = await desk.ask(replace(SEEN, id=uuid4(), account="operator@harbour"))

    assert reply is not None
    assert reply.detail == desk.ledger.acknowledged[incident().id]
    assert desk.ledger.acknowledged[incident().id].by == OFFICER


async def test_another_wish_under_a_known_id_is_refused() -> None:
    desk = Desk()
    await desk.ask(SEEN)
    reply = await desk.ask(replace(SEEN, account="operator@harbour"))

    assert reply is not None
    assert reply.outcome is Outcome.ID_REUSED


@pytest.mark.parametrize(
    ("asked", "outcome"),
    [
        (replace(SEEN, camera="gate-2"), Outcome.UNKNOWN),
        (replace(SEEN, account="officer@harbour/south"), Outcome.NOT_ALLOWED),
        (replace(SEEN, expires_at=WHEN - timedelta(seconds=3)), Outcome.LATE),
    ],
)
async def test_what_may_not_be_is_refused_with_an_answer_and_changes_nothing(asked: Command, outcome: Outcome) -> None:
    desk = Desk()
    to = AnswerTopic(camera=CameraPath(site=GATE, camera=asked.camera), account=asked.account, inbox="desk")
    reply = await desk.ask(asked, response_topic=str(to))

    assert reply is not None
    assert reply.outcome is outcome
    assert reply.reason
    assert not desk.ledger.acknowledged
    assert desk.clerk.counts.refused == 1
    assert [action for _, action, _ in desk.audit] == ["command.acknowledge"]


async def test_nothing_is_acknowledged_where_commands_are_switched_off() -> None:
    desk = Desk(enabled=False)
    reply = await desk.ask(SEEN)

    assert reply is not None
    assert reply.outcome is Outcome.SWITCHED_OFF
    assert not desk.ledger.acknowledged


async def test_what_cannot_be_read_is_answered_counted_and_in_the_audit() -> None:
    desk = Desk()
    reply = await desk.take(encode_command(SEEN).topic, b"{", response_topic=str(INBOX))

    assert reply is not None
    assert (reply.outcome, reply.command) == (Outcome.MALFORMED, None)
    assert desk.clerk.counts.malformed == 1
    assert [(action, reason[:9]) for _, action, reason in desk.audit] == [("command.acknowledge", "malformed")]


@pytest.mark.parametrize(
    "topic",
    [
        None, "gridwatch/v1/harbour/north/gate/gate-1/incident/intrusion", f"{INBOX}/picture", "x",
        str(INBOX).replace("gate-1", "gate-2"), str(INBOX).replace("officer@", "operator@"),
    ],
)  # fmt: skip
async def test_an_answer_goes_to_the_askers_own_answer_topic_or_nowhere(topic: str | None) -> None:
    desk = Desk()

    assert await desk.ask(SEEN, response_topic=topic) is None
    assert incident().id in desk.ledger.acknowledged, "it was asked for all the same"


async def test_commands_to_workers_and_their_answers_are_in_the_audit_once() -> None:
    desk = Desk()
    asked = command()
    answered = encode_answer(answer(), INBOX, b"")
    for _ in range(2):
        assert await desk.ask(asked) is None, "the worker answers"
        assert await desk.take(answered.topic, answered.payload) is None

    assert desk.audit == [
        (OFFICER, "command.snapshot", "a call from the gate"),
        (OFFICER, "command.snapshot.done", "answered by ingest"),
    ]
    picture = json.loads(answered.payload)["data"]["picture"]["sha256"]
    assert picture in desk.ledger.audit[1].subject


async def test_a_mute_in_the_audit_says_of_what_and_until_when() -> None:
    desk = Desk()
    await desk.ask(command(WISHES[CommandName.MUTE]))

    assert "yard until 2026-03-04T07:06:07" in desk.ledger.audit[0].subject


@pytest.mark.parametrize("topic", ["", "gridwatch/command/v1/x", "gridwatch/answer/v1/x", str(INBOX)])
async def test_what_is_no_message_of_the_contract_is_counted(topic: str) -> None:
    desk = Desk()

    assert await desk.take(topic, b"{}") is None
    assert desk.clerk.counts.malformed == 1


async def test_while_the_database_is_away_nothing_is_answered() -> None:
    desk = Desk()
    desk.ledger.available = False

    with pytest.raises(StoreUnavailable):
        await desk.ask(SEEN)
    desk.ledger.available = True
    reply = await desk.ask(SEEN)
    assert reply is not None
    assert reply.outcome is Outcome.DONE
