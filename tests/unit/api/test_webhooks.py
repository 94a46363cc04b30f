"""The door for reports: who proves nothing learns nothing, what is too much is refused, what is kept is answered."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from gridwatch.api.webhooks import MAX_BODY, CannotKeep, Door, Receipt, create_webhook_app
from gridwatch.app.intake import SourceFigures
from gridwatch.domain import FakeClock, Phase
from gridwatch.sources import SourceTally

TOKEN = "0123456789abcdef"
KEY = b"fedcba9876543210"
INCIDENT = UUID("019cb6d5-3a12-7abc-8def-0123456789ab")
REGISTRY = CollectorRegistry()
REGISTRY.register(SourceFigures({"plain": SourceTally(messages=7, identities=3)}))
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Desk:
    """Who takes reports, as told."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes, str | None]] = []
        self.keeps = True
        self.refused: str | None = None

    async def __call__(self, source: str, body: bytes, key: str | None) -> Receipt:
        if not self.keeps:
            raise CannotKeep
        self.taken.append((source, body, key))
        return Receipt(incidents=((INCIDENT, 0, Phase.RAISED),), repeated=False, refused=self.refused)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def client(desk: Desk, clock: FakeClock) -> AsyncIterator[httpx.AsyncClient]:
    doors = [
        Door(source="plain", secret=TOKEN.encode(), signs=False, per_minute=5),
        Door(source="signed", secret=KEY, signs=True, per_minute=5),
    ]
    transport = httpx.ASGITransport(create_webhook_app(doors, desk, clock, REGISTRY))
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as one:
        yield one


def signature(body: bytes, key: bytes = KEY) -> dict[str, str]:
    return {"X-Hub-Signature-256": f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"}


async def test_a_report_that_was_kept_is_answered_with_its_incident(client: httpx.AsyncClient, desk: Desk) -> None:
    answer = await client.post("/v1/sources/plain", content=b"{}", headers={**BEARER, "Idempotency-Key": "k1"})
    assert answer.status_code == 202
    assert answer.json() == {"incidents": [{"id": str(INCIDENT), "seq": 0, "phase": "raised"}], "repeated": False}
    assert desk.taken == [("plain", b"{}", "k1")]


async def test_a_signed_report_is_taken_and_one_changed_on_the_way_is_not(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    assert (await client.post("/v1/sources/signed", content=b"{}", headers=signature(b"{}"))).status_code == 202
    assert (await client.post("/v1/sources/signed", content=b"{ }", headers=signature(b"{}"))).status_code == 401
    assert len(desk.taken) == 1


@pytest.mark.parametrize(
    ("source", "headers"),
    [
        ("plain", {}),
        ("plain", {"Authorization": "Bearer wrong"}),
        ("plain", {"Authorization": f"Basic {TOKEN}"}),
        ("plain", {"Authorization": f"Bearer {TOKEN}x"}),
        ("signed", BEARER),
        ("signed", signature(b"{}", b"another key, as long")),
        ("signed", {"X-Hub-Signature-256": b"sha256=\xff"}),
        ("nobody", BEARER),
        ("nobody", {}),
    ],
)
async def test_who_proves_nothing_learns_nothing_not_even_whether_there_is_such_a_source(
    source: str, headers: dict[str, Any], client: httpx.AsyncClient, desk: Desk
) -> None:
    answer = await client.post(f"/v1/sources/{source}", content=b"{}", headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {
        "type": "urn:gridwatch:problem:not-authorised", "title": "Not authorised", "status": 401, "detail": "",
        "remedy": "", "instance": f"/v1/sources/{source}",
    }  # fmt: skip
    assert desk.taken == []


@pytest.mark.parametrize("source", ["plain", "signed"])
async def test_what_is_too_large_is_not_read_to_its_end(source: str, client: httpx.AsyncClient, desk: Desk) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 1024 + 2):
            yield bytes(1024)
        pytest.fail("read beyond what it may use")

    headers = {**BEARER, **signature(b"")}
    assert (await client.post(f"/v1/sources/{source}", content=bytes(MAX_BODY + 1), headers=headers)).status_code == 413
    answer = await client.post(f"/v1/sources/{source}", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert desk.taken == []


async def test_more_than_a_source_may_send_waits(client: httpx.AsyncClient, clock: FakeClock, desk: Desk) -> None:
    codes = [(await client.post("/v1/sources/plain", content=b"{}", headers=BEARER)).status_code for _ in range(7)]
    assert codes == [202] * 5 + [429] * 2
    assert (await client.post("/v1/sources/signed", content=b"{}", headers=signature(b"{}"))).status_code == 202
    clock.advance(12)
    assert (await client.post("/v1/sources/plain", content=b"{}", headers=BEARER)).status_code == 202


async def test_guessing_is_bounded_and_keeps_nobody_out_who_knows(client: httpx.AsyncClient) -> None:
    codes = [(await client.post("/v1/sources/plain", headers={"Authorization": f"Bearer {n}"})) for n in range(70)]
    assert [one.status_code for one in codes] == [401] * 60 + [429] * 10
    assert (await client.post("/v1/sources/plain", content=b"{}", headers=BEARER)).status_code == 202


async def test_what_could_not_be_kept_is_to_be_sent_again(client: httpx.AsyncClient, desk: Desk) -> None:
    desk.keeps = False
    answer = await client.post("/v1/sources/plain", content=b"{}", headers=BEARER)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


async def test_an_unusable_report_says_why_to_who_may_know(client: httpx.AsyncClient, desk: Desk) -> None:
    desk.refused = "score is no number from 0 to 1"
    answer = await client.post("/v1/sources/plain", content=b"{}", headers=BEARER)
    assert answer.status_code == 422
    assert "score is no number" in answer.json()["detail"]


async def test_a_key_has_bounds(client: httpx.AsyncClient) -> None:
    headers = {**BEARER, "Idempotency-Key": "k" * 201}
    assert (await client.post("/v1/sources/plain", content=b"{}", headers=headers)).status_code == 422


async def test_figures_are_for_this_machine_alone(client: httpx.AsyncClient, desk: Desk, clock: FakeClock) -> None:
    text = (await client.get("/metrics")).text
    assert 'gridwatch_source_total{outcome="messages",source="plain"} 7.0' in text
    assert 'gridwatch_source_total{outcome="identities",source="plain"} 3.0' in text
    elsewhere = httpx.ASGITransport(create_webhook_app([], desk, clock, REGISTRY), client=("192.0.2.7", 1234))
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://door") as other:
        assert (await other.get("/metrics")).status_code == 403


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/v1/sources", "/v1/incidents"])
async def test_there_is_nothing_else(path: str, client: httpx.AsyncClient) -> None:
    assert (await client.get(path)).status_code == 404
