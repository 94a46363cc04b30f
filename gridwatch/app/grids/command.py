"""`gridwatch grids check` and `gridwatch grids import`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import shapely
from rich.table import Table
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from gridwatch.api.roles import ADMINISTRATORS
from gridwatch.app.accounts import given_reason, of_whole_district, permitted, verified_account
from gridwatch.app.grids.check import check_features
from gridwatch.app.grids.picture import picture_of
from gridwatch.app.grids.reading import MENDABLE, Feature, Finding, read_features
from gridwatch.app.opening import opened_database
from gridwatch.app.writing import write_text
from gridwatch.config import Settings
from gridwatch.config.document import read_document
from gridwatch.domain import AuditEntry, Clock, Position, UsageError
from gridwatch.store import GridChanges


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """A file of grids, and everything that is wrong with it."""

    features: tuple[Feature, ...]
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> tuple[Finding, ...]:
        """What no import may pass over."""
        return tuple(one for one in self.findings if one.problem not in MENDABLE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Importer:
    """Who imports, and why."""

    account: str
    password: str
    reason: str
    accept: bool
    """Take overlaps and gaps as they are."""


def check(file: Path, settings: Settings | None, boundary: Path | None, tolerance: float) -> Checked:
    """Read and check a file; with the deployment also its units and where the district is. Raises UsageError."""
    findings: list[Finding] = []
    place = settings.deployment.district.position if settings else None
    district = Position(lon=place[0], lat=place[1]) if place else None
    features = read_features(file, findings, district)
    units = frozenset(one.code for one in settings.deployment.units) if settings else None
    findings += check_features(features, units, _boundary(boundary), tolerance)
    return Checked(features=tuple(features), findings=tuple(findings))


def report(checked: Checked, file: Path) -> Table | str:
    """What is wrong, feature by feature, or that nothing is."""
    if not checked.findings:
        return f"{file}: good. {len(checked.features)} grids."
    table = Table("", "problem", "features", "codes", "what", "where (lon, lat)", border_style="dim")
    for number, one in enumerate(checked.findings, start=1):
        where = f"{one.place[0]:.6f}, {one.place[1]:.6f}" if one.place else ""
        table.add_row(
            str(number), one.problem, ", ".join(map(str, one.features)), ", ".join(one.codes), one.message, where
        )
    table.caption = f"{file}: {len(checked.features)} grids read, {len(checked.findings)} problems"
    return table


def draw(checked: Checked, path: Path) -> None:
    """Write the picture. Raises UsageError."""
    write_text(path, picture_of(checked.features, checked.findings))


async def import_grids(
    settings: Settings, file: Path, checked: Checked, importer: Importer, clock: Clock
) -> GridChanges:
    """Make these the grids from now on. Raises UsageError when the file or the account will not do."""
    reason = given_reason(importer.reason)
    if settings.deployment.grids is not None:
        raise UsageError(
            f"{settings.path} says `grids: {settings.deployment.grids.name}`, which would put its own back at the next "
            "start: take that line out, or put the new file there"
        )
    _refuse(checked, file, importer)
    async with opened_database(settings, clock) as database:
        account = permitted(
            await verified_account(database, importer.account, importer.password), ADMINISTRATORS, "import grids"
        )  # fmt: skip
        of_whole_district(account, settings.deployment.district.id, "grids are")
        by = AuditEntry(at=clock.now(), account=account.name, action="grids.import", subject=file.name, reason=reason)
        return await database.directory.import_grids([one.grid for one in checked.features], by)


def _refuse(checked: Checked, file: Path, importer: Importer) -> None:
    if checked.refused:
        raise UsageError(f"{file}: {len(checked.refused)} problems; nothing was imported")
    if checked.findings and not importer.accept:
        raise UsageError(f"{file}: overlaps or gaps; nothing was imported. Mend them, or take them with --accept")
    if not checked.features:
        raise UsageError(f"{file}: no grid in it; nothing was imported")


def _boundary(path: Path | None) -> BaseGeometry | None:
    if path is None:
        return None
    data = read_document(path, variables=False).data
    members: Sequence[object] = [data]
    if isinstance(data, dict) and data.get("type") == "FeatureCollection":
        members = data.get("features") or []
    try:
        found = shapely.union_all([shape(one.get("geometry", one)) for one in members if isinstance(one, dict)])
    except (ValueError, TypeError, KeyError, AttributeError, shapely.errors.ShapelyError) as error:
        raise UsageError(f"{path}: is not a GeoJSON polygon, feature or collection") from error
    if found.is_empty or not found.is_valid:
        raise UsageError(f"{path}: the boundary is empty or not valid")
    return found
