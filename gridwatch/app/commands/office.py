"""A worker's part in commands: those to its cameras, each checked, carried out once, and answered."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final, Protocol
from uuid import UUID

import structlog

from gridwatch.app.commands.authority import Authority
from gridwatch.app.commands.memory import MemoryFailed, Remembered
from gridwatch.app.commands.response import ToSend, as_message, as_picture, echoed, nowhere, response_topic
from gridwatch.bus import (
    BrokerAddress,
    CameraPath,
    CommandTopic,
    Delivery,
    LinkState,
    MalformedMessage,
    Subscriber,
    command_filter,
    decode_command,
    encode_answer,
    encode_picture,
    parse_command_topic,
)
from gridwatch.domain import Answer, Clock, Command, CommandName, Detail, Evidence, Outcome, TakeSnapshot

log = structlog.get_logger(__name__)

_QUEUE: Final = 400
"""Commands waiting at most; the broker keeps 200 outstanding."""
_TIDY_SECONDS: Final = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What became of carrying a command out."""

    outcome: Outcome = Outcome.DONE
    reason: str = ""
    detail: Detail | None = None
    picture: bytes | None = None
    """Of a snapshot."""


Action = Callable[[Command], Done]
"""Carries out one kind of command. Not allowed to do half of it: it does it, or says why not."""


class Remembers(Protocol):
    """What was answered before, over restarts. `CommandMemory` is one."""

    def answer(self, command: UUID) -> Remembered | None:
        """What was answered to it."""

    def has_room(self, *, for_picture: bool) -> bool:
        """Whether one more can be remembered."""

    def remember(self, command: Command, answer: Remembered) -> None:
        """Keep it until the command has expired for certain."""

    def forget(self) -> None:
        """Delete what has."""


@dataclass(kw_only=True, slots=True)
class OfficeCounts:
    """What was done since the start."""

    done: int = 0
    repeated: int = 0
    """Came again, and were answered as before."""
    refused: int = 0
    malformed: int = 0
    failed: int = 0


class Office:
    """Takes one command after another. Knows nothing of how they came. For one thread."""

    def __init__(
        self, *, node: str, authority: Authority, memory: Remembers, actions: Mapping[CommandName, Action], clock: Clock
    ) -> None:
        """`actions`: what this worker can do; other commands are for others."""
        self._node = node
        self._authority = authority
        self._memory = memory
        self._actions = actions
        self._clock = clock
        self.counts = OfficeCounts()

    def obey(self, authority: Authority) -> None:
        """Ask this one from now on."""
        self._authority = authority

    def tidy(self) -> None:
        """Now and then: delete what need not be remembered any more. Raises MemoryFailed."""
        self._memory.forget()

    def take(self, delivery: Delivery) -> list[ToSend]:
        """Carry it out, unless it may not be; the messages that answer it, in order. Raises MemoryFailed."""
        try:
            topic = parse_command_topic(delivery.topic)
        except MalformedMessage as error:
            self.counts.malformed += 1
            log.warning("malformed_command", topic=delivery.topic, reason=error.reason)
            return []
        if topic.name not in self._actions:
            return []
        try:
            command = decode_command(delivery.topic, delivery.payload, delivery.content_type)
        except MalformedMessage as error:
            self.counts.malformed += 1
            log.warning("malformed_command", topic=delivery.topic, reason=error.reason)
            refused = self._encoded(delivery, topic, None, Done(outcome=Outcome.MALFORMED, reason=error.reason))
            return _sendable(delivery, topic, refused)
        answer = self._answer(delivery, topic, command)
        return _sendable(delivery, topic, answer)

    def _answer(self, delivery: Delivery, topic: CommandTopic, command: Command) -> Remembered:
        known = self._memory.answer(command.id)
        if known is not None and known.essence == command.essence:
            self.counts.repeated += 1
            return known
        done = self._refusal(command, is_known=known is not None)
        if done is not None:
            self.counts.refused += 1
            log.warning("command_refused", **_about(command), outcome=done.outcome, reason=done.reason)
            return self._encoded(delivery, topic, command, done)
        done = self._actions[command.name](command)
        self.counts.done += done.outcome is Outcome.DONE
        self.counts.failed += done.outcome is not Outcome.DONE
        log.info("command_carried_out", **_about(command), outcome=done.outcome, reason=done.reason)
        answer = self._encoded(delivery, topic, command, done)
        self._memory.remember(command, answer)
        return answer

    def _refusal(self, command: Command, *, is_known: bool) -> Done | None:
        refusal = self._authority.refusal(command, self._clock.now())
        if refusal is not None:
            return Done(outcome=refusal.outcome, reason=refusal.reason)
        if is_known:
            return Done(outcome=Outcome.ID_REUSED, reason="another command had this id")
        if not self._memory.has_room(for_picture=isinstance(command.wish, TakeSnapshot)):
            return Done(
                outcome=Outcome.BUSY, reason="too many commands in the last minutes; ask later, with another id"
            )
        return None

    def _encoded(self, delivery: Delivery, topic: CommandTopic, command: Command | None, done: Done) -> Remembered:
        answer = Answer(
            command=None if command is None else command.id, name=topic.name, site=topic.camera.site,
            camera=topic.camera.camera, account=topic.account, node=self._node, outcome=done.outcome,
            reason=done.reason, at=self._clock.now(), detail=done.detail,
        )  # fmt: skip
        message = encode_answer(answer, nowhere(topic), delivery.payload)
        if done.picture is not None and isinstance(done.detail, Evidence):
            encode_picture(done.detail, done.picture, nowhere(topic))
        essence = "" if command is None else command.essence
        return Remembered(essence=essence, payload=message.payload, picture=done.picture)


