"""The demo command: set the stage, run the roles, watch, and judge."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.live import Live

from gridwatch.app.children import Children
from gridwatch.app.demo.client import ApiClient, Snapshot
from gridwatch.app.demo.observer import BusObserver, MessageId, StreamObserver
from gridwatch.app.demo.stage import OPERATOR, Stage, set_stage
from gridwatch.app.demo.verdict import Load, Outcome, show
from gridwatch.app.demo.view import Heading, render, status_line
from gridwatch.app.embedded_broker import BrokerKind
from gridwatch.app.logs import configure_logs
from gridwatch.app.opening import make_database
from gridwatch.app.record import ensure_session
from gridwatch.app.run import roles
from gridwatch.app.shutdown import ShutdownStack, StopSignal
from gridwatch.bus import BrokerAddress
from gridwatch.domain import Clock, GridwatchError
from gridwatch.store import Summary

TICK = 0.5
LINE_EVERY = 5.0
"""Seconds between status lines where the output is no terminal."""
READY_SECONDS = 30.0
SETTLE_SECONDS = 10.0
"""How long stored and seen messages may take to become the same after the cameras have stopped."""


class DemoFailed(GridwatchError):  # noqa: N818  (reads as what happened)
    """The demo could not be brought up."""


def run_demo(seconds: int | None, keep: Path | None, broker: BrokerKind | None, clock: Clock) -> int:
    """Run until Ctrl-C, or for `seconds`; returns the exit code. Leaves no process, and no files unless `keep`."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console = Console(highlight=False, soft_wrap=True, width=120)  # or tables would be cut to 80 columns
    work = Path(tempfile.mkdtemp(prefix="gridwatch-demo-")) if keep is None else keep.resolve()
    logs = work / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    try:
        with (
            (logs / "demo.log").open("w", encoding="utf-8") as file,
            StopSignal() as stop,
            ShutdownStack(clock) as stack,
        ):
            configure_logs(file=file)  # the screen belongs to the view
            demo = Demo(work, stack, stop, clock, console)
            return demo.run(seconds, broker)
    except GridwatchError:
        _show_logs(work, console)
        raise
    finally:
        if keep is None:
            shutil.rmtree(work, ignore_errors=True)
        else:
            console.print(f"kept in {work}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Everything that runs, once it runs."""

    stage: Stage
    children: Children
    api: ApiClient
    bus: BusObserver
    stream: StreamObserver
    url: str


class Demo:
    """One run. Everything it starts is on the stack it was given."""

    def __init__(self, work: Path, stack: ShutdownStack, stop: StopSignal, clock: Clock, console: Console) -> None:
        self._work = work
        self._stack = stack
        self._stop = stop
        self._clock = clock
        self._console = console
        self._began = clock.monotonic()
        self._first_incident: float | None = None

    def run(self, seconds: int | None, broker: BrokerKind | None) -> int:
        """Set up, watch, and, when it ran its time, judge. Returns the exit code."""
        parts = self._set_up(broker)
        if self._watch(parts, seconds):
            return 0 if show(self._console, self._outcome(parts)) else 1
        self._say("stopping")
        return 0

    @property
    def _elapsed(self) -> float:
        return self._clock.monotonic() - self._began

    def _say(self, text: str) -> None:
        self._console.print(f"[dim]{self._elapsed:5.1f} s[/]  {text}")

    def _set_up(self, broker: BrokerKind | None) -> Parts:
        stage = set_stage(self._work, broker, self._stack, self._clock, self._say)
        services = stage.settings.deployment.services
        bus = BusObserver(BrokerAddress.from_config(services.broker), stage.settings.sites[0].path, self._clock)
        bus.start()
        self._stack.push("subscriber", bus.close, timeout=1.0)
        # Before anything is published: it is not persistent, and must have seen everything at the end.
        self._wait(lambda: bus.connected, "the broker did not take our subscriber in")
        ensure_session(stage.settings, self._clock, self._stop.event)
        logs = self._work / "logs"
        children = Children(roles(stage.config, logs), self._clock)
        self._stack.push("roles", children.close, timeout=6.0)
        children.start()
        self._say(f"roles       record, serve and ingest are starting; logs in {logs}")
        url = f"http://{services.api.host}:{services.api.port}"
        api = ApiClient(url)
        self._stack.push("api client", lambda _: api.close(), timeout=0.5)

        def up() -> bool:
            children.poll()
            return api.is_up()

        self._wait(up, "the API did not answer")
        stream = StreamObserver(url, api.log_in(OPERATOR, stage.password), stage.cursor, self._clock)
        stream.start()
        self._stack.push("live stream", stream.close, timeout=2.0)
        self._say(f"API         {url}  log in as {OPERATOR} with password {stage.password}")
        return Parts(stage=stage, children=children, api=api, bus=bus, stream=stream, url=url)

    def _wait(self, condition: Callable[[], bool], complaint: str) -> None:
        deadline = self._clock.monotonic() + READY_SECONDS
        while not condition():
            if self._stop.event.wait(0.05):
                raise DemoFailed("stopped while starting")
            if self._clock.monotonic() > deadline:
                raise DemoFailed(f"{complaint} within {READY_SECONDS:.0f} s")

    def _watch(self, parts: Parts, seconds: int | None) -> bool:
        """Show what happens until stopped (False) or until `seconds` have passed (True)."""
        seen = Snapshot()
        began = self._clock.monotonic()
        next_line = began
        with self._live() as live:
            while not self._stop.event.wait(TICK):
                parts.children.poll()
                seen = parts.api.look() or seen
                if seen.incidents and self._first_incident is None:
                    self._first_incident = self._elapsed
                now = self._clock.monotonic()
                heading = Heading(
                    url=parts.url, login=f"{OPERATOR} / {parts.stage.password}", elapsed=now - began, seconds=seconds,
                    bus=parts.bus.seen.latency, stream=parts.stream.seen.latency,
                )  # fmt: skip
                if live is not None:
                    live.update(render(heading, seen), refresh=True)
                elif now >= next_line:
                    self._console.print(status_line(heading, seen))
                    next_line = now + LINE_EVERY
                if seconds is not None and now - began >= seconds:
                    return True
        return False

    def _live(self) -> AbstractContextManager[Live | None]:
        if not self._console.is_terminal:
            return nullcontext()
        return Live(console=self._console, auto_refresh=False, screen=False)

    def _outcome(self, parts: Parts) -> Outcome:
        """Stop the cameras, let what is under way arrive, and count."""
        load = _load_of(parts.children.pids().get("ingest"), self._clock)
        self._say("the cameras stop; what is under way arrives")
        parts.children.stop("ingest", 8.0)
        summary, stored = asyncio.run(self._settle(parts))
        look = parts.api.look() or Snapshot()
        return Outcome(
            cameras=look.cameras, summary=summary, stored=stored,
            on_bus=parts.bus.seen.ids, on_stream=parts.stream.seen.ids,
            bus=parts.bus.seen.latency, stream=parts.stream.seen.latency, first_incident=self._first_incident,
            restarts=sum(parts.children.restarts.values()), ingest=load,
        )  # fmt: skip

    async def _settle(self, parts: Parts) -> tuple[Summary, set[MessageId]]:
        """What the database holds, once the observers have seen the same or SETTLE_SECONDS are over."""
        database = make_database(parts.stage.settings, self._clock)
        await database.open()
        try:
            deadline = self._clock.monotonic() + SETTLE_SECONDS
            while True:
                stored = await database.figures.message_ids(parts.stage.cursor)
                same = bool(stored) and stored == parts.bus.seen.ids == parts.stream.seen.ids
                if same or self._clock.monotonic() > deadline:
                    return await database.figures.summary(), stored
                await asyncio.sleep(0.1)
        finally:
            await database.close()


def _load_of(pid: int | None, clock: Clock) -> Load | None:
    """What a process has cost since it started; None when it is not there."""
    try:
        process = psutil.Process(pid) if pid is not None else None
        if process is None:
            return None
        times, began = process.cpu_times(), process.create_time()
        memory = process.memory_info().rss
    except psutil.Error:
        return None
    ran = max(clock.now().timestamp() - began, 1.0)
    return Load(cores=(times.user + times.system) / ran, megabytes=memory / 1e6)


def _show_logs(work: Path, console: Console) -> None:
    """The end of each role's log: the folder may be gone in a moment."""
    for log in sorted(work.glob("logs/*.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        if lines:
            console.rule(log.name, align="left")
            console.print("\n".join(lines), markup=False)
