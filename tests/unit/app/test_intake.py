"""From a foreign message to the outbox: durable before it counts, known after a restart, mirrored where switched on."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gridwatch.app.intake import Intake
from gridwatch.bus import IncidentTopic, OnvifTopic, Outbox, OutboxError, OutboxState, parse_topic
from gridwatch.domain import FakeClock, Phase
from gridwatch.sources import Arrived, SourceMemory, Unread
from tests.unit.sources.builders import FRIGATE, MAPPED, NOON, deployment, frigate

HOOK: dict[str, Any] = {"id": "hook", "type": "webhook", "token": "0123456789abcdef", "map": MAPPED["map"]}
MOMENT = {**HOOK, "map": {**MAPPED["map"], "clear_when": None, "time": None, "subject": None}}
CLOCK = FakeClock(NOON)

Open = Callable[..., tuple[Intake, Outbox]]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """`opened(sources...)`: an intake as a run of the role has it; the run before, if there was one, is closed."""
    with ExitStack() as stack:

        def make(*sources: dict[str, Any], mirror: bool = False) -> tuple[Intake, Outbox]:
            stack.close()
            config = deployment(*sources)
            broker = config.services.broker.model_copy(update={"onvif_mirror": mirror})
            services = config.services.model_copy(update={"broker": broker})
            outbox = stack.enter_context(Outbox(tmp_path / "outbox", 1_000_000, CLOCK))
            memory = SourceMemory(tmp_path / "memory")
            memory.open()
            stack.callback(memory.close)
            return Intake(config.model_copy(update={"services": services}), outbox, memory, CLOCK), outbox

        yield make


def arrived(message: object) -> Arrived:
    return Arrived(topic="t", payload=json.dumps(message).encode(), received_at=CLOCK.now())


def body(**state: Any) -> bytes:
    return json.dumps({"sensor": "s1", "state": {"alarm": True, **state}}).encode()


def topics(outbox: Outbox) -> list[type]:
    return [type(parse_topic(entry.message.topic)) for entry in outbox.peek(20)]


def test_an_incident_is_in_the_outbox_when_a_message_was_taken(opened: Open) -> None:
    intake, outbox = opened(FRIGATE)
    taken = intake.take("lobby", arrived(frigate()))
    assert [one.phase for one in taken.incidents] == [Phase.RAISED]
    assert topics(outbox) == [IncidentTopic]


def test_after_a_restart_it_goes_on_under_its_id(opened: Open) -> None:
    intake, _ = opened(FRIGATE)
    (raised,) = intake.take("lobby", arrived(frigate())).incidents
    intake, _ = opened(FRIGATE)
    (cleared,) = intake.take("lobby", arrived(frigate("end", 3))).incidents
    assert (cleared.id, cleared.seq, cleared.phase) == (raised.id, 1, Phase.CLEARED)


def test_what_the_outbox_does_not_take_is_not_taken_and_can_be_taken_again(opened: Open) -> None:
    intake, outbox = opened(FRIGATE)
    outbox.close()
    with pytest.raises(OutboxError):
        intake.take("lobby", arrived(frigate()))
    outbox.open()
    assert len(intake.take("lobby", arrived(frigate())).incidents) == 1
    assert intake.tallies["lobby"].messages == 1


def test_what_is_too_old_to_be_sent_is_given_up_and_said_but_not_how_it_began_and_ended(opened: Open) -> None:
    intake, outbox = opened(FRIGATE)
    intake.take("lobby", arrived(frigate()))
    CLOCK.advance(10)
    intake.take("lobby", arrived(frigate("update", 5, top_score=0.99)))
    assert intake.outbox_state() == (OutboxState.OK, 0)
    CLOCK.advance(15 * 86400)
    intake.tick()
    phases = [json.loads(entry.message.payload)["data"]["phase"] for entry in outbox.peek(10)]
    assert phases == ["raised", "cleared"]
    assert intake.outbox_state() == (OutboxState.OK, 1)


def test_the_mirror_goes_with_it(opened: Open) -> None:
    intake, outbox = opened(FRIGATE, mirror=True)
    intake.take("lobby", arrived(frigate()))
    intake, outbox = opened(FRIGATE, mirror=True)
    intake.take("lobby", arrived(frigate("end", 3)))
    assert topics(outbox) == [IncidentTopic, OnvifTopic] * 2


def test_a_report_sent_again_under_its_key_is_told_once_also_over_a_restart(opened: Open) -> None:
    intake, outbox = opened(MOMENT)
    assert len(intake.take_report("hook", body(), "k1").incidents) == 2
    CLOCK.advance(5)
    assert intake.take_report("hook", body(), "k1").repeated
    intake, outbox = opened(MOMENT)
    CLOCK.advance(5)
    assert intake.take_report("hook", body(), "k1").repeated
    assert len(intake.take_report("hook", body(), "k2").incidents) == 2
    assert len(topics(outbox)) == 4


def test_a_report_that_was_not_kept_is_told_as_of_its_first_arrival(opened: Open) -> None:
    intake, outbox = opened(MOMENT)
    first = CLOCK.now()
    outbox.close()
    with pytest.raises(OutboxError):
        intake.take_report("hook", body(), "k3")
    outbox.open()
    CLOCK.advance(60)
    raised, _ = intake.take_report("hook", body(), "k3").incidents
    assert raised.occurred_at == first


def test_killed_between_outbox_and_the_mark_of_the_key_a_report_sent_again_has_the_same_id(
    opened: Open, tmp_path: Path
) -> None:
    intake, outbox = opened(MOMENT)
    intake.take_report("hook", body(), "k5")
    memory = SourceMemory(tmp_path / "memory")
    memory.open()
    known = memory.find("hook", "\0key\0k5")
    assert known is not None
    memory.begin("hook", "\0key\0k5", replace(known, told=False), CLOCK.now())
    memory.close()
    intake, outbox = opened(MOMENT)
    CLOCK.advance(5)
    assert intake.take_report("hook", body(), "k5").incidents == ()
    assert len(topics(outbox)) == 2


def test_a_report_without_a_key_is_another_one_each_time(opened: Open) -> None:
    intake, _ = opened(MOMENT)
    for _ in range(2):
        CLOCK.advance(1)
        assert len(intake.take_report("hook", body(), None).incidents) == 2


def test_an_unusable_report_says_why_and_may_be_corrected_under_its_key(opened: Open) -> None:
    intake, _ = opened(HOOK)
    taken = intake.take_report("hook", body(level="high"), "k4")
    assert (taken.unread, taken.incidents) == (Unread.MALFORMED, ())
    assert len(intake.take_report("hook", body(level=0.5), "k4").incidents) == 1
