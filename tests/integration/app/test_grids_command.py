"""`gridwatch grids import` into a real database, and who may."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gridwatch.app.grids.command import Importer, check, import_grids
from gridwatch.config import Settings
from gridwatch.domain import Account, Position, Role, SitePath, SystemClock, UsageError
from gridwatch.store import Database
from tests.fixtures.api import PASSWORD, PASSWORD_HASH
from tests.integration.app.conftest import MakeSettings
from tests.unit.app.grids.test_check import HERE, SIDE, code, square, write

CLOCK = SystemClock()
ANN = Importer(account="ann", password=PASSWORD, reason="the new plan", accept=False)


@pytest.fixture
async def furnished(database: Database) -> Database:
    for name, role, site in (
        ("ann", Role.ADMINISTRATOR, "demo"), ("bob", Role.OPERATOR, "demo"), ("eve", Role.ADMINISTRATOR, "demo/east"),
    ):  # fmt: skip
        await database.accounts.save_account(
            Account(name=name, role=role, site=SitePath.parse(site), password_hash=PASSWORD_HASH)
        )
    return database


@pytest.fixture
def chosen(settings: MakeSettings, database_dsn: str) -> Settings:
    """Without `grids` in its YAML, and with its one unit in the database as the recorder puts it there."""
    made = settings("demo", dsn=database_dsn)
    return made.model_copy(update={"deployment": made.deployment.model_copy(update={"grids": None})})


async def test_imported_grids_are_those_of_the_next_incident(
    furnished: Database, chosen: Settings, tmp_path: Path
) -> None:
    await furnished.sync_directory([], [], None, [one.to_domain() for one in chosen.deployment.units])
    file = write(tmp_path, square(1, 0, 0), square(2, 1, 0))
    changes = await import_grids(chosen, file, check(file, chosen, None, 1.0), ANN, CLOCK)
    assert (changes.grids, changes.begun, changes.ended) == (2, 2, 0)
    assert await furnished.directory.follow_grids()
    found = furnished.locate(Position(lon=HERE[0] + 1.5 * SIDE, lat=HERE[1] + SIDE / 2))
    assert found is not None
    assert found.code == code(2)


@pytest.mark.parametrize(
    ("importer", "features", "says"),
    [
        (ANN, [square(1, 0, 0), square(2, 0.5, 0)], "take them with --accept"),
        (replace(ANN, accept=True), [square(1, 0, 0), square(1, 5, 0)], "1 problems; nothing was imported"),
        (ANN, [square(1, 0, 0, unit="nobody")], "1 problems; nothing was imported"),
        (ANN, [], "no grid in it"),
        (replace(ANN, reason=""), [square(1, 0, 0)], "give a reason"),
        (replace(ANN, password="wrong"), [square(1, 0, 0)], "has this password"),
        (replace(ANN, account="bob"), [square(1, 0, 0)], "the role operator may not import grids"),
        (replace(ANN, account="eve"), [square(1, 0, 0)], "grids are the district's"),
    ],
)
async def test_what_is_wrong_or_not_allowed_changes_nothing(
    furnished: Database, chosen: Settings, tmp_path: Path, importer: Importer, features: list[object], says: str
) -> None:
    file = write(tmp_path, *features)
    with pytest.raises(UsageError, match=says):
        await import_grids(chosen, file, check(file, chosen, None, 1.0), importer, CLOCK)
    assert await furnished.directory.grids() == []


@pytest.mark.usefixtures("furnished")
async def test_where_the_deployment_names_its_grids_an_import_is_refused(
    settings: MakeSettings, database_dsn: str, tmp_path: Path
) -> None:
    named = settings("demo", dsn=database_dsn)
    file = tmp_path / "others.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [square(1, 0, 0)]}), encoding="utf-8")
    with pytest.raises(UsageError, match="take that line out"):
        await import_grids(named, file, check(file, named, None, 1.0), ANN, CLOCK)
