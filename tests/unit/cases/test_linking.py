"""Which case an incident opens or joins, on the fakes that ship with the ports."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gridwatch.cases import CaseLinker, Links, case_id
from gridwatch.cases.fakes import FixedGrids, MemoryLedger
from gridwatch.domain import (
    HEALTH_RULE_PREFIX,
    CaseSource,
    CaseStep,
    FakeClock,
    Incident,
    IncidentKind,
    Phase,
    Position,
    Severity,
    StepClock,
)
from tests.integration.store.build import CATEGORY, GATE, INSIDE, OUTSIDE, START, incident, square

G2_PLACE = Position(lon=1.5, lat=0.5)
GRIDS = FixedGrids({INSIDE: square("g1", 0, 0), G2_PLACE: square("g2", 1, 0)})
NOW = START + timedelta(minutes=1)


def linker(*, auto_file: bool = True) -> CaseLinker:
    return CaseLinker([replace(CATEGORY, auto_file=auto_file)], GRIDS, FakeClock(NOW))


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


async def link(ledger: MemoryLedger, *incidents: Incident) -> Links:
    return await linker().link(incidents, ledger)


async def test_the_first_incident_files_a_case(ledger: MemoryLedger) -> None:
    assert await link(ledger, incident()) == Links(filed=1)
    [case] = ledger.cases.values()
    assert case.number == "g1-20260301-0001"
    assert (case.grid, case.site, case.unit, case.source) == ("g1", GATE, "u1", CaseSource.INCIDENT)
    assert (case.kind, case.category, case.severity) == (IncidentKind.INTRUSION, "public-order", Severity.MAJOR)
    assert case.opened_at == case.latest_at == START
    assert case.incidents == (incident().id,)
    assert case.step is CaseStep.FILE
    assert [(e.step, e.at, e.by) for e in case.history] == [
        (CaseStep.DISCOVER, NOW, "recorder"), (CaseStep.FILE, NOW, "recorder"),
    ]  # fmt: skip
    assert case.clock == StepClock(step=CaseStep.DISPATCH, started_at=NOW, due_at=NOW + timedelta(minutes=10))


async def test_what_is_wrong_with_a_camera_is_no_work_in_a_grid(ledger: MemoryLedger) -> None:
    drift = replace(incident(), rule=f"{HEALTH_RULE_PREFIX}clock-drift")
    assert await link(ledger, drift) == Links(uncategorised=1)
    assert ledger.cases == {}


async def test_without_auto_file_a_case_waits_at_discover(ledger: MemoryLedger) -> None:
    await linker(auto_file=False).link([incident()], ledger)
    [case] = ledger.cases.values()
    assert case.step is CaseStep.DISCOVER
    assert [e.step for e in case.history] == [CaseStep.DISCOVER]
    assert case.clock is None, "the category has no clock for file"


@pytest.mark.parametrize("phase", [Phase.UPDATED, Phase.CLEARED])
async def test_only_raised_incidents_make_cases(ledger: MemoryLedger, phase: Phase) -> None:
    assert await link(ledger, incident(seq=1, phase=phase)) == Links()
    assert not ledger.cases


async def test_the_same_kind_and_grid_within_the_window_joins(ledger: MemoryLedger) -> None:
    first = incident("a")
    second = incident("b", at=timedelta(minutes=30), severity=Severity.CRITICAL)
    third = incident("c", at=timedelta(minutes=60), severity=Severity.INFO)
    assert await link(ledger, first, second, third) == Links(filed=1, joined=2)
    [case] = ledger.cases.values()
    assert case.incidents == (first.id, second.id, third.id)
    assert (case.opened_at, case.latest_at) == (START, START + timedelta(minutes=60))
    assert case.severity is Severity.CRITICAL


async def test_after_the_window_a_new_case_with_the_next_serial(ledger: MemoryLedger) -> None:
    late = incident("b", at=timedelta(minutes=30, microseconds=1))
    assert await link(ledger, incident("a"), late) == Links(filed=2)
    assert [c.number for c in ledger.cases.values()] == ["g1-20260301-0001", "g1-20260301-0002"]


async def test_another_kind_or_grid_is_another_case(ledger: MemoryLedger) -> None:
    links = await link(
        ledger, incident("a"), incident("b", kind=IncidentKind.CROWDING), incident("c", position=G2_PLACE)
    )
    assert links == Links(filed=3)
    assert sorted(c.number for c in ledger.cases.values()) == [
        "g1-20260301-0001", "g1-20260301-0002", "g2-20260301-0001",
    ]  # fmt: skip


async def test_serials_start_again_each_day(ledger: MemoryLedger) -> None:
    await link(ledger, incident("a"), incident("b", at=timedelta(days=1)))
    assert [c.number for c in ledger.cases.values()] == ["g1-20260301-0001", "g1-20260302-0001"]


@pytest.mark.parametrize("step", [CaseStep.CLOSE, CaseStep.EVALUATE])
async def test_a_closed_case_is_not_joined(ledger: MemoryLedger, step: CaseStep) -> None:
    await link(ledger, incident("a"))
    for key, case in ledger.cases.items():
        ledger.cases[key] = replace(case, step=step)
    assert await link(ledger, incident("b")) == Links(filed=1)


async def test_an_incident_delivered_late_joins_the_case_of_its_time(ledger: MemoryLedger) -> None:
    await link(ledger, incident("b", at=timedelta(minutes=10)))
    assert await link(ledger, incident("a")) == Links(joined=1)
    [case] = ledger.cases.values()
    assert case.opened_at == START
    # But one from long before is a case of its own.
    assert await link(ledger, incident("old", at=-timedelta(hours=2))) == Links(filed=1)


async def test_no_grid_or_no_category_means_no_case_and_is_counted(ledger: MemoryLedger) -> None:
    links = await link(
        ledger, incident("a", position=OUTSIDE), incident("b", kind=IncidentKind.CAMERA_OFFLINE), incident("c")
    )
    assert links == Links(filed=1, outside=1, uncategorised=1)


async def test_every_grid_is_locked_before_the_first_look(ledger: MemoryLedger) -> None:
    await link(ledger, incident("a"), incident("b", position=G2_PLACE))
    assert ledger.locked == {"g1", "g2"}


def test_the_case_of_an_incident_has_the_same_id_always() -> None:
    assert case_id(incident()) == case_id(incident(seq=1))
    assert case_id(incident("a")) != case_id(incident("b"))
    assert case_id(incident()) != incident().id
    assert case_id(incident()).version == 7
