"""Making accounts."""

import asyncio

from gridwatch.api import Passwords, hash_password
from gridwatch.app.opening import make_database
from gridwatch.config import Settings
from gridwatch.domain import Account, AuditEntry, Clock, Role, SitePath, UsageError
from gridwatch.store import Database


async def save_account(settings: Settings, name: str, role: Role, site: str, password: str, clock: Clock) -> None:
    """Create or replace an account, and say so in the audit. Raises UsageError for an unknown site or bad password."""
    known = {str(one.path) for one in settings.sites}
    if site not in known:
        raise UsageError(f"no site {site!r} in the deployment; it has {', '.join(sorted(known))}")
    try:
        hashed = await asyncio.to_thread(hash_password, password)
    except ValueError as error:
        raise UsageError(str(error)) from error
    database = make_database(settings, clock)
    await database.migrate()
    await database.open()
    try:
        account = Account(name=name, role=role, site=SitePath.parse(site), password_hash=hashed)
        await database.accounts.save_account(account)
        entry = AuditEntry(at=clock.now(), account="command line", action="account.save", subject=name, reason=role)
        await database.audit.record(entry)
    finally:
        await database.close()


async def verified_account(database: Database, name: str, password: str) -> Account:
    """The account that has this name and password. Raises UsageError, the same for either being wrong."""
    account = await database.accounts.account(name)
    passwords = Passwords()
    try:
        known = await passwords.verify(None if account is None else account.password_hash, password)
    finally:
        passwords.close()
    if account is None or not known:
        raise UsageError(f"no account {name!r} has this password")
    return account


def given_reason(text: str) -> str:
    """A reason fit for the audit, without blanks around it. Raises UsageError."""
    reason = text.strip()
    if len(reason) < 3:
        raise UsageError("give a reason of three letters or more; it is kept in the audit with the account's name")
    return reason


def permitted(account: Account, roles: frozenset[Role], what: str) -> Account:
    """The account. Raises UsageError when its role may not do `what`."""
    if account.role not in roles:
        raise UsageError(f"the role {account.role} may not {what}; ask one of: {', '.join(sorted(roles))}")
    return account


def of_whole_district(account: Account, district: str, what: str) -> Account:
    """The account. Raises UsageError when it is bound to less than the district."""
    if account.site != SitePath(district=district):
        raise UsageError(f"the account {account.name} is bound to {account.site}; {what} the district's")
    return account
