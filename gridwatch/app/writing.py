"""Files that a person asked for."""

from pathlib import Path

from gridwatch.domain import UsageError


def make_folder(path: Path) -> None:
    """Make `path` and what is above it, where it is not there. Raises UsageError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be made: {error.strerror}") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`. Raises UsageError."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8. Raises UsageError."""
    write_bytes(path, text.encode("utf-8"))
