"""`gridwatch quarantine ...`."""

import asyncio
from typing import Annotated

import typer

from gridwatch.app.options import DEFAULT_CONFIG, AccountName, ConfigPath, Reason, ask_password, out
from gridwatch.config import load_settings
from gridwatch.domain import SystemClock

quarantine = typer.Typer(help="Messages that could not be used, set aside by the recorder.", no_args_is_help=True)


@quarantine.command("list")
def list_quarantine(
    config: ConfigPath = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 50,
) -> None:
    """What is there, with the reasons, newest first."""
    from gridwatch.app.quarantine_command import quarantined, show_list

    show_list(asyncio.run(quarantined(load_settings(config), limit, SystemClock())), out)


@quarantine.command("show")
def show_quarantined(number: int, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """One message with all that is known of it."""
    from gridwatch.app.quarantine_command import quarantined_message, show_message

    show_message(asyncio.run(quarantined_message(load_settings(config), number, SystemClock())), out)


@quarantine.command("replay")
def replay_quarantined(
    account: AccountName,
    reason: Reason,
    numbers: Annotated[list[int] | None, typer.Argument(help="Default: all, oldest first.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Read them again with this version and record what can be read. Exits 1 when one is still wrong; it stays."""
    from gridwatch.app.quarantine_command import Decision, replay

    decision = Decision(numbers=numbers or (), account=account, password=ask_password(), reason=reason)
    done = asyncio.run(replay(load_settings(config), decision, SystemClock()))
    for one in done:
        out.print(
            f"{one.number}: recorded" if one.reason is None else f"{one.number}: stays, {one.reason}", markup=False
        )
    raise typer.Exit(1 if any(one.reason is not None for one in done) else 0)


@quarantine.command("discard")
def discard_quarantined(
    numbers: Annotated[list[int], typer.Argument(help="As `list` shows them.")],
    account: AccountName,
    reason: Reason,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Throw messages away."""
    from gridwatch.app.quarantine_command import Decision, discard

    decision = Decision(numbers=numbers, account=account, password=ask_password(), reason=reason)
    for number in asyncio.run(discard(load_settings(config), decision, SystemClock())):
        out.print(f"{number}: discarded")
