"""Bringing a database's schema up to date, or back, by hand; every role does the first by itself when it starts."""

from collections.abc import Sequence

from rich.console import Console

from gridwatch.config import Settings
from gridwatch.domain import Clock
from gridwatch.store.migrate import MigrationStep, migrate, plan


async def run_migrate(settings: Settings, clock: Clock, to: int | None, *, allow_loss: bool) -> list[str]:
    """The names of what was done. Raises MigrationError and StoreUnavailable."""
    return await migrate(
        settings.deployment.services.database.dsn.get_secret_value(), clock, to=to, allow_loss=allow_loss
    )


async def planned(settings: Settings, to: int | None) -> list[MigrationStep]:
    """What that would be."""
    return await plan(_dsn(settings), to=to)


def show_plan(steps: Sequence[MigrationStep], out: Console) -> None:
    """The SQL as it would run: one transaction."""
    if not steps:
        out.print("-- nothing to do")
    for step in steps:
        out.print(f"-- {step.direction} {step.name}\n{step.sql.strip()}\n", markup=False)


def _dsn(settings: Settings) -> str:
    return settings.deployment.services.database.dsn.get_secret_value()
