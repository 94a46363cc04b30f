"""A server that is our child: it ends when we do, however we end, and we notice when it ends by itself."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import structlog

log = structlog.get_logger(__name__)

KILL_PATIENCE = 2.0
"""Seconds a process may take to be gone after SIGKILL."""


class Identity(TypedDict, total=False):
    """Whom to run as, for `subprocess.Popen`; empty for ourselves."""

    user: int
    group: int
    extra_groups: list[int]


class CannotRun(Exception):  # noqa: N818  (reads as what happened)
    """The program could not be started at all; the message is the system's."""


class OwnedProcess:
    """A process owned by a thread of its own, which waits for it.

    The kernel sends the parent-death signal when the *thread* that started the child ends, so the caller's will not do.
    A session of its own keeps a terminal's Ctrl-C away: servers are stopped last, after those who still use them.
    Methods are thread-safe once `start` has returned.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log_file: Path,
        *,
        death_signal: signal.Signals = signal.SIGKILL,
        identity: Identity | None = None,
    ) -> None:
        """`death_signal` is what the kernel sends it when we die; `log_file` takes its output."""
        setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
        death = death_signal.name.removeprefix("SIG")
        self._command = (setpriv, "--pdeathsig", death, "--", *command) if setpriv else tuple(command)
        self._name = name
        self._log_file = log_file
        self._identity = identity or Identity()
        self._closing = False
        self._process: subprocess.Popen[bytes] | None = None
        self._failure = ""
        self._started = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"{name}-keeper", daemon=True)

    def start(self) -> None:
        """Start it. Raises CannotRun."""
        self._keeper.start()
        self._started.wait()
        if self._process is None:
            raise CannotRun(self._failure)

    @property
    def pid(self) -> int:
        """Its process id. Raises RuntimeError before `start`."""
        if self._process is None:
            raise RuntimeError("start() first")
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal in turn, wait as many seconds for it to end, at last SIGKILL. Safe to call again."""
        self._closing = True
        process = self._process
        if process is None:
            return
        for number, patience in (*steps, (signal.SIGKILL, KILL_PATIENCE)):
            if process.poll() is None:
                process.send_signal(number)
            self._keeper.join(patience)
            if not self._keeper.is_alive():
                return
            log.warning("process_ignores_signal", name=self._name, pid=process.pid, signal=number.name)

    def _keep(self) -> None:
        try:
            with self._log_file.open("ab") as output:
                self._process = subprocess.Popen(
                    self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                    cwd="/", **self._identity,
                )  # fmt: skip
        except OSError as error:
            self._failure = str(error)
            return
        finally:
            self._started.set()
        code = self._process.wait()
        if not self._closing:
            log.critical(
                "process_died", name=self._name, pid=self._process.pid, exit=code, log_file=str(self._log_file)
            )
