import hashlib
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from gridwatch.app.clip_folder import ClipFolder, ClipFolderError, Pruned
from gridwatch.domain import FakeClock

DAY = 86400.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def opened(path: Path, clock: FakeClock, most_bytes: int = 1000) -> ClipFolder:
    folder = ClipFolder(path / "clips", timedelta(days=30), most_bytes, clock)
    folder.open()
    return folder


def test_a_clip_is_kept_under_its_hash_for_its_worker_alone(tmp_path: Path, clock: FakeClock) -> None:
    folder = opened(tmp_path, clock)
    sha256 = folder.put(b"video")
    assert sha256 == hashlib.sha256(b"video").hexdigest()
    assert folder.path(sha256).read_bytes() == b"video"
    assert stat.S_IMODE(folder.path(sha256).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "clips").stat().st_mode) == 0o700
    assert folder.put(b"video") == sha256


def test_a_clip_goes_when_it_is_too_old_and_not_before(tmp_path: Path, clock: FakeClock) -> None:
    folder = opened(tmp_path, clock)
    old = folder.put(b"old")
    clock.advance(5 * DAY)
    new = folder.put(b"new")
    clock.advance(24.9 * DAY)
    assert folder.prune() == Pruned()
    clock.advance(0.1 * DAY)
    assert folder.prune() == Pruned(expired=1)
    assert not folder.path(old).exists()
    assert folder.path(new).exists()


def test_too_many_bytes_make_the_oldest_go_first_and_are_told_apart(tmp_path: Path, clock: FakeClock) -> None:
    folder = opened(tmp_path, clock, most_bytes=250)
    kept = []
    for day in range(4):
        clock.advance(DAY)
        kept.append(folder.put(bytes([day]) * 100))
    assert folder.prune() == Pruned(crowded_out=2)
    assert [folder.path(one).exists() for one in kept] == [False, False, True, True]


def test_what_is_no_clip_is_left_alone_and_what_a_crash_left_half_written_is_not(
    tmp_path: Path, clock: FakeClock
) -> None:
    opened(tmp_path, clock)
    (tmp_path / "clips" / ".new-abc").write_bytes(b"half")
    (tmp_path / "clips" / "notes.txt").write_bytes(b"x" * 5000)
    folder = opened(tmp_path, clock)
    clock.advance(400 * DAY)
    assert folder.prune() == Pruned()
    assert [one.name for one in (tmp_path / "clips").iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_made_or_written_is_an_error_of_ours(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ClipFolderError, match="Not a directory"):
        opened(tmp_path / "file", clock)
    folder = opened(tmp_path, clock)
    (tmp_path / "clips").rmdir()
    with pytest.raises(ClipFolderError, match="No such file"):
        folder.put(b"video")
    assert folder.prune() == Pruned()
