"""Events of virtual cameras over real HTTP, through the readers as the ingest role runs them."""

from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gridwatch.config import CameraConfig
from gridwatch.domain import SystemClock
from gridwatch.ingest.events.alarms import BURST
from gridwatch.rig import OnvifStyle, PropertyOperation, Rig, VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig
from tests.integration.ingest.harness import camera_config, onvif_source
from tests.integration.ingest.hearing import DEADLINE, hearing
from tests.waiting import wait_until

INPUT = "tns1:Device/Trigger/DigitalInput"
CROSSED = "tns1:RuleEngine/LineDetector/Crossed"
INITIALIZED, CHANGED, DELETED = PropertyOperation
ON, OFF = ("trigger.digitalinput.di1", "raised"), ("trigger.digitalinput.di1", "cleared")
CLOCK = SystemClock()


def camera(rig: Rig, *, password: str = PASSWORD, **events: object) -> CameraConfig:
    config = camera_config(onvif_source(rig, "cam1", password))
    return CameraConfig.model_validate({**config.model_dump(), "events": events})


def switch(rig: Rig, *, on: bool, name: str = "di1") -> None:
    rig.emit("cam1", INPUT, {"InputToken": name}, {"LogicalState": str(on).lower()})


@pytest.mark.parametrize("style", list(OnvifStyle))
def test_a_village_alarm_is_heard_whatever_way_the_camera_asks_for_credentials(
    rig: MakeRig, tiny_clip: Path, style: OnvifStyle
) -> None:
    device = rig(VirtualCamera(id="cam1", clip=tiny_clip, username=USERNAME, password=PASSWORD, onvif_style=style))
    with hearing(camera(device)) as heard:
        switch(device, on=True)
        heard.wait_for(ON)
        switch(device, on=False)
        heard.wait_for(ON, OFF)
        raised = heard.incidents[0]
        assert (str(raised.kind), raised.camera) == ("device_alarm", "gate-3")
        assert abs(raised.occurred_at - CLOCK.now()) < timedelta(seconds=DEADLINE)
    wait_until(lambda: device.subscriptions("cam1") == (0, 1), DEADLINE)  # and it is told that we left


def test_each_alarm_topic_becomes_its_kind(rig: MakeRig) -> None:
    device = rig()
    kinds = {
        "VideoSource/SignalLoss": ("State", "camera_offline"),
        "VideoSource/GlobalSceneChange/ImagingService": ("State", "camera_tamper"),
        "VideoSource/ImageTooDark/AnalyticsService": ("State", "camera_tamper"),
        "VideoSource/ImageTooBright/AnalyticsService": ("State", "camera_tamper"),
        "VideoSource/ImageTooBlurry/AnalyticsService": ("State", "camera_tamper"),
        "VideoSource/MotionAlarm": ("State", "device_alarm"),
        "RuleEngine/CellMotionDetector/Motion": ("IsMotion", "device_alarm"),
        "RuleEngine/FieldDetector/ObjectsInside": ("IsInside", "intrusion"),
        "RuleEngine/LoiteringDetector/ObjectIsLoitering": ("State", "loitering"),
        "RuleEngine/ObjectAbandoned": ("State", "abandoned_object"),
        "RuleEngine/ObjectRemoved": ("State", "removed_object"),
        "Device/Trigger/DigitalInput": ("LogicalState", "device_alarm"),
    }
    with hearing(camera(device, motion=True)) as heard:
        for topic, (item, _) in kinds.items():
            device.emit("cam1", f"tns1:{topic}", {"Source": "1"}, {item: "true"})
        device.emit("cam1", CROSSED, {"Rule": "fence"}, {"ObjectId": "7"}, None)
        wait_until(lambda: len(heard.incidents) >= len(kinds) + 2, DEADLINE)
    raised = [str(one.kind) for one in heard.incidents if one.seq == 0]
    assert raised == [*(kind for _, kind in kinds.values()), "line_crossing"]
    assert [str(one.kind) for one in heard.incidents if one.seq] == ["line_crossing"]


def test_what_was_on_before_is_no_news(rig: MakeRig) -> None:
    device = rig()
    switch(device, on=True)
    with hearing(camera(device)) as heard:
        switch(device, on=False)
        switch(device, on=True)
        heard.wait_for(ON)


def test_a_lost_subscription_is_made_again_and_what_changed_meanwhile_is_found_out(rig: MakeRig) -> None:
    device = rig()
    with hearing(camera(device)) as heard, capture_logs() as logs:
        switch(device, on=True)
        switch(device, on=True, name="di2")
        wait_until(lambda: len(heard.incidents) == 2, DEADLINE)
        device.lose_subscriptions("cam1")
        switch(device, on=False)
        heard.wait_for_subscription(2)
        heard.wait_for(ON, ("trigger.digitalinput.di2", "raised"), OFF)
        switch(device, on=False, name="di2")
        heard.wait_for(ON, ("trigger.digitalinput.di2", "raised"), OFF, ("trigger.digitalinput.di2", "cleared"))
    (lost,) = (entry["reason"] for entry in logs if entry["event"] == "events_lost")
    assert lost.endswith("knows our event subscription no more; it is made again")


def test_a_camera_that_reboots_is_heard_again(rig: MakeRig) -> None:
    device = rig()
    with hearing(camera(device)) as heard:
        switch(device, on=True)
        heard.wait_for(ON)
        device.reboot("cam1", 1.0)
        heard.wait_for_subscription(2)
        assert heard.told == [ON]  # it is still on
        switch(device, on=False)
        heard.wait_for(ON, OFF)


