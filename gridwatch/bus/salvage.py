"""What can still be read of a damaged outbox file, page by page, without the tree that led to it.

Layout: https://www.sqlite.org/fileformat2.html, sections 1.6 (b-tree pages), 2.1 (records) and 4 (WAL).
SQLite gives up a table where a page that leads to others is damaged, and ignores a WAL from its first damaged frame on;
here only what stands on a damaged page itself is lost. Every record of ours carries a checksum, so a wrong guess about
the layout is noticed.
"""

import struct
from collections.abc import Iterator, Mapping
from mmap import mmap
from typing import Final, NamedTuple

PAGE: Final = 4096
"""Bytes of a page: what our files are made with, and SQLite's default."""
_LEAF = 0x0D
_ORDERS = {bytes.fromhex("377f0682"): "<", bytes.fromhex("377f0683"): ">"}
"""Byte order of a log's checksums, by the number it begins with: that of the machine that wrote it."""
_WAL_HEADER, _FRAME_HEADER = 32, 24
_LARGEST = PAGE - 35
"""Most bytes of a record that stay on a leaf; of a larger one at least _SMALLEST do (section 1.6)."""
_SMALLEST = (PAGE - 12) * 32 // 255 - 23
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""Bytes by serial type."""

Bytes = bytes | mmap
Value = int | float | str | bytes | None


class Row(NamedTuple):
    """A record of some table."""

    rowid: int
    values: tuple[Value, ...]
    """NULL in place of the column that is the rowid."""


class Found(NamedTuple):
    """One record, or None for one of which not even the number can be read."""

    row: Row | None
    is_older: bool = False
    """As it was before the changes of a damaged log; perhaps deleted since."""


def salvage(main: Bytes, wal: bytes = b"") -> Iterator[Found]:
    """All records of a database and its write-ahead log, older ones last. Never raises, whatever the bytes are."""
    frames, broken = _frames(wal)
    yield from (Found(row) for row in _records(_Pages(main, frames)))
    if broken:
        yield from (Found(row, is_older=True) for row in _records(_Pages(main, {})) if row is not None)


def is_log_damaged(wal: bytes) -> bool:
    """Whether changes that were committed stand behind a damaged place of the log, where SQLite does not look."""
    return _frames(wal)[1] > 0


def _records(pages: "_Pages") -> Iterator[Row | None]:
    for number in range(1, pages.count + 1):
        yield from _leaf(pages, number)


class _Pages:
    """Pages by number from 1, those in the write-ahead log before those in the file."""

    def __init__(self, main: Bytes, frames: Mapping[int, bytes]) -> None:
        self._main = main
        self._frames = frames
        self.count = max([len(main) // PAGE, *frames])

    def get(self, number: int) -> bytes:
        """Empty when there is none."""
        if number < 1:
            return b""
        return self._frames.get(number) or self._main[(number - 1) * PAGE : number * PAGE]


def _frames(wal: bytes) -> tuple[dict[int, bytes], int]:
    """The latest committed page of each number, and how much of the log before the last good frame is damaged."""
    if len(wal) < _WAL_HEADER:
        return {}, 0
    order = _ORDERS.get(wal[:4], "<")
    before = wal[24:32]
    salts = [wal[16:24]]
    starts = range(_WAL_HEADER, len(wal) - PAGE - _FRAME_HEADER + 1, PAGE + _FRAME_HEADER)
    salts += [wal[at + 8 : at + 16] for at in starts[:2]]
    salt = max(salts, key=salts.count)  # of the three places where it stands first, two may be right
    committed: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    broken = 0
    unconfirmed = int(_checksum(order, bytes(8), wal[:24]) != before)
    for at in starts:
        number, size = struct.unpack_from(">II", wal, at)
        page = wal[at + _FRAME_HEADER : at + _FRAME_HEADER + PAGE]
        own = wal[at + 16 : at + 24]
        whole = wal[at + 8 : at + 16] == salt and _checksum(order, before, wal[at : at + 8] + page) == own
        before = own
        if not whole:
            unconfirmed += 1
            continue
        # Frames after the last good one are what an older log left, or the tail of a commit that never was.
        broken, unconfirmed = broken + unconfirmed, 0
        pending[number] = page
        if size:
            committed |= pending
            pending = {}
    return committed, broken


def _checksum(order: str, before: bytes, content: bytes) -> bytes:
    """Section 4.2: over 32-bit words, going on from the frame before."""
    first, second = struct.unpack(">II", before)
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return struct.pack(">II", first, second)


def _leaf(pages: _Pages, number: int) -> Iterator[Row | None]:
    """The records of a leaf of a table, None for one that cannot be read; nothing for other pages."""
    page = pages.get(number)
    base = 100 if number == 1 else 0
    if len(page) <= base + 8 or page[base] != _LEAF:
        return
    cells = int.from_bytes(page[base + 3 : base + 5], "big")
    if base + 8 + 2 * cells > PAGE:
        yield None
        return
    for at in struct.unpack_from(f">{cells}H", page, base + 8):
        yield _cell(pages, page, at)


def _cell(pages: _Pages, page: bytes, at: int) -> Row | None:
    try:
        size, at = _varint(page, at)
        rowid, at = _varint(page, at)
        return Row(rowid, _record(_payload(pages, page, at, size)))
    except (IndexError, ValueError, struct.error):  # UnicodeDecodeError is a ValueError
        return None


def _payload(pages: _Pages, page: bytes, at: int, size: int) -> bytes:
    if size <= _LARGEST:
        return page[at : at + size]
    if size > pages.count * PAGE:
        raise ValueError("larger than the file")
    local = _SMALLEST + (size - _SMALLEST) % (PAGE - 4)
    local = local if local <= _LARGEST else _SMALLEST
    parts = [page[at : at + local]]
    (following,) = struct.unpack_from(">I", page, at + local)
    rest = size - local
    while rest > 0:
        page = pages.get(following)
        (following,) = struct.unpack_from(">I", page)
        parts.append(page[4 : 4 + min(rest, PAGE - 4)])
        rest -= PAGE - 4
    return b"".join(parts)


def _record(payload: bytes) -> tuple[Value, ...]:
    header, at = _varint(payload, 0)
    body = header
    values: list[Value] = []
    while at < header:
        kind, at = _varint(payload, at)
        value, size = _value(payload, body, kind)
        values.append(value)
        body += size
    if body > len(payload) or at != header:
        raise ValueError("a record that ends too early")
    return tuple(values)


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    """A value and its bytes, by serial type."""
    if kind in _INTEGERS:
        size = _INTEGERS[kind]
        return int.from_bytes(payload[at : at + size], "big", signed=True), size
    if kind >= 12:
        size = (kind - 12) // 2
        content = payload[at : at + size]
        return (content.decode() if kind % 2 else content), size
    if kind == 7:
        return struct.unpack_from(">d", payload, at)[0], 8
    if kind in (0, 8, 9):
        return (None, 0, 1)[max(0, kind - 7)], 0
    raise ValueError("a serial type that is reserved")


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Section 1.6: seven bits a byte, eight in the ninth. The number, and where it ends."""
    number = 0
    for count in range(1, 10):
        byte = content[at]
        at += 1
        if count == 9:
            return (number << 8 | byte) - (1 << 64) * (number >> 55), at
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, at
    raise AssertionError("the ninth byte ends it")
