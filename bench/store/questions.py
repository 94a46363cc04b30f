"""What people ask of a year of incidents, through the store as the API does it, and the plans behind the answers."""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from psycopg.conninfo import make_conninfo

from bench.figures import Figure
from bench.store.history import DAYS, END, START
from gridwatch.domain import (
    CaseFilter,
    CaseStep,
    IncidentFilter,
    IncidentKind,
    IncidentRecord,
    PageKey,
    Severity,
    SitePath,
    SystemClock,
)
from gridwatch.store import Database
from gridwatch.store.statistics import Bucket, CountFilter, KindSeries

DISTRICT: Final = SitePath(district="d")
GOAL_MS: Final = 50.0
_PAGE: Final = 50
_KINDS: Final = (IncidentKind.CROWDING, IncidentKind.LOITERING)

Ask = Callable[[random.Random], Awaitable[int]]
"""Asks once, of something else each time; the number of rows that came."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One thing people ask."""

    name: str
    ask: Ask
    note: str
    goal: float | None = GOAL_MS


def substation(chance: random.Random) -> SitePath:
    """Any of the twenty; they differ little, as cameras of all ranks hang on each."""
    return SitePath(district="d", substation=f"s{chance.randrange(20)}")


class Questions:
    """All of them, over an open store with a history in it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: list[IncidentRecord] = []
        self._head = 0

    async def prepare(self) -> None:
        """Remember some incidents of all times, to ask about, and the head of the stream."""
        self._head = await self._database.events.head()
        for day in range(0, DAYS, 8):
            where = IncidentFilter(scope=DISTRICT, until=START + timedelta(days=day + 1))
            self._known += await self._database.archive.incidents(where, None, 4)

    def all(self) -> list[Question]:
        """In the order of the table."""
        return [
            Question(name="list_district", ask=self.list_district, note="a page of 50, from any time on"),
            Question(name="list_substation", ask=self.list_substation, note="of a substation and two kinds"),
            Question(name="list_rare", ask=self.list_rare, note="of a substation: one kind, one severity, 7 days"),
            Question(name="list_camera", ask=self.list_camera, note="of a camera"),
            Question(name="incident", ask=self.incident, note="one with its history and evidence"),
            Question(name="hours", ask=self.hours, note="by hour and kind, a substation, 90 days"),
            Question(name="hours_of_kind", ask=self.hours_of_kind, note="the same of one kind"),
            Question(name="days", ask=self.days, note="by day and kind, the district, 90 days"),
            Question(name="board", ask=self.board, note="open cases of a substation"),
            Question(name="heat_map", ask=self.heat_map, note="by grid, the district, 30 days"),
            Question(name="heat_map_of_kind", ask=self.heat_map_of_kind, note="by grid and kind, 90 days"),
            Question(name="stream", ask=self.stream, note="the next 100 messages, of the last 10 000", goal=None),
            Question(name="replay", ask=self.replay, note="the next 100 messages, from any time on", goal=None),
        ]

    def _key(self, chance: random.Random) -> PageKey:
        one = chance.choice(self._known).incident
        return PageKey(at=one.occurred_at, id=one.id)

    async def _list(self, where: IncidentFilter, chance: random.Random) -> int:
        return len(await self._database.archive.incidents(where, self._key(chance), _PAGE))

    async def list_district(self, chance: random.Random) -> int:
        """A page of the newest before some time."""
        return await self._list(IncidentFilter(scope=DISTRICT), chance)

    async def list_substation(self, chance: random.Random) -> int:
        """Two kinds in a substation, a page."""
        return await self._list(IncidentFilter(scope=substation(chance), kinds=_KINDS), chance)

    async def list_rare(self, chance: random.Random) -> int:
        """What is seldom, in a week."""
        since = START + timedelta(days=chance.randrange(DAYS - 7))
        where = IncidentFilter(
            scope=substation(chance), kinds=(IncidentKind.CAMERA_OFFLINE,), severities=(Severity.CRITICAL,),
            since=since, until=since + timedelta(days=7),
        )  # fmt: skip
        return len(await self._database.archive.incidents(where, None, _PAGE))

    async def list_camera(self, chance: random.Random) -> int:
        """A page of a camera."""
        return await self._list(IncidentFilter(scope=DISTRICT, camera=f"camera-{chance.randrange(300)}"), chance)

    async def incident(self, chance: random.Random) -> int:
        """One whole."""
        one = chance.choice(self._known).incident.id
        await self._database.archive.evidence_of(one)
        return len(await self._database.archive.history(one))

    def _period(self, chance: random.Random, days: int) -> CountFilter:
        """The last days until now or a little before: the newest are those that no aggregate holds yet."""
        until = END - timedelta(hours=chance.randrange(48))
        return CountFilter(scope=DISTRICT, since=until - timedelta(days=days), until=until)

    async def hours(self, chance: random.Random) -> int:
        """Ninety days by the hour."""
        period = self._period(chance, 90)
        where = CountFilter(scope=substation(chance), since=period.since, until=period.until)
        return _points(await self._database.statistics.by_time(where, Bucket.HOUR))

    async def hours_of_kind(self, chance: random.Random) -> int:
        """The same of one kind."""
        period = self._period(chance, 90)
        where = CountFilter(scope=substation(chance), since=period.since, until=period.until, kinds=_KINDS[:1])
        return _points(await self._database.statistics.by_time(where, Bucket.HOUR))

    async def days(self, chance: random.Random) -> int:
        """Ninety days of the district by the day."""
        return _points(await self._database.statistics.by_time(self._period(chance, 90), Bucket.DAY))

    async def board(self, chance: random.Random) -> int:
        """What waits for somebody in a substation."""
        where = CaseFilter(scope=substation(chance), steps=(CaseStep.DISPATCH, CaseStep.HANDLE, CaseStep.REVIEW))
        return len(await self._database.cases.cases(where, None, _PAGE))

    async def heat_map(self, chance: random.Random) -> int:
        """Thirty days by grid."""
        return len(await self._database.statistics.by_grid(self._period(chance, 30)))

    async def heat_map_of_kind(self, chance: random.Random) -> int:
        """Ninety days by grid, one kind."""
        period = self._period(chance, 90)
        where = CountFilter(scope=DISTRICT, since=period.since, until=period.until, kinds=_KINDS[:1])
        return len(await self._database.statistics.by_grid(where))

    async def stream(self, chance: random.Random) -> int:
        """What a subscriber gets who was away for a moment."""
        return await self._events(self._head - 100 - chance.randrange(10_000))

    async def replay(self, chance: random.Random) -> int:
        """What a subscriber gets who was away for days or months."""
        return await self._events(chance.randrange(self._head))

    async def _events(self, after: int) -> int:
        return len(await self._database.events.events(after, self._head, IncidentFilter(scope=DISTRICT), 100))


def _points(series: Sequence[KindSeries]) -> int:
    return sum(1 for one in series for count in one.counts if count)


async def question_figures(dsn: str, times: int) -> list[Figure]:
    """Milliseconds of each, `times` times over different parts of the history; and first on a new connection."""
    database = Database(dsn=dsn, pool_size=1, clock=SystemClock(), evidence_dir=Path())
    questions = Questions(database)
    figures = []
    async with _opened(database):
        await questions.prepare()
    for question in questions.all():
        chance = random.Random(question.name)  # noqa: S311 - not for secrets
        async with _opened(database):
            server = await _backend(database)
            took, cpu, rows = [], [], []
            for _ in range(times + 1):
                began, used = time.perf_counter(), _cpu(server)
                rows.append(await question.ask(chance))
                took.append((time.perf_counter() - began) * 1000.0)
                cpu.append((_cpu(server) - used) * 1000.0)
        figures += _of(question, took, cpu, rows)
    return figures


@asynccontextmanager
async def _opened(database: Database) -> AsyncIterator[None]:
    await database.open()
    try:
        yield
    finally:
        await database.close()


async def _backend(database: Database) -> Path | None:
    """Where the kernel says what the server's process has used; None for a server elsewhere."""
    async with database._pool.connection("who") as connection:  # noqa: SLF001 - only to ask
        path = Path(f"/proc/{connection.info.backend_pid}/schedstat")
        is_ours = connection.info.host.startswith("/") and path.exists()
    return path if is_ours else None


