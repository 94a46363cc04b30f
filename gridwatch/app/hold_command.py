"""The hold commands: legal holds from the command line."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from rich.table import Table

from gridwatch.api.roles import HOLD_KEEPERS, HOLD_READERS
from gridwatch.app.accounts import given_reason, permitted, verified_account
from gridwatch.app.opening import opened_database
from gridwatch.config import Settings
from gridwatch.domain import Account, Clock, Hold, SitePath, UsageError
from gridwatch.store import Database

_SHOWN = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Keeper:
    """Who places or releases a hold, and why."""

    account: str
    password: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is to be held, for whom and until when."""

    incident: UUID | None
    case: UUID | None
    person: str
    until: str
    """A day, held to its end where the district is, or a moment with its offset."""


async def add_hold(settings: Settings, keeper: Keeper, wanted: Wanted, clock: Clock) -> Hold:
    """Place it. Raises UsageError when who, what or until when will not do."""
    reason = given_reason(keeper.reason)
    if (wanted.incident is None) == (wanted.case is None):
        raise UsageError("give exactly one of --incident and --case")
    now = clock.now()
    until = end_of(wanted.until, settings.deployment.district.timezone)
    if until <= now:
        raise UsageError(f"--until {wanted.until} is in the past")
    async with opened_database(settings, clock) as database:
        account = permitted(
            await verified_account(database, keeper.account, keeper.password), HOLD_KEEPERS, "place legal holds"
        )  # fmt: skip
        hold = Hold(
            id=uuid.uuid4(), incident=wanted.incident, case=wanted.case, site=await _site(database, account, wanted),
            reason=reason, person=given_reason(wanted.person), placed_by=account.name, placed_at=now, until=until,
        )  # fmt: skip
        if not await database.holds.place(hold):
            raise _unknown(wanted)
    return hold


async def release_hold(settings: Settings, keeper: Keeper, hold: UUID, clock: Clock) -> Hold:
    """Lift it before its end. Raises UsageError when it holds nothing, or not for this account."""
    reason = given_reason(keeper.reason)
    async with opened_database(settings, clock) as database:
        account = permitted(
            await verified_account(database, keeper.account, keeper.password), HOLD_KEEPERS, "release legal holds"
        )  # fmt: skip
        found = await database.holds.hold(hold)
        if found is None or not account.site.contains(found.site):
            raise UsageError(f"there is no hold {hold} among those {account.name} sees")
        released = await database.holds.release(hold, account.name, reason)
        if released is None:
            raise UsageError(f"the hold {hold} has ended or was released already")
    return released


async def list_holds(
    settings: Settings, account: str, password: str, clock: Clock, *, everything: bool
) -> Sequence[Hold]:
    """The newest 500 that the account sees; with `everything`, those that ended too."""
    async with opened_database(settings, clock) as database:
        reader = permitted(await verified_account(database, account, password), HOLD_READERS, "see legal holds")
        return await database.holds.holds(reader.site, None if everything else clock.now(), _SHOWN)


def table_of(holds: Sequence[Hold], now: datetime) -> Table:
    """One a row."""
    table = Table("hold", "on", "site", "until", "for", "placed by", "reason", border_style="dim")
    for one in holds:
        ends = one.until.isoformat(timespec="minutes")
        if one.released_at is not None:
            ends = f"released {one.released_at.isoformat(timespec='minutes')} by {one.released_by}"
        elif not one.holds_at(now):
            ends = f"ended {ends}"
        table.add_row(str(one.id), one.subject, str(one.site), ends, one.person, one.placed_by, one.reason)
    return table


def end_of(text: str, zone: str | None) -> datetime:
    """The end of a day in a time zone (None: UTC), or a moment as it is. Raises UsageError."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise UsageError(f"--until {text!r} is neither 2026-12-31 nor 2026-12-31T18:00+08:00") from error
        if moment.tzinfo is None:
            raise UsageError(f"--until {text!r} lacks its offset, such as +08:00 or Z") from None
        return moment
    midnight = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone) if zone else UTC)
    return midnight.astimezone(UTC)


async def _site(database: Database, account: Account, wanted: Wanted) -> SitePath:
    site: SitePath | None = None
    if wanted.incident is not None:
        history = await database.archive.history(wanted.incident)
        site = history[-1].incident.site if history else None
    elif wanted.case is not None:
        case = await database.cases.case(wanted.case)
        site = case.site if case else None
    if site is None or not account.site.contains(site):
        raise _unknown(wanted)
    return site


def _unknown(wanted: Wanted) -> UsageError:
    what = f"incident {wanted.incident}" if wanted.case is None else f"case {wanted.case}"
    return UsageError(f"there is no {what} among those this account sees; what was deleted cannot be held")
