"""Every transition of a case, allowed or refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gridwatch.cases import StepRefused, advance, allowed, late
from gridwatch.domain import (
    Case,
    CaseSource,
    CaseStep,
    Category,
    IncidentKind,
    Severity,
    SitePath,
    StepClock,
    StepEntry,
)

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
CATEGORY = Category(
    id="order", name="Order", kinds=(IncidentKind.INTRUSION,), auto_file=True, join_window=timedelta(minutes=30),
    clocks={step: timedelta(minutes=index) for index, step in enumerate(CaseStep) if step is not CaseStep.DISCOVER},
)  # fmt: skip


def case_at(step: CaseStep) -> Case:
    return Case(
        id=UUID(int=1), number="g1-20260301-0001", grid="g1", site=SitePath(district="d"), category="order",
        kind=IncidentKind.INTRUSION, severity=Severity.MAJOR, source=CaseSource.INCIDENT, unit="u1", step=step,
        clock=None, opened_at=NOW, latest_at=NOW, incidents=(UUID(int=2),),
        history=(StepEntry(step=step, at=NOW, by="recorder", note=""),),
    )  # fmt: skip


# The whole table: from each step, which may follow. Everything else is refused.
FOLLOWS = {
    "discover": {"file"},
    "file": {"dispatch"},
    "dispatch": {"handle"},
    "handle": {"review"},
    "review": {"close", "dispatch"},
    "close": {"evaluate"},
    "evaluate": set(),
}


@pytest.mark.parametrize("step", list(CaseStep))
@pytest.mark.parametrize("to", list(CaseStep))
def test_a_case_takes_the_steps_of_the_table_and_no_other(step: CaseStep, to: CaseStep) -> None:
    before = case_at(step)
    if to.value in FOLLOWS[step.value]:
        after = advance(before, to=to, by="ann", note="why", category=CATEGORY, now=NOW)
        assert after.step is to
        assert after.history == (*before.history, StepEntry(step=to, at=NOW, by="ann", note="why"))
        unchanged = replace(after, step=before.step, history=before.history, clock=before.clock)
        assert unchanged == before
    else:
        with pytest.raises(StepRefused) as caught:
            advance(before, to=to, by="ann", note="why", category=CATEGORY, now=NOW)
        assert {s.value for s in caught.value.allowed} == FOLLOWS[step.value]
        assert step.value in caught.value.reason
        assert to.value in caught.value.reason


@pytest.mark.parametrize(
    ("to", "came_from", "waits_for", "minutes"),
    [
        ("file", "discover", "dispatch", 2),
        ("dispatch", "file", "handle", 3),
        ("handle", "dispatch", "review", 4),
        ("review", "handle", "close", 5),
        ("close", "review", "evaluate", 6),
        ("dispatch", "review", "handle", 3),
    ],
)
def test_a_step_starts_the_clock_of_the_next(to: str, came_from: str, waits_for: str, minutes: int) -> None:
    after = advance(case_at(CaseStep(came_from)), to=CaseStep(to), by="ann", note="why", category=CATEGORY, now=NOW)
    assert after.clock == StepClock(step=CaseStep(waits_for), started_at=NOW, due_at=NOW + timedelta(minutes=minutes))


def test_the_last_step_stops_the_clock() -> None:
    closed = replace(case_at(CaseStep.CLOSE), clock=StepClock(step=CaseStep.EVALUATE, started_at=NOW, due_at=NOW))
    assert advance(closed, to=CaseStep.EVALUATE, by="ann", note="", category=CATEGORY, now=NOW).clock is None


def test_a_step_without_a_limit_has_no_clock() -> None:
    without = replace(CATEGORY, clocks={})
    after = advance(case_at(CaseStep.FILE), to=CaseStep.DISPATCH, by="ann", note="", category=without, now=NOW)
    assert after.clock is None
    assert not late(after, NOW + timedelta(days=1000))


@pytest.mark.parametrize("note", ["", "  \n"])
def test_rework_needs_a_note(note: str) -> None:
    with pytest.raises(StepRefused, match="note") as caught:
        advance(case_at(CaseStep.REVIEW), to=CaseStep.DISPATCH, by="ann", note=note, category=CATEGORY, now=NOW)
    assert caught.value.allowed == (CaseStep.CLOSE, CaseStep.DISPATCH)


def test_only_rework_needs_a_note() -> None:
    assert advance(case_at(CaseStep.REVIEW), to=CaseStep.CLOSE, by="ann", note="", category=CATEGORY, now=NOW)


@pytest.mark.parametrize("by", ["", " "])
def test_nobody_takes_no_step(by: str) -> None:
    with pytest.raises(StepRefused, match="named"):
        advance(case_at(CaseStep.FILE), to=CaseStep.DISPATCH, by=by, note="", category=CATEGORY, now=NOW)


def test_the_category_must_be_the_cases_own() -> None:
    with pytest.raises(ValueError, match="order"):
        advance(
            case_at(CaseStep.FILE), to=CaseStep.DISPATCH, by="ann", note="",
            category=replace(CATEGORY, id="other"), now=NOW,
        )  # fmt: skip


def test_a_case_is_late_from_its_deadline_on() -> None:
    after = advance(case_at(CaseStep.FILE), to=CaseStep.DISPATCH, by="ann", note="", category=CATEGORY, now=NOW)
    assert not late(after, NOW + timedelta(minutes=3, microseconds=-1))
    assert late(after, NOW + timedelta(minutes=3))


def test_allowed_names_rework_last() -> None:
    assert allowed(CaseStep.REVIEW) == (CaseStep.CLOSE, CaseStep.DISPATCH)
    assert allowed(CaseStep.EVALUATE) == ()
