"""Grid cases and their steps."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints

from gridwatch.api.access import CaseReader, Login, SiteQuery, scope_of
from gridwatch.api.context import Context, Ctx
from gridwatch.api.errors import Conflict, Forbidden, NotFound, problems
from gridwatch.api.paging import PageQuery, cut, decode, encode
from gridwatch.api.roles import steps_of, takers_of
from gridwatch.api.text import Line, Paragraph
from gridwatch.api.views import CasePage, CaseView
from gridwatch.cases import StepRefused, advance
from gridwatch.domain import AuditEntry, Case, CaseFilter, CaseStep, PageKey

router = APIRouter(tags=["cases"])


class CaseQuery(SiteQuery, PageQuery):
    """Filters of the list."""

    grid: Line | None = Field(default=None, max_length=100, description="Only cases of the grid with this code.")
    step: list[CaseStep] = Field(default=[], description="Only cases at these steps; repeat it for several.")
    late: bool = Field(default=False, description="True: only cases whose clock has run out.")


class StepRequest(BaseModel):
    """A step to take."""

    to: CaseStep = Field(description="The step after the case's present one.")
    note: Annotated[Paragraph, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)] = Field(
        description="Why, or what was done; kept in the case's history."
    )


@router.get("/v1/cases", responses=problems(400, 401, 403, 404))
async def cases(ctx: Ctx, login: CaseReader, query: Annotated[CaseQuery, Query()]) -> CasePage:
    """Cases, newest `latest_at` first."""
    now = ctx.clock.now()
    where = CaseFilter(
        scope=await scope_of(ctx, login, query.site), grid=query.grid, steps=tuple(query.step),
        late_at=now if query.late else None,
    )  # fmt: skip
    found = await ctx.services.cases.cases(where, decode(query.next), query.limit + 1)
    rows, more = cut(found, query.limit)
    key = encode(PageKey(at=rows[-1].latest_at, id=rows[-1].id)) if more else None
    return CasePage(items=[CaseView.of(row, now) for row in rows], next=key)


@router.get("/v1/cases/{case_id}", responses=problems(401, 403, 404))
async def case(ctx: Ctx, login: CaseReader, case_id: UUID) -> CaseView:
    """One case."""
    return CaseView.of(await _case(ctx, login, case_id), ctx.clock.now())


async def _case(ctx: Context, login: Login, case_id: UUID) -> Case:
    found = await ctx.services.cases.case(case_id)
    if found is None or not login.account.site.contains(found.site):
        raise NotFound(f"There is no case {case_id} among those this account sees.", "Take an id from /v1/cases.")
    return found


@router.post("/v1/cases/{case_id}/steps", responses=problems(401, 403, 404, 409))
async def take_step(ctx: Ctx, login: CaseReader, case_id: UUID, wanted: StepRequest) -> CaseView:
    """Take the next step of a case.

    Of two people who take the same step at once, one succeeds and the other is told with 409.
    """
    if wanted.to not in steps_of(login.account.role):
        may = takers_of(wanted.to)
        raise Forbidden(
            f"The role {login.account.role} may not take the step {wanted.to}.",
            f"Ask one of: {', '.join(may)}." if may else "Nobody takes it: every case starts there.",
        )
    before = await _case(ctx, login, case_id)
    now = ctx.clock.now()
    after = _advanced(ctx, login, before, wanted)
    if not await ctx.services.cases.save_step(after, expected=before.step):
        raise Conflict(
            f"Somebody took a step of case {before.number} just now.", "Read the case again and decide anew."
        )  # fmt: skip
    await ctx.services.audit.record(
        AuditEntry(
            at=now, account=login.account.name, action="case.step", subject=f"{case_id}/{wanted.to}", reason=wanted.note
        )
    )
    return CaseView.of(after, now)


def _advanced(ctx: Context, login: Login, case: Case, wanted: StepRequest) -> Case:
    category = ctx.settings.categories.get(case.category)
    if category is None:
        raise Conflict(
            f"The category {case.category} of case {case.number} is not in the configuration any more.",
            "Put it back under cases.categories.",
        )
    try:
        return advance(
            case, to=wanted.to, by=login.account.name, note=wanted.note, category=category, now=ctx.clock.now()
        )  # fmt: skip
    except StepRefused as error:
        choice = " or ".join(error.allowed)
        remedy = f"Take {choice}, or read the case again." if choice else "Nothing follows; the case is finished."
        raise Conflict(f"{error.reason}.", remedy) from error
