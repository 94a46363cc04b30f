"""Who may log in, who is logged in, and who did what."""

from datetime import datetime

from gridwatch.domain import Account, AuditEntry, Clock
from gridwatch.store.pool import Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import account_of, audit_row, site_columns


class AccountStore:
    """Accounts and sessions. Satisfies `api.ports.Accounts`."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._sql = queries("accounts")

    async def account(self, name: str) -> Account | None:
        """The account of that name."""
        row = await self._pool.row(self._sql["account"], {"name": name})
        return None if row is None else account_of(row)

    async def save_account(self, account: Account) -> None:
        """Create it or replace it."""
        parameters = {
            "name": account.name,
            "role": account.role,
            **site_columns(account.site),
            "password_hash": account.password_hash,
        }
        await self._pool.execute(self._sql["save_account"], parameters)

    async def open_session(self, token_sha256: str, account: str, expires_at: datetime) -> None:
        """Remember a session by the hash of its token. Raises StoreError when there is no such account."""
        parameters = {
            "token": token_sha256,
            "account": account,
            "expires_at": expires_at,
            "now": self._clock.now(),
        }
        await self._pool.execute(self._sql["open_session"], parameters)

    async def session(self, token_sha256: str, now: datetime) -> Account | None:
        """The account of a session that has not expired at `now`."""
        row = await self._pool.row(self._sql["session"], {"token": token_sha256, "now": now})
        return None if row is None else account_of(row)

    async def close_session(self, token_sha256: str) -> None:
        """Forget it; unknown is fine."""
        await self._pool.execute(self._sql["close_session"], {"token": token_sha256})


class AuditStore:
    """Who did what; append-only, held by the database itself. Satisfies `api.ports.AuditLog`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = queries("accounts")

    async def record(self, entry: AuditEntry) -> None:
        """Write one entry."""
        await self._pool.execute(self._sql["add_audit"], audit_row(entry))

    async def entries(self, since: datetime, limit: int) -> list[AuditEntry]:
        """Newest first."""
        rows = await self._pool.rows(self._sql["audit"], {"since": since, "limit": limit})
        return [AuditEntry(**row) for row in rows]
