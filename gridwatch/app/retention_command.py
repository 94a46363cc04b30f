"""`gridwatch retention run`: retention by hand, looked at first."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.table import Table

from gridwatch.api.roles import ADMINISTRATORS
from gridwatch.app.accounts import given_reason, of_whole_district, permitted, verified_account
from gridwatch.app.opening import opened_database
from gridwatch.app.retention import RetentionJob, RunCounts
from gridwatch.config import Settings
from gridwatch.domain import AuditEntry, Clock, RetentionPolicy, UsageError
from gridwatch.store import Database, Outlook


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """Somebody wants to delete before the ceilings, as the purpose is met; never before a floor."""

    older_than: timedelta
    account: str
    password: str
    reason: str


async def preview(settings: Settings, older_than: timedelta | None, clock: Clock) -> list[Outlook]:
    """What a run would delete by each policy. Raises RetentionRefused below a floor."""
    async with opened_database(settings, clock) as database:
        return await database.retention.preview(policies(settings), older_than)


async def run_by_hand(settings: Settings, earlier: Earlier | None, clock: Clock) -> RunCounts:
    """Run retention now. Raises UsageError for a wrong account, and when another process is at it."""
    async with opened_database(settings, clock) as database:
        by = await _who(settings, database, earlier, clock)
        job = RetentionJob(database.retention, policies(settings), clock)
        done = await job.run_now(asyncio.Event(), by, earlier.older_than if earlier else None)
    if done is None:
        raise UsageError("another process runs retention on this database right now; nothing is left to do here")
    return done


async def adopt(settings: Settings, clock: Clock) -> int:
    """Take up evidence files that the database does not know; how many."""
    async with opened_database(settings, clock) as database:
        return await database.retention.adopt()


def policies(settings: Settings) -> tuple[RetentionPolicy, ...]:
    """Those of the deployment."""
    return settings.deployment.retention.policies(settings.deployment.district.id)


def show(console: Console, of: Sequence[RetentionPolicy], outlooks: Sequence[Outlook]) -> None:
    """A table of what would go."""
    table = Table(
        "policy", "site", "kinds", "floor", "ceiling", "would go", "of open cases", "held", "oldest",
        border_style="dim",
    )  # fmt: skip
    for policy, outlook in zip(of, outlooks, strict=True):
        table.add_row(
            policy.name, str(policy.site), ", ".join(policy.kinds) or "every", f"{policy.floor.days} days",
            f"{policy.ceiling.days} days", str(outlook.incidents), str(outlook.in_open_cases), str(outlook.held),
            outlook.oldest.date().isoformat() if outlook.oldest else "",
        )  # fmt: skip
    console.print(table)


async def _who(settings: Settings, database: Database, earlier: Earlier | None, clock: Clock) -> AuditEntry | None:
    if earlier is None:
        return None
    reason = given_reason(earlier.reason)
    account = await verified_account(database, earlier.account, earlier.password)
    permitted(account, ADMINISTRATORS, "delete before the ceiling")
    of_whole_district(account, settings.deployment.district.id, "retention is")
    return AuditEntry(at=clock.now(), account=account.name, action="", subject="", reason=reason)
