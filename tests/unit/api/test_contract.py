"""What holds for the whole API: the OpenAPI document, problems, headers, health."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi.openapi.models import OpenAPI
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from gridwatch.api import create_app
from tests.fixtures.api import ApiWorld, log_in, make_case, make_evidence, make_incident

BODIES = {
    "/v1/holds": {"incident": str(UUID(int=1)), "reason": "a complaint", "person": "Li", "until": "2030-01-01T00:00Z"},
    "/v1/holds/{hold_id}/release": {"reason": "settled"},
}
PERIOD = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}
QUERIES = {
    "/v1/counts": PERIOD,
    "/v1/counts/grids": PERIOD,
    "/v1/cameras/{camera_id}/observations": PERIOD,
    "/v1/incidents/{incident_id}/evidence/{sha256}": {"reason": "look"},
}
PUBLIC = {("/v1/session", "post"), ("/healthz", "get")}


@pytest.fixture
def document(world: ApiWorld) -> dict[str, Any]:
    return world.app().openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_the_document_is_whole(document: dict[str, Any]) -> None:
    OpenAPI.model_validate(document)
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert {ref.removeprefix("#/components/schemas/") for ref in references(document)} <= set(schemas)
    tags = {tag["name"] for tag in document["tags"]}
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    for path, method, operation in operations(document):
        assert operation["description"], (path, method)
        assert set(operation["tags"]) <= tags
        assert bool(operation.get("security")) is ((path, method) not in PUBLIC), (path, method)
        assert ("401" in operation["responses"]) is ((path, method) != ("/healthz", "get"))


def test_every_refusal_is_documented_as_a_problem(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "400" and path != "/healthz":
                assert list(response["content"]) == ["application/problem+json"], (path, method, status)
                assert list(references(response)) == ["#/components/schemas/Problem"]


async def test_answers_are_what_the_document_says(
    world: ApiWorld, client: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    incident = make_incident().with_evidence(make_evidence("a" * 64))
    world.store.append(incident)
    silent = replace(world.store.camera_records["cam-0"], health=None)
    world.store.camera_records["cam-0"] = silent
    case = make_case(due=world.clock.now())
    world.store.case_records[case.id] = case
    login = await log_in(client, "administrator")
    registry = Registry().with_resource("urn:api", Resource(contents=document, specification=DRAFT202012))
    checked = 0
    for path, method, operation in operations(document):
        content = operation["responses"].get("200", {}).get("content", {})
        if method != "get" or "application/json" not in content:
            continue
        url = path.format(incident_id=incident.id, case_id=case.id, camera_id="cam-1")
        answer = await client.get(url, headers=login, params=QUERIES.get(path, {}))
        assert answer.status_code == 200, url
        schema = {
            "$ref": f"urn:api#/paths/{path.replace('/', '~1')}/get/responses/200/content/application~1json/schema"
        }
        Draft202012Validator(schema, registry=registry).validate(answer.json())
        checked += 1
    assert checked == 15


async def test_every_endpoint_says_503_when_the_database_is_away(
    world: ApiWorld, client: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    login = await log_in(client, "administrator")
    world.store.available = False
    ids = {"incident_id": make_incident().id, "case_id": make_case().id, "hold_id": UUID(int=1), "sha256": "a" * 64}
    ids["camera_id"] = "cam-1"
    for path, method, _ in operations(document):
        if path in {"/healthz", "/metrics"}:
            continue
        body = BODIES.get(path, {"name": "a", "password": "b", "to": "dispatch", "note": "n"})
        url = path.format(**ids)
        answer = await client.request(
            method,
            url,
            headers=login,
            json=body if method == "post" else None,
            params=QUERIES.get(path, {}),
        )
        assert answer.status_code == 503, (path, answer.text)
        assert answer.headers["retry-after"] == "5"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:gridwatch:problem:database-unavailable"


async def test_a_defect_tells_nothing_of_itself(world: ApiWorld, client: httpx.AsyncClient) -> None:
    login = await log_in(client, "operator")

    async def broken() -> None:
        raise RuntimeError("secret detail")

    world.store.grids = broken  # type: ignore[assignment,method-assign]
    answer = await client.get("/v1/grids", headers=login)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nothing", 404), ("PUT", "/v1/sites", 405)])
async def test_a_wrong_path_or_method_is_a_problem_too(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["instance"] == path


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/static/style.css", "/v1/sites", "/healthz", "/openapi.json"])
async def test_every_answer_is_hardened(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"


async def test_health_names_the_parts(world: ApiWorld) -> None:
    async def broken() -> bool:
        raise OSError("broker away")

    app = create_app(replace(world.services, checks={"broker": broken}), world.settings, world.clock)
    async with world.client(app) as client:
        answer = await client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "failing", "parts": {"database": "ok", "broker": "failing"}}


async def test_health_follows_the_database(world: ApiWorld, client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok", "parts": {"database": "ok"}}
    world.store.available = False
    answer = await client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "failing", "parts": {"database": "failing"}}


async def test_every_shown_value_has_both_labels(client: httpx.AsyncClient) -> None:
    labels = (await client.get("/v1/labels", headers=await log_in(client, "operator"))).json()
    assert labels["kind"]["line_crossing"] == {"en": "Line crossing", "zh": "越线"}
    assert all(label["en"] and label["zh"] for group in labels.values() for label in group.values())


@pytest.mark.parametrize("text", ["a\0b", "a\x1b[2Jb", "a\x7fb"])
async def test_control_characters_are_refused_everywhere(world: ApiWorld, client: httpx.AsyncClient, text: str) -> None:
    login = await log_in(client, "operator")
    incident, case = make_incident(), make_case()
    world.store.append(incident)
    world.store.case_records[case.id] = case
    answers = [
        await client.post("/v1/session", json={"name": text, "password": "x"}),
        await client.post(f"/v1/cases/{case.id}/steps", json={"to": "dispatch", "note": text}, headers=login),
        await client.get(f"/v1/incidents/{incident.id}/evidence/{'a' * 64}", params={"reason": text}, headers=login),
        await client.get("/v1/sites", params={"site": f"demo/{text}"}, headers=login),
        await client.get("/v1/incidents", params={"camera": text}, headers=login),
        await client.get("/v1/cases", params={"grid": text}, headers=login),
    ]
    assert [answer.status_code for answer in answers] == [422] * len(answers)


async def test_half_a_character_is_refused_and_not_a_defect(client: httpx.AsyncClient) -> None:
    for body in (b'{"name": "\\ud800", "password": "x"}', b'{"name": "x", "password": "\\ud800"}'):
        answer = await client.post("/v1/session", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