@pytest.mark.parametrize("seconds", [7200.0, -7200.0])
def test_a_clock_that_is_set_neither_silences_a_camera_nor_dates_its_events(rig: MakeRig, seconds: float) -> None:
    device = rig()
    with hearing(camera(device)) as heard:
        device.step_clock("cam1", seconds)
        device.lose_subscriptions("cam1")  # with the credentials of the old time, it would refuse us
        heard.wait_for_subscription(2)
        began = CLOCK.now()
        switch(device, on=True)
        heard.wait_for(ON)
        occurred_at = heard.incidents[0].occurred_at
        assert began - timedelta(seconds=1) <= occurred_at <= CLOCK.now()


def test_an_event_told_again_after_a_reconnect_is_the_same_although_the_clock_is_wrong(
    rig: MakeRig, tiny_clip: Path
) -> None:
    device = rig(
        VirtualCamera(id="cam1", clip=tiny_clip, username=USERNAME, password=PASSWORD, clock_skew_seconds=3600)
    )

    def told_once() -> bool:
        with hearing(camera(device)) as heard:
            # The offset is known to half a second, and what would be in the future is dated by its arrival.
            at = CLOCK.now() + timedelta(seconds=3600 - 0.55)
            for told in (1, 2):
                heard.wait_for_subscription(told)
                device.emit("cam1", CROSSED, {"Rule": "fence"}, {}, None, utc_time=at)
                wait_until(lambda n=told: heard.tally.events >= n, DEADLINE)
                device.lose_subscriptions("cam1")
            wait_until(lambda: len(heard.told) >= 2, DEADLINE)
            return heard.events.totals()["repeated"] >= 1 and heard.told == [
                ("linedetector.crossed.fence", "raised"), ("linedetector.crossed.fence", "cleared"),
            ]  # fmt: skip

    # A busy machine may take longer to connect again than the two seconds that an event's time is believed.
    assert any(told_once() for _ in range(4))


def test_a_clock_that_is_set_during_a_subscription_does_not_date_events(rig: MakeRig) -> None:
    device = rig()
    with hearing(camera(device)) as heard:
        device.step_clock("cam1", -7200)
        began = CLOCK.now()
        switch(device, on=True)
        heard.wait_for(ON)
        assert began <= heard.incidents[0].occurred_at <= CLOCK.now()


def test_a_camera_without_events_is_left_alone(rig: MakeRig, tiny_clip: Path) -> None:
    device = rig(VirtualCamera(id="cam1", clip=tiny_clip, username=USERNAME, password=PASSWORD, has_events=False))
    with capture_logs() as logs, hearing(camera(device), subscribed=False):
        wait_until(lambda: any(entry["event"] == "events_lost" for entry in logs), DEADLINE)
    assert "offers no ONVIF events" in logs[-2]["reason"]
    assert device.subscriptions("cam1") == (0, 0)


def test_a_refused_password_is_told_once_and_never_shown(rig: MakeRig) -> None:
    device = rig()
    with capture_logs() as logs, hearing(camera(device, password="pw-wrong"), subscribed=False) as heard:
        wait_until(lambda: sum(entry["event"] == "onvif_credentials_refused" for entry in logs) >= 4, DEADLINE)
    (lost,) = (entry for entry in logs if entry["event"] == "events_lost")
    assert "refused the user name or password" in lost["reason"]
    assert "pw-wrong" not in repr(logs)
    assert heard.tally.subscriptions == 0


def test_events_may_be_switched_off(rig: MakeRig) -> None:
    device = rig()
    with hearing(camera(device, enabled=False), subscribed=False) as heard:
        assert heard.events.tallies == {}
    assert device.subscriptions("cam1") == (0, 0)


def test_a_flood_raises_few_incidents_and_what_is_left_out_is_counted(rig: MakeRig) -> None:
    device = rig()
    with hearing(camera(device)) as heard:
        for i in range(100):
            device.emit("cam1", CROSSED, {"Rule": "fence"}, {"ObjectId": str(i)}, None)
        wait_until(lambda: len(heard.incidents) + 2 * heard.events.totals()["suppressed"] == 200, DEADLINE)
    raised = sum(one.seq == 0 for one in heard.incidents)
    assert BURST <= raised <= BURST + 5
    assert len(heard.incidents) == 2 * raised


def test_a_camera_that_cannot_be_reached_does_not_hold_up_another(rig: MakeRig) -> None:
    device = rig()
    gone = CameraConfig.model_validate(
        {**camera(device).model_dump(), "id": "gone", "source": {"onvif": {"url": "http://127.0.0.1:9/"}}}
    )
    with hearing(camera(device), gone) as heard:
        switch(device, on=True)
        heard.wait_for(ON)
        assert heard.events.tallies["gone"].subscriptions == 0


def test_what_is_on_over_a_restart_goes_on_and_ends_when_the_camera_says_so(rig: MakeRig) -> None:
    device = rig()
    with hearing(camera(device)) as heard:
        switch(device, on=True)
        heard.wait_for(ON)
    assert heard.told == [ON]
    with hearing(camera(device), still_open=heard.incidents) as again:
        wait_until(lambda: again.events.totals()["repeated"] >= 1, DEADLINE)
        switch(device, on=False)
        again.wait_for(OFF)
    assert again.incidents[0].id == heard.incidents[0].id


def test_what_went_off_while_nobody_ran_is_cleared_once_though_the_camera_knows_nothing_of_it(rig: MakeRig) -> None:
    device = rig()
    with hearing(camera(device)) as heard:
        switch(device, on=True)
        heard.wait_for(ON)
    with hearing(camera(rig()), still_open=heard.incidents) as again:
        again.wait_for(OFF)
    assert again.told == [OFF]
    assert (again.incidents[0].id, again.incidents[0].seq) == (heard.incidents[0].id, 1)
