"""Identifiers that are the same however fast a recording is played."""

import hashlib
from datetime import datetime
from uuid import UUID


def incident_id(occurred_at: datetime, *parts: str) -> UUID:
    """UUIDv7 (RFC 9562, 5.7) of `occurred_at`, its random bits from SHA-256 over the microseconds and `parts`.

    The same place, rule, subject and moment give the same id, so replaying a recording gives the same bytes and a
    restarted worker cannot raise one incident under two ids. `occurred_at` must be timezone-aware (ValueError).
    """
    if occurred_at.tzinfo is None:
        raise ValueError("occurred_at must be timezone-aware")
    micros = round(occurred_at.timestamp() * 1_000_000)
    digest = hashlib.sha256("\x1f".join((str(micros), *parts)).encode()).digest()
    bits = int.from_bytes(digest[:10], "big")
    value = (micros // 1000 & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7 << 76 | (bits >> 62 & 0xFFF) << 64 | 0b10 << 62 | (bits & 0x3FFF_FFFF_FFFF_FFFF)
    return UUID(int=value)
