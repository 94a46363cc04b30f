from uuid import UUID

import pytest

from gridwatch.bus import (
    BadTopicLevel,
    CameraPath,
    CameraStateTopic,
    Channel,
    EvidenceTopic,
    IncidentTopic,
    MalformedMessage,
    NodeStateTopic,
    parse_topic,
    subscriptions,
)
from gridwatch.bus.topics import Topic
from gridwatch.domain import IncidentKind, SitePath

ID = UUID("019cb6d5-3a12-7abc-8def-0123456789ab")
CAMERA = CameraPath(site=SitePath(district="d", substation="s", checkpoint="c"), camera="cam.1")
ON_DISTRICT = CameraPath(site=SitePath(district="d"), camera="cam")


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        (IncidentTopic(camera=CAMERA, kind=IncidentKind.CROWDING), "gridwatch/v1/d/s/c/cam.1/incident/crowding"),
        (IncidentTopic(camera=ON_DISTRICT, kind=IncidentKind.REPORTED), "gridwatch/v1/d/-/-/cam/incident/reported"),
        (EvidenceTopic(camera=CAMERA, incident=ID), f"gridwatch/v1/d/s/c/cam.1/evidence/{ID}"),
        (CameraStateTopic(camera=ON_DISTRICT), "gridwatch/v1/d/-/-/cam/state"),
        (
            NodeStateTopic(site=SitePath(district="d", substation="s"), node="n-1"),
            "gridwatch/v1/d/s/-/-/node/n-1/state",
        ),
    ],
)
def test_every_topic_is_built_as_documented_and_parsed_back(topic: Topic, text: str) -> None:
    assert str(topic) == text
    assert parse_topic(text) == topic


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "gridwatch", "gridwatch/v1", "gridwatch/v2/d/s/c/cam/state", "other/v1/d/s/c/cam/state",
        "gridwatch/v1/d/s/c/cam", "gridwatch/v1/d/s/c/cam/", "gridwatch/v1/d/s/c/cam/incident",
        "gridwatch/v1/d/s/c/cam/incident/", "gridwatch/v1/d/s/c/cam/incident/face", "gridwatch/v1/d/s/c/cam/state/x",
        "gridwatch/v1/d/s/c/cam/incident/crowding/x", "gridwatch/v1/d/-/c/cam/state", "gridwatch/v1/-/-/-/cam/state",
        "gridwatch/v1/D/s/c/cam/state", "gridwatch/v1/d/s/c/cam\n/state", "gridwatch/v1/d/s/c/+/state",
        "gridwatch/v1/d/s/c/-/state", "gridwatch/v1/d/s/c/-/incident/crowding", "gridwatch/v1/d/s/c/-/node/-/state",
        "gridwatch/v1/d/s/c/cam/evidence/nonsense", f"gridwatch/v1/d/s/c/cam/evidence/{str(ID).upper()}",
        f"gridwatch/v1/d/s/c/cam/evidence/{ID.hex}", "gridwatch/v1/d//c/cam/state", "/gridwatch/v1/d/s/c/cam/state",
    ],
)  # fmt: skip
def test_anything_else_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_topic(text)


@pytest.mark.parametrize("level", ["", "-", "a/b", "+", "#", "A", "a b", "x\n", "x" * 64, "é"])
def test_a_name_that_cannot_be_a_level_is_refused_when_building(level: str) -> None:
    with pytest.raises(BadTopicLevel):
        str(CameraStateTopic(camera=CameraPath(site=SitePath(district="d"), camera=level)))
    with pytest.raises(BadTopicLevel):
        str(NodeStateTopic(site=SitePath(district="d"), node=level))


def test_a_site_subscribes_to_itself_and_everything_below() -> None:
    assert subscriptions(SitePath(district="d", substation="s"), Channel.INCIDENT, Channel.NODE) == (
        "gridwatch/v1/d/s/+/+/incident/+",
        "gridwatch/v1/d/s/+/-/node/+/state",
    )
    assert subscriptions(None, Channel.STATE) == ("gridwatch/v1/+/+/+/+/state",)
    assert len(subscriptions(SitePath(district="d"))) == len(Channel)
