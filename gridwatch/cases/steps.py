"""The six steps of a case, and the clock on each. Pure: no I/O, no clock of its own."""

from dataclasses import replace
from datetime import datetime

from gridwatch.cases.errors import StepRefused
from gridwatch.domain import Case, CaseStep, Category, StepClock, StepEntry


def allowed(step: CaseStep) -> tuple[CaseStep, ...]:
    """The steps a case at `step` can take: the next in order, and from a review also back to dispatch (rework)."""
    following = () if step.next is None else (step.next,)
    return (*following, CaseStep.DISPATCH) if step is CaseStep.REVIEW else following


def advance(case: Case, *, to: CaseStep, by: str, note: str, category: Category, now: datetime) -> Case:
    """The case after `by` took the step `to` at `now`, with the clock of the step that follows.

    `category` is the case's own (ValueError). Rework needs a note, and every step somebody who takes it.
    Raises StepRefused with the reason and what is allowed.
    """
    if category.id != case.category:
        raise ValueError(f"case {case.number} is of category {case.category}, not {category.id}")
    possible = allowed(case.step)
    if to not in possible:
        choice = " or ".join(possible) or "nothing"
        raise StepRefused(f"case {case.number} is at {case.step}: {choice} can follow, not {to}", possible)
    if not by.strip():
        raise StepRefused(f"who takes the step {to} of case {case.number} must be named", possible)
    if is_rework(case.step, to) and not note.strip():
        raise StepRefused(f"sending case {case.number} back to {to} needs a note that says why", possible)
    return replace(
        case,
        step=to,
        clock=clock_after(to, category, now),
        history=(*case.history, StepEntry(step=to, at=now, by=by, note=note)),
    )


def is_rework(step: CaseStep, to: CaseStep) -> bool:
    """True when a review sends the case back."""
    return step is CaseStep.REVIEW and to is CaseStep.DISPATCH


def clock_after(step: CaseStep, category: Category, now: datetime) -> StepClock | None:
    """The clock that starts at `now` for the step after `step`; None when it has none or nothing follows."""
    following = step.next
    limit = None if following is None else category.clocks.get(following)
    if following is None or limit is None:
        return None
    return StepClock(step=following, started_at=now, due_at=now + limit)


def late(case: Case, now: datetime) -> bool:
    """True when the step the case waits for should have been taken by `now`."""
    return case.clock is not None and case.clock.is_late(now)
