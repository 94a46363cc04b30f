"""TimescaleDB in WASM, through Node: `python -m bench.store.wasm [--rows N] [--json FILE]`.

Sizes before and after compression, and what a row costs that comes into a compressed chunk beside one that comes into
an open one. One thread, memory for a disk: its ratios are TimescaleDB's, its milliseconds are its own. Needs npm.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg

from bench.figures import Figure, show, write
from bench.store.history import SQL
from bench.store.server import bench_database
from gridwatch.store.migrate import packaged_migrations, timescale_variant

_NODE: Final = Path(__file__).parents[2] / "tests" / "integration" / "store" / "timescale"
_PART: Final = 50_000
_A_DAY: Final = 25_000
"""Incidents, as in ten millions over 400 days: rows of a camera in a chunk decide what compression gains."""
_LATE: Final = 400
"""Rows that come late."""
_TOGETHER: Final = 40
"""In one statement: the clock in WASM tells milliseconds."""
_NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::float8 AS now"
_SIZE: Final = "SELECT hypertable_size('incident_message')::float8 AS bytes"


class Script:
    """Statements in order, with names for what is to be found again."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._cursor = psycopg.ClientCursor(connection)
        self.steps: list[dict[str, Any]] = []
        self.places: dict[str, list[int]] = {}

    def run(self, *statements: str) -> None:
        """Without an answer; a text may hold several statements."""
        self.steps += [{"sql": one, "params": None} for one in statements]

    def ask(self, name: str, statement: str) -> None:
        """With rows, found by `name`."""
        self.places.setdefault(name, []).append(len(self.steps))
        self.steps.append({"sql": statement, "params": []})

    def timed(self, name: str, statement: str) -> None:
        """What lies between two looks at the clock."""
        self.ask(f"{name}<", _NOW)
        self.steps.append({"sql": statement, "params": []})
        self.ask(f"{name}>", _NOW)

    def filled(self, query: bytes, parameters: Mapping[str, object]) -> str:
        """With the parameters in it."""
        return self._cursor.mogrify(query.decode(), parameters)


def _script(connection: psycopg.Connection[Any], incidents: int) -> Script:
    days = max(2, round(incidents / _A_DAY))
    script = Script(connection)
    script.run("CREATE EXTENSION IF NOT EXISTS timescaledb", "SET TimeZone = 'UTC'")
    script.run(*(one.sql for one in packaged_migrations()), timescale_variant().sql, SQL["tables"].decode())
    for first in range(0, incidents, _PART):
        last = min(first + _PART, incidents) - 1
        values = {"first": first, "last": last, "total": incidents, "days": days}
        parts = [script.filled(SQL[name], values) for name in ("incidents", "messages", "states", "cases", "head")]
        script.run("BEGIN", *parts, "COMMIT")
    script.run("ANALYZE")
    script.ask("open", _SIZE)
    _late(script, "open")
    script.ask("compress", "SELECT count(compress_chunk(c)) FROM show_chunks('incident_message') AS c")
    script.ask("compressed", _SIZE)
    _late(script, "compressed")
    return script


def _late(script: Script, into: str) -> None:
    """Messages of incidents, some at a time, into chunks that are `into`."""
    script.run(script.filled(SQL["late_rows"], {"seq": 10 if into == "open" else 11, "count": _LATE}))
    for first in range(1, _LATE, _TOGETHER):
        numbers = {"first": first, "last": first + _TOGETHER - 1}
        script.timed(f"late_{into}", script.filled(SQL["late_rows_of"], numbers))


def wasm_figures(incidents: int) -> list[Figure]:
    """Sizes and late rows."""
    with bench_database(None) as dsn, psycopg.connect(dsn) as connection:
        script = _script(connection, incidents)
    results = _on_node(script.steps)

    def told(name: str, column: str) -> list[float]:
        return [float(results[place]["rows"][0][column]) for place in script.places[name]]

    def milliseconds(name: str) -> list[float]:
        pairs = zip(told(f"{name}<", "now"), told(f"{name}>", "now"), strict=True)
        return [(end - begin) * 1000.0 for begin, end in pairs]

    before, after = told("open", "bytes")[0], told("compressed", "bytes")[0]
    figures = [
        Figure.of("history_incidents", [incidents]),
        Figure.of("messages_mib", [before / 2**20], unit="MiB"),
        Figure.of("messages_compressed_mib", [after / 2**20], unit="MiB"),
        Figure.of("compressed_share", [after / before]),
    ]
    late = {
        name: [took / _TOGETHER for took in milliseconds(f"late_{name}")] for name in ("open", "compressed")
    }  # fmt: skip
    figures += [Figure.of(f"late_row_{name}_ms", took, unit="ms") for name, took in late.items()]
    ratio = statistics.median(late["compressed"]) / statistics.median(late["open"])
    return [*figures, Figure.of("late_row_compressed_vs_open", [ratio])]


def _on_node(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="gridwatch-bench-wasm-") as name:
        folder = Path(name)
        for file in ("package.json", "run.mjs"):
            shutil.copy(_NODE / file, folder)
        npm = ["npm", "install", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(npm, cwd=folder, check=True, capture_output=True)
        given, results = folder / "steps.json", folder / "results.json"
        given.write_text(json.dumps(steps))
        node = ["node", "--max-old-space-size=8192", "run.mjs", str(given), str(results)]
        subprocess.run(node, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        found: list[dict[str, Any]] = json.loads(results.read_text())
    wrong = [(step["sql"][:100], one["error"]) for step, one in zip(steps, found, strict=True) if "error" in one]
    if wrong:
        raise RuntimeError(f"TimescaleDB refused {wrong[0]}, and {len(wrong) - 1} more")
    return found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.store.wasm", description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000, metavar="N", help="incidents in the history")
    parser.add_argument("--json", type=Path, metavar="FILE", help='write {"figure name": number}')
    chosen = parser.parse_args()
    figures = wasm_figures(chosen.rows)
    show(f"TimescaleDB in WASM, {chosen.rows} incidents", figures)
    if chosen.json is not None:
        write(chosen.json, figures)


if __name__ == "__main__":
    main()
