"""Keyset pages: opaque `next` tokens."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from gridwatch.api.errors import BadRequest
from gridwatch.domain import PageKey

T = TypeVar("T")


class PageQuery(BaseModel):
    """Parameters of every paged list. A parameter we do not know is refused: a mistyped filter would show too much."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=100, ge=1, le=500, description="Rows of a page.")
    next: str | None = Field(default=None, max_length=200, description="`next` of the page before; opaque.")


def encode(key: PageKey) -> str:
    """`key` as a token that is safe in a URL."""
    return base64.urlsafe_b64encode(f"{key.at.isoformat()} {key.id}".encode()).decode().rstrip("=")


def decode(token: str | None) -> PageKey | None:
    """The key of a token; None for none. Raises BadRequest."""
    if token is None:
        return None
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
        at, _, row = text.partition(" ")
        key = PageKey(at=datetime.fromisoformat(at), id=UUID(row))
    except (ValueError, binascii.Error) as error:
        raise BadRequest("`next` is not a token this API gave.", "Leave it out to start over.") from error
    if key.at.tzinfo is None:
        raise BadRequest("`next` is not a token this API gave.", "Leave it out to start over.")
    return key


def cut(rows: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """The page of at most `limit` from rows read with `limit + 1`, and whether more follow."""
    return rows[:limit], len(rows) > limit
