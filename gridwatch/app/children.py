"""Roles as child processes: started, watched, restarted, stopped. Crash isolation for `run` and `demo`."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from gridwatch.app.backoff import Backoff
from gridwatch.domain import Clock, UsageError

log = structlog.get_logger(__name__)

PARENT_VARIABLE = "GRIDWATCH_PARENT"
EXIT_USAGE = 2
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """In a child started by `Children`: ask the kernel for SIGTERM when the parent dies, however it dies (Linux)."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        raise SystemExit(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Role:
    """A child to keep running."""

    name: str
    arguments: tuple[str, ...]
    """After `python -m gridwatch`."""
    log_file: Path | None
    """Where its standard output and error go; None: where ours go."""


class Children:
    """Owns one process per role. Use from one thread only: the kernel ties death signals to the starting thread."""

    def __init__(self, roles: Sequence[Role], clock: Clock) -> None:
        self._roles = tuple(roles)
        self._clock = clock
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self._retry_at: dict[str, float] = {}
        self._backoff = {role.name: Backoff(cap=30.0) for role in roles}
        self.restarts = dict.fromkeys((role.name for role in roles), 0)

    def start(self) -> None:
        """Start every role."""
        for role in self._roles:
            self._spawn(role)

    def pids(self) -> dict[str, int]:
        """Process ids of the roles that run."""
        return {name: process.pid for name, process in self._running.items() if process.poll() is None}

    def poll(self) -> None:
        """Restart what has died and is due. Raises UsageError when a role refused its configuration (exit 2)."""
        now = self._clock.monotonic()
        for role in self._roles:
            process = self._running.get(role.name)
            if process is not None and process.poll() is not None:
                self._bury(role, process, now)
            if role.name in self._retry_at and now >= self._retry_at[role.name]:
                del self._retry_at[role.name]
                self.restarts[role.name] += 1
                self._spawn(role)

    def stop(self, name: str, timeout: float) -> None:
        """SIGTERM to one role, SIGKILL after `timeout` seconds; it stays down."""
        self._retry_at.pop(name, None)
        process = self._running.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            log.warning("role_killed", role=name, pid=process.pid, after_seconds=timeout)
            process.kill()
            process.wait()

    def close(self, timeout: float) -> None:
        """Stop every role, last started first, all within about `timeout` seconds."""
        deadline = self._clock.monotonic() + timeout
        for process in self._running.values():
            process.terminate()
        for role in reversed(self._roles):
            self.stop(role.name, max(0.1, deadline - self._clock.monotonic()))

    def _spawn(self, role: Role) -> None:
        output = None if role.log_file is None else role.log_file.open("ab")
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "gridwatch", *role.arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
                start_new_session=True,  # a terminal's Ctrl-C reaches the parent only, which stops us in order
            )
        finally:
            if output is not None:
                output.close()
        self._running[role.name] = process
        self._started[role.name] = self._clock.monotonic()

    def _bury(self, role: Role, process: subprocess.Popen[bytes], now: float) -> None:
        del self._running[role.name]
        if process.returncode == EXIT_USAGE:
            where = f"; its reason is in {role.log_file}" if role.log_file else ""
            raise UsageError(f"{role.name} refused to start{where}")
        delay = self._backoff[role.name].next_delay(now - self._started[role.name])
        log.error("role_died", role=role.name, exit=process.returncode, restart_in_seconds=round(delay, 1))
        self._retry_at[role.name] = now + delay
