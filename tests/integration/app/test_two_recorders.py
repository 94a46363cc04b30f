"""What recorders do besides recording, when two are active: nothing is done twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gridwatch.app.commands.authority import Authority
from gridwatch.app.commands.clerk import Clerk
from gridwatch.app.retention import BY_POLICY, RetentionJob, RunCounts
from gridwatch.bus import EVENT_CONTENT_TYPE, AnswerTopic, CameraPath, Delivery, encode_command
from gridwatch.config.commands import CommandsConfig
from gridwatch.domain import CommandName, FakeClock, IncidentFilter, RetentionPolicy, SitePath
from gridwatch.store import Database
from tests.unit.bus.command_samples import GATE, OFFICER, WISHES, command
from tests.unit.bus.samples import WHEN, incident

SITE = SitePath(district=GATE.district)
POLICY = RetentionPolicy(
    name="retention", site=SITE, kinds=(), floor=timedelta(days=30), ceiling=timedelta(days=90)
)  # fmt: skip


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(WHEN)


@pytest.fixture
async def pair(database_dsn: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Sequence[Database]]:
    """The databases of two recorders."""
    stores = [Database(dsn=database_dsn, pool_size=4, clock=clock, evidence_dir=tmp_path) for _ in range(2)]
    for one in stores:
        await one.open()
    yield stores
    for one in stores:
        await one.close()


async def test_two_retention_jobs_that_are_due_at_once_delete_and_audit_once(
    pair: Sequence[Database], clock: FakeClock
) -> None:
    async with pair[0].recording() as recording:
        await recording.add_messages([incident(number) for number in range(450)])
    clock.advance(100 * 86400)
    jobs = [RetentionJob(one.retention, [POLICY], clock) for one in pair]
    ran = await asyncio.gather(*(job.run_if_due(asyncio.Event()) for job in jobs))
    [counts] = [one for one in ran if one is not None]
    assert counts == RunCounts(incidents=450, messages=450)
    assert await pair[1].archive.incidents(IncidentFilter(scope=SITE), None, 10) == []
    told = [one for one in await pair[0].audit.entries(WHEN, 1000) if one.account == BY_POLICY]
    assert len({one.subject for one in told}) == len(told)


async def test_two_clerks_that_take_one_command_at_once_note_it_once_and_answer_alike(
    pair: Sequence[Database], clock: FakeClock
) -> None:
    async with pair[0].recording() as recording:
        await recording.add_messages([replace(incident(), site=GATE, camera="gate-1")])
    asked = command(WISHES[CommandName.ACKNOWLEDGE])
    message = encode_command(asked)
    inbox = AnswerTopic(camera=CameraPath(site=GATE, camera="gate-1"), account=OFFICER, inbox="desk")
    delivery = Delivery(
        topic=message.topic, payload=message.payload, content_type=EVENT_CONTENT_TYPE, retained=False,
        received_at=WHEN, ack=lambda: None, response_topic=str(inbox), correlation=b"7",
    )  # fmt: skip
    clerks = [Clerk(one.commands, Authority(CommandsConfig(enabled=True)), "recorder", clock) for one in pair]
    answers = await asyncio.gather(*(clerk.take(delivery) for clerk in clerks))
    assert answers[0] is not None
    assert answers[0] == answers[1]
    # The answer comes to both as well.
    answer = replace(delivery, topic=answers[0].message.topic, payload=answers[0].message.payload)
    await asyncio.gather(*(clerk.take(answer) for clerk in clerks))
    noted = [one.action for one in await pair[0].audit.entries(WHEN - timedelta(days=1), 100)]
    assert sorted(noted) == ["command.acknowledge", "command.acknowledge.done"]
