"""A run in a page."""

from collections import Counter

from rich.console import Console
from rich.table import Table

from tests.acceptance.chaos.breaking import broken
from tests.acceptance.chaos.history import check
from tests.acceptance.chaos.run import Result, recoveries
from tests.acceptance.chaos.schedule import FaultKind

SHOWN = 20
"""Violations shown at most; all are in the folder."""


def show(result: Result, console: Console) -> None:
    """Faults by kind, what was promised and what came, and what is wrong."""
    faults = Table("fault", "struck", "longest recovery", title=f"seed {result.seed}: {len(result.struck)} faults")
    took = list(recoveries(result))
    for kind in FaultKind:
        of_kind = [(one, seconds) for one, seconds in took if one.fault.kind is kind and not one.skipped]
        left_out = [one for one, _ in took if one.fault.kind is kind and one.skipped]
        if of_kind:
            worst, seconds = max(of_kind, key=lambda pair: pair[1])
            faults.add_row(kind, str(len(of_kind)), f"{seconds:.1f} s, {worst.fault.target}")
        if left_out:
            faults.add_row(kind, "0", f"{len(left_out)} left out: {left_out[0].skipped}")
    console.print(faults)

    promises = [one for ledger in result.history.ledgers.values() for one in ledger]
    certain = {one.message.key for one in promises if one.certain}
    unsure = {one.message.key for one in promises} - certain
    came = Table("where", "messages", "repeats", title=f"{len(certain)} promised, {len(unsure)} may be there or not")
    came.add_row("database", str(len(result.history.database)), "0 allowed")
    for one in result.history.subscriptions:
        came.add_row(one.name, str(len(set(one.got))), str(len(one.got) - len(set(one.got))))
    console.print(came)

    targets = Counter(one.fault.target for one in result.struck if one.fault.kind is FaultKind.KILL)
    console.print("killed: " + ", ".join(f"{name} {count} times" for name, count in sorted(targets.items())))
    console.print(f"longest recovery {max([0.0, *(seconds for _, seconds in took)]):.1f} s, all in {result.took:.0f} s")
    _judge(result, console)


def _judge(result: Result, console: Console) -> None:
    for line in [*result.deaths, *map(str, result.violations)][:SHOWN]:
        console.print(f"WRONG  {line}", markup=False)
    if result.held:
        ways = list(broken(result.history))
        found = sum(any((one.where, one.kind) == (where, kind) for one in check(bad)) for where, kind, bad in ways)
        console.print(f"broken on purpose afterwards, this history is refused: {found} of {len(ways)} ways")
        console.print("every guarantee held")
        return
    kinds = Counter(f"{one.where}: {one.kind}" for one in result.violations)
    console.print("WRONG: " + ("; ".join(f"{count} {what}" for what, count in kinds.items()) or "a process died"))
