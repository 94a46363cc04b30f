"""Replays of small clips whose people are red blocks: what is drawn, reported and repeated."""

import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from lxml import etree

from gridwatch.app.expected import ExpectedIncident, Truth, TruthFrame, compare
from gridwatch.app.recordings import Recording
from gridwatch.app.replay import Watched, replay
from gridwatch.app.replay_job import Outcome
from gridwatch.app.replay_reports import report_json, report_junit
from gridwatch.app.sheets import evenly, illustrate
from gridwatch.config import Deployment, HealthConfig
from gridwatch.domain import Box, Image
from gridwatch.rig.scenes import encode
from tests.unit.detectors.scenes import BlobDetector, box_at, camera, picture

SECONDS, FPS = 6, 5
STILL = HealthConfig(frozen_seconds=None)
SCHEMA = Path(__file__).with_name("junit.xsd")


def where(second: float) -> Box:
    """Somebody walks from the right into the zone on the left, which he enters at about second 3."""
    return box_at(0.95 - 0.15 * second, 0.8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "walk.mp4"
    encode((picture([where(i / FPS)]) for i in range(SECONDS * FPS)), path, Fraction(FPS), 18)
    return path


def outcome(clip: Path, *wants: dict[str, object], pictures: Path | None = None, video: Path | None = None) -> Outcome:
    watcher = camera(rules=[{"id": "yard", "kind": "intrusion", "zone": "left"}], source={"file": str(clip)})
    frames = tuple(
        TruthFrame(t=i / FPS, boxes={"walker": (*where(i / FPS).corners, 1.0)}) for i in range(SECONDS * FPS)
    )
    truth = Truth(incidents=tuple(ExpectedIncident.model_validate(want) for want in wants), frames=frames)
    deployment = Deployment.model_validate(
        {"version": 1, "district": {"id": "district", "name": "D"}, "cameras": [watcher]}
    )
    watched = Watched(file=clip, camera=watcher, health=STILL)
    recording = Recording(watched=watched, deployment=deployment, truth=truth)
    result = replay(watched, BlobDetector())
    comparison = compare(truth.incidents, result.found())
    made = illustrate(recording, comparison, BlobDetector(), pictures, video)
    return Outcome(recording=recording, replay=result, comparison=comparison, pictures=made)


RIGHT: dict[str, object] = {"kind": "intrusion", "rule": "yard", "from": 3.0, "due": 4.0, "tolerance": 0.5}
NEVER: dict[str, object] = {"kind": "intrusion", "from": 1.0, "due": 1.6, "tolerance": 0.5, "actors": ["walker"]}
MAYBE: dict[str, object] = {"kind": "intrusion", "from": 0.5, "tolerance": 0.2, "optional": True}


def red(image: Image) -> int:
    return int(((image[:, :, 2] > 150) & (image[:, :, 0] < 120) & (image[:, :, 1] < 120)).sum())


def test_when_all_is_right_nothing_is_drawn(clip: Path, tmp_path: Path) -> None:
    one = outcome(clip, RIGHT, pictures=tmp_path / "sheets")
    assert one.comparison is not None
    assert one.comparison.agrees
    assert not (tmp_path / "sheets").exists()


def test_each_miss_and_each_false_alarm_is_a_sheet_that_says_what_it_is(clip: Path, tmp_path: Path) -> None:
    one = outcome(clip, NEVER, pictures=tmp_path)
    assert [path.name for path in one.pictures] == [
        "walk-missed-intrusion-0001.6.jpg", "walk-false-yard-0004.0.jpg",
    ]  # fmt: skip
    for path in one.pictures:
        sheet = cv2.imread(str(path))
        assert sheet.shape[1] == 4 * 480
        tiles = [sheet[-540:, column * 480 : (column + 1) * 480] for column in range(4)]
        assert len({tile.tobytes() for tile in tiles}) == 4, "four moments, not one"
        assert all(red(tile) > 200 for tile in tiles)


def test_heads_are_masked_on_sheets_and_in_videos(tmp_path: Path) -> None:
    """The head of everybody is striped; no stripe is left, on the body below they would be."""
    clip = tmp_path / "striped.mp4"
    striped = [picture([where(i / FPS)]) for i in range(SECONDS * FPS)]
    for i, image in enumerate(striped):
        head(image, where(i / FPS))[:, ::4] = head(image, where(i / FPS))[:, 1::4] = 0
    encode(iter(striped), clip, Fraction(FPS), 18)
    one = outcome(clip, NEVER, pictures=tmp_path, video=tmp_path / "video")
    at = 2 * FPS
    before, after = (detail(head(frames(path)[at], where(at / FPS))) for path in (clip, tmp_path / "video" / clip.name))
    assert before > 60
    assert after < before / 4
    assert len(one.pictures) == 2


def head(image: Image, person: Box) -> Image:
    """The upper quarter of `person`, without its edges."""
    height, width = image.shape[:2]
    top, left, right = int(person.y1 * height) + 4, int(person.x1 * width) + 4, int(person.x2 * width) - 4
    return image[top : top + int(person.height * height / 4) - 6, left:right]


def detail(image: Image) -> float:
    return float(np.abs(np.diff(image[:, :, 2].astype(int), axis=1)).mean())


def test_a_video_goes_on_while_frames_were_left_out() -> None:
    left_out = [(0.0, 1), (0.2, 2), (1.2, 3), (1.4, 4)]
    pictures = ((pts, np.full((2, 2, 3), value, np.uint8)) for pts, value in left_out)
    assert [int(one[0, 0, 0]) for one in evenly(pictures, FPS)] == [1, 2, 2, 2, 2, 2, 3, 4]


def frames(path: Path) -> list[Image]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def test_everything_written_is_the_same_every_time(clip: Path, tmp_path: Path) -> None:
    made = []
    for name in ("first", "second"):
        one = outcome(clip, NEVER, pictures=tmp_path / name, video=tmp_path / name)
        files = {path.name: path.read_bytes() for path in sorted((tmp_path / name).iterdir())}
        made.append((report_json([one]), report_junit([one]), files))
    assert made[0] == made[1]
    assert len(made[0][2]) == 3


def test_the_junit_report_has_a_case_for_each_expected_incident_and_one_for_false_alarms(clip: Path) -> None:
    text = report_junit([outcome(clip, RIGHT, MAYBE), outcome(clip, NEVER)])
    document = etree.fromstring(text.encode())
    etree.XMLSchema(etree.parse(str(SCHEMA))).assertValid(document)
    first, second = document.findall("testsuite")
    assert dict(first.attrib) == {"name": "walk", "tests": "3", "failures": "0", "errors": "0", "skipped": "1"}
    assert [case.get("name") for case in first] == [
        "intrusion yard due at 4.0 s", "intrusion due at 0.5 s", "no false alarms",
    ]  # fmt: skip
    assert "raised at 4.0 s" in first[0].findtext("system-out")
    assert second.get("failures") == "2"
    assert [case.find("failure").get("type") for case in second] == ["missed", "false"]
    assert "intrusion yard raised at 4.0 s" in second[1].findtext("failure")
    assert (document.get("tests"), document.get("failures")) == ("5", "2")


def test_the_json_report_has_incidents_comparison_and_scores(clip: Path) -> None:
    report = json.loads(report_json([outcome(clip, RIGHT, NEVER)]))
    assert report["schema"] == "gridwatch-report/1"
    (one,) = report["clips"]
    assert [(i["kind"], i["rule"], i["raised_at"]) for i in one["incidents"]] == [("intrusion", "yard", 4.0)]
    assert one["comparison"]["missed"] == [{"kind": "intrusion", "rule": None, "from": 1.0, "due": 1.6}]
    assert one["comparison"]["found"][0]["late"] == pytest.approx(0.0, abs=0.3)
    assert [message["type"].rsplit(".", 1)[-1] for message in one["messages"]] == ["raised", "cleared"]
    assert report["kinds"]["intrusion"]["recall"] == report["total"]["recall"] == 0.5


def test_a_wall_of_noise_is_drawn_too(tmp_path: Path) -> None:
    """Nothing is there to be found: the sheet of the miss shows that, and its sightings say who lost it."""
    clip = tmp_path / "noise.mp4"
    rng = np.random.default_rng(1)
    encode((rng.integers(0, 90, (180, 320, 3), np.uint8) for _ in range(3 * FPS)), clip, Fraction(FPS), 18)
    (path,) = outcome(clip, NEVER, pictures=tmp_path).pictures
    assert path.stat().st_size > 10_000
