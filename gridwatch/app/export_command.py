"""`gridwatch export`: incidents and cases of a period as a file, by role, with a reason, in the audit."""

import contextlib
import hashlib
import io
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gridwatch.api.roles import EXPORTERS
from gridwatch.app.accounts import given_reason, permitted, verified_account
from gridwatch.app.export_formats import ExportRow, writer_of
from gridwatch.app.export_request import Exported, ExportRequest
from gridwatch.app.opening import opened_database
from gridwatch.config import Settings
from gridwatch.domain import Account, AuditEntry, Clock, SitePath, UsageError
from gridwatch.store import Database, ExportedCase, ExportedIncident


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What was written."""

    rows: int
    sha256: str
    """Of the file."""


async def export(settings: Settings, request: ExportRequest, clock: Clock, tell: Callable[[int], None]) -> Done:
    """Write the file, for its user alone; it gets its name when it is whole. `tell` hears how many rows are written.

    The audit has who, what and why before a row is read, and how many rows of which hash came out afterwards. Raises
    UsageError when the account, its role or its site does not allow it, or when the file cannot be written.
    """
    reason = given_reason(request.reason)
    since, until = _aware(request.since), _aware(request.until)
    if until <= since:
        raise UsageError("--until must be after --since")
    async with opened_database(settings, clock) as database:
        account = permitted(
            await verified_account(database, request.account, request.password), EXPORTERS, "export"
        )  # fmt: skip
        scope = _scope(settings, account, request.site)
        subject = f"{request.what} of {scope}, {since.isoformat()} to {until.isoformat()}, as {request.form}"
        await _note(database, clock, account, "export", subject, reason)
        row, chunks = _source(database, request.what, scope, since, until)
        with _aside(request.out) as stream:
            writer = writer_of(request.form, row, stream)
            count = 0
            async for chunk in chunks:
                writer.write(chunk)
                count += len(chunk)
                tell(count)
            writer.end()
            stream.seek(0)
            done = Done(rows=count, sha256=hashlib.file_digest(stream, "sha256").hexdigest())
        await _note(database, clock, account, "export.done", f"{subject}: {count} rows, {done.sha256}", reason)
    return done


def _source(
    database: Database, what: Exported, scope: SitePath, since: datetime, until: datetime
) -> tuple[type[ExportRow], AsyncIterator[Sequence[ExportRow]]]:
    if what is Exported.INCIDENTS:
        return ExportedIncident, database.exports.incidents(scope, since, until)
    return ExportedCase, database.exports.cases(scope, since, until)


def _aware(moment: datetime) -> datetime:
    """Without an offset it is UTC, as everything in the file is."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _scope(settings: Settings, account: Account, site: str | None) -> SitePath:
    if site is None:
        return account.site
    if site not in {str(one.path) for one in settings.sites}:
        raise UsageError(f"no site {site!r} in the deployment")
    scope = SitePath.parse(site)
    if not account.site.contains(scope):
        raise UsageError(f"the site {site} is outside {account.site}, which the account {account.name} is bound to")
    return scope


async def _note(
    database: Database, clock: Clock, account: Account, action: str, subject: str, reason: str
) -> None:  # fmt: skip
    await database.audit.record(
        AuditEntry(at=clock.now(), account=account.name, action=action, subject=subject, reason=reason)
    )


@contextlib.contextmanager
def _aside(path: Path) -> Iterator[io.BufferedRandom]:
    """A file beside `path` that takes its place at the end, and is gone when something fails."""
    part = path.with_name(path.name + ".part")
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
