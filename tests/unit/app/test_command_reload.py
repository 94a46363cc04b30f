"""What a reload changes at once, what it leaves for a restart, and that it does nothing by halves."""

from typing import Any

import pytest

from gridwatch.app.commands.reloading import Reloader
from gridwatch.app.commands.seats import CameraSeat, Make
from gridwatch.config import CameraConfig, Deployment
from gridwatch.config.commands import CommandsConfig
from gridwatch.detectors import Analysis, Snapshot
from gridwatch.domain import Frame, Outcome, Reloaded, UsageError
from tests.unit.app.test_command_seats import EMPTY, FRAME, Looker
from tests.unit.bus.command_samples import WISHES, command

RULE = {"id": "yard", "kind": "intrusion", "zone": "all"}
RELOAD = command(list(WISHES.values())[-1])


def camera(name: str, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": name, "site": "harbour", "position": [0, 0], "source": {"rtsp": "rtsp://u:secret@192.0.2.1/"},
        "zones": {"all": [[0, 0], [1, 0], [1, 1]]}, "rules": [RULE],
    }  # fmt: skip
    return fields | changes


def deployment(*cameras: dict[str, Any], **changes: Any) -> Deployment:
    fields: dict[str, Any] = {"version": 1, "district": {"id": "harbour", "name": "Harbour"}, "cameras": list(cameras)}
    return Deployment.model_validate(fields | changes)


BEFORE = (camera("one"), camera("two"))


class Mine(Looker):
    """The analysis made for a camera."""

    def __init__(self, config: CameraConfig) -> None:
        super().__init__()
        self.config = config


class Desk:
    """A reloader over two cameras of a deployment."""

    def __init__(self) -> None:
        self.wanted = deployment(*BEFORE)
        self.cannot: str = ""
        self.old = {name: Looker() for name in ("one", "two")}
        self.seats = {name: CameraSeat(looker, None) for name, looker in self.old.items()}
        self.cameras = {one.id: one for one in self.wanted.cameras}
        self.obeys: list[CommandsConfig] = []
        self.reloader = Reloader(
            self.wanted, self.cameras, lambda: self.wanted, self.seats, self._prepare, self.obeys.append
        )  # fmt: skip

    def _prepare(self, config: CameraConfig) -> Make:
        if config.id == self.cannot:
            raise UsageError(f"camera {config.id}: its detector\ndoes not know that")
        return lambda: Mine(config)

    def reload(self, *cameras: dict[str, Any], **changes: Any) -> Reloaded | str:
        self.wanted = deployment(*cameras, **changes)
        done = self.reloader(RELOAD)
        if done.outcome is not Outcome.DONE:
            return done.reason
        assert isinstance(done.detail, Reloaded)
        return done.detail

    def taken_over(self) -> list[str]:
        """Cameras that have another analysis from the next frame on."""
        for seat in self.seats.values():
            seat.analyse(FRAME)
        return [name for name, looker in self.old.items() if not looker.looked]


def test_only_the_cameras_whose_rules_differ_get_another_analysis() -> None:
    desk = Desk()
    changed = camera("two", rules=[RULE, {**RULE, "id": "fence"}], privacy=[[[0, 0], [0.1, 0], [0, 0.1]]])
    said = desk.reload(camera("one"), changed)

    assert said == Reloaded(changed=("two",), needs_restart=())
    assert desk.taken_over() == ["two"]
    assert [one.id for one in desk.cameras["two"].rules] == ["yard", "fence"], "a rule that is new can be muted"
    assert desk.reload(camera("one"), changed) == Reloaded(changed=(), needs_restart=())


def test_what_runs_elsewhere_stays_as_it_is_and_is_named_without_its_values() -> None:
    desk = Desk()
    said = desk.reload(
        camera("one", source={"rtsp": "rtsp://u:other@192.0.2.1/"}, analysis_fps=3, lines={}, rules=[]),
        camera("three"), detector={"threads": 3}, services={"outbox": {"max_bytes": 99_000_000}},
    )  # fmt: skip

    assert isinstance(said, Reloaded)
    assert said.changed == ("one",)
    assert said.needs_restart == (
        "camera three is new", "camera one: source, analysis_fps", "camera two is gone",
        "detector, services of the deployment",
    )  # fmt: skip
    assert desk.cameras["one"].analysis_fps == 5
    assert desk.cameras["one"].rules == ()
    assert "other" not in repr(said)


def test_who_may_command_is_read_anew_and_needs_no_restart() -> None:
    desk = Desk()
    said = desk.reload(*BEFORE, services={"commands": {"enabled": True}})

    assert said == Reloaded(changed=(), needs_restart=())
    assert [one.enabled for one in desk.obeys] == [True]


def test_one_camera_that_cannot_be_built_leaves_all_as_they_were() -> None:
    desk = Desk()
    desk.cannot = "two"
    said = desk.reload(camera("one", rules=[]), camera("two", rules=[]))

    assert isinstance(said, str)
    assert said.startswith("nothing was changed: camera two")
    assert desk.taken_over() == []
    assert len(desk.cameras["one"].rules) == 1
    assert desk.obeys == []


def test_a_configuration_that_cannot_be_read_leaves_all_as_it_was() -> None:
    desk = Desk()

    def read() -> Deployment:
        raise UsageError("gridwatch.yaml:7: no zone 'al'")

    reloader = Reloader(deployment(*BEFORE), desk.cameras, read, desk.seats, desk._prepare, desk.obeys.append)
    done = reloader(RELOAD)

    assert (done.outcome, done.reason) == (Outcome.FAILED, "nothing was changed: gridwatch.yaml:7: no zone 'al'")
    assert desk.taken_over() == []


class Waits:
    """Makes an analysis at the second asking."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> "Waits | None":
        self.asked += 1
        return self if self.asked == 2 else None

    def analyse(self, frame: Frame) -> Analysis:
        return EMPTY

    def picture(self, frame: Frame, analysis: Analysis) -> Snapshot:
        raise AssertionError("nobody asked")


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_an_analysis_that_cannot_take_over_yet_does_so_later_and_meanwhile_the_old_one_looks(frames: int) -> None:
    old, waits = Looker(), Waits()
    seat = CameraSeat(old, None)
    seat.exchange(waits)
    for _ in range(frames):
        seat.analyse(FRAME)

    assert old.looked == 1
    assert waits.asked == min(frames, 2)
