"""`python -m tests.acceptance.chaos --seed N --faults 200`: exits 0 when every guarantee held, 1 when one did not."""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import structlog
from rich.console import Console

from tests.acceptance.chaos.report import show
from tests.acceptance.chaos.run import run, save
from tests.acceptance.chaos.schedule import everything, recorders_only
from tests.acceptance.chaos.world import RECORDER_MODULE, World

CARELESS_MODULE = "tests.acceptance.chaos.careless"
_UNSHARE = ["unshare", "--mount"]
_INSIDE = "GRIDWATCH_CHAOS_INSIDE"


def main() -> int:
    _enter_namespace()
    options = _options()
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    console = Console(width=120, highlight=False)
    console.print(f"seed {seed}: --seed {seed} plays these {options.faults} faults again")
    plan = recorders_only if options.kill == "recorders" else everything
    faults = plan(seed, options.faults, options.recorders)
    # The database server, run as a user of its own, must be able to pass through.
    folder = Path(tempfile.mkdtemp(prefix=f"gridwatch-chaos-{seed}-"))
    module = CARELESS_MODULE if options.careless else RECORDER_MODULE
    structlog.configure(logger_factory=structlog.WriteLoggerFactory((folder / "own.log").open("w", encoding="utf-8")))
    with World(folder, seed, options.recorders, module, options.rate) as world:
        result = run(world, faults, seed, options.patience)
        save(result, folder)
    show(result, console)
    if not result.held:
        console.print(f"what happened is in {folder}")
        return 1
    if options.keep:
        console.print(f"what happened is in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _enter_namespace() -> None:
    """Where that is allowed, mounts are our own: they end with us, however we end."""
    if _INSIDE in os.environ or shutil.which("unshare") is None:
        return
    if subprocess.run([*_UNSHARE, "true"], check=False, capture_output=True).returncode == 0:
        os.environ[_INSIDE] = "1"
        command = [*_UNSHARE, sys.executable, "-m", "tests.acceptance.chaos", *sys.argv[1:]]
        os.execvp(command[0], command)  # noqa: S606 - a list of our own


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="which faults; without it, one is drawn and shown")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--recorders", type=int, choices=(1, 2), default=1)
    parser.add_argument("--kill", choices=("everything", "recorders"), default="everything")
    parser.add_argument("--patience", type=float, default=90.0, help="seconds for all to arrive after the last fault")
    parser.add_argument("--rate", type=float, default=25.0, help="messages a second of each of two producers")
    parser.add_argument("--careless", action="store_true", help="a recorder that acknowledges before it commits")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a run in which every guarantee held")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
