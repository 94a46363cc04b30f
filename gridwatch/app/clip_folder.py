"""Clips on the worker's own disk: readable by its user alone, named by their hash, deleted when their time ends."""

import hashlib
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from gridwatch.domain import Clock, GridwatchError

log = structlog.get_logger(__name__)

_NAME = re.compile(r"^[0-9a-f]{64}\.mp4$")


class ClipFolderError(GridwatchError):
    """The folder cannot be written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What a look for clips to delete found."""

    expired: int = 0
    """Older than they are kept."""
    crowded_out: int = 0
    """Deleted before their time, because all of them were too many bytes."""


class ClipFolder:
    """`<sha256>.mp4` files, mode 0600 in a folder of mode 0700. One process at a time writes; any may read.

    A file is complete or absent. Its age counts from when it was written.
    """

    def __init__(self, folder: Path, keep: timedelta, most_bytes: int, clock: Clock) -> None:
        self._folder = folder
        self._keep = keep
        self._most_bytes = most_bytes
        self._clock = clock

    def open(self) -> None:
        """Make the folder, and remove what a crash left half written. Raises ClipFolderError."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            for left in self._folder.glob(".new-*"):
                left.unlink()
        except OSError as error:
            raise ClipFolderError(f"clips cannot be kept in {self._folder}: {error.strerror}") from error

    def put(self, content: bytes) -> str:
        """Keep `content`; it is on the disk when its SHA-256 is returned. Raises ClipFolderError."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.path(sha256)
        temporary = self._folder / f".new-{sha256}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            moment = self._clock.now().timestamp()
            os.utime(temporary, (moment, moment))
            temporary.replace(path)
        except OSError as error:
            raise ClipFolderError(f"a clip cannot be written to {self._folder}: {error.strerror}") from error
        return sha256

    def path(self, sha256: str) -> Path:
        """Where the clip of that hash is or would be."""
        return self._folder / f"{sha256}.mp4"

    def prune(self) -> Pruned:
        """Delete what is too old, and the oldest while all are too many bytes. What cannot be deleted is logged."""
        oldest_first = sorted(self._files(), key=lambda one: (one[1].st_mtime, one[0].name))
        total = sum(stat.st_size for _, stat in oldest_first)
        limit = (self._clock.now() - self._keep).timestamp()
        expired = crowded_out = 0
        for path, stat in oldest_first:
            is_old = stat.st_mtime <= limit
            if not is_old and total <= self._most_bytes:
                break
            try:
                path.unlink()
            except OSError as error:
                log.error("clip_not_deleted", file=str(path), reason=error.strerror)
                continue
            total -= stat.st_size
            expired += is_old
            crowded_out += not is_old
        if crowded_out:
            log.warning(
                "clips_deleted_early", clips=crowded_out, most_bytes=self._most_bytes,
                remedy="raise clips.keep_max_bytes, or shorten clips.keep",
            )  # fmt: skip
        return Pruned(expired=expired, crowded_out=crowded_out)

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        try:
            return [(path, path.stat()) for path in self._folder.iterdir() if _NAME.match(path.name)]
        except OSError as error:
            log.error("clips_not_listed", folder=str(self._folder), reason=error.strerror)
            return []
