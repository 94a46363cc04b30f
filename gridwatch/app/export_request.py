"""What can be asked of `gridwatch export`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class Exported(StrEnum):
    """What can be exported."""

    INCIDENTS = "incidents"  # by when they occurred
    CASES = "cases"  # by when they were opened


class ExportFormat(StrEnum):
    """What an export is written as."""

    CSV = "csv"  # RFC 4180, UTF-8; lists separated by blanks
    GEOJSON = "geojson"  # RFC 7946; incidents as points, cases as the polygons of their grids
    PARQUET = "parquet"  # typed columns; wants the extra `export`


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportRequest:
    """Who wants what of which period and site, why, and where it goes."""

    what: Exported
    form: ExportFormat
    since: datetime
    until: datetime
    site: str | None
    """None: that of the account."""
    account: str
    password: str
    reason: str
    out: Path
