from datetime import UTC, datetime
from pathlib import Path

import pytest

from gridwatch.app.watch import OpenIncidents
from gridwatch.config import CameraConfig, HealthConfig
from gridwatch.domain import CameraState, Incident
from gridwatch.ingest import OutageWatch

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def open_outages() -> tuple[Incident, ...]:
    config = CameraConfig.model_validate(
        {"id": "a", "site": "north/gate", "position": [1, 2], "source": {"rtsp": "rtsp://192.0.2.1/"}}
    )
    watch = OutageWatch([(config, HealthConfig(offline_seconds=0))])
    watch.step({"a": CameraState.UNREACHABLE}, NOON, 0.0)
    return watch.open


def test_what_is_open_is_read_back_as_it_was(tmp_path: Path) -> None:
    file = OpenIncidents(tmp_path / "node.open.json")
    assert file.load() == ()
    (raised,) = open_outages()
    file.save([raised])
    assert file.load() == (raised,)
    assert [path.name for path in tmp_path.iterdir()] == ["node.open.json"]
    file.save([])
    assert file.load() == ()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"open": 7}', '{"open": [{"topic": "x", "content_type": "y", "event": {}}]}', "\x00"],
)
def test_a_damaged_file_is_told_and_does_not_keep_the_worker_from_starting(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "node.open.json"
    path.write_text(text)
    assert OpenIncidents(path).load() == ()
    assert "open_incidents_unreadable" in capsys.readouterr().out


def test_a_disk_that_refuses_is_told_and_nothing_is_lost_but_the_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = OpenIncidents(tmp_path / "missing" / "node.open.json")
    file.save(open_outages())
    assert "open_incidents_unsaved" in capsys.readouterr().out
