"""A picture of grids and of what is wrong with them, as SVG for a browser."""

import math
from collections.abc import Iterator, Sequence
from html import escape

import shapely

from gridwatch.app.grids.reading import Feature, Finding

_WIDTH = 1200.0
_STYLE = (
    "path{vector-effect:non-scaling-stroke}.g{fill:#eef2f5;stroke:#7a8a99}.x{fill:#d22;fill-opacity:.6;stroke:#900}"
)


def picture_of(features: Sequence[Feature], findings: Sequence[Finding]) -> str:
    """Every grid in grey, what is wrong in red with its number in the report; the mouse tells codes and messages."""
    shown = [one.polygon for one in features] + [one.ground for one in findings if one.ground is not None]
    west, south, east, north = shapely.total_bounds(shown) if shown else (0.0, 0.0, 1.0, 1.0)
    squeeze = math.cos(math.radians((south + north) / 2))
    scale = _WIDTH / max((east - west) * squeeze, (north - south), 1e-9)

    def place(lon: float, lat: float) -> str:
        return f"{(lon - west) * squeeze * scale:.2f} {(north - lat) * scale:.2f}"

    def path(polygon: shapely.Polygon) -> str:
        rings = (polygon.exterior, *polygon.interiors)
        return " ".join("M" + " L".join(place(lon, lat) for lon, lat, *_ in ring.coords) + " Z" for ring in rings)

    def parts() -> Iterator[str]:
        for one in features:
            yield f'<path class="g" d="{path(one.polygon)}"><title>{escape(one.grid.code)}</title></path>'
        for number, finding in enumerate(findings, start=1):
            if finding.ground is None or finding.place is None:
                continue
            shapes = [one for one in shapely.get_parts(finding.ground) if isinstance(one, shapely.Polygon)]
            told = escape(f"{number} {finding.problem}: {finding.message}")
            yield from (f'<path class="x" d="{path(one)}"><title>{told}</title></path>' for one in shapes)
            x, y = place(*finding.place).split()
            yield f'<text x="{x}" y="{y}" font-size="14">{number}</text>'

    size = f"{(east - west) * squeeze * scale:.0f} {(north - south) * scale:.0f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -10 {float(size.split(maxsplit=1)[0]) + 20} '
        f'{float(size.split()[1]) + 20}"><style>{_STYLE}</style>\n' + "\n".join(parts()) + "\n</svg>\n"
    )
