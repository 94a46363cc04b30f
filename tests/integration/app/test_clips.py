"""Clips of incidents, from a camera over RTSP to the worker's disk, the broker and the record."""

import hashlib
import io
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import av
import pytest

from gridwatch.api import hash_password
from gridwatch.app.clip_command import ClipRequest, release_clips
from gridwatch.app.clip_folder import ClipFolder
from gridwatch.app.ingest import IngestRole
from gridwatch.bus import (
    CameraPath,
    Delivery,
    KeptClip,
    LinkState,
    Outbox,
    Subscriber,
    decode_clip,
    decode_health,
    encode_clip,
    subscriptions,
)
from gridwatch.config import Settings
from gridwatch.domain import Account, Evidence, Incident, IncidentFilter, Role, SitePath, SystemClock, UsageError
from gridwatch.rig import VirtualCamera
from gridwatch.store import Database
from tests.fixtures.broker import BrokerControl
from tests.fixtures.rig import MakeRig
from tests.integration.app.conftest import MakeSettings
from tests.integration.app.test_record import NOON, eventually, publish_raw, publishing, raised, recording
from tests.waiting import wait_until

CLOCK = SystemClock()
PASSWORD = "correct horse battery"
STREET = Path(__file__).parents[3] / "samples/streams/pets2009-s2l1-street.mp4"


def told_of(incident: Incident) -> KeptClip:
    about = Evidence(
        sha256="ab" * 32, media_type="video/mp4", bytes=9, width=64, height=48, captured_at=incident.occurred_at,
        masked=False,
    )  # fmt: skip
    camera = CameraPath(site=incident.site, camera=incident.camera)
    return KeptClip(camera=camera, incident=incident.id, node="n", evidence=about, seconds=10)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox", 10_000_000, CLOCK)


@pytest.fixture
def heard(mosquitto: BrokerControl) -> Iterator[list[Delivery]]:
    deliveries: list[Delivery] = []
    subscriber = Subscriber(
        mosquitto.address, client_id="hears-clips", persistent=False, clock=CLOCK,
        filters=subscriptions(SitePath(district="clip-a")), deliver=deliveries.append,
    )  # fmt: skip
    subscriber.start()
    wait_until(lambda: subscriber.status.state is LinkState.CONNECTED, 5.0)
    yield deliveries
    subscriber.close(2.0)


def test_a_worker_keeps_the_clip_for_itself_and_tells_of_it(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig, heard: list[Delivery]
) -> None:
    cameras = rig(VirtualCamera(id="street", clip=STREET, username="operator", password="a b"))
    camera = {
        "id": "street",
        "source": {"rtsp": cameras.rtsp_url("street").replace("://", "://operator:a%20b@")},
        "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]},
        "rules": [{"id": "any", "kind": "intrusion", "zone": "all", "dwell_seconds": 0}],
    }
    deployment = settings("clip-a", broker=mosquitto, cameras=[camera]).deployment
    clips = deployment.clips.model_copy(update={"mode": "original", "pre_seconds": 1.0, "post_seconds": 1.0})
    deployment = deployment.model_copy(update={"clips": clips})
    role = IngestRole(deployment, deployment.cameras, "node-clip", CLOCK)
    role.start()
    try:
        wait_until(lambda: any("/clip/" in one.topic for one in heard), 30.0)
        wait_until(
            lambda: any(
                one.topic.endswith("street/state") and decode_health(one.topic, one.payload).clips for one in heard
            ),
            20.0,
        )
    finally:
        role.close()
    told: list[KeptClip] = [decode_clip(one.topic, one.payload) for one in heard if "/clip/" in one.topic]
    folder = deployment.services.data_dir / "clips" / "node-clip"
    kept = {one.stem: one.read_bytes() for one in folder.glob("*.mp4")}
    for clip in told:
        content = kept[clip.evidence.sha256]
        assert hashlib.sha256(content).hexdigest() == clip.evidence.sha256
        assert (clip.evidence.bytes, clip.evidence.masked, clip.node) == (len(content), False, "node-clip")
    with av.open(io.BytesIO(kept[told[0].evidence.sha256])) as container:
        frames = [frame for frame in container.decode(video=0) if not frame.is_corrupt]
    assert (frames[0].width, frames[0].height) == (told[0].evidence.width, told[0].evidence.height) == (768, 576)
    assert len(frames) / 10 == pytest.approx(told[0].seconds, abs=0.2)
    assert not any(b"ftyp" in one.payload[:16] for one in heard)


