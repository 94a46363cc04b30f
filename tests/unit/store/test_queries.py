"""The loader of named SQL."""

import pytest

from gridwatch.store import StoreError
from gridwatch.store.queries import parse_queries, queries


def test_a_file_splits_into_its_queries_and_its_preface_is_ignored() -> None:
    text = "-- about\n\n-- name: one\n-- why\nSELECT 1\n\n-- name: two\nSELECT 2\n"
    assert parse_queries(text, "x.sql") == {"one": b"-- why\nSELECT 1", "two": b"SELECT 2"}


@pytest.mark.parametrize("text", ["-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n", "-- name: one\n\n"])
def test_a_name_twice_or_without_a_body_is_an_error(text: str) -> None:
    with pytest.raises(StoreError, match=r"x\.sql: the query one"):
        parse_queries(text, "x.sql")


def test_every_packaged_file_parses() -> None:
    names = (
        "accounts", "cases", "commands", "directory", "figures", "incidents", "migrate", "quarantine", "recording",
        "session",
    )  # fmt: skip
    assert all(queries(name) for name in names)
