"""Incidents: filters, pages, history, and evidence that is never shown unseen."""

from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from gridwatch.domain import AuditEntry, IncidentKind, Severity
from gridwatch.store import StoreUnavailable
from tests.fixtures.api import START, ApiWorld, log_in, make_evidence, make_incident

JPEG = b"\xff\xd8\xff a picture"


@pytest.fixture
async def login(client: httpx.AsyncClient) -> dict[str, str]:
    return await log_in(client, "operator")


async def rows(client: httpx.AsyncClient, login: dict[str, str], **params: object) -> list[str]:
    answer = await client.get("/v1/incidents", params=params, headers=login)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return [row["incident"]["camera"] for row in answer.json()["items"]]


async def test_filters_combine(world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str]) -> None:
    hour = timedelta(hours=1)
    world.store.append(make_incident("demo", camera="a", at=START))
    world.store.append(make_incident("demo/north", IncidentKind.CROWDING, camera="b", at=START + hour))
    world.store.append(
        make_incident("demo/north/gate", IncidentKind.CROWDING, camera="c", at=START + 2 * hour, severity=Severity.INFO)
    )
    assert await rows(client, login) == ["c", "b", "a"]
    assert await rows(client, login, site="demo/north") == ["c", "b"]
    assert await rows(client, login, kind="intrusion") == ["a"]
    assert await rows(client, login, kind=["intrusion", "crowding"]) == ["c", "b", "a"]
    assert await rows(client, login, severity="info") == ["c"]
    assert await rows(client, login, camera="b") == ["b"]
    assert await rows(client, login, since="2026-03-01T09:00:00Z") == ["c", "b"]
    assert await rows(client, login, until="2026-03-01T09:00:00Z") == ["a"]
    assert await rows(client, login, since="2026-03-01T17:00:00+08:00", until="2026-03-01T18:00:00+08:00") == ["b"]
    assert await rows(client, login, kind="crowding", severity="major", site="demo/north") == ["b"]


async def test_pages_meet_without_gap_or_repeat(
    world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str]
) -> None:
    expected = []
    for number in range(7):
        at = START + timedelta(seconds=number // 3)  # several share a moment
        incident = make_incident(camera=f"cam-{number}", at=at)
        world.store.append(incident)
        expected.append((at, str(incident.id)))
    seen: list[str] = []
    token: str | None = None
    for _ in range(10):
        params = {"limit": "2"} | ({"next": token} if token else {})
        page = (await client.get("/v1/incidents", params=params, headers=login)).json()
        seen += [row["incident"]["id"] for row in page["items"]]
        token = page["next"]
        if token is None:
            break
    assert seen == [row for _, row in sorted(expected, reverse=True)]


@pytest.mark.parametrize(
    ("params", "status", "named"),
    [
        ({"limit": 0}, 422, "query.limit"),
        ({"limit": 501}, 422, "query.limit"),
        ({"kind": "face"}, 422, "query.kind"),
        ({"since": "yesterday"}, 422, "query.since"),
        ({"since": "2026-03-01T09:00:00"}, 422, "query.since"),
        ({"sites": "demo/north"}, 422, "query.sites"),
        ({"next": "garbage"}, 400, "`next`"),
        ({"next": "!!"}, 400, "`next`"),
        ({"next": "MjAyNi0wMy0wMSAxMg"}, 400, "`next`"),
        ({"next": "\u4e2d"}, 400, "`next`"),
    ],
)
async def test_a_bad_parameter_is_named(
    client: httpx.AsyncClient, login: dict[str, str], params: dict[str, str], status: int, named: str
) -> None:
    answer = await client.get("/v1/incidents", params=params, headers=login)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.json()["detail"]
    assert answer.json()["remedy"]


async def test_an_incident_comes_with_its_history(
    world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str]
) -> None:
    incident = make_incident()
    world.store.append(incident, grid="g", case=UUID(int=5))
    world.store.append(make_incident(seq=1), grid="g", case=UUID(int=5))
    body = (await client.get(f"/v1/incidents/{incident.id}", headers=login)).json()
    assert [message["seq"] for message in body["history"]] == [0, 1]
    assert body["incident"] == body["history"][-1]
    assert (body["grid"], body["case"]) == ("g", str(UUID(int=5)))
    assert body["incident"]["position"] == {"type": "Point", "coordinates": [116.4, 39.9]}
    assert body["incident"]["occurred_at"] == "2026-03-01T08:00:00Z"


async def test_evidence_is_audited_and_then_sent(
    world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str]
) -> None:
    incident = make_incident()
    sha = world.store.put_evidence(incident.id, JPEG)
    world.store.append(incident.with_evidence(make_evidence(sha)))
    url = f"/v1/incidents/{incident.id}/evidence/{sha}"
    answer = await client.get(url, params={"reason": " confirm the intrusion "}, headers=login)
    assert answer.content == JPEG
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert world.store.audit_entries[-1] == AuditEntry(
        at=START, account="operator", action="evidence.view", subject=f"{incident.id}/{sha}",
        reason="confirm the intrusion",
    )  # fmt: skip


async def test_no_audit_no_evidence(world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str]) -> None:
    incident = make_incident()
    sha = world.store.put_evidence(incident.id, JPEG)
    world.store.append(incident.with_evidence(make_evidence(sha)))

    async def refuse(entry: AuditEntry) -> None:
        raise StoreUnavailable("disk full")

    world.store.record = refuse  # type: ignore[method-assign]
    answer = await client.get(f"/v1/incidents/{incident.id}/evidence/{sha}?reason=look", headers=login)
    assert answer.status_code == 503
    assert JPEG not in answer.content


@pytest.mark.parametrize("reason", [None, "", "  ", "ab", "  a   ", "x" * 501])
async def test_evidence_needs_a_reason(
    world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str], reason: str | None
) -> None:
    incident = make_incident()
    sha = world.store.put_evidence(incident.id, JPEG)
    world.store.append(incident.with_evidence(make_evidence(sha)))
    before = len(world.store.audit_entries)
    params = {} if reason is None else {"reason": reason}
    answer = await client.get(f"/v1/incidents/{incident.id}/evidence/{sha}", params=params, headers=login)
    assert answer.status_code == 422
    assert "query.reason" in answer.json()["detail"]
    assert len(world.store.audit_entries) == before


async def test_altered_evidence_is_not_shown_and_that_is_audited(
    world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str]
) -> None:
    incident = make_incident()
    sha = world.store.put_evidence(incident.id, JPEG, named="b" * 64)
    world.store.append(incident.with_evidence(make_evidence(sha)))
    answer = await client.get(f"/v1/incidents/{incident.id}/evidence/{sha}?reason=look", headers=login)
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:gridwatch:problem:evidence-damaged"
    assert JPEG not in answer.content
    assert world.store.audit_entries[-1].action == "evidence.altered"


async def test_evidence_not_there_yet_is_not_audited_as_seen(
    world: ApiWorld, client: httpx.AsyncClient, login: dict[str, str]
) -> None:
    incident = make_incident()
    world.store.append(incident)
    answer = await client.get(f"/v1/incidents/{incident.id}/evidence/{'c' * 64}?reason=look", headers=login)
    assert answer.status_code == 404
    assert "evidence.view" not in {entry.action for entry in world.store.audit_entries}
