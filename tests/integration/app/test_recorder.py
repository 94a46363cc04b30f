"""The recorder's core on a real database: what cannot be stored is set aside, and stops nothing."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gridwatch.app.recorder import CONTRADICTS, Recorder
from gridwatch.bus import Delivery, encode_incident
from gridwatch.cases import CaseLinker, Links
from gridwatch.cases.ports import CaseLedger
from gridwatch.domain import Incident, Phase, SystemClock
from gridwatch.store import Database, StoreUnavailable
from tests.unit.bus.samples import incident

CLOCK = SystemClock()


class Given:
    """Deliveries of incidents, and which of them were acknowledged, in order."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self._numbers = itertools.count()

    def delivery(self, one: Incident) -> Delivery:
        message = encode_incident(one)
        number = next(self._numbers)
        return Delivery(
            topic=message.topic, payload=message.payload, content_type=message.content_type, retained=False,
            received_at=datetime(2026, 3, 1, tzinfo=UTC), ack=lambda: self.acknowledged.append(number),
        )  # fmt: skip


class ShyLinker(CaseLinker):
    """Breaks on one incident, as a fault of ours would."""

    def __init__(self, database: Database, afraid_of: Incident) -> None:
        super().__init__([], database, CLOCK)
        self._afraid_of = afraid_of.id

    async def link(self, incidents: Sequence[Incident], ledger: CaseLedger) -> Links:
        if any(one.id == self._afraid_of for one in incidents):
            raise ZeroDivisionError("a fault of ours")
        return await super().link(incidents, ledger)


async def test_a_message_that_breaks_us_is_set_aside_and_those_around_it_are_recorded(database: Database) -> None:
    given, all_of_them = Given(), [incident(number) for number in range(5)]
    recorder = Recorder(database, ShyLinker(database, all_of_them[2]))
    await recorder.record([given.delivery(one) for one in all_of_them])
    assert given.acknowledged == [0, 1, 2, 3, 4]
    assert await database.figures.message_ids() == {(one.id, 0) for one in all_of_them if one != all_of_them[2]}
    [bad] = await database.quarantine.newest(10)
    assert bad.reason == "ZeroDivisionError: a fault of ours"
    assert (recorder.counts.stored, recorder.counts.quarantined) == (4, 1)


async def test_a_message_that_contradicts_its_incident_is_kept_for_a_person(database: Database) -> None:
    given, first = Given(), incident(1)
    moved = replace(first, phase=Phase.CLEARED, seq=1, occurred_at=first.occurred_at + timedelta(hours=1))
    recorder = Recorder(database, CaseLinker([], database, CLOCK))
    await recorder.record([given.delivery(first)])
    await recorder.record([given.delivery(one) for one in (moved, first, incident(2))])
    assert given.acknowledged == [0, 1, 2, 3]
    [bad] = await database.quarantine.newest(10)
    assert (bad.reason, bad.payload) == (CONTRADICTS, encode_incident(moved).payload)
    assert (recorder.counts.stored, recorder.counts.duplicates, recorder.counts.quarantined) == (2, 1, 1)


async def test_nothing_is_acknowledged_that_is_not_committed(database: Database) -> None:
    given = Given()
    recorder = Recorder(database, CaseLinker([], database, CLOCK))
    await database.close()
    with pytest.raises(StoreUnavailable):
        await recorder.record([given.delivery(incident(1))])
    assert given.acknowledged == []
