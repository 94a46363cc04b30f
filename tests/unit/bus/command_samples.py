"""Commands and answers to send around."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from gridwatch.domain import (
    Acknowledge,
    Acknowledgement,
    Answer,
    Command,
    CommandName,
    Detail,
    Mute,
    MuteRule,
    Outcome,
    Reload,
    Reloaded,
    SitePath,
    TakeSnapshot,
    Wish,
)
from tests.unit.bus.samples import WHEN, evidence, incident

GATE: Final = SitePath(district="harbour", substation="north", checkpoint="gate")
OFFICER: Final = "officer@harbour/north"
ID: Final = UUID("b8f1d6ee-34f4-4ed0-8a4c-9b4b4a7c2f10")
WISHES: Final[dict[CommandName, Wish]] = {
    CommandName.ACKNOWLEDGE: Acknowledge(incident=incident().id),
    CommandName.SNAPSHOT: TakeSnapshot(),
    CommandName.MUTE: MuteRule(rule="yard", until=WHEN + timedelta(hours=2)),
    CommandName.RELOAD: Reload(),
}
DETAILS: Final[dict[CommandName, Detail]] = {
    CommandName.ACKNOWLEDGE: Acknowledgement(at=WHEN, by=OFFICER),
    CommandName.SNAPSHOT: evidence(),
    CommandName.MUTE: Mute(rule="yard", until=WHEN + timedelta(hours=2)),
    CommandName.RELOAD: Reloaded(changed=("gate-1",), needs_restart=("camera gate-2 is new",)),
}


def command(wish: Wish = WISHES[CommandName.SNAPSHOT], **changes: Any) -> Command:
    fields: dict[str, Any] = {
        "id": ID, "site": GATE, "camera": "gate-1", "account": OFFICER, "wish": wish, "reason": "a call from the gate",
        "asked_at": WHEN, "expires_at": WHEN + timedelta(minutes=1),
    }  # fmt: skip
    return Command(**(fields | changes))


def answer(name: CommandName = CommandName.SNAPSHOT, **changes: Any) -> Answer:
    fields: dict[str, Any] = {
        "command": ID, "name": name, "site": GATE, "camera": "gate-1", "account": OFFICER, "node": "ingest",
        "outcome": Outcome.DONE, "reason": "", "at": WHEN + timedelta(seconds=1), "detail": DETAILS[name],
    }  # fmt: skip
    return Answer(**(fields | changes))
