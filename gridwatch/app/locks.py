"""One process a name: two with the same outbox would send everything twice."""

import fcntl
from io import TextIOWrapper
from pathlib import Path

from gridwatch.domain import UsageError


def hold_lock(path: Path, complaint: str) -> TextIOWrapper:
    """Lock `path` until the returned file is closed or the process ends. Raises UsageError when another has it."""
    file = path.open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        file.close()
        raise UsageError(f"{complaint} ({path} is locked); stop it or give this one another --name") from exc
    return file
