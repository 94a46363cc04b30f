"""`gridwatch grids ...`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from gridwatch.app.options import DEFAULT_CONFIG, AccountName, ConfigPath, Reason, ask_password, out
from gridwatch.config import load_settings
from gridwatch.domain import SystemClock

grids = typer.Typer(help="Grids from GeoJSON.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A GeoJSON FeatureCollection of Polygons.")]
Boundary = Annotated[Path | None, typer.Option(help="GeoJSON of the district: all of it should have a grid.")]
Tolerance = Annotated[float, typer.Option(min=0, help="Overlaps and gaps up to so many square metres pass.")]
Picture = Annotated[Path | None, typer.Option("--svg", help="Draw the grids and what is wrong with them here.")]


@grids.command("check")
def check_grids(
    file: File,
    *,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Look units and district up here.")] = None,
    boundary: Boundary = None,
    tolerance: Tolerance = 1.0,
    svg: Picture = None,
) -> None:
    """Say what is wrong with a file of grids, and where. Exits 1 when something is."""
    from gridwatch.app.grids.command import check, draw, report

    checked = check(file, load_settings(config) if config else None, boundary, tolerance)
    out.print(report(checked, file))
    if svg is not None:
        draw(checked, svg)
    raise typer.Exit(1 if checked.findings else 0)


@grids.command("import")
def import_grids(  # noqa: PLR0913 - each is an option of the command
    file: File,
    account: AccountName,
    reason: Reason,
    *,
    accept: Annotated[bool, typer.Option("--accept", help="Take overlaps and gaps as they are.")] = False,
    boundary: Boundary = None,
    tolerance: Tolerance = 1.0,
    svg: Picture = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Make these the grids, for a deployment without `grids` in its YAML. What was before is remembered."""
    from gridwatch.app.grids.command import Importer, check, draw, report
    from gridwatch.app.grids.command import import_grids as import_

    settings = load_settings(config)
    checked = check(file, settings, boundary, tolerance)
    if checked.findings:
        out.print(report(checked, file))
    if svg is not None:
        draw(checked, svg)
    importer = Importer(account=account, password=ask_password(), reason=reason, accept=accept)
    out.print(f"{file}: {asyncio.run(import_(settings, file, checked, importer, SystemClock()))}")
