"""Who may do what, and where."""

import httpx
import pytest

from gridwatch.domain import CaseStep, Role
from tests.fixtures.api import ApiWorld, add_account, log_in, make_case, make_evidence, make_incident

SHA = "a" * 64
INCIDENT = make_incident().with_evidence(make_evidence(SHA))
CASE = make_case()

ALL = set(Role)
WATCHERS = ALL - {Role.AUDITOR}
CASE_READERS = WATCHERS - {Role.INTEGRATOR}
MATRIX: dict[str, set[Role]] = {
    "/v1/session": ALL,
    "/v1/sites": ALL,
    "/v1/cameras": ALL,
    "/v1/grids": ALL,
    "/v1/labels": ALL,
    "/v1/incidents": WATCHERS,
    f"/v1/incidents/{INCIDENT.id}": WATCHERS,
    f"/v1/incidents/{INCIDENT.id}/evidence/{SHA}?reason=checking": CASE_READERS,
    "/v1/cases": CASE_READERS,
    f"/v1/cases/{CASE.id}": CASE_READERS,
    "/v1/audit": {Role.AUDITOR, Role.ADMINISTRATOR},
    "/metrics": {Role.ADMINISTRATOR},
}
"""The stream's rows are in the integration tests: it does not end under an in-process transport."""


@pytest.mark.parametrize("path", MATRIX)
async def test_each_role_reads_what_it_may_and_nothing_else(
    world: ApiWorld, client: httpx.AsyncClient, path: str
) -> None:
    world.store.append(INCIDENT)
    world.store.case_records[CASE.id] = CASE
    got = {role: (await client.get(path, headers=await log_in(client, role))).status_code for role in Role}
    # 404: the role was let through to evidence that is not there yet.
    assert {role for role, status in got.items() if status in {200, 404}} == MATRIX[path]
    assert {got[role] for role in ALL - MATRIX[path]} <= {403}


@pytest.mark.parametrize("path", [*MATRIX, "/v1/events/stream"])
async def test_nothing_is_told_without_a_login(client: httpx.AsyncClient, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Cookie": "gridwatch_session=nonsense"}):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("before", "to", "allowed"),
    [
        (CaseStep.DISCOVER, CaseStep.FILE, {Role.OPERATOR}),
        (CaseStep.FILE, CaseStep.DISPATCH, {Role.OPERATOR}),
        (CaseStep.DISPATCH, CaseStep.HANDLE, {Role.OPERATOR, Role.OFFICER, Role.GRID_WORKER}),
        (CaseStep.HANDLE, CaseStep.REVIEW, {Role.OPERATOR, Role.OFFICER}),
        (CaseStep.REVIEW, CaseStep.CLOSE, {Role.OPERATOR}),
        (CaseStep.CLOSE, CaseStep.EVALUATE, {Role.OPERATOR}),
    ],
)
async def test_each_role_takes_only_its_steps(
    world: ApiWorld, client: httpx.AsyncClient, before: CaseStep, to: CaseStep, allowed: set[Role]
) -> None:
    for role in Role:
        case = make_case(step=before)
        world.store.case_records[case.id] = case
        answer = await client.post(
            f"/v1/cases/{case.id}/steps", json={"to": to, "note": "done"}, headers=await log_in(client, role)
        )
        assert answer.status_code == (200 if role in allowed else 403), role
        assert (world.store.case_records[case.id].step is to) == (role in allowed)


async def test_an_account_sees_its_subtree_and_no_more(world: ApiWorld, client: httpx.AsyncClient) -> None:
    here, elsewhere = make_incident("demo/north/gate"), make_incident("demo/south", camera="cam-2")
    world.store.append(here)
    world.store.append(elsewhere)
    mine, other = make_case(1, "demo/north/gate"), make_case(2, "demo/south")
    world.store.case_records |= {mine.id: mine, other.id: other}
    add_account(world.store, "north", Role.OPERATOR, "demo/north")
    login = await log_in(client, "north")

    async def get(path: str) -> httpx.Response:
        return await client.get(path, headers=login)

    assert [site["path"] for site in (await get("/v1/sites")).json()] == ["demo/north", "demo/north/gate"]
    assert [camera["id"] for camera in (await get("/v1/cameras")).json()] == ["cam-1"]
    incidents = (await get("/v1/incidents")).json()["items"]
    assert [row["incident"]["id"] for row in incidents] == [str(here.id)]
    assert [case["id"] for case in (await get("/v1/cases")).json()["items"]] == [str(mine.id)]
    assert (await get(f"/v1/incidents/{elsewhere.id}")).status_code == 404
    assert (await get(f"/v1/incidents/{elsewhere.id}/evidence/{SHA}?reason=look")).status_code == 404
    assert (await get(f"/v1/cases/{other.id}")).status_code == 404
    step = await client.post(f"/v1/cases/{other.id}/steps", json={"to": "dispatch", "note": "x"}, headers=login)
    assert step.status_code == 404
    assert world.store.case_records[other.id] == other


@pytest.mark.parametrize("path", ["/v1/sites", "/v1/cameras", "/v1/incidents", "/v1/cases", "/v1/events/stream"])
@pytest.mark.parametrize(
    ("site", "status"),
    [
        ("demo/south", 403),
        ("demo", 403),
        ("demo/northern", 403),
        ("elsewhere", 403),
        ("demo/north/nowhere", 404),
        ("a/b/c/d", 400),
        ("", 400),
    ],
)
async def test_a_site_outside_is_refused_and_an_unknown_one_not_found(
    world: ApiWorld, client: httpx.AsyncClient, path: str, site: str, status: int
) -> None:
    add_account(world.store, "north", Role.OPERATOR, "demo/north")
    answer = await client.get(path, params={"site": site}, headers=await log_in(client, "north"))
    assert answer.status_code == status, answer.text
    assert answer.json()["remedy"]


async def test_the_audit_is_not_for_an_auditor_of_a_part(world: ApiWorld, client: httpx.AsyncClient) -> None:
    add_account(world.store, "north", Role.AUDITOR, "demo/north")
    answer = await client.get("/v1/audit", headers=await log_in(client, "north"))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("192.0.2.7", {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("192.0.2.7", {}, 401),
    ],
)
async def test_metrics_are_for_this_machine(
    world: ApiWorld, address: str, headers: dict[str, str], status: int
) -> None:
    async with world.client(address=address) as client:
        await client.get("/v1/incidents/" + "0" * 32)
        answer = await client.get("/metrics", headers=headers)
    assert answer.status_code == status
    if status == 200:
        line = 'gridwatch_api_requests_total{method="GET",route="/v1/incidents/{incident_id}",status="401"} 1.0'
        assert line in answer.text
