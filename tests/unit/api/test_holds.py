"""Legal holds over the API: who may, on what, and until when."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from gridwatch.domain import Role
from tests.fixtures.api import START, ApiWorld, add_account, log_in, make_case, make_incident

UNTIL = (START + timedelta(days=100)).isoformat()


def wanted(**changes: Any) -> dict[str, Any]:
    body = {"incident": str(make_incident().id), "reason": "a complaint", "person": "Inspector Wang", "until": UNTIL}
    return {key: value for key, value in {**body, **changes}.items() if value is not None}


async def test_a_hold_is_placed_seen_and_released(world: ApiWorld, client: httpx.AsyncClient) -> None:
    world.store.append(make_incident())
    login = await log_in(client, "administrator")
    answer = await client.post("/v1/holds", json=wanted(), headers=login)
    assert answer.status_code == 201, answer.text
    placed = answer.json()
    assert (placed["site"], placed["placed_by"], placed["holds"]) == ("demo/north/gate", "administrator", True)
    auditor = await log_in(client, "auditor")
    assert (await client.get("/v1/holds", headers=auditor)).json() == [placed]
    released = await client.post(f"/v1/holds/{placed['id']}/release", json={"reason": "settled"}, headers=login)
    assert (released.json()["holds"], released.json()["release_reason"]) == (False, "settled")
    assert (await client.get("/v1/holds", headers=auditor)).json() == []
    assert len((await client.get("/v1/holds?all=true", headers=auditor)).json()) == 1
    again = await client.post(f"/v1/holds/{placed['id']}/release", json={"reason": "settled"}, headers=login)
    assert again.status_code == 409
    actions = [entry.action for entry in world.store.audit_entries if entry.action.startswith("hold")]
    assert actions == ["hold.place", "hold.release"]


async def test_a_case_can_be_held(world: ApiWorld, client: httpx.AsyncClient) -> None:
    case = make_case()
    world.store.case_records[case.id] = case
    login = await log_in(client, "administrator")
    answer = await client.post("/v1/holds", json=wanted(incident=None, case=str(case.id)), headers=login)
    assert (answer.status_code, answer.json()["case"]) == (201, str(case.id))


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
async def test_only_an_administrator_places_and_releases(
    world: ApiWorld, client: httpx.AsyncClient, role: Role
) -> None:
    world.store.append(make_incident())
    login = await log_in(client, role)
    assert (await client.post("/v1/holds", json=wanted(), headers=login)).status_code == 403
    release = await client.post(f"/v1/holds/{UUID(int=1)}/release", json={"reason": "settled"}, headers=login)
    assert release.status_code == 403
    assert (await client.get("/v1/holds", headers=login)).status_code == (200 if role is Role.AUDITOR else 403)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"until": (START - timedelta(seconds=1)).isoformat()}, 400),
        ({"until": "2030-01-01T00:00:00"}, 422),
        ({"reason": "  "}, 422),
        ({"person": ""}, 422),
        ({"incident": None}, 422),
        ({"case": str(UUID(int=1))}, 422),
        ({"incident": str(UUID(int=7))}, 404),
        ({"forever": True}, 422),
    ],
)
async def test_a_hold_needs_a_subject_a_reason_a_person_and_an_end(
    world: ApiWorld, client: httpx.AsyncClient, changes: dict[str, Any], status: int
) -> None:
    world.store.append(make_incident())
    login = await log_in(client, "administrator")
    assert (await client.post("/v1/holds", json=wanted(**changes), headers=login)).status_code == status
    assert world.store.hold_records == {}


async def test_holds_of_other_sites_are_not_there(world: ApiWorld, client: httpx.AsyncClient) -> None:
    add_account(world.store, "south", Role.ADMINISTRATOR, "demo/south")
    world.store.append(make_incident())
    south = await log_in(client, "south")
    assert (await client.post("/v1/holds", json=wanted(), headers=south)).status_code == 404
    placed = await client.post("/v1/holds", json=wanted(), headers=await log_in(client, "administrator"))
    assert (await client.get("/v1/holds", headers=south)).json() == []
    url = f"/v1/holds/{placed.json()['id']}/release"
    assert (await client.post(url, json={"reason": "settled"}, headers=south)).status_code == 404