async def test_the_record_knows_of_a_clip_whose_video_it_does_not_have(
    settings: MakeSettings, mosquitto: BrokerControl, database_dsn: str, database: Database, outbox: Outbox
) -> None:
    incident = raised("clip-b", 1)
    clip = told_of(incident)
    async with (
        recording(settings("clip-b", broker=mosquitto, dsn=database_dsn)) as role,
        publishing(mosquitto, outbox, "clip-b") as put,
    ):
        outbox.append([encode_clip(clip)])
        put(incident)
        await eventually(lambda: role.recorder.counts.clips == 1 and role.recorder.counts.stored == 1)
        publish_raw(mosquitto, encode_clip(clip).topic, encode_clip(clip).payload)
        await eventually(lambda: role.recorder.counts.clips == 2)
    [record] = await database.archive.incidents(IncidentFilter(scope=SitePath.parse("clip-b")), None, 10)
    assert record.incident.evidence == (clip.evidence,)
    assert await database.archive.evidence(incident.id, clip.evidence.sha256) is None


async def kept_clip(settings: Settings, database: Database, district: str) -> tuple[Incident, bytes]:
    """An incident in the record, its clip on this worker, and two accounts."""
    incident = raised(district, 1)
    content = b"not really video " + district.encode()
    services = settings.deployment.services
    folder = ClipFolder(services.data_dir / "clips" / "n", timedelta(days=1), 10_000_000, CLOCK)
    folder.open()
    sha256 = folder.put(content)
    async with database.recording() as batch:
        await batch.add_messages([incident])
    await database.store_clip(incident.id, replace(told_of(incident).evidence, sha256=sha256))
    for name, role, site in (
        ("operator", Role.OPERATOR, district), ("auditor", Role.AUDITOR, district), ("elsewhere", Role.OPERATOR, "far"),
    ):  # fmt: skip
        account = Account(name=name, role=role, site=SitePath.parse(site), password_hash=hash_password(PASSWORD))
        await database.accounts.save_account(account)
    return incident, content


def request(incident: Incident, out: Path, **changes: str) -> ClipRequest:
    asked = {"account": "operator", "password": PASSWORD, "reason": "case 7, theft at the gate"} | changes
    return ClipRequest(incident=incident.id, out=out, **asked)


async def test_a_clip_is_handed_out_after_account_and_reason_are_in_the_audit(
    settings: MakeSettings, database_dsn: str, database: Database, tmp_path: Path
) -> None:
    chosen = settings("clip-c", dsn=database_dsn)
    incident, content = await kept_clip(chosen, database, "clip-c")
    [path] = await release_clips(chosen, request(incident, tmp_path / "out"), CLOCK)
    assert path.read_bytes() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    entry = (await database.audit.entries(NOON - timedelta(days=9999), 1))[0]
    assert (entry.account, entry.action, entry.reason) == ("operator", "clip.release", "case 7, theft at the gate")
    assert entry.subject.startswith(f"{incident.id}/")


async def test_a_clip_is_not_handed_out_to_others_nor_when_it_was_changed(
    settings: MakeSettings, database_dsn: str, database: Database, tmp_path: Path
) -> None:
    chosen = settings("clip-d", dsn=database_dsn)
    incident, _ = await kept_clip(chosen, database, "clip-d")
    before = len(await database.audit.entries(NOON - timedelta(days=9999), 100))
    out = tmp_path / "out"
    for changes, says in (
        ({"password": "wrong password"}, "no account 'operator' has this password"),
        ({"account": "nobody"}, "no account 'nobody'"),
        ({"account": "auditor"}, "role auditor may not"),
        ({"account": "elsewhere"}, "no incident"),
        ({"reason": " "}, "give a reason"),
    ):
        with pytest.raises(UsageError, match=says):
            await release_clips(chosen, request(incident, out, **changes), CLOCK)
    with pytest.raises(UsageError, match="no incident"):
        await release_clips(chosen, request(raised("clip-d", 2), out), CLOCK)
    [clip] = (chosen.deployment.services.data_dir / "clips").rglob("*.mp4")
    clip.write_bytes(b"changed")
    with pytest.raises(UsageError, match="no longer has its hash"):
        await release_clips(chosen, request(incident, out), CLOCK)
    clip.unlink()
    with pytest.raises(UsageError, match="unless its time is over"):
        await release_clips(chosen, request(incident, out), CLOCK)
    assert not out.exists()
    assert len(await database.audit.entries(NOON - timedelta(days=9999), 100)) == before
