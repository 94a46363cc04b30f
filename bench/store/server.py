"""A database to measure on: of a server started here, or of one that somebody names."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from gridwatch.app.embedded_postgres import start_postgres

_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "4GB"}
"""As one would for ten million rows; all else, durability above all, is as it comes."""


@contextmanager
def bench_database(dsn: str | None) -> Iterator[str]:
    """The DSN of an empty database, dropped in the end. `dsn` must allow CREATE DATABASE."""
    if dsn is None:
        directory = Path(tempfile.mkdtemp(prefix="gridwatch-bench-store-"))
        running = start_postgres(directory, settings=_SETTINGS)
        try:
            with _fresh(running.dsn) as fresh:
                yield fresh
        finally:
            running.close(30.0)
            shutil.rmtree(directory, ignore_errors=True)
    else:
        with _fresh(dsn) as fresh:
            yield fresh


@contextmanager
def kept_database(dsn: str, name: str) -> Iterator[str]:
    """The DSN of a database that stays; made, empty, where it is not there."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        there = connection.execute(b"SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if there is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield make_conninfo(dsn, dbname=name)


@contextmanager
def _fresh(dsn: str) -> Iterator[str]:
    name = f"gridwatch_bench_{os.getpid()}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield make_conninfo(dsn, dbname=name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
