"""Rules that raise nothing for a time, and what is told of incidents that go on when it ends."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gridwatch.app.commands.fakes import MemoryMemory
from gridwatch.app.commands.memory import CommandMemory, MemoryFailed
from gridwatch.app.commands.mutes import Mutes
from gridwatch.app.commands.muting import muting
from gridwatch.config import CameraConfig
from gridwatch.detectors import Analysis
from gridwatch.detectors.evidence import Snapshot
from gridwatch.domain import FakeClock, Incident, MuteRule, Outcome, Phase
from tests.unit.bus.command_samples import command
from tests.unit.bus.samples import JPEG, WHEN, evidence, incident

SOON = WHEN + timedelta(minutes=10)


def step(raised: Incident, seq: int, phase: Phase = Phase.UPDATED) -> Incident:
    return replace(raised, seq=seq, phase=phase, evidence=(), count=seq)


def heard(messages: list[Incident]) -> list[tuple[Phase, int]]:
    return [(one.phase, one.seq) for one in messages]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(WHEN)


@pytest.fixture
def mutes(clock: FakeClock) -> Mutes:
    return Mutes(MemoryMemory(), clock)


def test_nothing_of_a_muted_rule_is_raised_and_others_are(mutes: Mutes) -> None:
    mutes.mute("gate-1", "yard", SOON)
    one, other = incident(0), incident(1, rule="fence")

    assert mutes.let_through("gate-1", [one, other, step(one, 1), step(one, 2, Phase.CLEARED)]) == [other]
    assert mutes.let_through("gate-2", [replace(one, camera="gate-2")]) != [], "of that camera only"
    assert mutes.state("gate-1").muted == 1
    assert [(one.rule, one.until) for one in mutes.state("gate-1").mutes] == [("yard", SOON)]
    assert mutes.state("gate-2") == Mutes(MemoryMemory(), FakeClock(WHEN)).state("gate-2")


def test_what_was_raised_before_goes_on_and_is_cleared(mutes: Mutes) -> None:
    raised = incident()
    mutes.let_through("gate-1", [raised])
    mutes.mute("gate-1", "yard", SOON)

    messages = [step(raised, 1), step(raised, 2, Phase.CLEARED)]
    assert mutes.let_through("gate-1", messages) == messages
    assert mutes.state("gate-1").muted == 0


def test_what_still_goes_on_when_the_mute_ends_is_raised_then_and_counted_from_there(
    mutes: Mutes, clock: FakeClock
) -> None:
    raised = incident()
    mutes.mute("gate-1", "yard", SOON)
    hidden = mutes.let_through("gate-1", [raised, step(raised, 1)])
    clock.advance(601)
    told = mutes.let_through("gate-1", [step(raised, 2), step(raised, 3), step(raised, 4, Phase.CLEARED)])

    assert hidden == []
    assert heard(told) == [(Phase.RAISED, 0), (Phase.UPDATED, 1), (Phase.CLEARED, 2)]
    assert {one.id for one in told} == {raised.id}
    assert told[0].count == 2
    assert mutes.state("gate-1").mutes == ()
    assert heard(mutes.let_through("gate-1", [incident(1)])) == [(Phase.RAISED, 0)]


def test_whoever_goes_on_with_what_was_told_numbers_it_from_there(mutes: Mutes, clock: FakeClock) -> None:
    raised = incident()
    mutes.mute("gate-1", "yard", SOON)
    mutes.let_through("gate-1", [raised])
    clock.advance(601)
    told = mutes.let_through("gate-1", [step(raised, 1), step(raised, 2)])
    mutes.begin_anew("gate-1")

    assert heard(told) == [(Phase.RAISED, 0), (Phase.UPDATED, 1)]
    assert heard(mutes.let_through("gate-1", [step(raised, 2)])) == [(Phase.UPDATED, 2)]


def test_what_ends_unheard_stays_unheard(mutes: Mutes, clock: FakeClock) -> None:
    raised = incident()
    mutes.mute("gate-1", "yard", SOON)
    mutes.let_through("gate-1", [raised])
    clock.advance(601)

    assert mutes.let_through("gate-1", [step(raised, 1, Phase.CLEARED)]) == []


def test_a_time_that_has_passed_ends_a_mute(mutes: Mutes) -> None:
    mutes.mute("gate-1", "yard", SOON)
    mutes.mute("gate-1", "yard", WHEN)

    assert mutes.state("gate-1").mutes == ()
    assert mutes.let_through("gate-1", [incident()]) == [incident()]


def test_pictures_of_what_is_not_told_are_not_told_either(mutes: Mutes) -> None:
    muted, told = incident(0), incident(1, rule="fence")
    picture = Snapshot(evidence=evidence(), jpeg=JPEG)
    analysis = Analysis(
        incidents=(muted, told), snapshots=((muted.id, picture), (told.id, picture)), detected=True, detections=1
    )
    mutes.mute("gate-1", "yard", SOON)
    passed = mutes.let_analysis_through("gate-1", analysis)

    assert passed.incidents == (told,)
    assert passed.snapshots == ((told.id, picture),)
    assert passed.detections == 1


def test_a_mute_that_could_not_be_kept_does_not_hold(clock: FakeClock) -> None:
    memory = MemoryMemory()
    mutes = Mutes(memory, clock)
    memory.works = False

    with pytest.raises(MemoryFailed):
        mutes.mute("gate-1", "yard", SOON)
    assert mutes.let_through("gate-1", [incident()]) == [incident()]


def test_a_mute_holds_after_a_restart_and_is_forgotten_when_it_has_ended(tmp_path: Path, clock: FakeClock) -> None:
    for _ in range(2):
        memory = CommandMemory(tmp_path / "node.commands", clock)
        memory.open()
        mutes = Mutes(memory, clock)
        mutes.mute("gate-1", "fence", WHEN + timedelta(minutes=1))
        mutes.mute("gate-1", "yard", SOON)
        memory.close()
    clock.advance(120)
    memory.open()
    again = Mutes(memory, clock)

    assert [one.rule for one in again.state("gate-1").mutes] == ["yard"]
    again.mute("gate-1", "yard", SOON)
    assert set(memory.mutes()) == {("gate-1", "yard")}
    memory.close()


@pytest.mark.parametrize(
    ("rule", "hours", "outcome"),
    [
        ("yard", 1, Outcome.DONE),
        ("yard", 24, Outcome.DONE),
        ("yard", -1, Outcome.DONE),
        ("yard", 25, Outcome.MALFORMED),
        ("health.offline", 1, Outcome.DONE),
        ("onvif.signalloss", 1, Outcome.DONE),
        ("fence", 1, Outcome.UNKNOWN),
    ],
)
def test_only_rules_that_a_camera_has_are_muted_and_a_day_at_most(
    mutes: Mutes, clock: FakeClock, rule: str, hours: int, outcome: Outcome
) -> None:
    camera = CameraConfig.model_validate(
        {
            "id": "gate-1", "site": "harbour/north/gate", "position": [0, 0], "source": {"rtsp": "rtsp://192.0.2.1/"},
            "zones": {"all": [[0, 0], [1, 0], [1, 1]]}, "rules": [{"id": "yard", "kind": "intrusion", "zone": "all"}],
        }
    )  # fmt: skip
    done = muting({"gate-1": camera}, mutes, clock)(command(MuteRule(rule=rule, until=WHEN + timedelta(hours=hours))))

    assert done.outcome is outcome
    assert len(mutes.state("gate-1").mutes) == (outcome is Outcome.DONE and hours > 0)
