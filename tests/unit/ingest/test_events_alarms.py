"""From what cameras tell to incidents."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwatch.config import CameraConfig
from gridwatch.config.base import IDENTIFIER
from gridwatch.domain import Incident, IncidentKind, Phase, Severity
from gridwatch.ingest.events import AlarmState, DeviceAlarms, DeviceEvent, Operation
from gridwatch.ingest.events.alarms import BURST, MAX_ACTIVE, REFILL_SECONDS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
INPUT = "tns1:Device/Trigger/DigitalInput"
CROSSED = "tns1:RuleEngine/LineDetector/Crossed"
INSIDE = "tns1:RuleEngine/FieldDetector/ObjectsInside"
MOTION = "tns1:RuleEngine/CellMotionDetector/Motion"
INITIALIZED, CHANGED, DELETED = Operation


def alarms(**events: object) -> DeviceAlarms:
    return DeviceAlarms(CameraConfig.model_validate({
        "id": "gate-3", "site": "harbour/east", "position": [121.5, 31.2],
        "source": {"onvif": {"url": "http://192.0.2.1/"}}, "events": events,
    }))  # fmt: skip


def event(
    state: bool | None, at: float = 0.0, *, topic: str = INPUT, operation: Operation = CHANGED, source: str = "di1",
    key: str = "",
) -> DeviceEvent:  # fmt: skip
    when = NOON + timedelta(seconds=at)
    name = "InputToken" if topic == INPUT else "Rule"
    return DeviceEvent(
        camera="gate-3", topic=topic, operation=operation, utc_time=when, received_at=when, occurred_at=when,
        source=((name, source),), key=(("ObjectId", key),) if key else (), state=state,
    )  # fmt: skip


def run(events: Iterable[DeviceEvent], **config: object) -> list[Incident]:
    machine, state, said = alarms(**config), AlarmState(), []
    for one in events:
        state, incidents = machine.take(state, one)
        said += incidents
    return said


def phases(incidents: Iterable[Incident]) -> list[str]:
    return [str(one.phase) for one in incidents]


def test_an_input_that_goes_on_and_off_is_one_incident_raised_and_cleared() -> None:
    raised, cleared = run([event(True, 1), event(False, 5)])
    assert (raised.phase, raised.seq, cleared.phase, cleared.seq) == (Phase.RAISED, 0, Phase.CLEARED, 1)
    assert raised.id == cleared.id
    assert raised.kind is IncidentKind.DEVICE_ALARM
    assert raised.rule == "onvif.trigger.digitalinput.di1"
    assert (raised.camera, str(raised.site), raised.detector, raised.boxes) == ("gate-3", "harbour/east", None, ())
    assert (raised.occurred_at, cleared.occurred_at) == (NOON + timedelta(seconds=1),) * 2
    assert cleared.observed_at == NOON + timedelta(seconds=5)


def test_the_same_state_again_says_nothing() -> None:
    assert phases(run([event(True), event(True, 1), event(False, 2), event(False, 3)])) == ["raised", "cleared"]


def test_a_state_told_at_the_beginning_is_no_news() -> None:
    told = [event(True, operation=INITIALIZED), event(True, 1), event(False, 2)]
    assert run(told) == []
    assert phases(run([*told, event(True, 3)])) == ["raised"]


def test_an_alarm_that_was_on_before_and_after_a_new_subscription_goes_on() -> None:
    incidents = run([event(True), event(True, 60, operation=INITIALIZED), event(False, 90)])
    assert phases(incidents) == ["raised", "cleared"]
    assert incidents[-1].observed_at == NOON + timedelta(seconds=90)


def test_an_alarm_that_went_off_unheard_is_cleared_by_a_new_subscription() -> None:
    assert phases(run([event(True), event(False, 60, operation=INITIALIZED)])) == ["raised", "cleared"]


def test_a_property_that_is_deleted_is_over() -> None:
    assert phases(run([event(True), event(None, 5, operation=DELETED)])) == ["raised", "cleared"]
    assert run([event(None, operation=DELETED)]) == []


def test_what_has_no_state_is_raised_and_cleared_at_once() -> None:
    raised, cleared = run([event(None, topic=CROSSED, source="fence")])
    assert (raised.kind, raised.rule) == (IncidentKind.LINE_CROSSING, "onvif.linedetector.crossed.fence")
    assert cleared.phase is Phase.CLEARED
    assert raised.id == cleared.id


def test_a_moment_told_again_is_not_another_one() -> None:
    crossing = event(None, 1, topic=CROSSED)
    assert phases(run([crossing, crossing, event(None, 2, topic=CROSSED)])) == ["raised", "cleared"] * 2
    assert run([event(None, topic=CROSSED, operation=INITIALIZED)]) == []


def test_a_contact_that_bounces_within_one_second_is_an_incident_each_time() -> None:
    incidents = run([event(True), event(False), event(True)])
    assert phases(incidents) == ["raised", "cleared", "raised"]
    assert len({one.id for one in incidents}) == 2


def test_a_camera_whose_clock_stands_still_may_tell_of_many_moments() -> None:
    stuck = [replace(event(None, at, topic=CROSSED), utc_time=NOON) for at in (0, 60)]
    assert phases(run(stuck)) == ["raised", "cleared"] * 2


def test_inputs_rules_and_objects_are_told_apart() -> None:
    one, other = event(True), event(True, source="di2")
    assert len({incident.id for incident in run([one, other])}) == 2
    people = [event(True, topic=INSIDE, key="7"), event(True, 1, topic=INSIDE, key="8")]
    assert phases(run([*people, event(False, 2, topic=INSIDE, key="7")])) == ["raised", "raised", "cleared"]


def test_objects_are_forgotten_by_a_new_subscription_and_inputs_are_not() -> None:
    machine, state = alarms(), AlarmState()
    for one in (event(True), event(True, topic=INSIDE, key="7")):
        state, _ = machine.take(state, one)
    state, incidents = machine.resubscribed(state, NOON + timedelta(seconds=9))
    assert [(str(one.kind), str(one.phase)) for one in incidents] == [("intrusion", "cleared")]
    assert [one and str(one.kind) for one in state.active.values()] == ["device_alarm"]


def test_nothing_is_cleared_before_it_was_raised() -> None:
    raised, cleared = run([event(True, 10), event(False, 5)])
    assert cleared.observed_at == raised.occurred_at


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("VideoSource/SignalLoss", "camera_offline"),
        ("VideoSource/GlobalSceneChange/AnalyticsService", "camera_tamper"),
        ("VideoSource/GlobalSceneChange/ImagingService", "camera_tamper"),
        ("VideoSource/ImageTooDark/RecordingService", "camera_tamper"),
        ("VideoSource/ImageTooBright/ImagingService", "camera_tamper"),
        ("VideoSource/ImageTooBlurry/AnalyticsService", "camera_tamper"),
        ("RuleEngine/FieldDetector/ObjectsInside", "intrusion"),
        ("RuleEngine/LoiteringDetector/ObjectIsLoitering", "loitering"),
        ("RuleEngine/ObjectAbandoned", "abandoned_object"),
        ("RuleEngine/ObjectDetector/ObjectRemoved", "removed_object"),
        ("Device/Trigger/DigitalInput", "device_alarm"),
    ],
)
def test_every_topic_has_its_kind_and_a_rule_that_is_safe_anywhere(topic: str, kind: str) -> None:
    (raised,) = run([event(True, topic=f"tns1:{topic}", source="a rule of theirs, 东门")])
    assert raised.kind == kind
    assert re.match(IDENTIFIER, raised.rule)


def test_plain_motion_is_an_alarm_only_where_wanted_and_then_for_information() -> None:
    assert run([event(True, topic=MOTION)]) == []
    (raised,) = run([event(True, topic=MOTION)], motion=True)
    assert (raised.kind, raised.severity) == (IncidentKind.DEVICE_ALARM, Severity.INFO)


def test_severity_is_as_configured_by_kind() -> None:
    assert run([event(True)])[0].severity is Severity.MAJOR
    assert run([event(True)], severity={"device_alarm": "critical"})[0].severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("one", "other"), [("Gate 1", "gate-1"), ("东门", "西门"), ("x" * 80, "x" * 81), ("a.b", "a-b")]
)
def test_names_that_are_not_safe_stay_apart(one: str, other: str) -> None:
    rules = {run([event(True, source=name)])[0].rule for name in (one, other)}
    assert len(rules) == 2
    assert all(re.match(IDENTIFIER, rule) for rule in rules)


def test_the_same_event_has_the_same_id_in_another_process() -> None:
    assert run([event(True, 1)])[0] == run([event(True, 1)])[0]


def test_a_flood_is_bounded_and_heals() -> None:
    machine, state, raised = alarms(), AlarmState(), 0
    for i in range(1000):
        for on in (True, False):
            state, said = machine.take(state, event(on, i / 100))
            raised += sum(one.phase is Phase.RAISED for one in said)
    assert raised <= BURST + 10 / REFILL_SECONDS
    assert state.suppressed == 1000 - raised
    assert phases(machine.take(state, event(True, 10 + REFILL_SECONDS))[1]) == ["raised"]


def test_a_flood_of_one_topic_leaves_the_others_alone() -> None:
    flood = [event(None, i / 1000, topic=CROSSED) for i in range(100)]
    assert phases(run([*flood, event(True, 1)])[-1:]) == ["raised"]
    assert run([*flood, event(True, 1)])[-1].kind is IncidentKind.DEVICE_ALARM


def test_alarms_that_are_never_ended_do_not_pile_up() -> None:
    events = [event(True, i * REFILL_SECONDS, topic=INSIDE, key=str(i)) for i in range(MAX_ACTIVE + 3)]
    incidents = run(events)
    assert phases(incidents).count("raised") == MAX_ACTIVE + 3
    cleared = [one.id for one in incidents if one.phase is Phase.CLEARED]
    assert cleared == [one.id for one in incidents if one.phase is Phase.RAISED][:3]


some_events = st.lists(
    st.builds(
        event, st.sampled_from([True, False, None]), st.integers(0, 3), operation=st.sampled_from(Operation),
        topic=st.sampled_from([INPUT, CROSSED, INSIDE]), source=st.sampled_from(["a", "b"]),
        key=st.sampled_from(["", "1"]),
    ),
    max_size=30,
)  # fmt: skip


@given(some_events)
def test_whatever_is_told_every_incident_is_raised_once_and_cleared_once(events: list[DeviceEvent]) -> None:
    machine, state, said = alarms(), AlarmState(), []
    for one in events:
        state, incidents = machine.take(state, one)
        said.append(incidents)
    still_open = {one.id for one in state.active.values() if one is not None}
    lives: dict[object, list[Phase]] = {}
    for incident in chain.from_iterable(said):
        lives.setdefault(incident.id, []).append(incident.phase)
    for number, life in lives.items():
        assert life == ([Phase.RAISED] if number in still_open else [Phase.RAISED, Phase.CLEARED])
    raising = {one.occurred_at for one in chain.from_iterable(said)}
    assert raising <= {one.occurred_at for one in events if one.operation is CHANGED}


def test_an_alarm_open_in_the_last_run_goes_on_under_its_id_and_ends_when_the_camera_says_so() -> None:
    machine = alarms()
    _, (raised,) = machine.take(AlarmState(), event(True))
    state = AlarmState(resumed=(raised,))
    state, said = machine.take(state, event(True, 60, operation=INITIALIZED))
    assert said == ()
    state, said = machine.settled(state, NOON + timedelta(seconds=90))
    assert said == ()
    _, (over,) = machine.take(state, event(False, 120))
    assert (over.id, over.seq, str(over.phase)) == (raised.id, 1, "cleared")


def test_an_alarm_that_went_off_while_nobody_ran_is_cleared_once_whether_the_camera_tells_or_not() -> None:
    machine = alarms()
    _, (raised,) = machine.take(AlarmState(), event(True))
    state, (over,) = machine.take(AlarmState(resumed=(raised,)), event(False, 60, operation=INITIALIZED))
    assert (over.id, state.resumed) == (raised.id, ())
    state, (over,) = machine.settled(AlarmState(resumed=(raised,)), NOON + timedelta(seconds=90))
    assert (over.id, over.observed_at) == (raised.id, NOON + timedelta(seconds=90))
    assert machine.settled(state, NOON + timedelta(seconds=99))[1] == ()


def test_another_input_is_not_taken_for_the_one_that_was_open() -> None:
    machine = alarms()
    _, (raised,) = machine.take(AlarmState(), event(True))
    state, (other,) = machine.take(AlarmState(resumed=(raised,)), event(True, 60, source="di2"))
    assert other.id != raised.id
    assert state.resumed == (raised,)


def test_one_that_bounced_before_it_stayed_on_is_recognised_too() -> None:
    machine, state = alarms(), AlarmState()
    for one in (event(True), event(False), event(True)):  # all within the second that the camera tells
        state, said = machine.take(state, one)
    _, (over,) = machine.take(AlarmState(resumed=said), event(False, 60))
    assert over.id == said[0].id
