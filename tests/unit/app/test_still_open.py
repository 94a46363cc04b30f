from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gridwatch.app.still_open import sort_out
from gridwatch.config import CameraConfig
from gridwatch.domain import Incident, IncidentKind, OpenIncident, Phase, Position, Severity, SitePath, incident_id

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONVIF = {"onvif": {"url": "http://192.0.2.1/onvif"}}
RULE = {"id": "fence", "kind": "intrusion", "zone": "yard"}


def camera(name: str = "square", **changes: Any) -> CameraConfig:
    raw = {"id": name, "site": "harbour", "position": [1, 2], "source": ONVIF, "rules": [RULE],
           "zones": {"yard": [[0, 0], [1, 0], [1, 1]]}, **changes}  # fmt: skip
    return CameraConfig.model_validate(raw)


def left(rule: str, kind: IncidentKind = IncidentKind.INTRUSION, name: str = "square") -> OpenIncident:
    incident = Incident(
        id=incident_id(NOON, name, rule), kind=kind, severity=Severity.MAJOR, phase=Phase.RAISED, seq=0,
        site=SitePath.parse("harbour"), camera=name, rule=rule, position=Position(lon=1, lat=2),
        occurred_at=NOON, observed_at=NOON, boxes=(), score=0.5, count=1, evidence=(), detector=None,
    )  # fmt: skip
    return OpenIncident(latest=incident, seen_at=NOON)


OF_RULE = left("fence")
OF_PICTURE = left("health.covered", IncidentKind.CAMERA_TAMPER)
OF_DEVICE = left("onvif.digitalinput", IncidentKind.DEVICE_ALARM)
OUTAGE = left("health.offline", IncidentKind.CAMERA_OFFLINE)
EVERYTHING = (OF_RULE, OF_PICTURE, OF_DEVICE, OUTAGE)


def test_each_goes_to_who_raised_it() -> None:
    sorted_out = sort_out(EVERYTHING, [camera()])
    assert sorted_out.analysis == {"square": (OF_RULE, OF_PICTURE)}
    assert sorted_out.device == {"square": (OF_DEVICE.latest,)}
    assert sorted_out.health == (OUTAGE.latest,)
    assert sorted_out.orphans == ()


def test_of_a_camera_that_is_gone_all_are_orphans_but_outages_whose_watch_knows() -> None:
    sorted_out = sort_out(EVERYTHING, [camera("other")])
    assert sorted_out.orphans == (OF_RULE.latest, OF_PICTURE.latest, OF_DEVICE.latest)
    assert sorted_out.health == (OUTAGE.latest,)


def test_of_a_rule_that_is_gone_or_is_another_now_and_of_events_no_longer_read() -> None:
    assert sort_out([OF_RULE], [camera(rules=[])]).orphans == (OF_RULE.latest,)
    assert sort_out([OF_RULE], [camera(rules=[{**RULE, "kind": "loitering"}])]).orphans == (OF_RULE.latest,)
    assert sort_out([OF_DEVICE], [camera(events={"enabled": False})]).orphans == (OF_DEVICE.latest,)
    assert sort_out([OF_DEVICE], [camera(source={"rtsp": "rtsp://192.0.2.1/"})]).orphans == (OF_DEVICE.latest,)


def test_the_message_that_clears_one_follows_its_latest() -> None:
    updated = replace(OF_RULE.latest, phase=Phase.UPDATED, seq=7)
    over = updated.cleared(NOON.replace(year=2020))
    assert (over.id, over.seq, over.phase, over.observed_at) == (updated.id, 8, Phase.CLEARED, NOON)
