"""Minutes of a camera from its health reports and its pictures."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from gridwatch.app.observing import MinuteObserver
from gridwatch.detectors import Analysis
from gridwatch.domain import Box, CameraHealth, CameraState, ClassCount, Frame, Observation, SitePath, Track

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
HEALTH = CameraHealth(
    camera="gate-1", site=SitePath(district="harbour"), state=CameraState.UP, reason="", since=AT, observed_at=AT,
    frames=1000, analysed=300, dropped=7, detected=100, detections=0, incidents=0, fps=15.0,
)  # fmt: skip


class Heard:
    """Takes what goes on to the broker."""

    def __init__(self) -> None:
        self.health: list[CameraHealth] = []
        self.minutes: list[Observation] = []
        self.observer = MinuteObserver(self, self.minutes.append)

    def put_health(self, health: CameraHealth) -> None:
        self.health.append(health)

    def report(self, seconds: float, **counters: int) -> None:
        self.observer.put_health(replace(HEALTH, observed_at=AT + timedelta(seconds=seconds), **counters))

    def picture(self, labels: Sequence[str] = (), *, detected: bool = True, idle: bool = False) -> None:
        box = Box(x1=0.1, y1=0.1, x2=0.2, y2=0.2)
        tracks = tuple(
            Track(id=n, label=label, box=box, score=0.9, best_score=0.9, first_seen=0.0, last_seen=0.0, hits=3)
            for n, label in enumerate(labels)
        )
        frame = Frame(
            camera="gate-1", index=0, image=np.zeros((2, 2, 3), np.uint8), pts=0.0, captured_at=AT, arrived_at=AT
        )  # fmt: skip
        self.observer.saw(
            frame, Analysis(incidents=(), snapshots=(), detected=detected, detections=0, tracks=tracks, idle=idle)
        )  # fmt: skip


def test_a_minute_is_told_of_with_the_first_report_after_it_and_counts_what_came_meanwhile() -> None:
    heard = Heard()
    heard.report(0)
    heard.picture(["person", "person", "car"])
    heard.picture(["person"], idle=True)
    heard.picture(["person"] * 5, detected=False)
    heard.report(20, frames=1300, analysed=400, detected=110, dropped=7)
    heard.picture(idle=True)
    heard.report(40, frames=1600, analysed=500, detected=120, dropped=9)
    assert heard.minutes == []
    heard.report(60, frames=1900, analysed=600, detected=130, dropped=9)

    assert heard.minutes == [
        Observation(
            camera="gate-1", site=HEALTH.site, minute=AT, frames=900, analysed=300, detected=30, dropped=2,
            moving=1 / 3, fps=15.0,
            classes=(ClassCount(label="car", most=1, sightings=1), ClassCount(label="person", most=2, sightings=3)),
        )
    ]  # fmt: skip
    assert len(heard.health) == 4


def test_the_next_minute_begins_at_nothing() -> None:
    heard = Heard()
    heard.report(0)
    heard.picture(["person"])
    heard.report(60, frames=1100)
    heard.report(120, frames=1100)
    assert [(one.minute, one.frames, one.moving, one.classes) for one in heard.minutes][1] == (
        AT + timedelta(minutes=1), 0, 0.0, (),
    )  # fmt: skip


def test_counters_that_begin_again_give_no_negative_minute() -> None:
    heard = Heard()
    heard.report(0)
    heard.report(60, frames=0, analysed=0, detected=0, dropped=0)
    assert (heard.minutes[0].frames, heard.minutes[0].dropped, heard.minutes[0].fps) == (0, 0, 0.0)


def test_pictures_before_the_first_report_are_of_no_minute() -> None:
    heard = Heard()
    heard.picture(["person"])
    heard.report(0)
    heard.report(60)
    assert heard.minutes[0].classes == ()
