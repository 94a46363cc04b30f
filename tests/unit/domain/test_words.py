from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum

import pytest

from gridwatch.domain import (
    CHINESE,
    ONVIF_TOPICS,
    CameraState,
    CaseStep,
    Incident,
    IncidentKind,
    Phase,
    Position,
    Severity,
    SiteLevel,
    SitePath,
    incident_id,
)

ENUMS: tuple[Iterable[StrEnum], ...] = (SiteLevel, IncidentKind, Severity, Phase, CaseStep, CameraState)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RAISED = Incident(
    id=incident_id(NOON, "x"), kind=IncidentKind.INTRUSION, severity=Severity.MAJOR, phase=Phase.RAISED, seq=0,
    site=SitePath.parse("harbour/east"), camera="square", rule="fence", position=Position(lon=121.5, lat=31.2),
    occurred_at=NOON, observed_at=NOON, boxes=(), score=0.5, count=1, evidence=(), detector=None,
)  # fmt: skip


@pytest.mark.parametrize("word", [word for words in ENUMS for word in words])
def test_every_word_shown_to_a_person_has_a_chinese_label(word: StrEnum) -> None:
    assert CHINESE[word]


@pytest.mark.parametrize("kind", IncidentKind)
def test_every_incident_kind_maps_to_an_onvif_topic(kind: IncidentKind) -> None:
    assert ONVIF_TOPICS[kind].startswith("tns1:")


def test_no_incident_maps_to_a_topic_of_identity() -> None:
    for topic in ONVIF_TOPICS.values():
        assert not any(word in topic for word in ("Recognition", "Face", "LicensePlate", "BodyTemperature"))


def test_source_and_message_id_are_the_ones_of_the_contract() -> None:
    assert RAISED.source == "/harbour/east/-/square"
    assert RAISED.message_id == f"{RAISED.id}.0"


@pytest.mark.parametrize(("phase", "seq"), [(Phase.RAISED, 1), (Phase.UPDATED, 0), (Phase.CLEARED, 0)])
def test_only_the_first_message_is_raised(phase: Phase, seq: int) -> None:
    with pytest.raises(ValueError, match="seq"):
        replace(RAISED, phase=phase, seq=seq)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="occurred_at"):
        replace(RAISED, occurred_at=NOON.replace(tzinfo=None))


def test_case_steps_follow_one_another_to_the_end() -> None:
    walked = [CaseStep.DISCOVER]
    while (following := walked[-1].next) is not None:
        walked.append(following)
    assert walked == list(CaseStep)
