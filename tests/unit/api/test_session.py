"""Logging in and out, guessing, and requests forged by other sites."""

from datetime import timedelta

import httpx
import pytest

from gridwatch.api import hash_password
from gridwatch.domain import CaseStep
from tests.fixtures.api import PASSWORD, ApiWorld, log_in, make_case

GOOD = {"name": "operator", "password": PASSWORD}
WRONG = {"name": "operator", "password": "wrong"}
OURS = {"Sec-Fetch-Site": "same-origin"}


async def test_a_login_gives_a_token_and_a_cookie_that_both_work(world: ApiWorld, client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/session", json=GOOD)
    assert answer.status_code == 201
    account = answer.json()["account"]
    assert (account["name"], account["role"], account["site"]) == ("operator", "operator", "demo")
    assert account["steps"] == ["file", "dispatch", "handle", "review", "close", "evaluate"]
    assert answer.json()["expires_at"] == "2026-03-01T20:00:00Z"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    assert (await client.get("/v1/session")).status_code == 200  # by cookie
    client.cookies.clear()
    bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert (await client.get("/v1/session", headers=bearer)).json()["name"] == "operator"


async def test_over_tls_the_cookie_is_secure(client: httpx.AsyncClient) -> None:
    answer = await client.post("https://gridwatch.test/v1/session", json=GOOD)
    assert "secure" in answer.headers["set-cookie"].lower()


async def test_the_store_never_sees_the_token(world: ApiWorld, client: httpx.AsyncClient) -> None:
    token = (await client.post("/v1/session", json=GOOD)).json()["token"]
    assert token not in repr(vars(world.store))


async def test_a_session_ends_with_its_time_or_by_logging_out(world: ApiWorld, client: httpx.AsyncClient) -> None:
    first, second = await log_in(client, "operator"), await log_in(client, "operator")
    assert (await client.delete("/v1/session", headers=first)).status_code == 204
    assert (await client.get("/v1/session", headers=first)).status_code == 401
    world.clock.advance(timedelta(hours=12).total_seconds() - 1)
    assert (await client.get("/v1/session", headers=second)).status_code == 200
    world.clock.advance(1)
    assert (await client.get("/v1/session", headers=second)).status_code == 401


async def test_wrong_name_and_wrong_password_read_the_same(client: httpx.AsyncClient) -> None:
    wrong = await client.post("/v1/session", json=WRONG)
    unknown = await client.post("/v1/session", json={"name": "nobody", "password": PASSWORD})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert "set-cookie" not in unknown.headers


async def test_logins_and_failures_are_audited_without_unknown_names(
    world: ApiWorld, client: httpx.AsyncClient
) -> None:
    await client.post("/v1/session", json=WRONG)
    await client.post("/v1/session", json={"name": "my secret password", "password": "x"})
    await log_in(client, "operator")
    entries = [(entry.action, entry.account, entry.subject) for entry in world.store.audit_entries]
    assert entries == [
        ("login.refused", "operator", "192.0.2.7"),
        ("login.refused", "(unknown)", "192.0.2.7"),
        ("login", "operator", "192.0.2.7"),
    ]


@pytest.mark.parametrize("name", ["operator", "nobody"])
async def test_after_five_failures_a_name_waits_even_with_the_right_password(world: ApiWorld, name: str) -> None:
    addresses = iter(f"192.0.2.{number}" for number in range(7))
    app = world.app()

    async def attempt(password: str) -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(next(addresses), 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://gridwatch.test") as client:
            return await client.post("/v1/session", json={"name": name, "password": password})

    async with app.router.lifespan_context(app):
        assert [(await attempt("wrong")).status_code for _ in range(5)] == [401] * 5
        refused = await attempt(PASSWORD)
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "60"
        world.clock.advance(60)
        assert (await attempt(PASSWORD)).status_code == (201 if name == "operator" else 401)


async def test_an_address_that_tries_many_names_waits(world: ApiWorld, client: httpx.AsyncClient) -> None:
    for guess in range(5):
        await client.post("/v1/session", json={"name": f"name-{guess}", "password": "wrong"})
    assert (await client.post("/v1/session", json=GOOD)).status_code == 429


async def test_success_does_not_wash_an_address_clean(world: ApiWorld, client: httpx.AsyncClient) -> None:
    for guess in range(4):
        await client.post("/v1/session", json={"name": f"name-{guess}", "password": "wrong"})
    assert (await client.post("/v1/session", json=GOOD)).status_code == 201
    await client.post("/v1/session", json=WRONG)
    assert (await client.post("/v1/session", json=GOOD)).status_code == 429


async def test_a_database_outage_is_no_failed_login(world: ApiWorld, client: httpx.AsyncClient) -> None:
    world.store.available = False
    for _ in range(6):
        assert (await client.post("/v1/session", json=GOOD)).status_code == 503
    world.store.available = True
    assert (await client.post("/v1/session", json=GOOD)).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"name": "operator"},
        {"name": "", "password": "x"},
        {"name": "operator", "password": ""},
        {"name": "n" * 65, "password": "x"},
        {"name": "operator", "password": "hush" * 300},
    ],
)
async def test_a_malformed_login_is_refused_without_repeating_it(client: httpx.AsyncClient, body: object) -> None:
    answer = await client.post("/v1/session", json=body)
    assert answer.status_code == 422
    assert "hush" not in answer.text


CROSS_SITE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://evil.test"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://gridwatch.test"},
]


@pytest.mark.parametrize("headers", [*CROSS_SITE, {}])
async def test_a_cookie_cannot_act_from_another_sites_page(
    world: ApiWorld, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    case = make_case(step=CaseStep.FILE)
    world.store.case_records[case.id] = case
    await client.post("/v1/session", json=GOOD)
    step = {"to": "dispatch", "note": "go"}
    refused = await client.post(f"/v1/cases/{case.id}/steps", json=step, headers=headers)
    assert refused.status_code == 403
    assert refused.json()["type"] == "urn:gridwatch:problem:cross-site"
    assert world.store.case_records[case.id] == case
    assert (await client.delete("/v1/session", headers=headers)).status_code == 403
    assert (await client.post(f"/v1/cases/{case.id}/steps", json=step, headers=OURS)).status_code == 200


async def test_an_older_browser_is_known_by_its_origin(client: httpx.AsyncClient) -> None:
    await client.post("/v1/session", json=GOOD)
    assert (await client.delete("/v1/session", headers={"Origin": "http://gridwatch.test"})).status_code == 204


@pytest.mark.parametrize("headers", CROSS_SITE)
async def test_another_sites_page_cannot_log_a_browser_in(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await client.post("/v1/session", json=GOOD, headers=headers)).status_code == 403


def test_a_short_password_is_not_hashed() -> None:
    with pytest.raises(ValueError, match="at least 12"):
        hash_password("short")
    assert hash_password(PASSWORD).startswith("$argon2id$")
