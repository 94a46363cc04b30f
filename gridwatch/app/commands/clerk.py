"""The recorder's part in commands: they and their answers go into the audit, and acknowledgements take effect."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Final, Protocol
from uuid import UUID

import structlog

from gridwatch.app.backoff import Backoff
from gridwatch.app.commands.authority import Authority
from gridwatch.app.commands.response import ToSend, as_message, echoed, nowhere, response_topic
from gridwatch.bus import (
    ANSWER_ROOT,
    AnswerTopic,
    BrokerAddress,
    CommandTopic,
    Delivery,
    LinkState,
    MalformedMessage,
    Subscriber,
    answer_filter,
    command_filter,
    decode_answer,
    decode_command,
    encode_answer,
    parse_answer_topic,
    parse_command_topic,
)
from gridwatch.config import Settings
from gridwatch.domain import (
    Acknowledge,
    Acknowledgement,
    Answer,
    AuditEntry,
    Clock,
    Command,
    CommandName,
    Evidence,
    MuteRule,
    Outcome,
    SitePath,
)
from gridwatch.store import GivenAnswer, StoreUnavailable

log = structlog.get_logger(__name__)

_QUEUE: Final = 400
"""Deliveries waiting at most; the broker keeps 200 outstanding."""
_RETRY_CAP: Final = 10.0


class Ledger(Protocol):
    """What is kept of commands. `store.CommandStore` is one."""

    async def note(self, message_sha256: str, entry: AuditEntry) -> None:
        """Write `entry` into the audit, unless that was done for a message of that hash."""

    async def acknowledge(self, incident: UUID, site: SitePath, camera: str, account: str) -> Acknowledgement | None:
        """Say that `account` has seen it; who did so first, None when that camera has no such incident."""

    async def answer(self, command: UUID) -> GivenAnswer | None:
        """What was answered to it."""

    async def keep_answer(self, command: UUID, answer: GivenAnswer) -> GivenAnswer:
        """Keep it unless there is one; the one that is to be given."""


@dataclass(kw_only=True, slots=True)
class ClerkCounts:
    """What was done since the start."""

    asked: int = 0
    answered: int = 0
    """Answers of others, and of our own, that were noted."""
    acknowledged: int = 0
    refused: int = 0
    malformed: int = 0
    failed: int = 0


class Clerk:
    """Takes one delivery after another. Knows nothing of how they came. For one event loop."""

    def __init__(self, ledger: Ledger, authority: Authority, name: str, clock: Clock) -> None:
        """`name` is the recorder's."""
        self._ledger = ledger
        self._authority = authority
        self._name = name
        self._clock = clock
        self.counts = ClerkCounts()

    async def take(self, delivery: Delivery) -> ToSend | None:
        """Note it, and carry it out where it is ours; what is to be answered.

        Raises StoreUnavailable: take it again later, which does nothing twice.
        """
        try:
            if delivery.topic.startswith(f"{ANSWER_ROOT}/"):
                await self._note_answer(delivery)
                return None
            topic = parse_command_topic(delivery.topic)
        except MalformedMessage as error:
            self._count_malformed(delivery, error)
            return None
        payload = await self._take_command(delivery, topic)
        to = response_topic(delivery, topic)
        if payload is None or to is None:
            return None
        return ToSend(message=as_message(payload, to), headers=echoed(delivery))

    async def _take_command(self, delivery: Delivery, topic: CommandTopic) -> bytes | None:
        """The payload of the answer; None where others answer."""
        self.counts.asked += 1
        try:
            command = decode_command(delivery.topic, delivery.payload, delivery.content_type)
        except MalformedMessage as error:
            self._count_malformed(delivery, error)
            await self._note(delivery, f"command.{topic.name}", topic, "unreadable", f"malformed: {error.reason}")
            if topic.name is not CommandName.ACKNOWLEDGE:
                return None
            return self._encoded(delivery, topic, Outcome.MALFORMED, error.reason)
        await self._note(delivery, f"command.{topic.name}", topic, f"{_what(command)}{command.id}", command.reason)
        if not isinstance(command.wish, Acknowledge):
            return None
        given = await self._ledger.answer(command.id)
        if given is None:
            payload = await self._acknowledge(delivery, topic, command, command.wish)
            given = await self._ledger.keep_answer(command.id, GivenAnswer(essence=command.essence, payload=payload))
        if given.essence != command.essence:
            return self._encoded(delivery, topic, Outcome.ID_REUSED, "another command had this id", command.id)
        return given.payload

    async def _acknowledge(self, delivery: Delivery, topic: CommandTopic, command: Command, wish: Acknowledge) -> bytes:
        refusal = self._authority.refusal(command, self._clock.now())
        if refusal is not None:
            self.counts.refused += 1
            return self._encoded(delivery, topic, refusal.outcome, refusal.reason, command.id)
        done = await self._ledger.acknowledge(wish.incident, command.site, command.camera, command.account)
        if done is None:
            self.counts.refused += 1
            why = f"camera {command.camera} of {command.site} has no incident {wish.incident} here (yet)"
            return self._encoded(delivery, topic, Outcome.UNKNOWN, why, command.id)
        self.counts.acknowledged += 1
        return self._encoded(delivery, topic, Outcome.DONE, "", command.id, done)

    def _encoded(
        self, delivery: Delivery, topic: CommandTopic, outcome: Outcome, reason: str, command: UUID | None = None,
        detail: Acknowledgement | None = None,
    ) -> bytes:  # fmt: skip
        answer = Answer(
            command=command, name=topic.name, site=topic.camera.site, camera=topic.camera.camera,
            account=topic.account, node=self._name, outcome=outcome, reason=reason, at=self._clock.now(),
            detail=detail,
        )  # fmt: skip
        return encode_answer(answer, nowhere(topic), delivery.payload).payload

    async def _note_answer(self, delivery: Delivery) -> None:
        topic = parse_answer_topic(delivery.topic)
        answer = decode_answer(delivery.topic, delivery.payload, delivery.content_type)
        self.counts.answered += 1
        picture = f" {answer.detail.sha256}" if isinstance(answer.detail, Evidence) else ""
        await self._note(
            delivery, f"command.{answer.name}.{answer.outcome}", topic, f"{answer.command or 'unreadable'}{picture}",
            answer.reason or f"answered by {answer.node}",
        )  # fmt: skip

    async def _note(
        self, delivery: Delivery, action: str, topic: CommandTopic | AnswerTopic, about: str, reason: str
    ) -> None:
        entry = AuditEntry(
            at=self._clock.now(), account=topic.account, action=action, subject=f"{topic.camera} {about}", reason=reason
        )
        # Not of the topic: two recorders may answer one command, and only once is it done.
        await self._ledger.note(hashlib.sha256(action.encode() + b"\0" + delivery.payload).hexdigest(), entry)

    def _count_malformed(self, delivery: Delivery, error: MalformedMessage) -> None:
        self.counts.malformed += 1
        log.warning("malformed_command", topic=delivery.topic, reason=error.reason)


