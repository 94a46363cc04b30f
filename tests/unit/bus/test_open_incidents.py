"""What is open is on disk with its messages, and nothing else is."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gridwatch.bus import Outbox, OutboxFull, encode_incident
from gridwatch.domain import FakeClock, Phase
from tests.unit.bus.samples import incident

LIMIT = 1_000_000


def box(path: Path, limit: int = LIMIT) -> Outbox:
    return Outbox(path / "o.db", limit, FakeClock())


def test_an_incident_is_open_from_its_first_message_to_its_last_and_over_a_restart(tmp_path: Path) -> None:
    raised = incident(1)
    updated = replace(raised, phase=Phase.UPDATED, seq=1, score=0.9)
    with box(tmp_path) as outbox:
        outbox.put_incident(raised)
        assert [one.latest for one in outbox.open_incidents()] == [raised]
        outbox.put_incident(updated)
    with box(tmp_path) as outbox:
        assert [one.latest for one in outbox.open_incidents()] == [updated]
        outbox.put_incident(updated.cleared(updated.observed_at))
        assert outbox.open_incidents() == ()
    with box(tmp_path) as outbox:
        assert outbox.open_incidents() == ()


def test_what_is_raised_and_cleared_at_once_is_not_open(tmp_path: Path) -> None:
    raised = incident(1)
    both = [raised, raised.cleared(raised.occurred_at)]
    with box(tmp_path) as outbox:
        outbox.append([encode_incident(one) for one in both], both)
        assert outbox.open_incidents() == ()


def test_an_incident_that_found_no_room_is_not_open_and_an_update_refused_is_remembered(tmp_path: Path) -> None:
    raised = incident(1)
    size = len(encode_incident(raised).payload)
    with box(tmp_path, limit=int(size * 1.6)) as outbox:
        outbox.put_incident(raised)
        updated = replace(raised, phase=Phase.UPDATED, seq=1)
        assert outbox.put_incident(updated).refused == 1
        with pytest.raises(OutboxFull):
            outbox.put_incident(incident(2))
        assert [one.latest for one in outbox.open_incidents()] == [updated]


def test_it_is_known_when_each_was_last_watched(tmp_path: Path) -> None:
    one, other = incident(1), replace(incident(2), camera="other")
    with box(tmp_path) as outbox:
        outbox.put_incident(one)
        outbox.put_incident(other)
        before = {found.latest.camera: found.seen_at for found in outbox.open_incidents()}
        outbox.touch("other", before["other"] + timedelta(minutes=5))
        after = {found.latest.camera: found.seen_at for found in outbox.open_incidents()}
    assert after == {one.camera: before[one.camera], "other": before["other"] + timedelta(minutes=5)}


def test_one_that_cannot_be_read_is_told_and_keeps_no_worker_from_starting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with box(tmp_path) as outbox:
        outbox.put_incident(incident(1))
        outbox.put_incident(incident(2))
    with sqlite3.connect(tmp_path / "o.db") as db:
        db.execute("UPDATE open_incident SET payload = x'00' WHERE id = ?", (str(incident(1).id),))
    db.close()
    with box(tmp_path) as outbox:
        assert [one.latest for one in outbox.open_incidents()] == [incident(2)]
        assert "open_incident_unreadable" in capsys.readouterr().out
        outbox.open_incidents()
        assert "open_incident_unreadable" not in capsys.readouterr().out