def _cpu(server: Path | None) -> float:
    """Seconds used by this process and by the server's together."""
    return time.process_time() + (0.0 if server is None else int(server.read_text().split()[0]) / 1e9)


def _of(question: Question, took: Sequence[float], cpu: Sequence[float], rows: Sequence[int]) -> list[Figure]:
    note = f"{question.note}; {max(rows)} rows"
    return [
        Figure.of(f"{question.name}_p50_ms", took[1:], unit="ms", note=note),
        Figure.of(f"{question.name}_p95_ms", [_p95(took[1:])], goal=question.goal, unit="ms"),
        Figure.of(f"{question.name}_cpu_p95_ms", [_p95(cpu[1:])], unit="ms", note="of client and server"),
        Figure.of(f"{question.name}_first_ms", took[:1], unit="ms", note="first on a new connection"),
    ]


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, round(0.95 * len(values)))]


async def plans(dsn: str) -> str:
    """EXPLAIN ANALYZE of every statement the questions ask, once each, as the server says it itself (auto_explain)."""
    heard: list[str] = []
    explained = make_conninfo(dsn, options=_EXPLAIN)
    database = Database(dsn=explained, pool_size=1, clock=SystemClock(), evidence_dir=Path())
    async with _opened(database):
        async with database._pool.connection("plans") as connection:  # noqa: SLF001 - only to listen
            connection.add_notice_handler(lambda said: heard.append(said.message_primary or ""))
        questions = Questions(database)
        await questions.prepare()
        heard.clear()
        for question in questions.all():
            heard.append(f"== {question.name}: {question.note}")
            await question.ask(random.Random(question.name))  # noqa: S311 - not for secrets
    return "\n".join(heard) + "\n"


_EXPLAIN: Final = " ".join(
    f"-c {one}"
    for one in (
        "session_preload_libraries=auto_explain", "auto_explain.log_min_duration=0", "auto_explain.log_analyze=on",
        "auto_explain.log_buffers=on", "auto_explain.log_timing=off", "client_min_messages=log",
    )
)  # fmt: skip
