"""Commands to real workers on a recorded stream, through a Mosquitto that holds every account to its own name."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from gridwatch.app.ingest import IngestRole
from gridwatch.bus import (
    CameraStateTopic,
    Channel,
    Delivery,
    IncidentTopic,
    LinkState,
    Subscriber,
    answer_filter,
    decode_health,
    decode_incident,
    parse_topic,
    subscriptions,
)
from gridwatch.config import Settings, load_settings
from gridwatch.domain import (
    CameraHealth,
    CameraState,
    Evidence,
    Incident,
    MuteRule,
    Outcome,
    Phase,
    Reload,
    Reloaded,
    SitePath,
    TakeSnapshot,
)
from gridwatch.rig import VirtualCamera
from tests.fixtures.acl_broker import AclBroker, acl_broker
from tests.fixtures.rig import MakeRig, encode_clip
from tests.integration.app.commanding import CLOCK, OFFICER, ask, login, wish, write_settings
from tests.waiting import wait_until

STREET = Path(__file__).parents[3] / "samples/streams/pets2009-s2l1-street.mp4"
OPERATOR = "operator@harbour"
DISTRICT = SitePath(district="harbour")
CROWD = {"id": "crowd", "kind": "crowding", "zone": "all", "count": 2, "seconds": 3, "update_seconds": 1}


def camera(name: str, **changes: object) -> dict[str, object]:
    return {
        "id": name, "site": "harbour/north", "position": [0, 0], "source": {"file": str(STREET), "loop": True},
        "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}, "rules": [CROWD], "health": {"frozen_seconds": None},
        **changes,
    }  # fmt: skip


class Ear:
    """What an officer hears of the district: incidents, the latest states, and answers to somebody."""

    def __init__(self, broker: AclBroker, account: str) -> None:
        self.incidents: list[Incident] = []
        self.states: dict[str, CameraHealth] = {}
        self.answers: list[str] = []
        filters = subscriptions(DISTRICT, Channel.INCIDENT, Channel.STATE)
        self.subscriber = Subscriber(
            broker.address(account), "ear", [*filters, answer_filter(DISTRICT, account)], self._take,
            persistent=False, clock=CLOCK,
        )  # fmt: skip

    def _take(self, delivery: Delivery) -> None:
        if delivery.topic.startswith("gridwatch/answer/"):
            self.answers.append(delivery.topic)
            return
        topic = parse_topic(delivery.topic)
        if isinstance(topic, IncidentTopic):
            incident = decode_incident(delivery.topic, delivery.payload, delivery.content_type)
            # At least once: nobody here takes the pictures, so the worker sends what follows one again.
            if (incident.id, incident.seq) not in {(one.id, one.seq) for one in self.incidents}:
                self.incidents.append(incident)
        elif isinstance(topic, CameraStateTopic):
            self.states[topic.camera.camera] = decode_health(delivery.topic, delivery.payload)

    def told(self, name: str, phase: Phase) -> list[Incident]:
        return [one for one in self.incidents if (one.camera, one.phase) == (name, phase)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return write_settings(tmp_path, {}, cameras=[camera("gate-1"), camera("gate-2")])


@pytest.fixture
def broker(tmp_path: Path, settings: Settings) -> Iterator[AclBroker]:
    with acl_broker(settings.deployment, tmp_path / "mosquitto") as running:
        yield running


@pytest.fixture
def ear(broker: AclBroker) -> Iterator[Ear]:
    ear = Ear(broker, OPERATOR)
    ear.subscriber.start()
    wait_until(lambda: ear.subscriber.status.state is LinkState.CONNECTED, 10.0)
    yield ear
    ear.subscriber.close(2.0)


@contextmanager
def working(broker: AclBroker, folder: Path, name: str) -> Iterator[IngestRole]:
    """A worker with that camera alone."""
    cameras = [camera("gate-1"), camera("gate-2")]
    settings = write_settings(folder, login(broker, "ingest@harbour/north"), cameras=cameras)
    role = IngestRole(
        settings.deployment, [settings.deployment.camera(name)], f"node-{name}", CLOCK,
        read=lambda: load_settings(settings.path).deployment,
    )  # fmt: skip
    role.start()
    try:
        yield role
    finally:
        role.close()


@pytest.mark.slow
def test_a_mute_holds_over_a_restart_until_it_is_ended_and_only_the_worker_that_has_the_camera_answers(
    broker: AclBroker, tmp_path: Path, ear: Ear
) -> None:
    quiet = wish(MuteRule(rule="crowd", until=CLOCK.now() + timedelta(hours=1)), OPERATOR)
    with working(broker, tmp_path, "gate-2"):
        with working(broker, tmp_path, "gate-1"):
            reply = ask(broker, quiet)
            wait_until(lambda: "gate-1" in ear.states and ear.states["gate-1"].muted == 1, 30.0)
            wait_until(lambda: bool(ear.told("gate-2", Phase.RAISED)), 30.0)
        assert [one.rule for one in ear.states["gate-1"].mutes] == ["crowd"]
        ear.states.clear()
        with working(broker, tmp_path, "gate-1"):
            again = ask(broker, quiet)
            wait_until(lambda: "gate-1" in ear.states and ear.states["gate-1"].muted == 1, 30.0)
            assert ear.told("gate-1", Phase.RAISED) == []
            ended = ask(broker, wish(MuteRule(rule="crowd", until=CLOCK.now()), OPERATOR))
            wait_until(lambda: bool(ear.told("gate-1", Phase.UPDATED)), 30.0)
            wait_until(lambda: ear.states["gate-1"].mutes == (), 10.0)

    assert (reply.answer.outcome, reply.answer.node) == (Outcome.DONE, "node-gate-1")
    assert again.answer == reply.answer, "the same command, after a restart"
    assert ended.answer.outcome is Outcome.DONE
    assert len(ear.answers) == 3, "of two workers one answers"
    told = [one for one in ear.incidents if one.camera == "gate-1"]
    assert [one.seq for one in told[:2]] == [0, 1], "what goes on is raised when the mute ends, and counted from there"


def test_who_may_not_mute_is_refused_and_the_rule_raises(broker: AclBroker, tmp_path: Path, ear: Ear) -> None:
    until = CLOCK.now() + timedelta(hours=1)
    with working(broker, tmp_path, "gate-1"):
        refused = ask(broker, wish(MuteRule(rule="crowd", until=until), OFFICER))
        unknown = ask(broker, wish(MuteRule(rule="fence", until=until), OPERATOR))
        wait_until(lambda: bool(ear.told("gate-1", Phase.RAISED)), 30.0)

    assert refused.answer.outcome is Outcome.NOT_ALLOWED
    assert "the role officer may not mute" in refused.answer.reason
    assert unknown.answer.outcome is Outcome.UNKNOWN
    assert "it has crowd" in unknown.answer.reason


def test_a_snapshot_is_masked_of_now_and_the_same_when_asked_for_again(
    broker: AclBroker, tmp_path: Path, ear: Ear
) -> None:
    with working(broker, tmp_path, "gate-1"):
        wait_until(lambda: "gate-1" in ear.states and ear.states["gate-1"].state is CameraState.UP, 30.0)
        asked = wish(TakeSnapshot())
        reply = ask(broker, asked)
        again = ask(broker, asked)

    about = reply.answer.detail
    assert isinstance(about, Evidence)
    assert about.masked
    assert (about.width, about.height) == (768, 576)
    assert asked.asked_at - timedelta(seconds=1) <= about.captured_at <= asked.asked_at + timedelta(seconds=10)
    assert reply.picture is not None
    assert hashlib.sha256(reply.picture).hexdigest() == about.sha256
    picture = cv2.imdecode(np.frombuffer(reply.picture, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (576, 768, 3)
    assert again == reply
    assert ear.answers == [], "an answer is for its asker alone"


@pytest.mark.slow
def test_a_reload_changes_rules_while_the_camera_goes_on_or_nothing_at_all(
    broker: AclBroker, tmp_path: Path, ear: Ear
) -> None:
    def write(*rules: dict[str, object], **changes: object) -> Settings:
        cameras = [camera("gate-1", rules=rules, **changes), camera("gate-2")]
        return write_settings(tmp_path, login(broker, "ingest@harbour/north"), cameras=cameras)

    administrator = "administrator@harbour"
    with working(broker, tmp_path, "gate-1"):
        wait_until(lambda: bool(ear.told("gate-1", Phase.RAISED)), 30.0)
        path = write({**CROWD, "zone": "all"}).path
        path.write_text(path.read_text().replace("zone: all", "zone: alle"))
        broken = ask(broker, wish(Reload(), administrator))
        refused = ask(broker, wish(Reload(), OPERATOR))
        before = ear.states["gate-1"]
        wait_until(lambda: ear.states["gate-1"].observed_at > before.observed_at, 10.0)
        assert ear.told("gate-1", Phase.CLEARED) == [], "the rule goes on"

        write({**CROWD, "id": "throng", "seconds": 1}, analysis_fps=4)
        done = ask(broker, wish(Reload(), administrator))
        wait_until(lambda: "throng" in {one.rule for one in ear.told("gate-1", Phase.RAISED)}, 30.0)
        wait_until(lambda: bool(ear.told("gate-1", Phase.CLEARED)), 10.0)
        assert ear.states["gate-1"].frames > before.frames, "its stream was not opened anew"

    assert broken.answer.outcome is Outcome.FAILED
    assert "nothing was changed" in broken.answer.reason
    assert "alle" in broken.answer.reason
    assert refused.answer.outcome is Outcome.NOT_ALLOWED
    assert done.answer.detail == Reloaded(changed=("gate-1",), needs_restart=("camera gate-1: analysis_fps",))
    [cleared] = [one for one in ear.told("gate-1", Phase.CLEARED) if one.rule == "crowd"]
    assert cleared.id == ear.told("gate-1", Phase.RAISED)[0].id


@pytest.mark.slow
def test_a_camera_that_is_idle_is_roused_for_a_snapshot(
    broker: AclBroker, tmp_path: Path, ear: Ear, rig: MakeRig
) -> None:
    # Keyframes 16 s apart: without being roused, it would show nothing in the time there is for an answer.
    still = encode_clip(tmp_path / "still.mp4", seconds=16, gop=160, step=0)
    cameras_of_rig = rig(VirtualCamera(id="gate-1", clip=still, username="o", password="p"))
    url = cameras_of_rig.rtsp_url("gate-1").replace("rtsp://", "rtsp://o:p@")
    reports: dict[datetime, int] = {}

    def is_asleep() -> bool:
        """Over three reports, two seconds apart, almost nothing was decoded."""
        state = ear.states.get("gate-1")
        if state is not None and state.state is CameraState.UP:
            reports[state.observed_at] = state.frames
        frames = list(reports.values())[-3:]
        return len(frames) == 3 and frames[-1] - frames[0] <= 3

    cameras = [camera("gate-1", source={"rtsp": url}), camera("gate-2")]
    settings = write_settings(tmp_path, login(broker, "ingest@harbour/north"), cameras=cameras)
    role = IngestRole(settings.deployment, [settings.deployment.camera("gate-1")], "node-idle", CLOCK)
    role.start()
    try:
        wait_until(is_asleep, 60.0)
        asked = wish(TakeSnapshot())
        reply = ask(broker, asked)
    finally:
        role.close()

    assert isinstance(reply.answer.detail, Evidence)
    assert reply.answer.detail.captured_at >= asked.asked_at - timedelta(seconds=3), "by the camera's clock"
