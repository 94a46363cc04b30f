"""Handing out a clip: on the worker that keeps it, to an account that may see evidence, with a reason, written down."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from gridwatch.api.roles import EVIDENCE_VIEWERS
from gridwatch.app.accounts import given_reason, verified_account
from gridwatch.app.opening import make_database
from gridwatch.config import Settings
from gridwatch.domain import Account, AuditEntry, Clock, Evidence, UsageError
from gridwatch.store import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipRequest:
    """Who wants the clips of which incident, and why."""

    incident: UUID
    account: str
    password: str
    reason: str
    out: Path
    """Folder; made when missing."""


async def release_clips(settings: Settings, request: ClipRequest, clock: Clock) -> list[Path]:
    """Write the incident's clips into the folder, as `<incident>-<number>.mp4`, for its user alone.

    The audit has who, what and why before a byte is written. Raises UsageError when the account, its role or its site
    does not allow it, when there is no such incident or clip here, or when a clip no longer has its hash.
    """
    reason = given_reason(request.reason)
    database = make_database(settings, clock)
    await database.open()
    try:
        account = await _allowed(database, request)
        clips = await _clips(database, account, request.incident)
        contents = [(one, await asyncio.to_thread(_read, settings, one)) for one in clips]
        for clip, _ in contents:
            await database.audit.record(
                AuditEntry(
                    at=clock.now(), account=account.name, action="clip.release", reason=reason,
                    subject=f"{request.incident}/{clip.sha256}",
                )
            )  # fmt: skip
    finally:
        await database.close()
    return await asyncio.to_thread(_write, request, [content for _, content in contents])


async def _allowed(database: Database, request: ClipRequest) -> Account:
    account = await verified_account(database, request.account, request.password)
    if account.role not in EVIDENCE_VIEWERS:
        raise UsageError(f"the role {account.role} may not see evidence")
    return account


async def _clips(database: Database, account: Account, incident: UUID) -> list[Evidence]:
    history = await database.archive.history(incident)
    if not history or not account.site.contains(history[-1].incident.site):
        raise UsageError(f"there is no incident {incident} among those {account.name} sees")
    clips = [one for one in await database.archive.evidence_of(incident) if one.media_type == "video/mp4"]
    if not clips:
        raise UsageError(f"the incident {incident} has no clip (yet): it comes when its post-roll is over")
    return clips


def _read(settings: Settings, clip: Evidence) -> bytes:
    folder = settings.deployment.services.data_dir / "clips"
    path = next(iter(folder.glob(f"*/{clip.sha256}.mp4")), None)
    if path is None:
        raise UsageError(
            f"the clip {clip.sha256} is not in {folder}: ask on the worker that keeps it, unless its time is over"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; run this as the worker's user") from error
    if hashlib.sha256(content).hexdigest() != clip.sha256:
        raise UsageError(f"{path} no longer has its hash: it was changed after it was kept, and is not handed out")
    return content


def _write(request: ClipRequest, contents: Sequence[bytes]) -> list[Path]:
    written = []
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(contents, start=1):
            path = request.out / f"{request.incident}-{number}.mp4"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
            written.append(path)
    except OSError as error:
        raise UsageError(f"{request.out} cannot be written: {error.strerror}") from error
    return written
