"""The mirror in ONVIF's JSON on a real broker, seen by a client that is not ours."""

import json
import subprocess
from pathlib import Path

import pytest

from gridwatch.app.sink import IncidentSink
from gridwatch.bus import Channel, OnvifMirror
from gridwatch.domain import IncidentKind, SitePath
from tests.fixtures.broker import BrokerControl
from tests.integration.bus.parts import Collector, publishing, subscribed, wait_until
from tests.unit.bus.samples import WHEN, incident

pytestmark = pytest.mark.timeout(60)


def test_mosquitto_sub_finds_the_retained_state_and_an_unheard_mirror_holds_nothing_up(
    mosquitto: BrokerControl, mosquitto_sub: str, tmp_path: Path
) -> None:
    site = SitePath(district="mirror")
    one, crossed = incident(1, site=site), incident(2, site=site, kind=IncidentKind.LINE_CROSSING)
    collector = Collector()
    with (
        subscribed(mosquitto.address, "mirror", collector, channels=[Channel.INCIDENT]),
        publishing(mosquitto.address, "mirror", tmp_path) as (outbox, publisher),
    ):
        sink = IncidentSink(outbox, publisher, ["gate-1"], mirror=OnvifMirror())
        sink.put("gate-1", [one, crossed])
        collector.wait_for(2)
        wait_until(lambda: publisher.status().pending == 0, "every acknowledgement, although nobody took the mirror")
        assert publisher.status().refused == 0

        topic, payload = _first_retained(mosquitto, mosquitto_sub, tmp_path).split(" ", 1)
        assert topic == (
            "gridwatch/v1/mirror/-/-/gate-1/onvif-ej/RuleEngine/FieldDetector/ObjectsInside/&gate-1/gridwatch/yard"
        )
        assert json.loads(payload)["Data"] == {"IsInside": "true", "Incident": str(one.id)}
        assert json.loads(payload).keys() == {"UtcTime", "Source", "Data"}

        sink.put("gate-1", [one.cleared(WHEN)])
        wait_until(lambda: publisher.status().pending == 0, "the end to be acknowledged")
        last = _first_retained(mosquitto, mosquitto_sub, tmp_path)
    assert json.loads(last.split(" ", 1)[1])["Data"]["IsInside"] == "false"


def _first_retained(broker: BrokerControl, mosquitto_sub: str, folder: Path) -> str:
    (folder / "mosquitto_sub").write_text(f"-u {broker.address.username}\n-P {broker.address.password}\n")
    command = [
        mosquitto_sub, "-h", broker.address.host, "-p", str(broker.address.port), "-V", "5", "-q", "1", "-C", "1",
        "-W", "20", "-v", "-t", "gridwatch/v1/mirror/+/+/+/onvif-ej/RuleEngine/#",
    ]  # fmt: skip
    environment = {"XDG_CONFIG_HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()
