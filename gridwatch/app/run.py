"""The run command: every role as a child process."""

from pathlib import Path

from gridwatch.app.children import Children, Role
from gridwatch.app.record import ensure_session
from gridwatch.app.shutdown import ShutdownStack, StopSignal
from gridwatch.config import Settings
from gridwatch.domain import Clock

POLL_SECONDS = 0.5


def roles(config: Path, logs: Path | None = None, *, adapt: bool = False) -> list[Role]:
    """In the order they start; they stop in reverse, so that the recorder takes in what ingest leaves.

    `adapt`: other systems are sources too.
    """
    names = ("record", "serve", *(("adapt",) if adapt else ()), "ingest")
    return [
        Role(name=one, arguments=(one, "--config", str(config)), log_file=None if logs is None else logs / f"{one}.log")
        for one in names
    ]


def run_roles(settings: Settings, clock: Clock) -> None:
    """Run until SIGINT or SIGTERM. Raises UsageError when a role refuses its configuration, SessionRefused."""
    children = Children(roles(settings.path, adapt=bool(settings.deployment.sources)), clock)
    with StopSignal() as stop, ShutdownStack(clock) as stack:
        ensure_session(settings, clock, stop.event)
        stack.push("roles", children.close, timeout=9.0)
        children.start()
        while not stop.event.wait(POLL_SECONDS):
            children.poll()
