"""Messages that were set aside: to look at, to try again, to throw away."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gridwatch.app.accounts import given_reason, verified_account
from gridwatch.app.opening import make_database
from gridwatch.app.recorder import Recorder
from gridwatch.bus import Delivery
from gridwatch.cases import CaseLinker
from gridwatch.config import Settings
from gridwatch.domain import Account, AuditEntry, Clock, Role, SitePath, UsageError
from gridwatch.store import Database, QuarantinedMessage

EVERYTHING = 10_000
"""As many as the quarantine holds."""
_SHOWN_BYTES = 2048
_HEX_WIDTH = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What somebody wants done with which messages, and why."""

    numbers: Sequence[int]
    """Empty: all of them, oldest first."""
    account: str
    password: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Replayed:
    """What became of one message."""

    number: int
    reason: str | None
    """Why it stays; None: it is recorded, and no longer in the quarantine."""


async def quarantined(settings: Settings, limit: int, clock: Clock) -> list[QuarantinedMessage]:
    """The newest, newest first."""
    async with _open(settings, clock) as database:
        return await database.quarantine.newest(limit)


async def quarantined_message(settings: Settings, number: int, clock: Clock) -> QuarantinedMessage:
    """One of them. Raises UsageError when it is not there."""
    async with _open(settings, clock) as database:
        return await _find(database, number)


async def replay(settings: Settings, decision: Decision, clock: Clock) -> list[Replayed]:
    """Read them again with today's code and record what can be read; the rest stays, with its new reason.

    Each is in the audit. May be repeated, also after it was cut short: what is recorded already is not recorded twice.
    Raises UsageError for who may not, for a reason too short, and for a number that is not there.
    """
    reason = given_reason(decision.reason)
    async with _open(settings, clock) as database:
        account = await _allowed(settings, database, decision)
        categories = [one.to_domain() for one in settings.deployment.cases.categories]
        recorder = Recorder(database, CaseLinker(categories, database, clock))
        done = []
        for message in await _chosen(database, decision):
            wrong = await _wrong(recorder, message)
            outcome = "recorded" if wrong is None else f"stays: {wrong}"
            audit = _audit(clock, account, "quarantine.replay", message, f"{reason} ({outcome})")
            if wrong is None:
                await database.quarantine.remove(message.id, audit)
            else:
                await database.quarantine.explain(message.id, wrong, audit)
            done.append(Replayed(number=message.id, reason=wrong))
    return done


async def discard(settings: Settings, decision: Decision, clock: Clock) -> list[int]:
    """Throw them away; who and why is in the audit. Raises UsageError as `replay` does, and when none is named."""
    reason = given_reason(decision.reason)
    if not decision.numbers:
        raise UsageError("name the messages to throw away by their numbers: gridwatch quarantine list")
    async with _open(settings, clock) as database:
        account = await _allowed(settings, database, decision)
        chosen = await _chosen(database, decision)
        for one in chosen:
            await database.quarantine.remove(one.id, _audit(clock, account, "quarantine.discard", one, reason))
    return [one.id for one in chosen]


@asynccontextmanager
async def _open(settings: Settings, clock: Clock) -> AsyncIterator[Database]:
    database = make_database(settings, clock)
    await database.migrate()
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def _allowed(settings: Settings, database: Database, decision: Decision) -> Account:
    account = await verified_account(database, decision.account, decision.password)
    # A message that cannot be read belongs to no site, so it takes somebody who sees all of them.
    if account.role is not Role.ADMINISTRATOR or account.site != SitePath(district=settings.deployment.district.id):
        raise UsageError(f"only an administrator of the whole district may decide on these; {account.name} is not")
    return account


async def _chosen(database: Database, decision: Decision) -> list[QuarantinedMessage]:
    """All are found before anything is done with one."""
    if decision.numbers:
        return [await _find(database, number) for number in dict.fromkeys(decision.numbers)]
    return list(reversed(await database.quarantine.newest(EVERYTHING)))


async def _find(database: Database, number: int) -> QuarantinedMessage:
    message = await database.quarantine.message(number)
    if message is None:
        raise UsageError(f"there is no message {number} in the quarantine (any more): gridwatch quarantine list")
    return message


async def _wrong(recorder: Recorder, message: QuarantinedMessage) -> str | None:
    if not message.whole:
        return f"only {len(message.payload)} of its {message.bytes} bytes were kept: {message.reason}"
    delivery = Delivery(
        topic=message.topic, payload=message.payload, content_type=message.content_type, retained=False,
        received_at=message.at, ack=lambda: None,
    )  # fmt: skip
    return await recorder.replay(delivery)


def _audit(clock: Clock, account: Account, action: str, message: QuarantinedMessage, reason: str) -> AuditEntry:
    subject = f"quarantine/{message.id} {message.topic}"
    return AuditEntry(at=clock.now(), account=account.name, action=action, subject=subject, reason=reason)


def show_list(messages: Sequence[QuarantinedMessage], console: Console) -> None:
    """A table, newest first."""
    if not messages:
        console.print("nothing is in the quarantine")
        return
    table = Table("number", "last came", "times", "bytes", "topic", "reason")
    for one in messages:
        cells = (str(one.id), f"{one.last_at:%Y-%m-%d %H:%M:%S}Z", str(one.seen), str(one.bytes))
        table.add_row(*cells, Text(_harmless(one.topic)), Text(_harmless(one.reason)))
    console.print(table)


def show_message(message: QuarantinedMessage, console: Console) -> None:
    """Everything about one: as JSON where it is some, else as bytes."""
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("number", str(message.id)), ("topic", _harmless(message.topic)),
        ("content type", _harmless(message.content_type or "none")), ("reason", _harmless(message.reason)),
        ("first came", message.at.isoformat()), ("last came", message.last_at.isoformat()),
        ("times", str(message.seen)), ("bytes", f"{message.bytes}, of which {len(message.payload)} are kept"),
    ):  # fmt: skip
        facts.add_row(name, Text(value))
    console.print(Group(facts, _payload(message.payload)))


def _payload(payload: bytes) -> RenderableType:
    try:
        # Escaped to ASCII: nothing in it is obeyed by a terminal.
        return Text(json.dumps(json.loads(payload), indent=2))
    except (ValueError, RecursionError):
        rows = [payload[i : i + _HEX_WIDTH] for i in range(0, min(len(payload), _SHOWN_BYTES), _HEX_WIDTH)]
        lines = [f"{i * _HEX_WIDTH:06x}  {row.hex(' '):<48}  {_readable(row)}" for i, row in enumerate(rows)]
        more = f"... and {len(payload) - _SHOWN_BYTES} more bytes" if len(payload) > _SHOWN_BYTES else ""
        return Text("\n".join([*lines, more]).rstrip() or "(empty)")


def _readable(row: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)


def _harmless(text: str) -> str:
    """What a terminal shows and does not obey."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
