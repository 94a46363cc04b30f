"""Evidence that was changed or is gone is found, told of, and never served; in files and in a bucket."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import httpx
import obstore
import pytest
from obstore.store import S3Store
from prometheus_client import CollectorRegistry

from gridwatch.api import ApiServices, ApiSettings, Passwords, create_app
from gridwatch.app.integrity import EVERY, EvidenceWatch, IntegrityJob
from gridwatch.app.opening import make_database
from gridwatch.config import load_settings
from gridwatch.domain import FakeClock
from gridwatch.store import Database, EvidenceAltered, EvidenceBytes, EvidenceMissing, EvidenceRefused, StoreUnavailable
from gridwatch.store.evidence import EvidenceFiles
from gridwatch.store.evidence_s3 import Bucket, EvidenceBucket
from tests.fixtures.api import CHEAP
from tests.integration.store.build import START, incident, picture, record

DATA = b"a picture"
SHA = sha256(DATA).hexdigest()
Spoil = Callable[[str, bytes | None], Awaitable[None]]
"""Writes other bytes under a hash, or (None) takes them away, as somebody who has the disk would."""


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """moto: S3 over HTTP, not ours."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-p", str(port), "-H", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        url = f"http://127.0.0.1:{port}"
        try:
            with httpx.Client(timeout=30, transport=httpx.HTTPTransport(retries=0)) as client:
                while server.poll() is None:
                    with contextlib.suppress(httpx.ConnectError):
                        client.get(url)
                        break
                assert client.put(f"{url}/evidence-bucket").status_code == 200
            yield url
        finally:
            server.terminate()


def bucket(url: str) -> Bucket:
    return Bucket(
        name="evidence-bucket", endpoint=url, region="us-east-1", access_key="a", secret_key="b", prefix="pictures/"
    )


