"""The migrations and the queries on real TimescaleDB (in WASM, through Node) give what they give on PostgreSQL."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from gridwatch.domain import IncidentFilter, Phase, SitePath
from gridwatch.store.message_rows import copy_line, known_parameters, message_row, state_parameters
from gridwatch.store.migrate import packaged_migrations, timescale_variant
from gridwatch.store.queries import queries
from gridwatch.store.recording import latest_states
from gridwatch.store.rows import evidence_object, incident_filter_parameters, page_parameters, site_columns
from tests.integration.store.build import DISTRICT, GATE, NORTH, START, incident, picture

HERE = Path(__file__).parent / "timescale"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js with npm"),
]


@dataclass(frozen=True)
class Step:
    """One statement for both databases."""

    sql: str
    parameters: dict[str, Any] | None

    def for_node(self) -> dict[str, Any]:
        """With $1, $2... in the order of first use."""
        if self.parameters is None:
            return {"sql": self.sql, "params": None}
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", self.sql)))
        sql = re.sub(r"%\((\w+)\)s", lambda m: f"${names.index(m[1]) + 1}", self.sql)
        return {"sql": sql, "params": [self.parameters[name] for name in names]}


def named(file: str, name: str, **parameters: Any) -> Step:
    return Step(queries(file)[name].decode(), parameters)


def reading(file: str, name: str, **parameters: Any) -> Step:
    """A query whose rows come as JSON text, so that both clients show the same."""
    return Step(f"SELECT to_jsonb(r)::text AS row FROM ({queries(file)[name].decode()}) AS r", parameters)  # noqa: S608


def reading_set(file: str, name: str, **parameters: Any) -> Step:
    """The same of a query whose order means nothing."""
    step = reading(file, name, **parameters)
    return Step(f"{step.sql} ORDER BY row", step.parameters)


def as_json(parameters: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in parameters.items()}


def recording(*incidents: Any) -> list[Step]:
    """What `Recording` sends for a batch, in one transaction; Node has no COPY, so its rows are inserted.

    `known` is asked of all messages before and after: what is there before is left out, all is there in the end.
    """
    unique = list({one.message_id: one for one in incidents}.values())
    rows = [message_row(one, "g1") for one in unique]
    states = state_parameters([rows[place] for place in latest_states(unique).values()])
    evidence = [{"incident_id": str(one.id), **evidence_object(e)} for one in unique for e in one.evidence]
    known = reading_set("recording", "known", **known_parameters(dict(enumerate(rows))))
    # Its type is told to the server by psycopg, which Node leaves to be guessed from here.
    advance = queries("recording")["advance_head"].decode().replace("%(count)s", "%(count)s::bigint")
    return [
        Step("BEGIN", {}),
        reading_whole("recording", "keep_states", **states),
        known,
        named("recording", "correct_states", **states),
        named("recording", "add_evidence", evidence=json.dumps(evidence)),
        Step(f"WITH r AS ({advance}) SELECT base FROM r", {"count": len(unique)}),  # noqa: S608
        appending([copy_line(row, START.isoformat(), 0) for row in rows]),
        known,
        Step("COMMIT", {}),
    ]


def appending(lines: Sequence[str]) -> Step:
    """What COPY does, with the next cursors."""
    copy = queries("recording")["append_messages"].decode().replace("\n", " ")
    columns = copy[copy.index("(") : copy.index(")") + 1]
    values = [
        f"((SELECT cursor FROM stream_head) - {len(lines) - place - 1}, {_literals(line)})"  # noqa: S608
        for place, line in enumerate(lines)
    ]
    return Step(f"INSERT INTO incident_message {columns} VALUES {', '.join(values)}", None)  # noqa: S608


def _literals(line: str) -> str:
    """A line of COPY's text format but for the cursor, its first field."""
    fields = line.rstrip("\n").split("\t")[1:]
    return ", ".join("NULL" if one == r"\N" else f"'{one}'" for one in fields)


