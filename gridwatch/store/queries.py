"""Named SQL: `-- name: xxx` blocks of the files in `store/sql`."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from gridwatch.store.errors import StoreError

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def parse_queries(text: str, where: str) -> Mapping[str, bytes]:
    """Split a file into its named statements. Raises StoreError for one without a body or a name given twice."""
    parts = _NAME.split(text)
    found: dict[str, bytes] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in found:
            raise StoreError(f"{where}: the query {name} is there twice")
        if not body.strip():
            raise StoreError(f"{where}: the query {name} is empty")
        found[name] = body.strip().encode()
    return found


@cache
def queries(file: str) -> Mapping[str, bytes]:
    """The statements of `store/sql/<file>.sql` by name, with psycopg's `%(name)s` parameters."""
    source = files("gridwatch.store") / "sql" / f"{file}.sql"
    return parse_queries(source.read_text("utf-8"), f"{file}.sql")