@pytest.fixture(params=["files", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[EvidenceBytes, Spoil]:
    if request.param == "files":
        files = EvidenceFiles(tmp_path / "evidence")

        async def spoil_file(sha: str, data: bytes | None) -> None:
            path = files.path(sha)
            await asyncio.to_thread(path.unlink if data is None else lambda: path.write_bytes(data or b""))

        return files, spoil_file
    url = request.getfixturevalue("s3_server")
    store = S3Store(
        "evidence-bucket", endpoint=url, region="us-east-1", access_key_id="a", secret_access_key="b",
        client_options={"allow_http": True},
    )  # fmt: skip

    async def spoil_object(sha: str, data: bytes | None) -> None:
        key = f"pictures/{sha[:2]}/{sha}"
        await (obstore.delete_async(store, key) if data is None else obstore.put_async(store, key, data))

    return EvidenceBucket(bucket(url)), spoil_object


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
async def database(
    place: tuple[EvidenceBytes, Spoil], database_dsn: str, tmp_path: Path, clock: FakeClock
) -> AsyncIterator[Database]:
    store = Database(dsn=database_dsn, pool_size=4, clock=clock, evidence_dir=tmp_path, evidence=place[0])
    await store.open()
    yield store
    await store.close()


async def check(database: Database, clock: FakeClock) -> int | None:
    return await IntegrityJob(database.integrity, clock).run_due(asyncio.Event())


async def told(database: Database) -> list[tuple[str, str]]:
    entries = await database.audit.entries(START, 10)
    return [(one.action, one.reason) for one in entries if one.action.startswith("evidence.")]


async def test_bytes_are_kept_by_their_hash_read_back_and_deleted(place: tuple[EvidenceBytes, Spoil]) -> None:
    files, spoil = place
    data = uuid.uuid4().bytes
    sha = sha256(data).hexdigest()
    assert await files.get(sha) is None
    for _ in range(2):
        await files.put(sha, data)
    assert await files.get(sha) == data
    await spoil(sha, b"other")
    with pytest.raises(EvidenceAltered):
        await files.get(sha)
    await files.put(sha, data)
    assert await files.get(sha) == data
    assert sha in [name async for names in files.names() for name in names]
    for _ in range(2):
        await files.delete(sha)
    assert sha not in [name async for names in files.names() for name in names]
    assert await files.get(sha) is None
    with pytest.raises(EvidenceRefused):
        await files.put(sha, b"not these")
    assert await files.get("../../etc/passwd") is None


async def test_a_changed_or_missing_file_is_found_told_of_once_and_mended(
    database: Database, clock: FakeClock, place: tuple[EvidenceBytes, Spoil]
) -> None:
    _, spoil = place
    one = incident(evidence=[picture(DATA)])
    await record(database, one)
    assert await database.store_evidence(one.id, SHA, DATA)
    assert await check(database, clock) == 1
    assert await check(database, clock) == 0, "looked at a moment ago"
    for damage, data in (("changed", b"another picture"), ("missing", None)):
        await spoil(SHA, data)
        for _ in range(2):
            clock.advance(EVERY.total_seconds())
            assert await check(database, clock) == 1
        assert await database.integrity.damaged() == 1
        with pytest.raises(EvidenceAltered if data else EvidenceMissing):
            await database.archive.evidence(one.id, SHA)
        entries = await told(database)
        assert entries[0] == ("evidence.damaged", f"{damage}; named by {one.id}")
    assert len(entries) == 2, "each once"
    for _ in range(2):
        assert await database.store_evidence(one.id, SHA, DATA)
    assert await database.integrity.damaged() == 0
    assert await database.archive.evidence(one.id, SHA) is not None
    entries = await told(database)
    assert entries[0] == ("evidence.mended", f"delivered again; named by {one.id}")
    assert len(entries) == 3, "the second delivery mends nothing"


async def test_what_a_viewer_finds_counts_at_once(database: Database, place: tuple[EvidenceBytes, Spoil]) -> None:
    data = uuid.uuid4().bytes
    sha = sha256(data).hexdigest()
    one = incident(evidence=[picture(data)])
    await record(database, one)
    assert await database.archive.evidence(one.id, sha) is None, "its bytes have not come yet"
    assert await database.integrity.damaged() == 0
    assert await database.store_evidence(one.id, sha, data)
    await place[1](sha, None)
    with pytest.raises(EvidenceMissing):
        await database.archive.evidence(one.id, sha)
    assert await database.integrity.damaged() == 1


async def test_it_goes_on_where_it_stopped(database: Database, clock: FakeClock) -> None:
    for number in range(50):
        data = f"{number}".encode()
        assert await database.store_evidence(uuid.uuid4(), sha256(data).hexdigest(), data)
    first = {one.sha256 for one in await database.integrity.check(EVERY, 20)}
    clock.advance(timedelta(days=1).total_seconds())
    second = {one.sha256 for one in await database.integrity.check(EVERY, 20)}
    assert len(first | second) == 40
    assert await check(database, clock) == 10
    clock.advance(timedelta(days=29).total_seconds())
    assert {one.sha256 for one in await database.integrity.check(EVERY, 50)} == first


async def test_one_of_several_processes_looks(database: Database, clock: FakeClock) -> None:
    async with database.integrity.exclusive() as mine:
        assert mine
        assert await check(database, clock) is None


async def test_a_store_that_is_away_is_unavailable() -> None:
    away = EvidenceBucket(bucket("http://127.0.0.1:9"))
    with pytest.raises(StoreUnavailable, match="evidence-bucket"):
        await away.put(SHA, DATA)
    with pytest.raises(StoreUnavailable):
        await away.get(SHA)


def test_a_deployment_with_a_bucket_keeps_its_evidence_there(tmp_path: Path) -> None:
    path = tmp_path / "deployment.yaml"
    path.write_text(
        "version: 1\ndistrict: {id: d, name: D}\nservices:\n  evidence:\n    s3: {bucket: evidence-bucket, "
        "endpoint: 'http://127.0.0.1:9', access_key: a, secret_key: b}\n",
        encoding="utf-8",
    )
    assert isinstance(make_database(load_settings(path), FakeClock(START)).files, EvidenceBucket)


async def test_health_and_metrics_tell_of_damage(database: Database, place: tuple[EvidenceBytes, Spoil]) -> None:
    """Degraded and still 200: the API works, and a balancer must not take it away for a damaged picture."""
    data = uuid.uuid4().bytes
    sha = sha256(data).hexdigest()
    one = incident(evidence=[picture(data)])
    await record(database, one)
    assert await database.store_evidence(one.id, sha, data)
    registry = CollectorRegistry()
    watch = EvidenceWatch(database.integrity, registry)
    services = ApiServices(
        directory=database.directory, archive=database.archive, log=database.events, cases=database.cases,
        accounts=database.accounts, audit=database.audit, holds=database.holds, counts=database.statistics,
        observations=database.observations, concerns={"evidence": watch.sound},
        registry=registry,
    )  # fmt: skip
    app = create_app(services, ApiSettings(categories={}), FakeClock(START), Passwords(CHEAP))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://gridwatch.test") as client,
    ):
        assert (await client.get("/healthz")).json() == {"status": "ok", "parts": {"database": "ok", "evidence": "ok"}}
        await place[1](sha, b"other")
        with pytest.raises(EvidenceAltered):
            await database.archive.evidence(one.id, sha)
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert "gridwatch_evidence_damaged 1.0" in (await client.get("/metrics")).text
