"""Figures of a bench: medians with their spread, as a table and as JSON, and from JSON into docs/performance.md."""

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from rich.console import Console
from rich.table import Table

_Plan = TypeVar("_Plan")
_WIDTH = 132
"""Columns of a table, also where nobody told how many there are."""
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One number of a bench. A ratio has a goal; plain numbers are there to be read."""

    name: str
    median: float
    low: float
    high: float
    """Least and greatest of the rounds."""
    goal: float | None = None
    """At most this, or at least where `at_least`."""
    at_least: bool = False
    unit: str = ""
    note: str = ""

    @classmethod
    def of(
        cls, name: str, rounds: Sequence[float], *, goal: float | None = None, at_least: bool = False, unit: str = "",
        note: str = "",
    ) -> Self:  # fmt: skip
        """From one number a round, at least one."""
        return cls(
            name=name, median=statistics.median(rounds), low=min(rounds), high=max(rounds),
            goal=goal, at_least=at_least, unit=unit, note=note,
        )  # fmt: skip

    @property
    def is_met(self) -> bool:
        """True when there is no goal, or the median keeps it."""
        if self.goal is None:
            return True
        return self.median >= self.goal if self.at_least else self.median <= self.goal


def show(title: str, figures: Sequence[Figure]) -> None:
    """Print a table."""
    table = Table(title=title, border_style="dim", title_justify="left")
    for column in ("figure", "median", "spread", "goal", ""):
        table.add_column(column, justify="left" if column in {"figure", ""} else "right", no_wrap=True)
    for one in figures:
        goal = (
            ""
            if one.goal is None
            else f"[{'green' if one.is_met else 'red'}]{'>=' if one.at_least else '<='} {one.goal:g}[/]"
        )
        spread = "" if one.low == one.high else f"{_number(one.low)} .. {_number(one.high)}"
        table.add_row(one.name, f"{_number(one.median)} {one.unit}".strip(), spread, goal, one.note)
    console = Console(highlight=False)
    console.width = max(console.width, _WIDTH)
    console.print(table)


def write(path: Path, figures: Sequence[Figure]) -> None:
    """`{"figure name": number}`, the spread as `<name>.low` and `<name>.high`."""
    numbers: dict[str, float] = {}
    for one in figures:
        numbers[one.name] = one.median
        if one.low != one.high:
            numbers |= {f"{one.name}.low": one.low, f"{one.name}.high": one.high}
    path.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


def measure(bench: str, run: Callable[[_Plan], Sequence[Figure]], *, full: _Plan, quick: _Plan) -> None:
    """The command line of a bench: `python -m bench.NAME [--quick] [--json FILE]`."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{bench}")
    parser.add_argument("--quick", action="store_true", help="within a minute, and rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help='write {"figure name": number}')
    chosen = parser.parse_args()
    figures = run(quick if chosen.quick else full)
    if chosen.json is not None:
        write(chosen.json, figures)


def into_page(bench: str, numbers: dict[str, float], page: Path = PAGE) -> None:
    """Replace what is between `<!-- bench:NAME -->` and `<!-- end -->` in `page`. Raises ValueError without them."""
    begin, end = f"<!-- bench:{bench} -->", "<!-- end -->"
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no {begin} ... {end}")
    rows = ["| figure | median | spread |", "|---|---|---|"]
    for name, median in numbers.items():
        if name.endswith((".low", ".high")):
            continue
        low, high = numbers.get(f"{name}.low"), numbers.get(f"{name}.high")
        spread = "" if low is None or high is None else f"{_number(low)} to {_number(high)}"
        rows.append(f"| `{name}` | {_number(median)} | {spread} |")
    page.write_text("\n".join([before + begin, *rows, end + after]), encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def main() -> None:
    """`python -m bench.figures NAME FILE`: put the JSON of bench NAME into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.figures", description=main.__doc__)
    parser.add_argument("name")
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    into_page(chosen.name, json.loads(chosen.file.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
