"""Commands with their answers, for people's programs.

with CommandClient(address, clock) as client:
reply = client.request(command, timeout=10)
"""

import hashlib
import secrets
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import structlog

from gridwatch.bus.command_topics import PICTURE, AnswerTopic, answer_filter
from gridwatch.bus.command_wire import decode_answer, encode_command
from gridwatch.bus.connection import BrokerAddress, LinkState, LinkStatus
from gridwatch.bus.errors import BusError, MalformedMessage
from gridwatch.bus.subscriber import Delivery, Headers, Subscriber
from gridwatch.bus.topics import CameraPath
from gridwatch.domain import Answer, Clock, Command, Evidence, SystemClock

log = structlog.get_logger(__name__)

_NOBODY: Final = 0x10
_REFUSED: Final = 0x80
_PICTURES: Final = 8
"""Pictures kept until their answer comes; an asker that asks one thing at a time needs one."""


class NoAnswer(BusError):  # noqa: N818  (reads as what happened)
    """Nobody answered in time, or the broker does not let the account ask; what the command did is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer, and the picture that it names."""

    answer: Answer
    picture: bytes | None = None
    """A masked JPEG with the hash that the answer gives."""


class CommandClient:
    """Asks one thing at a time and waits for its answer. `request` from one thread at a time."""

    def __init__(self, address: BrokerAddress, account: str, place: CameraPath, clock: Clock | None = None) -> None:
        """`account`: the name at the broker, which commands must carry. `place`: whose answers are awaited.

        Raises BadTopicLevel.
        """
        inbox = secrets.token_hex(8)
        self._address = address
        self._topic = AnswerTopic(camera=place, account=account, inbox=inbox)
        answers = answer_filter(place, account, inbox)
        self._subscriber = Subscriber(
            address, f"ask-{inbox}", [answers, f"{answers}/{PICTURE}"], self._take, persistent=False,
            clock=clock or SystemClock(), on_sent=self._sent,
        )  # fmt: skip
        self._changed = threading.Condition()
        self._answers: dict[bytes, Answer] = {}
        self._pictures: dict[str, bytes] = {}
        self._code: int | None = None

    def open(self, timeout: float = 10.0) -> None:
        """Connect. Raises NoAnswer when the broker is not there within `timeout` seconds, or refuses the account."""
        self._subscriber.start()
        with self._changed:
            # Nothing tells of the link; a look every 20 ms is enough for people.
            for _ in range(max(1, round(timeout / 0.02))):
                if self.status.state in (LinkState.CONNECTED, LinkState.REFUSED):
                    break
                self._changed.wait(0.02)
        if self.status.state is not LinkState.CONNECTED:
            why = self.status.reason or f"{self._address} does not answer"
            self.close()
            raise NoAnswer(why)

    def close(self, timeout: float = 2.0) -> None:
        """Leave the broker."""
        self._subscriber.close(timeout)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def status(self) -> LinkStatus:
        """How the link is."""
        return self._subscriber.status

    def request(self, command: Command, timeout: float) -> Reply:
        """Send it and wait for its answer, `timeout` seconds at most; it expires by itself at its own time.

        Sent again with the same command, it is answered alike and takes effect once. Raises NoAnswer, MessageRefused.
        """
        message = encode_command(command)
        with self._changed:
            self._answers.clear()
            self._code = None
        self._subscriber.send(message, Headers(response_topic=str(self._topic), correlation=command.id.bytes))
        with self._changed:
            self._changed.wait_for(lambda: command.id.bytes in self._answers or self._is_refused, timeout)
            answer = self._answers.pop(command.id.bytes, None)
            if answer is None:
                raise NoAnswer(self._why(command, timeout))
            if not isinstance(answer.detail, Evidence):
                return Reply(answer=answer)
            picture = self._pictures.pop(answer.detail.sha256, None)
        if picture is None:
            raise NoAnswer(f"the picture {answer.detail.sha256} did not come, or is another than was answered")
        return Reply(answer=answer, picture=picture)

    @property
    def _is_refused(self) -> bool:
        return self._code is not None and (self._code >= _REFUSED or self._code == _NOBODY)

    def _why(self, command: Command, timeout: float) -> str:
        if self._code == _NOBODY:
            return f"nobody takes commands for camera {command.camera}: no worker has it, or it takes none"
        if self._code is not None and self._code >= _REFUSED:
            return f"{self._address} does not let {command.account} ask that of {command.site} (code {self._code:#x})"
        return f"no answer within {timeout:g} s; ask again with the same id to learn what became of it"

    def _sent(self, _: int, code: int) -> None:
        """In the network's thread. One request at a time, so it is the latest."""
        with self._changed:
            self._code = code
            self._changed.notify_all()

    def _take(self, delivery: Delivery) -> None:
        """In the network's thread."""
        if delivery.topic == self._topic.picture:
            with self._changed:
                self._pictures[hashlib.sha256(delivery.payload).hexdigest()] = delivery.payload
                while len(self._pictures) > _PICTURES:
                    del self._pictures[next(iter(self._pictures))]
            return
        try:
            answer = decode_answer(delivery.topic, delivery.payload, delivery.content_type)
        except MalformedMessage as error:
            log.warning("malformed_message", topic=delivery.topic, reason=error.reason)
            return
        with self._changed:
            self._answers[delivery.correlation or b""] = answer
            self._changed.notify_all()
