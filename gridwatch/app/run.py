"""The run command: every role as a child process."""

from pathlib import Path

from gridwatch.app.children import Children, Role
from gridwatch.app.shutdown import ShutdownStack, StopSignal
from gridwatch.domain import Clock

POLL_SECONDS = 0.5


def roles(config: Path, logs: Path | None = None) -> list[Role]:
    """Record first, so that its session exists before anything is published; ingest last, so that it stops first."""
    names = ("record", "serve", "ingest")
    return [
        Role(name=one, arguments=(one, "--config", str(config)), log_file=None if logs is None else logs / f"{one}.log")
        for one in names
    ]


def run_roles(config: Path, clock: Clock) -> None:
    """Run until SIGINT or SIGTERM. Raises UsageError when a role refuses its configuration."""
    children = Children(roles(config), clock)
    with StopSignal() as stop, ShutdownStack(clock) as stack:
        stack.push("roles", children.close, timeout=9.0)
        children.start()
        while not stop.event.wait(POLL_SECONDS):
            children.poll()
