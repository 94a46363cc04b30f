"""Nothing lost, nothing twice, nothing out of order, whatever is killed, cut or full; and the proof can fail."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# What fails here by chance fails for a reason: no second try.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.flaky(reruns=0)]


def chaos(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "tests.acceptance.chaos", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=280, cwd=Path(__file__).parents[3]
    )
    return done.returncode, done.stdout + done.stderr


def test_every_message_arrives_once_and_in_order_through_thirty_faults() -> None:
    code, report = chaos("--seed", "30", "--faults", "30")
    assert code == 0, report
    assert "every guarantee held" in report
    assert "this history is refused: 14 of 14 ways" in report


def test_two_recorders_at_once_double_nothing_when_one_is_killed() -> None:
    code, report = chaos("--seed", "4", "--faults", "4", "--recorders", "2", "--kill", "recorders", "--rate", "80")
    assert code == 0, report
    assert "killed: recorder-0 2 times, recorder-1 2 times" in report


def test_a_recorder_that_acknowledges_before_it_commits_is_found_out() -> None:
    code, report = chaos("--seed", "2", "--faults", "3", "--kill", "recorders", "--careless", "--patience", "10")
    assert code == 1, report
    assert re.search(r"^WRONG: \d+ database: lost$", report, re.MULTILINE), report
    kept = re.search(r"^what happened is in (\S+)$", report, re.MULTILINE)
    assert kept
    assert "lost" in (Path(kept[1]) / "violations.txt").read_text(encoding="utf-8")
    shutil.rmtree(kept[1])
