"""What fails beside a role's work is told at once and tried again."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from gridwatch.app.chores import Chores
from gridwatch.store import StoreError, StoreUnavailable


def failing(stop: asyncio.Event, error: Exception, times: int) -> Callable[[], Awaitable[None]]:
    """A turn that fails so often, then ends the loop."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns <= times:
            raise error
        stop.set()

    return turn


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (StoreUnavailable("away"), "warning"),
        (StoreError("refused"), "warning"),
        (OSError("disk"), "error"),
        (KeyError("bug"), "error"),
    ],
)
async def test_a_turn_that_fails_is_told_and_counted_at_once_and_the_next_comes(error: Exception, level: str) -> None:
    chores, stop = Chores(), asyncio.Event()
    with capture_logs() as logs:
        async with asyncio.timeout(5):
            await chores.repeat("sweeping", failing(stop, error, 2), 0.001, stop)
    assert chores.failed == {"sweeping": 2}
    assert [(one["event"], one["chore"], one["failed"], one["log_level"]) for one in logs] == [
        ("chore_failed", "sweeping", 1, level),
        ("chore_failed", "sweeping", 2, level),
    ]


async def test_one_that_fails_leaves_the_others_alone() -> None:
    chores, stop = Chores(), asyncio.Event()
    turns = 0

    async def works() -> None:
        nonlocal turns
        turns += 1
        if turns == 3:
            stop.set()

    async def fails() -> None:
        raise ValueError("bug")

    async with asyncio.timeout(5):
        await asyncio.gather(chores.repeat("works", works, 0.001, stop), chores.repeat("fails", fails, 0.001, stop))
    assert turns == 3
    assert set(chores.failed) == {"fails"}


async def test_being_cancelled_is_no_failure() -> None:
    chores, began = Chores(), asyncio.Event()

    async def lasts() -> None:
        began.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(chores.repeat("lasts", lasts, 1.0, asyncio.Event()))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not chores.failed
