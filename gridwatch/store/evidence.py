"""Evidence bytes as files named by their hash."""

import asyncio
import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from gridwatch.store.errors import EvidenceAltered, EvidenceRefused, StoreUnavailable

_HASH = re.compile(r"^[0-9a-f]{64}$")


class EvidenceBytes(Protocol):
    """Where evidence bytes are kept, by their SHA-256. Complete or absent, never half; genuine or refused."""

    async def check(self, sha256: str, data: bytes) -> None:
        """Raises EvidenceRefused when `data` does not have that hash."""

    async def put(self, sha256: str, data: bytes) -> None:
        """Keep `data` for good. Raises EvidenceRefused for a wrong hash, StoreUnavailable when it cannot be kept."""

    async def get(self, sha256: str) -> bytes | None:
        """The bytes, None when not there. Raises EvidenceAltered when they no longer have the hash."""

    async def delete(self, sha256: str) -> None:
        """Remove them; not there is fine. Raises StoreUnavailable."""

    def names(self) -> AsyncIterator[list[str]]:
        """The hashes of all that is kept, in chunks. Raises StoreUnavailable."""


async def check_hash(sha256: str, data: bytes) -> None:
    """Raises EvidenceRefused when `data` does not have that hash."""
    if not is_hash(sha256):
        raise EvidenceRefused(f"{sha256[:80]!r} is not a SHA-256 in lower-case hex")
    found = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
    if found != sha256:
        raise EvidenceRefused(f"evidence announced as {sha256} has the hash {found}")


def is_hash(text: str) -> bool:
    """True for a SHA-256 in lower-case hex."""
    return _HASH.match(text) is not None


class EvidenceFiles:
    """Files under `directory`, one per content: `ab/abcd...`. Safe for several threads and processes.

    A file is complete or absent: it is written aside, flushed to the disk and renamed. Its name is the SHA-256 of its
    bytes, checked when it is written and every time it is read.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def put(self, sha256: str, data: bytes) -> None:
        """Keep `data`; it is on the disk when this returns, and keeping it again changes nothing.

        Raises EvidenceRefused when `data` does not have that hash, StoreUnavailable when the disk refuses.
        """
        await self.check(sha256, data)
        await asyncio.to_thread(self._write, sha256, data)

    async def check(self, sha256: str, data: bytes) -> None:
        """Raises EvidenceRefused when `data` does not have that hash."""
        await check_hash(sha256, data)

    async def get(self, sha256: str) -> bytes | None:
        """The bytes, None when not there. Raises EvidenceAltered when they no longer have the hash."""
        return await asyncio.to_thread(self._read, sha256) if is_hash(sha256) else None

    async def delete(self, sha256: str) -> None:
        """Remove the file; not there is fine. Raises StoreUnavailable when the disk refuses."""
        await asyncio.to_thread(self._remove, sha256)

    async def names(self) -> AsyncIterator[list[str]]:
        """The hashes of all files, a folder at a time. Raises StoreUnavailable when the disk refuses."""
        for number in range(256):
            yield await asyncio.to_thread(self._names, self._directory / f"{number:02x}")

    def path(self, sha256: str) -> Path:
        """Where the file of that hash is or would be."""
        return self._directory / sha256[:2] / sha256

    def _write(self, sha256: str, data: bytes) -> None:
        path = self.path(sha256)
        try:
            # One that was damaged on the disk is replaced by the genuine bytes.
            if path.exists() and path.read_bytes() == data:
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_durably(path, data)
        except OSError as error:
            raise StoreUnavailable(f"cannot keep evidence in {path.parent}: {error}") from error

    def _read(self, sha256: str) -> bytes | None:
        path = self.path(sha256)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailable(f"cannot read evidence {path}: {error}") from error
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise EvidenceAltered(f"evidence {path} now has the hash {found}: it was changed after it was stored")
        return data

    def _names(self, folder: Path) -> list[str]:
        try:
            return [path.name for path in folder.iterdir() if is_hash(path.name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreUnavailable(f"cannot list evidence in {folder}: {error}") from error

    def _remove(self, sha256: str) -> None:
        path = self.path(sha256)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"cannot delete evidence {path}: {error}") from error


def _write_durably(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105 (both names are at hand as strings and paths; this is the atomic one)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
