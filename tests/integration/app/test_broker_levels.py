"""A district and its substations on three real brokers: alone while the link is down, and whole when it returns."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_UNSHARE = ["unshare", "--net", "--mount"]


def unshare_works() -> bool:
    try:
        return subprocess.run([*_UNSHARE, "ip", "link"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not unshare_works(), reason="needs root, `unshare` and `ip`, for network namespaces")
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_substation_works_alone_and_everything_arrives_once_and_in_order_when_the_link_returns(
    tmp_path: Path,
) -> None:
    command = [*_UNSHARE, sys.executable, "-m", "tests.integration.app.levels", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.partition("RESULT ")[2])

    assert result["held_back_by_the_cut"] == 200
    for name, sent in result["sent"].items():
        got = result["recorder"][name]
        assert sorted(got) == sorted(sent), "each once, after the recorder's own deduplication"
        assert got == sent, "in order"
    assert result["officer"] == result["sent"]["north"]
    assert result["pier"] == [], "a checkpoint's people see their own checkpoint only"

    refusal = result["asked"].pop("forged_by_the_bridge")
    assert "does not let operator@harbour ask that" in refusal, "a substation asks in the name of its own accounts only"
    assert result["asked"].pop("acknowledged_below") == "done False", "the district's recorder answers below"
    assert result["asked"] == dict.fromkeys(("operator_above", "officer_below", "officer_alone"), "done True")
    assert result["carried_out"] == 3, "nothing goes round between bridges"
    north = "officer@harbour:north"
    accounts = [north, north, f"{north}:gate", "operator@harbour"]
    assert result["recorded"] == [f"{kind} {account}" for kind in ("answer", "command") for account in accounts]
