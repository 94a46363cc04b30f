"""Rows to CSV, GeoJSON and Parquet, a chunk at a time: nothing is kept of a chunk that was written."""

import csv
import dataclasses
import io
import json
import types
import typing
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import BinaryIO, Protocol

from gridwatch.app.export_request import ExportFormat
from gridwatch.domain import UsageError
from gridwatch.store import ExportedCase, ExportedIncident

ExportRow = ExportedIncident | ExportedCase


class Writer(Protocol):
    """Writes one file."""

    def write(self, rows: Sequence[ExportRow]) -> None:
        """Append rows, all of the writer's type."""

    def end(self) -> None:
        """Write what closes the file; the stream stays open."""


def writer_of(form: ExportFormat, row: type[ExportRow], stream: BinaryIO) -> Writer:
    """A writer of rows of that type. Raises UsageError when what Parquet needs is not installed."""
    if form is ExportFormat.CSV:
        return _Csv(row, stream)
    return _GeoJson(stream) if form is ExportFormat.GEOJSON else _Parquet(row, stream)


def _columns(row: type[ExportRow]) -> dict[str, type]:
    """Name and type of each field but the geometry; a type with None loses it."""
    found = {}
    for name, hint in typing.get_type_hints(row).items():
        if name == "rings":
            continue
        parts = [one for one in typing.get_args(hint) if one is not types.NoneType]
        found[name] = typing.get_origin(hint) if typing.get_origin(hint) is tuple else (parts or [hint])[0]
    return found


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class _Csv:
    def __init__(self, row: type[ExportRow], stream: BinaryIO) -> None:
        self._stream = stream
        self._names = list(_columns(row))
        self._put([self._names])

    def write(self, rows: Sequence[ExportRow]) -> None:
        self._put([[_text(getattr(row, name)) for name in self._names] for row in rows])

    def end(self) -> None:
        """Nothing closes a CSV file."""

    def _put(self, lines: Sequence[Sequence[str]]) -> None:
        text = io.StringIO()
        csv.writer(text).writerows(lines)
        self._stream.write(text.getvalue().encode("utf-8"))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return " ".join(value)
    return _time(value) if isinstance(value, datetime) else str(value)


class _GeoJson:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._first = True
        stream.write(b'{"type": "FeatureCollection", "features": [\n')

    def write(self, rows: Sequence[ExportRow]) -> None:
        for row in rows:
            self._stream.write(b"" if self._first else b",\n")
            self._first = False
            self._stream.write(json.dumps(_feature(row), ensure_ascii=False).encode("utf-8"))

    def end(self) -> None:
        self._stream.write(b"\n]}\n")


def _feature(row: ExportRow) -> dict[str, object]:
    properties = {
        field.name: _json(getattr(row, field.name))
        for field in dataclasses.fields(row)
        if field.name not in {"rings", "lon", "lat"}
    }
    if isinstance(row, ExportedIncident):
        geometry: dict[str, object] = {"type": "Point", "coordinates": [row.lon, row.lat]}
    else:
        geometry = {"type": "Polygon", "coordinates": row.rings}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _json(value: object) -> object:
    return _time(value) if isinstance(value, datetime) else value


class _Parquet:
    """A row group a chunk. pyarrow, as it writes them one by one; the others want all rows at once, or pandas."""

    def __init__(self, row: type[ExportRow], stream: BinaryIO) -> None:
        try:
            arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        except ImportError as error:
            raise UsageError("Parquet needs pyarrow: pip install 'gridwatch[export]'; or export csv") from error
        types_of = {
            str: arrow.string(), int: arrow.int64(), float: arrow.float64(),
            datetime: arrow.timestamp("us", tz="UTC"), tuple: arrow.list_(arrow.string()),
        }  # fmt: skip
        self._schema = arrow.schema([(name, types_of[kind]) for name, kind in _columns(row).items()])
        self._batch = arrow.RecordBatch.from_pylist
        self._writer = parquet.ParquetWriter(stream, self._schema, compression="zstd")

    def write(self, rows: Sequence[ExportRow]) -> None:
        values = [{name: getattr(row, name) for name in self._schema.names} for row in rows]
        self._writer.write_batch(self._batch(values, schema=self._schema))

    def end(self) -> None:
        self._writer.close()
