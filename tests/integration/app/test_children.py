"""Roles as real processes: the program's own `python -m gridwatch` with a command that lives long enough."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gridwatch.app.children import Children, Role
from gridwatch.domain import SystemClock, UsageError
from tests.waiting import wait_until

MakeChildren = Callable[[Role], Children]


@pytest.fixture
def bad_config(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text("version: 1\n", encoding="utf-8")
    return path


@pytest.fixture
def rig_role(tmp_path: Path, tiny_clip: Path) -> Role:
    return Role(name="probe", arguments=("rig", f"square={tiny_clip}"), log_file=tmp_path / "probe.log")


@pytest.fixture
def children(tmp_path: Path) -> Iterator[MakeChildren]:
    made: list[Children] = []

    def make(role: Role) -> Children:
        made.append(Children([role], SystemClock()))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.close(5.0)


def test_a_role_that_is_killed_is_started_again(children: MakeChildren, rig_role: Role) -> None:
    one = children(rig_role)
    first = one.pids()["probe"]
    os.kill(first, signal.SIGKILL)

    def back() -> bool:
        one.poll()
        return one.pids().get("probe", first) != first

    wait_until(back, 20.0)
    assert one.restarts["probe"] == 1


def test_a_role_that_refuses_its_configuration_is_not_tried_again(
    children: MakeChildren, tmp_path: Path, bad_config: Path
) -> None:
    one = children(
        Role(name="probe", arguments=("record", "--config", str(bad_config)), log_file=tmp_path / "probe.log")
    )

    def refused() -> bool:
        try:
            one.poll()
        except UsageError as error:
            complaints.append(str(error))
        return bool(complaints)

    complaints: list[str] = []
    wait_until(refused, 20.0)
    assert complaints == [f"probe refused to start; its reason is in {tmp_path / 'probe.log'}"]
    assert one.pids() == {}


def test_closing_leaves_no_process(children: MakeChildren, rig_role: Role) -> None:
    one = children(rig_role)
    pid = one.pids()["probe"]
    one.close(5.0)
    assert not psutil.pid_exists(pid)


def test_children_end_when_their_parent_is_killed(tmp_path: Path, rig_role: Role) -> None:
    script = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from gridwatch.app.children import Children, Role
        from gridwatch.domain import SystemClock
        log = Path({str(rig_role.log_file)!r})
        one = Children([Role(name="probe", arguments={rig_role.arguments!r}, log_file=log)], SystemClock())
        one.start()
        print(one.pids()["probe"], flush=True)
        time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        wait_until(lambda: b"rtsp://" in (tmp_path / "probe.log").read_bytes(), 20.0)
        parent.kill()
    wait_until(lambda: not psutil.pid_exists(child), 10.0)
