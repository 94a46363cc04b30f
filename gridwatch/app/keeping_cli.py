"""Commands about what is kept: `gridwatch hold`, `gridwatch retention` and `gridwatch export`."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from gridwatch.app.export_request import Exported, ExportFormat, ExportRequest
from gridwatch.app.options import DEFAULT_CONFIG, AccountName, ConfigPath, Reason, ask_password, out
from gridwatch.config import load_settings
from gridwatch.domain import SystemClock, UsageError

holds = typer.Typer(help="Legal holds: what must not be deleted, why and until when.", no_args_is_help=True)
retention = typer.Typer(help="Deleting what is over its time.", no_args_is_help=True)


@holds.command("add")
def add_hold(
    account: AccountName,
    reason: Reason,
    person: Annotated[str, typer.Option(help="Who asked for it and answers for it.")],
    until: Annotated[str, typer.Option(help="2026-12-31, to the day's end, or 2026-12-31T18:00+08:00.")],
    *,
    incident: Annotated[UUID | None, typer.Option(help="Hold this incident.")] = None,
    case: Annotated[UUID | None, typer.Option(help="Hold all incidents of this case.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Keep an incident, or those of a case, and their evidence from being deleted before an end."""
    from gridwatch.app.hold_command import Keeper, Wanted
    from gridwatch.app.hold_command import add_hold as add

    keeper = Keeper(account=account, password=ask_password(), reason=reason)
    wanted = Wanted(incident=incident, case=case, person=person, until=until)
    hold = asyncio.run(add(load_settings(config), keeper, wanted, SystemClock()))
    out.print(f"hold {hold.id}: {hold.subject} until {hold.until.isoformat()}")


@holds.command("list")
def list_holds(
    account: AccountName,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that ended or were released too.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """What is held, the latest first."""
    from gridwatch.app.hold_command import list_holds as listed
    from gridwatch.app.hold_command import table_of

    clock = SystemClock()
    found = asyncio.run(listed(load_settings(config), account, ask_password(), clock, everything=everything))
    out.print(table_of(found, clock.now()))


@holds.command("release")
def release_hold(
    hold: Annotated[UUID, typer.Argument(help="As `list` shows it.")],
    account: AccountName,
    reason: Reason,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Lift a hold before its end; what it kept follows its retention again."""
    from gridwatch.app.hold_command import Keeper
    from gridwatch.app.hold_command import release_hold as release

    keeper = Keeper(account=account, password=ask_password(), reason=reason)
    released = asyncio.run(release(load_settings(config), keeper, hold, SystemClock()))
    out.print(f"hold {released.id}: released")


@retention.command("run")
def run_retention(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and delete nothing.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Delete now what the daily run would delete.")] = False,
    older_than: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, help="Instead of the ceilings; below a floor it is refused.")
    ] = None,
    account: Annotated[str | None, typer.Option(help="With --older-than --now: who asks. Wants the password.")] = None,
    reason: Annotated[str, typer.Option(help="With --older-than --now: why; kept in the audit.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Delete what is over its time, or show it. The record role does this daily by itself."""
    from gridwatch.app.retention_command import Earlier, policies, preview, run_by_hand, show

    if dry_run == now:
        raise UsageError("give --dry-run to look or --now to delete")
    settings = load_settings(config)
    age = None if older_than is None else timedelta(days=older_than)
    if dry_run:
        show(out, policies(settings), asyncio.run(preview(settings, age, SystemClock())))
        return
    earlier = None
    if age is not None:
        if account is None:
            raise UsageError("--older-than deletes before the ceilings: give --account and --reason with it")
        earlier = Earlier(older_than=age, account=account, password=ask_password(), reason=reason)
    done = asyncio.run(run_by_hand(settings, earlier, SystemClock()))
    out.print(
        f"deleted {done.incidents} incidents, {done.messages} messages, {done.evidence} evidence, {done.files} files"
    )


@retention.command("adopt")
def adopt_files(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """After a restore: take up evidence files that the database does not know. Those nobody names go in 8 days."""
    from gridwatch.app.retention_command import adopt

    out.print(f"{asyncio.run(adopt(load_settings(config), SystemClock()))} files taken up")


def export(  # noqa: PLR0913 - each is an option of the command
    what: Exported,
    account: AccountName,
    reason: Reason,
    since: Annotated[datetime, typer.Option(help="From this time on, UTC.")],
    until: Annotated[datetime, typer.Option(help="Before this time, UTC.")],
    *,
    out_file: Annotated[Path, typer.Option("--out", help="The file; it gets its name when it is whole.")],
    form: Annotated[ExportFormat, typer.Option("--format", help="Parquet wants gridwatch[export].")] = ExportFormat.CSV,
    site: Annotated[str | None, typer.Option(help="This site and below. Default: the account's.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Write incidents or cases of a period to a file: no names, no notes, evidence as hashes. In the audit."""
    from rich.console import Console

    from gridwatch.app.export_command import export as write

    request = ExportRequest(
        what=what, form=form, since=since, until=until, site=site, account=account, password=ask_password(),
        reason=reason, out=out_file,
    )  # fmt: skip
    with Console(stderr=True).status("reading") as status:
        done = asyncio.run(
            write(load_settings(config), request, SystemClock(), lambda rows: status.update(f"{rows} rows"))
        )
    out.print(f"{out_file}: {done.rows} {what}, SHA-256 {done.sha256}")