def _about(command: Command) -> dict[str, str]:
    return {
        "command": command.name, "camera": command.camera, "account": command.account, "id": str(command.id),
        "why": command.reason,
    }  # fmt: skip


def _sendable(delivery: Delivery, topic: CommandTopic, answer: Remembered) -> list[ToSend]:
    to = response_topic(delivery, topic)
    if to is None:
        return []
    headers = echoed(delivery)
    sent = [ToSend(message=as_message(answer.payload, to), headers=headers)]
    if answer.picture is not None:
        sent.insert(0, ToSend(message=as_picture(answer.picture, to), headers=headers))
    return sent


class OfficeDesk:
    """Owns the subscription, the queue and the thread of an office."""

    def __init__(
        self, office: Office, address: BrokerAddress, node: str, cameras: Sequence[CameraPath], clock: Clock
    ) -> None:
        self.office = office
        self._queue: queue.Queue[Delivery | None] = queue.Queue(_QUEUE)
        self._subscriber = Subscriber(
            address, client_id=f"gridwatch-{node}-commands", filters=[command_filter(one) for one in cameras],
            deliver=self._queue.put_nowait, persistent=True, clock=clock,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._work, name="commands", daemon=True)
        self._stopping = threading.Event()

    @property
    def subscribed(self) -> bool:
        """True while the broker delivers to it."""
        return self._subscriber.status.state is LinkState.CONNECTED

    def start(self) -> None:
        """Start taking commands."""
        self._thread.start()
        self._subscriber.start()

    def close(self, timeout: float) -> None:
        """End with the command in hand; those that wait are not acknowledged, and come again at the next start."""
        self._stopping.set()
        with suppress(queue.Full):  # then it is not waiting for one
            self._queue.put_nowait(None)
        self._thread.join(timeout)
        self._subscriber.close(timeout)
        log.info("office_stopped", **asdict(self.office.counts))

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                delivery = self._queue.get(timeout=_TIDY_SECONDS)
            except queue.Empty:
                self._tidy()
                continue
            if delivery is None:
                return
            try:
                for one in self.office.take(delivery):
                    self._subscriber.send(one.message, one.headers)
            except MemoryFailed as error:
                # Not acknowledged: after the next connection it comes again, and meanwhile the asker hears nothing.
                log.error("command_memory_failed", topic=delivery.topic, reason=str(error))
                continue
            except Exception as exc:
                self.office.counts.failed += 1
                log.exception("command_failed", topic=delivery.topic, error=type(exc).__name__)
            delivery.ack()

    def _tidy(self) -> None:
        try:
            self.office.tidy()
        except MemoryFailed as error:
            log.error("command_memory_failed", reason=str(error))
