"""The published AsyncAPI document in the hands of the standard's own tool."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gridwatch.bus.schemas import write_schemas

CLI = "@asyncapi/cli@4.1.1"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_document_is_valid_for_the_asyncapi_command_line_and_a_broken_one_is_not(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    assert npm, "install npm"
    tool = tmp_path / "tool"
    tool.mkdir()
    subprocess.run([npm, "install", "--no-audit", "--no-fund", "--prefix", str(tool), CLI], check=True, cwd=tool)
    write_schemas(tmp_path / "good")
    write_schemas(tmp_path / "bad")
    broken = tmp_path / "bad" / "asyncapi.json"
    broken.write_text(
        broken.read_text(encoding="utf-8").replace('"action": "send"', '"action": "shout"'), encoding="utf-8"
    )

    def validate(folder: str) -> subprocess.CompletedProcess[str]:
        command = [str(tool / "node_modules/.bin/asyncapi"), "validate", str(tmp_path / folder / "asyncapi.json")]
        environment = {**os.environ, "HOME": str(tmp_path), "CI": "true"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    good, bad = validate("good"), validate("bad")

    assert good.returncode == 0, good.stdout + good.stderr
    assert "is valid" in good.stdout + good.stderr
    assert bad.returncode != 0