def reading_whole(file: str, name: str, **parameters: Any) -> Step:
    """A query that changes rows, which may stand at the top only."""
    text = queries(file)[name].decode()
    begin, end = text.rsplit("SELECT ", 1)
    columns, source = end.replace(" AS kept", "").replace(" AS before", "").rsplit(" FROM ", 1)
    return Step(f"{begin}SELECT json_build_array({columns})::text AS row FROM {source}", parameters)  # noqa: S608


WEEKS = [incident(f"week-{n}", at=timedelta(weeks=n), evidence=[picture()]) for n in range(5)]
UPDATES = [incident(f"week-{n}", at=timedelta(weeks=n), seq=1) for n in range(0, 5, 2)]
LATE = [incident("week-0", seq=2, phase=Phase.CLEARED), incident("late", at=timedelta(hours=2))]
FILTER = as_json(incident_filter_parameters(IncidentFilter(scope=DISTRICT)))
NORTH_LATER = as_json(incident_filter_parameters(IncidentFilter(scope=NORTH, since=START + timedelta(weeks=2))))
PAGE = page_parameters(None, 3)
MIDNIGHT = START.replace(hour=0)
COUNTED = {"kinds": [], "since": MIDNIGHT.isoformat(), "until": (START + timedelta(days=30)).isoformat()}


def reading_series(name: str, scope: SitePath) -> Step:
    """Its arrays come in any order, and a count in parts."""
    text = queries("statistics")[name].decode()
    row = (
        "jsonb_build_object('kind', kind, 'total', (SELECT sum(n) FROM unnest(counts) AS n), 'series',"
        " (SELECT jsonb_agg(one ORDER BY one) FROM (SELECT place, sum(n) FROM unnest(places, counts) AS u (place, n)"
        " GROUP BY place) AS one))::text AS row"
    )
    return Step(f"SELECT {row} FROM ({text}) AS r", {**site_columns(scope), **COUNTED})  # noqa: S608


COUNTS = [
    reading_series("site_hours", NORTH),
    reading_series("substation_hours", NORTH),
    reading_series("site_days", DISTRICT),
    reading_series("district_days", DISTRICT),
    reading("statistics", "grid_days", **site_columns(DISTRICT), **COUNTED),
    reading("statistics", "grid_totals", **site_columns(DISTRICT), **COUNTED),
]

HISTORY = {"incident": str(WEEKS[0].id), "occurred_at": WEEKS[0].occurred_at.isoformat()}
READ = [
    reading("incidents", "incidents", **FILTER, **PAGE),
    reading("incidents", "incidents", **NORTH_LATER, **PAGE),
    reading("incidents", "events", **FILTER, after=1, upto=100, limit=100),
    reading("incidents", "events", **NORTH_LATER, after=0, upto=7, limit=2),
    reading("incidents", "occurred", incident=str(WEEKS[0].id)),
    reading("incidents", "history", **HISTORY),
    reading("incidents", "head"),
    reading("figures", "incident_counts"),
    reading_set("figures", "message_ids", after=3),
]
COUNT = named("statistics", "count_incidents", most=3)
"""In two parts, and what comes in between."""
REFRESH = [
    Step(f"CALL refresh_continuous_aggregate('{one}', NULL, NULL)", None)
    for one in (
        "site_hours",
        "substation_hours",
        "site_days",
        "district_days",
        "grid_days",
        "grid_hours",
        "grid_totals",
    )
]
MINUTES = [
    {
        "camera": f"cam-{n % 2}", "minute": (START + timedelta(minutes=n)).isoformat(), **site_columns(GATE),
        "frames": 900, "analysed": 300, "detected": n, "dropped": 0, "moving": 0.5, "fps": 15.0,
        "classes": {"person": [2, 31]},
    }
    for n in range(6)
]  # fmt: skip
SEEN = {"camera": "cam-1", "since": START.isoformat(), "until": (START + timedelta(days=1)).isoformat()}


