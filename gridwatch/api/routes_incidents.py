"""Incidents and their evidence."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, Field, StringConstraints

from gridwatch.api.access import EvidenceViewer, Login, SiteQuery, Watcher, scope_of
from gridwatch.api.context import Context, Ctx
from gridwatch.api.errors import EvidenceDamaged, NotFound, problems
from gridwatch.api.paging import PageQuery, cut, decode, encode
from gridwatch.api.text import Line
from gridwatch.api.views import IncidentDetailView, IncidentPage, IncidentRecordView, IncidentView
from gridwatch.domain import AuditEntry, EventRecord, IncidentFilter, IncidentKind, PageKey, Severity
from gridwatch.store import EvidenceAltered, EvidenceMissing

router = APIRouter(tags=["incidents"])


class EventQuery(SiteQuery):
    """Filters the list and the live stream share."""

    kind: list[IncidentKind] = Field(default=[], description="Only these kinds; repeat the parameter for several.")
    severity: list[Severity] = Field(default=[], description="Only these severities; repeat it for several.")


class IncidentQuery(EventQuery, PageQuery):
    """Filters of the list."""

    camera: Line | None = Field(default=None, max_length=63)
    since: AwareDatetime | None = Field(
        default=None, description="`occurred_at` from this on; ISO 8601 with `Z` or an offset (`%2B08:00`)."
    )
    until: AwareDatetime | None = Field(default=None, description="`occurred_at` before this.")


Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="Lower-case hex, as the incident names it.")]
Reason = Annotated[
    Line,
    StringConstraints(strip_whitespace=True),
    Query(min_length=3, max_length=500, description="Why you look; kept in the audit with your name."),
]


@router.get("/v1/incidents", responses=problems(400, 401, 403, 404))
async def incidents(ctx: Ctx, login: Watcher, query: Annotated[IncidentQuery, Query()]) -> IncidentPage:
    """Current states of incidents, newest `occurred_at` first."""
    where = IncidentFilter(
        scope=await scope_of(ctx, login, query.site), kinds=tuple(query.kind), severities=tuple(query.severity),
        camera=query.camera, since=query.since, until=query.until,
    )  # fmt: skip
    found = await ctx.services.archive.incidents(where, decode(query.next), query.limit + 1)
    rows, more = cut(found, query.limit)
    key = encode(PageKey(at=rows[-1].incident.occurred_at, id=rows[-1].incident.id)) if more else None
    return IncidentPage(items=[IncidentRecordView.of(row) for row in rows], next=key)


@router.get("/v1/incidents/{incident_id}", responses=problems(401, 403, 404))
async def incident(ctx: Ctx, login: Watcher, incident_id: UUID) -> IncidentDetailView:
    """One incident with all its messages."""
    history = await _history(ctx, login, incident_id)
    latest = IncidentRecordView.of(history[-1])
    return IncidentDetailView(
        incident=latest.incident, grid=latest.grid, case=latest.case, acknowledgement=latest.acknowledgement,
        history=[IncidentView.of(event.incident) for event in history],
    )  # fmt: skip


async def _history(ctx: Context, login: Login, incident_id: UUID) -> list[EventRecord]:
    history = await ctx.services.archive.history(incident_id)
    # Outside the account's site counts as unknown: whether an id exists elsewhere is nobody's business here.
    if not history or not login.account.site.contains(history[-1].incident.site):
        raise NotFound(
            f"There is no incident {incident_id} among those this account sees.", "Take an id from /v1/incidents."
        )
    return history


@router.get(
    "/v1/incidents/{incident_id}/evidence/{sha256}",
    response_class=Response,
    responses={
        **problems(401, 403, 404),
        200: {"description": "The masked picture.", "content": {"image/jpeg": {}}},
    },
)
async def evidence(ctx: Ctx, login: EvidenceViewer, incident_id: UUID, sha256: Sha256, reason: Reason) -> Response:
    """A picture of an incident. Who looks, at what and why is written down before a byte is sent."""
    await _history(ctx, login, incident_id)
    subject = f"{incident_id}/{sha256}"
    try:
        found = await ctx.services.archive.evidence(incident_id, sha256)
    except EvidenceAltered as error:
        missing = isinstance(error, EvidenceMissing)
        await _audit(ctx, login, "evidence.missing" if missing else "evidence.altered", subject, reason)
        raise EvidenceDamaged(
            f"The evidence {subject} was stored and is gone."
            if missing
            else f"The evidence {subject} no longer has its hash; it is not shown.",
            "Keep the database as it is and tell the administrator: this may be tampering.",
        ) from error
    if found is None:
        raise NotFound(
            f"The incident {incident_id} has no evidence {sha256} (yet).",
            "Pictures arrive a moment after their incident, and go when their retention ends. Clips stay with their "
            "worker; there, `gridwatch clip` hands one out.",
        )
    about, content = found
    await _audit(ctx, login, "evidence.view", subject, reason)
    # Whatever the bytes are, a browser shows them as that type only and runs nothing in them.
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": "sandbox; default-src 'none'"}
    return Response(content, headers=headers, media_type=about.media_type)


async def _audit(ctx: Context, login: Login, action: str, subject: str, reason: str) -> None:
    await ctx.services.audit.record(
        AuditEntry(at=ctx.clock.now(), account=login.account.name, action=action, subject=subject, reason=reason)
    )
