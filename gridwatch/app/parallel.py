"""Work that can be cut into independent pieces, in processes of its own."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TypeVar

from gridwatch.app.children import PARENT_VARIABLE, die_with_parent
from gridwatch.app.logs import configure_logs
from gridwatch.domain import GridwatchError

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class WorkerDiedError(GridwatchError):
    """A process of ours was killed: out of memory, or by somebody."""


def cores() -> int:
    """How many processes this machine runs at once without them waiting for each other."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[Piece], Result], pieces: Sequence[Piece], jobs: int | None) -> Iterator[Result]:
    """`work` of each piece, in the order of `pieces`, `jobs` at a time (None: one a core); with one, in this process.

    `work` and what it takes and gives can be pickled. Raises what `work` raises, and WorkerDiedError.
    """
    jobs = jobs or cores()
    if jobs == 1 or len(pieces) < 2:
        yield from map(work, pieces)
        return
    # spawn: a forked child would inherit threads' locks in whatever state they are.
    spawn = multiprocessing.get_context("spawn")
    begin = partial(_begin, os.getpid())
    with ProcessPoolExecutor(min(jobs, len(pieces)), mp_context=spawn, initializer=begin) as pool:
        try:
            yield from pool.map(work, pieces)
        except BrokenProcessPool as error:
            raise WorkerDiedError("a worker process was killed; try with --jobs 1") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin(parent: int) -> None:
    """In a worker: die with `parent`, however it dies, and at Ctrl-C without a trace."""
    os.environ[PARENT_VARIABLE] = str(parent)
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    configure_logs()
