"""An ingest process that is killed, and started again: what was open goes on, or ends, once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from gridwatch.config import Settings
from gridwatch.domain import Phase
from gridwatch.rig import VirtualCamera
from tests.fixtures.broker import BrokerControl
from tests.fixtures.rig import MakeRig, encode_clip
from tests.integration.app.conftest import MakeSettings
from tests.integration.app.test_health_incidents import Incidents

STREET = Path(__file__).parents[3] / "samples/streams/pets2009-s2l1-street.mp4"
CROWD = {"id": "crowd", "kind": "crowding", "zone": "all", "count": 2, "seconds": 0.5, "update_seconds": 3600}


def camera(url: str, *rules: dict[str, object]) -> dict[str, object]:
    return {
        "id": "street", "source": {"rtsp": url}, "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}, "rules": rules,
        "health": {"frozen_seconds": None},
    }  # fmt: skip


@contextmanager
def ingest(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    """The real process; killed at the end if it still runs."""
    log = settings.path.with_suffix(".log")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gridwatch", "ingest", "--config", str(settings.path)],
            stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=os.environ,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def life(incidents: Incidents, rule: str) -> list[tuple[UUID, Phase, int]]:
    """Of a rule's incidents, without what was sent twice since the kill came before its acknowledgement."""
    return list(dict.fromkeys((one.id, one.phase, one.seq) for one in incidents.heard if one.rule == rule))


def test_after_kill_9_an_incident_goes_on_under_its_id_and_ends_once(
    settings: MakeSettings, mosquitto: BrokerControl, rig: MakeRig, tmp_path: Path
) -> None:
    still = encode_clip(tmp_path / "empty.mp4", seconds=4, noise=False)
    cameras = rig(
        VirtualCamera(id="busy", clip=STREET, username="o", password="p"),
        VirtualCamera(id="empty", clip=still, username="o", password="p"),
    )
    busy, empty = (cameras.rtsp_url(name).replace("://", "://o:p@") for name in ("busy", "empty"))
    with Incidents(mosquitto, "again") as incidents:
        chosen = settings("again", broker=mosquitto, cameras=[camera(busy, CROWD, {**CROWD, "id": "gone"})])
        with ingest(chosen) as process:
            raised = incidents.wait_for("street", "crowd", Phase.RAISED)
            gone = incidents.wait_for("street", "gone", Phase.RAISED)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        with ingest(chosen) as process:
            incidents.wait_for("street", "crowd", Phase.UPDATED)
            incidents.wait_for("street", "gone", Phase.UPDATED)
            process.terminate()  # in order this time
            process.wait(20)
        # The same camera shows an empty picture when it is next looked at, and one rule is no more.
        with ingest(settings("again", broker=mosquitto, cameras=[camera(empty, CROWD)])):
            incidents.wait_for("street", "crowd", Phase.CLEARED)
            incidents.wait_for("street", "gone", Phase.CLEARED)
    for rule, identity in (("crowd", raised.id), ("gone", gone.id)):
        assert life(incidents, rule) == [
            (identity, Phase.RAISED, 0), (identity, Phase.UPDATED, 1), (identity, Phase.CLEARED, 2),
        ]  # fmt: skip
