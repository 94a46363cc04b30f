"""Servers that a test may kill, stop, fill and fail over."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil

from gridwatch.app.embedded_postgres import RunningPostgres, _identity, _programs, _unprivileged_user, start_postgres


class Server:
    """A PostgreSQL that a test may kill and start again at the same address."""

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self._settings = settings
        self.running: RunningPostgres = start_postgres(directory, settings=settings)

    def kill(self) -> None:
        os.kill(self.running.pid, signal.SIGKILL)
        self.running.close(5.0)

    def start(self) -> None:
        self.running = start_postgres(self.directory, settings=self._settings)

    def hang(self) -> None:
        """Every process of it stops where it is: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        server = psutil.Process(self.running.pid)
        for process in (server, *server.children(recursive=True)):
            process.send_signal(number)


def program(name: str, *arguments: str, timeout: float = 60.0) -> str:
    """Run one of PostgreSQL's own programs as the user the servers run as; what it printed."""
    done = subprocess.run(
        [str(_programs() / name), *arguments], capture_output=True, text=True, timeout=timeout, check=False, cwd="/",
        env={**os.environ, "LC_ALL": "C"}, **_identity(_unprivileged_user()),
    )  # fmt: skip
    assert done.returncode == 0, f"{name}: {done.stderr}"
    return done.stdout


@contextmanager
def server_folder() -> Iterator[Path]:
    """Not pytest's own: that is closed to the user the servers run as. May be used by that user."""
    directory = Path(tempfile.mkdtemp(prefix="gridwatch-test-pg-"))
    user = _unprivileged_user()
    if user is not None:
        shutil.chown(directory, user.pw_uid, user.pw_gid)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def started_by_hand(folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """The server whose files are in `folder/pgdata`, as an administrator starts it; its DSN."""
    data = folder / "pgdata"
    lines = {**settings, "listen_addresses": "", "unix_socket_directories": str(folder), "archive_mode": "off"}
    with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in lines.items())
    program("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql://postgres@/gridwatch?host={quote(str(folder), safe='')}"
    finally:
        program("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