def observing(frames: int) -> list[Step]:
    """Minutes, the first of them again with so many frames, and two states of a camera."""
    again = {**MINUTES[1], "frames": frames, "classes": {}}
    health = {"since": START, "reason": "", **site_columns(GATE), "camera": "cam-1", "fps": 5.0} | dict.fromkeys(
        ("frames", "analysed", "dropped", "detected", "detections", "incidents"), frames
    )
    return [
        named("observations", "keep_observations", rows=json.dumps([*MINUTES, again])),
        *[
            named("recording", "keep_health", **as_json({**health, "state": state, "observed_at": START}))
            for state in ("connecting", "up")
        ],
        reading("observations", "observations", **SEEN),
        reading("observations", "health_changes", **SEEN),
    ]


COMPRESS_MINUTES = Step("SELECT compress_chunk(c)::text AS chunk FROM show_chunks('observation') AS c", {})
AUDIT = Step(
    "INSERT INTO audit (at, account, action, subject, reason) VALUES (%(at)s::timestamptz, 'ann', 'login', '', '')",
    {"at": START.isoformat()},
)
REFUSED = [Step(sql, {}) for sql in ("UPDATE audit SET reason = 'x'", "DELETE FROM audit", "TRUNCATE audit")]
LIMITED = Step("SET timescaledb.max_tuples_decompressed_per_dml_transaction = 1", None)
"""What a server may be set to; a batch of many cameras goes over any number."""
CONFIGURE = named("session", "configure")
MIGRATE = [Step(m.sql, None) for m in packaged_migrations()]
DOWN = [Step(m.down, None) for m in reversed(packaged_migrations()) if m.down]
VARIANT = Step(timescale_variant().sql, None)
FORGET = named("retention", "forget_chunks", before=(START + timedelta(weeks=3)).isoformat(), most=1)
CHUNKS = Step("SELECT c::text AS chunk FROM show_chunks('incident_message') AS c", {})
COMPRESS = Step("SELECT compress_chunk(c)::text AS chunk FROM show_chunks('incident_message') AS c", {})
OLD = {
    "ids": [str(WEEKS[n].id) for n in (0, 1)], "times": [WEEKS[n].occurred_at.isoformat() for n in (0, 1)],
    "first": WEEKS[0].occurred_at.isoformat(), "last": WEEKS[1].occurred_at.isoformat(), "now": START.isoformat(),
}  # fmt: skip
RETAIN = [
    Step("BEGIN", {}),
    named("retention", "delete_messages", **{key: OLD[key] for key in ("ids", "times", "first", "last")}),
    named("retention", "delete_evidence", ids=OLD["ids"], now=OLD["now"]),
    named("retention", "delete_incidents", ids=OLD["ids"]),
    Step("COMMIT", {}),
]
"""What a batch of retention sends, for the two oldest weeks."""
EXPLAIN_HISTORY = Step("EXPLAIN " + queries("incidents")["history"].decode(), HISTORY)
HYPERTABLES = Step(
    "SELECT hypertable_name::text AS name, compression_enabled AS compressed"
    " FROM timescaledb_information.hypertables ORDER BY 1",
    {},
)


