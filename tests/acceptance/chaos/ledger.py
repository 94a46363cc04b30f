"""What a producer was promised, on disk before it does anything else: one line before each try, one after."""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.acceptance.chaos.history import Message, Promise

TRY = "try"
STORED = "stored"
FAILED = "failed"
"""The outbox raised: it may have it all the same, as when the last flush failed."""
REFUSED = "refused"
"""An update for which there was no room: the outbox says that it does not have it."""


class Ledger:
    """Writes one. A context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def __enter__(self) -> Self:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        os.close(self._file)

    def write(self, what: str, at: float, message: Message | None = None) -> None:
        """One line in one call, so that a kill leaves it whole or out; flushed."""
        os.write(self._file, (json.dumps([what, at, message]) + "\n").encode())
        os.fsync(self._file)


def read_tries(path: Path) -> list[Message]:
    """Every message that was tried, in order."""
    return [Message(*message) for what, _, message in _lines(path) if what == TRY]


def read_promises(path: Path) -> list[Promise]:
    """What must be, and what may be, in order. A message tried again after a failure is in it more than once."""
    promises: list[Promise] = []
    tried: Message | None = None
    for what, at, message in _lines(path):
        if what == TRY:
            if tried is not None:
                promises.append(Promise(message=tried, certain=False, at=at))  # killed in between
            tried = Message(*message)
        elif tried is not None:
            if what != REFUSED:
                promises.append(Promise(message=tried, certain=what == STORED, at=at))
            tried = None
    if tried is not None:
        promises.append(Promise(message=tried, certain=False, at=promises[-1].at if promises else 0.0))
    return promises


def _lines(path: Path) -> list[tuple[str, float, list]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
