from collections.abc import Callable
from pathlib import Path

import pytest

GOOD = """\
version: 1
district:
  id: harbour
  name: Harbour
  substations:
    - id: east
      name: East
      checkpoints:
        - {id: gate-1, name: Gate 1}
cameras:
  - id: square
    site: harbour/east/gate-1
    position: [121.5, 31.2]
    source: {rtsp: "rtsp://192.0.2.1/live"}
    zones:
      plaza: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
    lines:
      kerb: {start: [0, 0.5], end: [1, 0.5]}
    rules:
      - {id: fence, kind: intrusion, zone: plaza}
      - {id: step, kind: line_crossing, line: kerb, direction: left}
      - {id: crowd, kind: crowding, zone: plaza, count: 4}
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Callable[..., Path]:
    """Write GOOD with pieces replaced; a piece that is not there is an error of the test."""

    def write(*replacements: tuple[str, str], extra: str = "") -> Path:
        text = GOOD
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "deployment.yaml"
        path.write_text(text + extra, encoding="utf-8")
        return path

    return write