def on_postgres(dsn: str, steps: Sequence[Step]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for step in steps:
            try:
                cursor = connection.execute(step.sql.encode(), step.parameters)
                results.append({"rows": cursor.fetchall() if cursor.description else []})
            except psycopg.Error as error:
                results.append({"error": error.diag.message_primary})
    return results


def on_timescale(directory: Path, steps: Sequence[Step]) -> list[dict[str, Any]]:
    for name in ("package.json", "run.mjs"):
        shutil.copy(HERE / name, directory)
    npm = ["npm", "install", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(npm, cwd=directory, check=True, capture_output=True, timeout=100)
    given, results = directory / "steps.json", directory / "results.json"
    given.write_text(json.dumps([step.for_node() for step in [Step("SET TimeZone = 'UTC'", None), *steps]]))
    node = ["node", "run.mjs", str(given), str(results)]
    done = subprocess.run(node, cwd=directory, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(results.read_text())[1:]


def rows(results: Sequence[dict[str, Any]]) -> list[Any]:
    """Without the notification's empty answer, which the two clients spell differently."""
    return [
        result.get("error") or [json.loads(r["row"]) if r.get("row") else r for r in result["rows"] if "row" in r]
        for result in results
    ]


def script() -> list[tuple[str, Step]]:
    """All steps, each with where it runs: on "both", on "timescale" or on "plain" alone."""
    count = [("timescale", REFRESH), ("plain", [COUNT]), ("both", COUNTS)]
    parts: list[tuple[str, Sequence[Step]]] = [
        ("timescale", [Step("CREATE EXTENSION IF NOT EXISTS timescaledb", None)]),
        ("both", MIGRATE),
        ("timescale", [VARIANT]),
        ("both", [LIMITED, CONFIGURE]),
        ("both", [*recording(*WEEKS), *recording(*UPDATES), *READ, *COUNTS]),  # nothing is counted yet: real-time
        *count,
        ("both", [AUDIT, *REFUSED]),
        ("timescale", [COMPRESS, EXPLAIN_HISTORY]),
        ("both", [*recording(*LATE), *READ]),
        ("both", observing(100)),
        ("timescale", [COMPRESS_MINUTES]),
        ("both", observing(1000)),  # into a compressed chunk
        *count,
        ("both", [*RETAIN, *READ, *COUNTS]),  # what is counted stays
        ("both", [FORGET, FORGET]),
        ("timescale", [CHUNKS]),
        ("both", [*READ, *COUNTS, *recording(WEEKS[1]), *READ]),  # what comes late gets a new chunk
        ("timescale", [VARIANT, HYPERTABLES]),
        ("both", DOWN),
        ("both", MIGRATE),
        ("timescale", [VARIANT]),
    ]
    return [(where, step) for where, steps in parts for step in steps]


def test_migrations_and_queries_give_the_same_on_timescaledb(empty_database_dsn: str, tmp_path: Path) -> None:
    steps = script()
    timescale = on_timescale(tmp_path, [step for where, step in steps if where != "plain"])
    plain = on_postgres(empty_database_dsn, [step for where, step in steps if where != "timescale"])
    theirs = dict(zip([n for n, (where, _) in enumerate(steps) if where != "plain"], timescale, strict=True))
    ours = dict(zip([n for n, (where, _) in enumerate(steps) if where != "timescale"], plain, strict=True))
    for number, (where, step) in enumerate(steps):
        if where == "both" and step is not FORGET:
            assert (number, step.sql, rows([theirs[number]])) == (number, step.sql, rows([ours[number]]))
        elif where == "timescale":
            assert "error" not in theirs[number], step.sql

    def seen(found: Step) -> list[list[Any]]:
        return [rows([theirs[n]])[0] for n, (_, step) in enumerate(steps) if step is found]

    # The comparison is of something: chunks, pages, states, refusals and counts are there.
    assert len(timescale_rows(theirs, steps, COMPRESS)) == 5, "a chunk a week"
    plan = str(timescale_rows(theirs, steps, EXPLAIN_HISTORY))
    assert len(set(re.findall(r"\b_hyper_\d+_\d+_chunk", plan))) == 1, "a history is looked for in one chunk"
    assert timescale_rows(theirs, steps, HYPERTABLES) == [
        {"name": name, "compressed": True}
        for name in ("audit", "camera_health_change", "incident_message", "observation")
    ]  # fmt: skip
    # Of the two weeks that lost incidents one has a late one left.
    assert [row["chunks"] for row in timescale_rows(theirs, steps, FORGET)] == [1, 0]
    assert len(timescale_rows(theirs, steps, CHUNKS)) == 4
    assert [len(seen(one)[-1]) for one in READ[:3]] == [3, 3, 7]
    assert [isinstance(seen(one)[0], str) for one in REFUSED] == [True] * 3
    for one in COUNTS:
        totals = [
            sum(row["incidents"] if "grid" in row else row["total"] for row in found) for found in seen(one)
        ]  # fmt: skip
        assert totals == [5, 5, 6, 6, 6]


def timescale_rows(results: dict[int, dict[str, Any]], steps: Sequence[tuple[str, Step]], wanted: Step) -> list[Any]:
    return [row for n, (_, step) in enumerate(steps) if step is wanted for row in results[n]["rows"]]
