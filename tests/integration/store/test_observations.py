"""Minutes and changes of health: once each, the fuller part of a minute, for 90 days."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from gridwatch.domain import CameraHealth, CameraState, ClassCount, Observation
from gridwatch.store import Database
from tests.integration.store.build import GATE, START

MINUTE = START.replace(second=0, microsecond=0)
SEEN = Observation(
    camera="cam-1", site=GATE, minute=MINUTE, frames=900, analysed=300, detected=120, dropped=2, moving=0.5, fps=15.0,
    classes=(ClassCount(label="car", most=2, sightings=31), ClassCount(label="person", most=4, sightings=207)),
)  # fmt: skip
HEALTH = CameraHealth(
    camera="cam-1", site=GATE, state=CameraState.UP, reason="", since=START, observed_at=START, frames=1, analysed=1,
    dropped=0, detected=0, detections=0, incidents=0, fps=5.0,
)  # fmt: skip
WHOLE = (START - timedelta(days=1000), START + timedelta(days=1000))


async def test_minutes_come_back_as_they_were_and_once(database: Database) -> None:
    later = replace(SEEN, minute=MINUTE + timedelta(minutes=1), classes=())
    other = replace(SEEN, camera="cam-2")
    for _ in range(2):
        await database.observations.save([later, SEEN, other, SEEN])
    assert await database.observations.observations("cam-1", MINUTE, MINUTE + timedelta(hours=1)) == [SEEN, later]
    assert await database.observations.observations("cam-1", MINUTE, later.minute) == [SEEN]
    await database.observations.save([])


async def test_of_two_parts_of_a_minute_the_fuller_is_kept_in_any_order(database: Database) -> None:
    part = replace(SEEN, frames=100)
    for batch in ([part], [SEEN], [part], [part, SEEN]):
        await database.observations.save(batch)
    assert await database.observations.observations("cam-1", *WHOLE) == [SEEN]


async def test_two_recorders_may_save_the_same_minutes_at_once(database: Database) -> None:
    minutes = [replace(SEEN, minute=MINUTE + timedelta(minutes=n)) for n in range(50)]
    await asyncio.gather(database.observations.save(minutes), database.observations.save(minutes[::-1]))
    assert await database.observations.observations("cam-1", *WHOLE) == minutes


async def test_health_is_remembered_where_it_changes(database: Database) -> None:
    def at(seconds: int, state: CameraState, reason: str = "") -> CameraHealth:
        return replace(HEALTH, state=state, reason=reason, observed_at=START + timedelta(seconds=seconds))

    reports = [
        at(0, CameraState.CONNECTING), at(2, CameraState.UP), at(4, CameraState.UP), at(6, CameraState.STALLED, "a"),
        at(8, CameraState.STALLED, "b"), at(9, CameraState.UP), at(3, CameraState.REFUSED, "late"),
    ]  # fmt: skip
    for one in reports:
        await database.save_health(one)
    changes = await database.observations.health_changes("cam-1", *WHOLE)
    assert [((one.at - START).seconds, str(one.state), one.reason) for one in changes] == [
        (0, "connecting", ""), (2, "up", ""), (6, "stalled", "a"), (8, "stalled", "b"), (9, "up", ""),
    ]  # fmt: skip


async def test_what_is_older_than_90_days_is_forgotten(database: Database) -> None:
    old = replace(SEEN, minute=MINUTE - timedelta(days=1))
    await database.observations.save([old, SEEN])
    await database.save_health(replace(HEALTH, observed_at=START - timedelta(days=2)))
    await database.save_health(replace(HEALTH, observed_at=START, reason="new"))
    now = MINUTE + timedelta(days=90)
    if await database.observations.forget(now) == 0:
        return  # TimescaleDB drops its chunks by itself
    assert await database.observations.observations("cam-1", *WHOLE) == [SEEN]
    assert [one.reason for one in await database.observations.health_changes("cam-1", *WHOLE)] == ["new"]
    assert await database.observations.forget(now) == 0
