"""Who may ask for what, and until when."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from gridwatch.app.commands.authority import Authority
from gridwatch.config.commands import CommandAccount, CommandsConfig
from gridwatch.domain import CommandName, Outcome, Role
from tests.unit.bus.command_samples import WISHES, command
from tests.unit.bus.samples import WHEN

PEOPLE = (
    CommandAccount(name="wang.li", role=Role.OPERATOR, site="harbour"),
    CommandAccount(name="chen", role=Role.OFFICER, site="harbour/north"),
)


def outcome(name: CommandName, account: str, *, seconds: float = 0.0, **settings: Any) -> Outcome | None:
    """What is said to a command, some seconds after it was asked."""
    authority = Authority(CommandsConfig(**{"enabled": True, "accounts": PEOPLE, **settings}))
    refusal = authority.refusal(command(WISHES[name], account=account), WHEN + timedelta(seconds=seconds))
    return None if refusal is None else refusal.outcome


def test_nothing_is_taken_where_it_was_not_switched_on() -> None:
    refusal = Authority(CommandsConfig()).refusal(command(), WHEN)

    assert refusal is not None
    assert refusal.outcome is Outcome.SWITCHED_OFF
    assert "services.commands.enabled: true" in refusal.reason


@pytest.mark.parametrize(
    ("account", "allowed"),
    [
        ("officer@harbour/north", {CommandName.ACKNOWLEDGE, CommandName.SNAPSHOT}),
        ("officer@harbour/north/gate", {CommandName.ACKNOWLEDGE, CommandName.SNAPSHOT}),
        ("operator@harbour", {CommandName.ACKNOWLEDGE, CommandName.SNAPSHOT, CommandName.MUTE}),
        ("administrator@harbour", set(CommandName)),
        ("wang.li", {CommandName.ACKNOWLEDGE, CommandName.SNAPSHOT, CommandName.MUTE}),
        ("chen", {CommandName.ACKNOWLEDGE, CommandName.SNAPSHOT}),
        ("officer@harbour/south", set()),
        ("officer@harbour/north/pier", set()),
        ("administrator@other", set()),
        ("ingest@harbour/north", set()),
        ("nobody", set()),
        ("nobody@harbour", set()),
    ],
)
def test_an_account_may_what_its_role_may_at_its_site_and_below(account: str, allowed: set[CommandName]) -> None:
    assert {name for name in CommandName if outcome(name, account) is None} == allowed
    assert {outcome(name, account) for name in set(CommandName) - allowed} <= {Outcome.NOT_ALLOWED}


def test_what_a_role_may_is_configured() -> None:
    allow = {CommandName.MUTE: (Role.OFFICER,)}

    assert outcome(CommandName.MUTE, "chen", allow=allow) is None
    assert outcome(CommandName.MUTE, "wang.li", allow=allow) is Outcome.NOT_ALLOWED
    assert outcome(CommandName.SNAPSHOT, "chen", allow=allow) is None, "others stay as usual"


def test_a_command_that_expired_is_late_and_one_that_lives_too_long_is_none() -> None:
    snapshot = CommandName.SNAPSHOT

    assert outcome(snapshot, "chen", seconds=61.9) is None, "clocks differ by some"
    assert outcome(snapshot, "chen", seconds=62) is Outcome.LATE
    assert outcome(snapshot, "chen", seconds=-9 * 60) is None
    assert outcome(snapshot, "chen", seconds=-9 * 60 - 3) is Outcome.MALFORMED
    assert outcome(CommandName.ACKNOWLEDGE, "chen", seconds=-23 * 3600) is None


def test_an_account_that_may_ask_for_nothing_or_is_there_twice_is_refused_in_the_configuration() -> None:
    with pytest.raises(ValidationError):
        CommandAccount(name="zhao", role="auditor", site="harbour")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="account 'chen' is defined twice"):
        CommandsConfig(accounts=(PEOPLE[1], PEOPLE[1]))
