"""The store on the oldest PostgreSQL it is for: its tests of SQL, in a process of their own."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from gridwatch.app.embedded_postgres import SYSTEM_USER, start_postgres

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
"""Debian's; `scripts/debian-packages.sh test` installs it."""
HERE = Path(__file__).parent

FILES = ("migrations_down", "recording", "reading", "statistics", "observations")
"""What differs between versions of PostgreSQL is SQL; outages and waiting are not worth the time."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (PROGRAMS / "postgres").exists(), reason="needs Debian's PostgreSQL 15"),
    pytest.mark.skipif("GRIDWATCH_TEST_DSN" in os.environ, reason="another server was asked for"),
]


@pytest.fixture
def old_dsn() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="gridwatch-test-pg15-"))
    # The server runs as the user that the embedded one runs as, which its start makes.
    start_postgres(folder / "user").close(10.0)
    owner = pwd.getpwnam(SYSTEM_USER).pw_uid if os.geteuid() == 0 else None
    if owner is not None:
        os.chown(folder, owner, -1)
    cluster = folder / "cluster"
    subprocess.run(
        [PROGRAMS / "initdb", "-D", cluster, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"],
        check=True, capture_output=True, cwd="/", user=owner,
    )  # fmt: skip
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    control = [str(PROGRAMS / "pg_ctl"), "-D", str(cluster), "-w", "-l", str(folder / "log")]
    start, stop = [*control, "-o", options, "start"], [*control, "-m", "immediate", "stop"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd="/", user=owner)
    try:
        yield f"postgresql://postgres@/postgres?host={quote(str(folder), safe='')}"
    finally:
        subprocess.run(stop, check=True, stdout=subprocess.DEVNULL, cwd="/", user=owner)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(300)
def test_the_statements_do_the_same_on_postgresql_15(old_dsn: str) -> None:
    files = [str(HERE / f"test_{name}.py") for name in FILES]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *files], cwd=HERE.parents[2],
        env={**os.environ, "GRIDWATCH_TEST_DSN": old_dsn}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