def _what(command: Command) -> str:
    match command.wish:
        case Acknowledge(incident=incident):
            return f"{incident} "
        case MuteRule(rule=rule, until=until):
            return f"{rule} until {until.isoformat()} "
    return ""


class ClerkDesk:
    """Owns the subscription and the queue of a clerk. Lives in one event loop."""

    def __init__(self, settings: Settings, ledger: Ledger, name: str, clock: Clock) -> None:
        """`name` is the recorder's; the session at the broker goes by it."""
        services = settings.deployment.services
        self.clerk = Clerk(ledger, Authority(services.commands), name, clock)
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue(_QUEUE)
        self._loop: asyncio.AbstractEventLoop | None = None
        district = SitePath(district=settings.deployment.district.id)
        self._subscriber = Subscriber(
            BrokerAddress.from_config(services.broker), client_id=f"gridwatch-{name}-commands",
            filters=[command_filter(district), answer_filter(district)], deliver=self._arrived, persistent=True,
            clock=clock,
        )  # fmt: skip

    @property
    def subscribed(self) -> bool:
        """True while the broker delivers to it."""
        return self._subscriber.status.state is LinkState.CONNECTED

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Work while the context lasts. What was not done is not acknowledged, and comes again."""
        self._loop = asyncio.get_running_loop()
        self._subscriber.start()
        work = asyncio.create_task(self._work(), name="commands")
        try:
            yield
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await asyncio.to_thread(self._subscriber.close, 2.0)
            log.info("clerk_stopped", **asdict(self.clerk.counts))

    def _arrived(self, delivery: Delivery) -> None:
        """In the network's thread. Raises when too much waits, so that the broker gives it again."""
        if self._loop is None or self._queue.qsize() >= _QUEUE // 2:
            raise RuntimeError(f"{self._queue.qsize()} commands wait for the database")
        self._loop.call_soon_threadsafe(self._queue.put_nowait, delivery)

    async def _work(self) -> None:
        while True:
            delivery = await self._queue.get()
            try:
                answer = await self._with_patience(delivery)
                if answer is not None:
                    self._subscriber.send(answer.message, answer.headers)
            except Exception as exc:
                self.clerk.counts.failed += 1
                log.exception("command_failed", topic=delivery.topic, error=type(exc).__name__)
            delivery.ack()

    async def _with_patience(self, delivery: Delivery) -> ToSend | None:
        backoff = Backoff(cap=_RETRY_CAP)
        while True:
            try:
                return await self.clerk.take(delivery)
            except StoreUnavailable as error:
                delay = backoff.next_delay(ran_for=0.0)
                log.warning("database_away", commands=self._queue.qsize() + 1, reason=str(error))
                await asyncio.sleep(delay)
