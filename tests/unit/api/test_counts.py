"""Counts and observations over the API: what is counted, for whom, and which periods are refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from gridwatch.domain import ClassCount, IncidentKind, Observation, Role, SitePath
from tests.fixtures.api import GRID, START, ApiWorld, add_account, log_in, make_incident

DAY = START.replace(hour=0, minute=0, second=0, microsecond=0)
PERIOD = {"since": START.isoformat(), "until": (START + timedelta(hours=3)).isoformat()}


def observation(minute: datetime, site: str = "demo/north/gate") -> Observation:
    return Observation(
        camera="cam-1", site=SitePath.parse(site), minute=minute, frames=750, analysed=300, detected=40, dropped=1,
        moving=0.25, fps=12.5, classes=(ClassCount(label="person", most=3, sightings=60),),
    )  # fmt: skip


async def test_incidents_are_counted_by_the_hour_and_by_kind(world: ApiWorld, client: httpx.AsyncClient) -> None:
    one = make_incident()
    world.store.append(one, grid=GRID)
    asked = {
        "since": (one.occurred_at - timedelta(hours=1)).isoformat(),
        "until": (one.occurred_at + timedelta(hours=1)).isoformat(), "bucket": "hour",
    }  # fmt: skip
    login = await log_in(client, "operator")
    answer = (await client.get("/v1/counts", params=asked, headers=login)).json()
    begin = datetime.fromisoformat(answer["begin"])
    assert (begin.minute, begin.tzinfo) == (0, UTC)
    [counted] = answer["items"]
    place = (one.occurred_at - begin) // timedelta(hours=1)
    assert (counted["kind"], counted["counts"][place], sum(counted["counts"])) == (one.kind, 1, 1)
    other = next(kind for kind in IncidentKind if kind is not one.kind)
    none = await client.get("/v1/counts", params={**asked, "kind": other}, headers=login)
    assert none.json()["items"] == []
    south = await client.get("/v1/counts", params={**asked, "site": "demo/south"}, headers=login)
    assert south.json()["items"] == []


async def test_the_first_day_is_the_whole_day_for_grids_too(world: ApiWorld, client: httpx.AsyncClient) -> None:
    early = replace(make_incident(), occurred_at=DAY)
    world.store.append(early, grid=GRID)
    answer = await client.get("/v1/counts/grids", params=PERIOD, headers=await log_in(client, "operator"))
    assert answer.json()["items"] == [{"grid": GRID, "incidents": 1}]
    assert datetime.fromisoformat(answer.json()["begin"]) == DAY


@pytest.mark.parametrize("path", ["/v1/counts", "/v1/counts/grids"])
async def test_counts_outside_the_account_are_refused_and_its_own_are_the_default(
    world: ApiWorld, client: httpx.AsyncClient, path: str
) -> None:
    add_account(world.store, "south", Role.OPERATOR, "demo/south")
    world.store.append(replace(make_incident(), occurred_at=START), grid=GRID)
    login = await log_in(client, "south")
    answer = await client.get(path, params=PERIOD, headers=login)
    assert (answer.json()["site"], answer.json()["items"]) == ("demo/south", [])
    assert (await client.get(path, params={**PERIOD, "site": "demo"}, headers=login)).status_code == 403


async def test_minutes_of_a_camera_are_told_to_those_who_see_it(world: ApiWorld, client: httpx.AsyncClient) -> None:
    world.store.observation_records = [
        observation(START), observation(START + timedelta(minutes=1), site="demo/south"),
        observation(START + timedelta(hours=3)),
    ]  # fmt: skip
    add_account(world.store, "north", Role.OFFICER, "demo/north")
    add_account(world.store, "south", Role.OFFICER, "demo/south")
    url = "/v1/cameras/cam-1/observations"
    [seen] = (await client.get(url, params=PERIOD, headers=await log_in(client, "north"))).json()
    assert (seen["frames"], seen["dropped"], seen["moving"], seen["fps"]) == (750, 1, 0.25, 12.5)
    assert seen["classes"] == [{"label": "person", "most": 3, "sightings": 60}]
    assert len((await client.get(url, params=PERIOD, headers=await log_in(client, "operator"))).json()) == 2
    assert (await client.get(url, params=PERIOD, headers=await log_in(client, "south"))).status_code == 404
    unknown = "/v1/cameras/nowhere/observations"
    assert (await client.get(unknown, params=PERIOD, headers=await log_in(client, "operator"))).status_code == 404


@pytest.mark.parametrize("path", ["/v1/counts", "/v1/counts/grids", "/v1/cameras/cam-1/observations"])
async def test_an_auditor_does_not_look(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, params=PERIOD, headers=await log_in(client, "auditor"))).status_code == 403


@pytest.mark.parametrize(
    ("path", "changes", "says"),
    [
        ("/v1/counts", {"until": PERIOD["since"]}, "until is not after since"),
        ("/v1/counts", {"since": "0001-01-01T00:00:00+14:00"}, "from 2000 to 2200"),
        ("/v1/counts", {"since": "2025-01-01T00:00:00Z", "bucket": "hour"}, "longer than 93 days"),
        ("/v1/counts/grids", {"since": "2010-01-01T00:00:00Z"}, "longer than 1100 days"),
        ("/v1/cameras/cam-1/observations", {"since": "2026-01-01T00:00:00Z"}, "longer than 2 days"),
        ("/v1/counts", {"since": "2026-03-01T00:00:00"}, "timezone"),
        ("/v1/counts", {"bucket": "week"}, "bucket"),
        ("/v1/counts", {"camera": "cam-1"}, "camera"),
    ],
)
async def test_a_bad_period_or_parameter_is_refused_and_named(
    client: httpx.AsyncClient, path: str, changes: dict[str, str], says: str
) -> None:
    answer = await client.get(path, params={**PERIOD, **changes}, headers=await log_in(client, "operator"))
    assert answer.status_code == 422
    assert says in answer.json()["detail"]
