"""Evidence files: genuine or nothing."""

import hashlib
from pathlib import Path

import pytest

from gridwatch.store import EvidenceAltered, EvidenceFiles, EvidenceRefused, StoreUnavailable

DATA = b"a picture"
HASH = hashlib.sha256(DATA).hexdigest()


async def test_what_was_put_is_got(tmp_path: Path) -> None:
    files = EvidenceFiles(tmp_path / "not" / "yet")
    assert await files.get(HASH) is None
    await files.put(HASH, DATA)
    await files.put(HASH, DATA)
    assert await files.get(HASH) == DATA
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [HASH]


async def test_bytes_with_another_hash_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(EvidenceRefused, match=HASH):
        await EvidenceFiles(tmp_path).put(HASH, b"another")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "../../etc/passwd", HASH.upper(), HASH[:-1], HASH + "\n"])
async def test_a_name_that_is_no_hash_reaches_no_file(tmp_path: Path, name: str) -> None:
    files = EvidenceFiles(tmp_path)
    with pytest.raises(EvidenceRefused):
        await files.put(name, DATA)
    assert await files.get(name) is None


@pytest.mark.parametrize("damage", [b"a pictura", b"", b"a picture and more"])
async def test_a_file_changed_on_the_disk_is_never_served(tmp_path: Path, damage: bytes) -> None:
    files = EvidenceFiles(tmp_path)
    await files.put(HASH, DATA)
    files.path(HASH).write_bytes(damage)
    with pytest.raises(EvidenceAltered, match=HASH):
        await files.get(HASH)
    await files.put(HASH, DATA)
    assert await files.get(HASH) == DATA, "the genuine bytes, delivered again, mend it"


async def test_a_disk_that_refuses_is_unavailable_not_lost(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"in the way")
    files = EvidenceFiles(blocked)
    with pytest.raises(StoreUnavailable):
        await files.put(HASH, DATA)
    with pytest.raises(StoreUnavailable):
        await files.get(HASH)
