"""What a camera that drives from one grid into the next sees becomes work in the grid where it was seen."""

from datetime import datetime, timedelta

import numpy as np

from gridwatch.cases import CaseLinker
from gridwatch.config import CameraConfig
from gridwatch.detectors import CameraAnalysis
from gridwatch.detectors.detector import ScriptedDetector
from gridwatch.domain import (
    CaseFilter,
    FakeClock,
    Frame,
    Incident,
    IncidentFilter,
    Position,
    PositionFix,
    PositionTrack,
)
from gridwatch.store import Database
from tests.integration.store.build import CATEGORY, DISTRICT, GATE, START, fill_directory
from tests.unit.detectors.scenes import seen

GREY = np.full((90, 160, 3), 100, np.uint8)
PATROL = CameraConfig.model_validate(
    {
        "id": "cam-1", "site": str(GATE), "position": [50.0, 50.0], "moving": {"mqtt": True}, "gate": False,
        "source": {"rtsp": "rtsp://192.0.2.1/"}, "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]},
        "rules": [{"id": "any", "kind": "intrusion", "zone": "all", "dwell_seconds": 0, "clear_seconds": 0.5}],
    }
)  # fmt: skip


def drive() -> PositionTrack:
    """East from grid g1 into g2, over the border at second 4, a fix a second."""
    track = PositionTrack(max_age=timedelta(seconds=5))
    for second in range(12):
        place = Position(lon=round(0.998 + 0.0005 * second, 7), lat=0.5)
        track, _ = track.adding(PositionFix(at=START + timedelta(seconds=second), position=place))
    return track


def seen_on_the_way() -> list[Incident]:
    """Somebody on the left in the first second, and somebody on the right after seven."""
    script = [[seen(0.2, 0.9)]] * 8 + [[]] * 27 + [[seen(0.8, 0.5)]] * 8
    track = drive()

    def position_at(moment: datetime) -> Position:
        place = track.position_at(moment)
        assert place is not None
        return place

    analysis = CameraAnalysis(PATROL, ScriptedDetector(script), position_at)
    messages: list[Incident] = []
    for index in range(len(script)):
        at = START + timedelta(seconds=index / 5)
        frame = Frame(camera="cam-1", index=index, pts=index / 5, captured_at=at, arrived_at=at, image=GREY)
        messages += analysis.analyse(frame).incidents
    return [*messages, *analysis.finish()]


async def test_incidents_belong_to_the_grid_where_the_camera_was(database: Database) -> None:
    await fill_directory(database)
    messages = seen_on_the_way()
    linker = CaseLinker([CATEGORY], database, FakeClock(START))
    async with database.recording() as recording:
        await linker.link(await recording.add_messages(messages), recording)
    stored = await database.archive.incidents(IncidentFilter(scope=DISTRICT), None, 10)
    cases = await database.cases.cases(CaseFilter(scope=DISTRICT), None, 10)
    raised = {one.id: one for one in messages if one.seq == 0}
    assert [raised[one.incident.id].position.lon > 1 for one in stored] == [True, False]
    assert [one.grid for one in stored] == ["g2", "g1"]
    assert {one.incident.position for one in stored} == {one.position for one in raised.values()}
    assert {case.incidents: case.grid for case in cases} == {(one.incident.id,): one.grid for one in stored}
