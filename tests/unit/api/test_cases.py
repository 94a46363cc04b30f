"""Cases: filters, steps, two people at once."""

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from gridwatch.domain import Case, CaseStep
from tests.fixtures.api import START, ApiWorld, log_in, make_case


@pytest.fixture
async def login(client: httpx.AsyncClient) -> dict[str, str]:
    return await log_in(client, "operator")


async def numbers(client: httpx.AsyncClient, login: dict[str, str], **params: object) -> list[int]:
    answer = await client.get("/v1/cases", params=params, headers=login)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return [int(case["number"][-4:]) for case in answer.json()["items"]]


async def test_filters_combine(world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str]) -> None:
    soon, past = START + timedelta(minutes=30), START - timedelta(minutes=1)
    cases = [
        make_case(1, "demo", CaseStep.FILE, due=soon),
        make_case(2, "demo/north", CaseStep.DISPATCH, due=past),
        make_case(3, "demo/north/gate", CaseStep.DISPATCH, due=soon, grid="other"),
        make_case(4, "demo/south", CaseStep.EVALUATE),
    ]
    world.store.case_records |= {case.id: case for case in cases}
    assert await numbers(client, login) == [4, 3, 2, 1]
    assert await numbers(client, login, site="demo/north") == [3, 2]
    assert await numbers(client, login, step=["file", "evaluate"]) == [4, 1]
    assert await numbers(client, login, grid="other") == [3]
    assert await numbers(client, login, late=True) == [2]
    world.clock.advance(1800)
    assert await numbers(client, login, late=True, step="dispatch") == [3, 2]
    page = (await client.get("/v1/cases", params={"limit": 3}, headers=login)).json()
    assert await numbers(client, login, limit=3, next=page["next"]) == [1]


async def test_a_step_is_kept_with_who_when_and_why(
    world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str]
) -> None:
    case = make_case(step=CaseStep.FILE)
    world.store.case_records[case.id] = case
    answer = await client.post(
        f"/v1/cases/{case.id}/steps", json={"to": "dispatch", "note": " to unit 1\nat once "}, headers=login
    )
    body = answer.json()
    assert body["step"] == "dispatch"
    assert body["allowed"] == ["handle"]
    assert body["clock"]["due_at"] == "2026-03-01T08:30:00Z"
    assert body["clock"]["late"] is False
    assert body["history"][-1] == {
        "step": "dispatch", "at": "2026-03-01T08:00:00Z", "by": "operator", "note": "to unit 1\nat once"
    }  # fmt: skip
    assert world.store.case_records[case.id].step is CaseStep.DISPATCH
    entry = world.store.audit_entries[-1]
    assert (entry.account, entry.action, entry.subject) == ("operator", "case.step", f"{case.id}/dispatch")


async def test_a_step_out_of_order_is_refused_with_what_may_follow(
    world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str]
) -> None:
    case = make_case(step=CaseStep.FILE)
    world.store.case_records[case.id] = case
    answer = await client.post(f"/v1/cases/{case.id}/steps", json={"to": "close", "note": "x"}, headers=login)
    assert answer.status_code == 409
    assert "dispatch" in answer.json()["remedy"]
    assert world.store.case_records[case.id] == case


async def test_of_two_people_one_is_told(world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str]) -> None:
    case = make_case(step=CaseStep.FILE)
    world.store.case_records[case.id] = case
    save = world.store.save_step

    async def somebody_was_faster(after: Case, expected: CaseStep) -> bool:
        world.store.case_records[case.id] = replace(case, step=CaseStep.DISPATCH)
        return await save(after, expected)

    world.store.save_step = somebody_was_faster  # type: ignore[method-assign]
    answer = await client.post(f"/v1/cases/{case.id}/steps", json={"to": "dispatch", "note": "x"}, headers=login)
    assert answer.status_code == 409
    assert "case.step" not in {entry.action for entry in world.store.audit_entries}


@pytest.mark.parametrize("body", [{"to": "dispatch"}, {"to": "dispatch", "note": "  "}, {"to": "fly", "note": "x"}])
async def test_a_step_needs_a_note_and_a_name(
    world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str], body: dict[str, str]
) -> None:
    case = make_case()
    world.store.case_records[case.id] = case
    assert (await client.post(f"/v1/cases/{case.id}/steps", json=body, headers=login)).status_code == 422
    assert world.store.case_records[case.id] == case


async def test_a_category_gone_from_the_configuration_is_said(
    world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str]
) -> None:
    case = replace(make_case(), category="gone")
    world.store.case_records[case.id] = case
    answer = await client.post(f"/v1/cases/{case.id}/steps", json={"to": "dispatch", "note": "x"}, headers=login)
    assert answer.status_code == 409
    assert "cases.categories" in answer.json()["remedy"]


async def test_an_unknown_case_is_not_found(client: httpx.AsyncClient, login: dict[str, str]) -> None:
    answer = await client.get(f"/v1/cases/{make_case(7).id}", headers=login)
    assert answer.status_code == 404
