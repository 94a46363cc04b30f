"""The stage between tracker and rules, within the analysis of a camera."""

from collections.abc import Sequence
from typing import Any

import pytest

from gridwatch.detectors.analysis import Analysis, CameraAnalysis
from gridwatch.detectors.detector import ScriptedDetector
from gridwatch.domain import Incident, IncidentKind
from tests.unit.detectors.scenes import at, camera, frame
from tests.unit.detectors.still_pictures import BAG, boxed, film, leaves_a_bag

FILM = film(30.0, leaves_a_bag)
WHOLE = {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}
RULE = {"id": "bag", "kind": "abandoned_object", "zone": "all", "seconds": 8.0}


def analyse(**changes: Any) -> list[Analysis]:
    detector = ScriptedDetector([seen for _, seen in FILM])
    analysis = CameraAnalysis(camera(gate=False, **{"zones": WHOLE, "rules": [RULE], **changes}), detector)
    return [analysis.analyse(frame(i, image)) for i, (image, _) in enumerate(FILM)]


def incidents(results: Sequence[Analysis]) -> list[Incident]:
    return [one for result in results for one in result.incidents]


def test_a_bag_becomes_an_incident_seen_in_the_pixels_with_a_picture() -> None:
    (raised,) = incidents(analyse())
    assert raised.kind is IncidentKind.ABANDONED_OBJECT
    assert raised.boxes[0].box.iou(boxed(BAG, "bag").box) > 0.6
    assert raised.detector is not None
    assert raised.detector.name == "pixels"
    assert len(raised.evidence) == 1
    # The owner is out of reach (1.5 of his heights) about a second after he went on at 7 s.
    assert raised.occurred_at.timestamp() == pytest.approx(at(17.0).timestamp(), abs=2.0)


def test_the_same_pictures_give_the_same_messages() -> None:
    assert analyse() == analyse()


def test_rules_about_people_do_not_see_things() -> None:
    results = analyse(rules=[RULE, {"id": "yard", "kind": "intrusion", "zone": "all", "dwell_seconds": 20}])
    assert [one.kind for one in incidents(results)] == [IncidentKind.ABANDONED_OBJECT]


def test_a_camera_without_such_a_rule_has_no_such_tracks() -> None:
    results = analyse(rules=[{"id": "yard", "kind": "intrusion", "zone": "all"}])
    assert {one.label for result in results for one in result.tracks} == {"person"}


@pytest.mark.parametrize("where", ["privacy", "ignore"])
def test_things_in_a_zone_that_nobody_may_look_into_are_none(where: str) -> None:
    garden = [[0.4, 0.5], [0.6, 0.5], [0.6, 0.9], [0.4, 0.9]]
    assert incidents(analyse(**{where: [garden]})) == []


def test_every_picture_is_wanted_until_a_rule_may_have_raised() -> None:
    detector = ScriptedDetector([seen for _, seen in FILM] * 2)
    rule = {**RULE, "seconds": 60.0}
    analysis = CameraAnalysis(camera(zones=WHOLE, rules=[rule]), detector)
    still = [(FILM[-1][0], ())] * 1200
    idle = [analysis.analyse(frame(i, image)).idle for i, (image, _) in enumerate([*FILM, *still])]
    assert not any(idle[: round(5 * 65.0)])
