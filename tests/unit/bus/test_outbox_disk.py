"""A full disk: nothing is half stored, it is said, what is there can still be sent, and with room it goes on."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest

from gridwatch.bus import Outbox, OutboxError, OutgoingMessage
from gridwatch.domain import FakeClock

SMALL = 1024 * 1024


class Disk(Protocol):
    folder: Path

    def make_room(self) -> None: ...

    def close(self) -> None: ...


class SmallFiles:
    """No file of this process grows beyond SMALL: runs everywhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, self._before[1]))

    def make_room(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)

    close = make_room


class SmallDisk:
    """A file system of its own: needs the right to mount."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mount("-t", "tmpfs", "-o", f"size={8 * SMALL}", "tmpfs")

    def _mount(self, *options: str) -> None:
        subprocess.run(["mount", *options, str(self.folder)], check=True)

    def make_room(self) -> None:
        self._mount("-o", f"remount,size={32 * SMALL}")

    def close(self) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)


def can_mount(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    try:
        SmallDisk(folder).close()
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@pytest.fixture(params=[SmallFiles, SmallDisk])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    if request.param is SmallDisk and not can_mount(tmp_path):
        pytest.skip("mounting is not allowed here; the same runs with files of limited size")
    one: Disk = request.param(tmp_path)
    yield one
    one.close()


def message(number: int) -> OutgoingMessage:
    return OutgoingMessage(topic="t", payload=f"{number}".ljust(5000).encode(), content_type="x")


def numbers(outbox: Outbox) -> list[int]:
    return [int(entry.message.payload) for entry in outbox.peek(10_000)]


def fill(outbox: Outbox) -> int:
    """Append until the disk is full. How many were stored."""
    number = 0
    with pytest.raises(OutboxError, match="is there room on the disk"):  # noqa: PT012 - some go well before
        for number in range(10_000):
            outbox.append([message(number), message(number)])
    return number


def test_a_full_disk_stops_it_and_room_lets_it_go_on(disk: Disk) -> None:
    with Outbox(disk.folder / "o.db", 100_000_000, FakeClock()) as outbox:
        count = fill(outbox)
        kept = [number for number in range(count) for _ in "ab"]
        before = outbox.stats()
        assert numbers(outbox) == kept  # whole calls, none of the one that failed
        with pytest.raises(OutboxError):
            outbox.append([message(n) for n in range(500)])
        assert outbox.stats() == before
        disk.make_room()
        outbox.append([message(count)])
        assert numbers(outbox) == [*kept, count]
    with Outbox(disk.folder / "o.db", 100_000_000, FakeClock()) as outbox:
        assert numbers(outbox) == [*kept, count]
        assert outbox.stats().damaged == 0


def test_what_the_broker_took_can_be_forgotten_on_a_full_disk_and_makes_room(disk: Disk) -> None:
    with Outbox(disk.folder / "o.db", 100_000_000, FakeClock()) as outbox:
        count = fill(outbox)
        taken = [entry.id for entry in outbox.peek(count)]
        outbox.forget(taken)
        left = numbers(outbox)
        assert len(left) == count
        outbox.append([message(count)])
        assert numbers(outbox) == [*left, count]


def test_a_damaged_file_on_a_full_disk_is_mended_once_there_is_room(disk: Disk) -> None:
    file = disk.folder / "o.db"
    with Outbox(file, 100_000_000, FakeClock()) as outbox:
        outbox.append([message(number) for number in range(100)])
    with file.open("r+b") as stream:
        stream.seek(4096)
        stream.write(os.urandom(4096))
    ballast = disk.folder / "ballast"
    with ballast.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(bytes(4096)):
            pass
    if isinstance(disk, SmallFiles):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    outbox = Outbox(file, 100_000_000, FakeClock())
    with pytest.raises(OutboxError, match="room"):
        outbox.open()
    disk.make_room()
    with outbox:
        assert numbers(outbox) == list(range(100))
