import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from gridwatch.detectors import Analysis, CameraAnalysis
from gridwatch.detectors.detector import ScriptedDetector
from gridwatch.detectors.evidence import Snapshot, head_of, snapshot
from gridwatch.domain import Box, Detection, Image
from tests.unit.detectors.scenes import box_at, camera, frame, tracked

HEIGHT, WIDTH = 360, 640
PERSON = box_at(0.5, 0.9, width=0.12, height=0.6)


def textured(height: int = HEIGHT, width: int = WIDTH) -> Image:
    """Every pixel different from its neighbours: a masked place shows at once."""
    return np.random.default_rng(2).integers(0, 256, (height, width, 3)).astype(np.uint8)


def decoded(taken: Snapshot) -> Image:
    return np.asarray(cv2.imdecode(np.frombuffer(taken.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def part(image: Image, box: Box) -> Image:
    height, width = image.shape[:2]
    return image[int(box.y1 * height) : int(box.y2 * height), int(box.x1 * width) : int(box.x2 * width)]


def detail(image: Image) -> float:
    """Energy of what changes from pixel to pixel."""
    return float(np.abs(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_64F)).mean())


def test_heads_lose_their_detail_and_the_rest_keeps_it() -> None:
    image = textured()
    taken = decoded(snapshot(frame(0, image), [], [PERSON], []))
    top = Box(x1=PERSON.x1, y1=PERSON.y1, x2=PERSON.x2, y2=PERSON.y1 + 0.28 * PERSON.height)
    legs = Box(x1=PERSON.x1, y1=0.7, x2=PERSON.x2, y2=0.9)
    assert detail(part(taken, top)) < 0.05 * detail(part(image, top))
    assert detail(part(taken, legs)) > 0.5 * detail(part(image, legs))


def test_a_masked_head_holds_no_more_than_its_few_cells() -> None:
    """Two heads that differ in every pixel but not in the mean of their cells come out the same: nothing to restore."""
    flat = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    board = flat.copy()
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    board[(rows + columns) % 2 == 0] = 98
    board[(rows + columns) % 2 == 1] = 158
    head = head_of(PERSON, WIDTH / HEIGHT)
    inner = Box(x1=head.x1 + 0.01, y1=head.y1 + 0.01, x2=head.x2 - 0.01, y2=head.y2 - 0.03)
    one = part(decoded(snapshot(frame(0, flat), [], [PERSON], [])), inner).astype(int)
    other = part(decoded(snapshot(frame(0, board), [], [PERSON], [])), inner).astype(int)
    assert np.abs(one - other).max() <= 8


def test_everybody_given_is_masked_wherever_and_however_small() -> None:
    image = textured()
    people = [box_at(0.1, 0.5), box_at(0.9, 0.99), Box(x1=0.0, y1=0.0, x2=0.08, y2=0.3), box_at(0.5, 0.4, 0.02, 0.08)]
    taken = decoded(snapshot(frame(0, image), [people[0]], people, []))
    for person in people:
        top = Box(x1=person.x1 + 0.003, y1=person.y1 + 0.005, x2=person.x2 - 0.003, y2=person.y1 + 0.2 * person.height)
        assert detail(part(taken, top)) < 0.3 * detail(part(image, top))


def test_of_an_upper_body_nearly_all_is_masked_and_of_a_whole_one_about_half() -> None:
    bust = Box(x1=0.3, y1=0.5, x2=0.6, y2=1.0)
    assert head_of(bust, 16 / 9).height > 0.8 * bust.height
    assert head_of(PERSON, 16 / 9).height < 0.6 * PERSON.height


def test_privacy_zones_come_out_black_even_under_a_frame_and_after_jpeg() -> None:
    zone = ((0.3067, 0.3139), (0.6933, 0.3139), (0.6933, 0.6861), (0.3067, 0.6861))  # cuts through 8x8 blocks
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    taken = decoded(snapshot(frame(0, image), [Box(x1=0.35, y1=0.4, x2=0.8, y2=0.6)], [], [zone]))
    assert part(taken, Box(x1=0.309, y1=0.317, x2=0.6925, y2=0.684)).max() <= 2
    assert part(taken, Box(x1=0.33, y1=0.34, x2=0.67, y2=0.66)).max() <= 2
    assert part(taken, Box(x1=0.0, y1=0.0, x2=0.2, y2=0.2)).min() > 240


def test_the_frame_itself_is_left_as_it_is() -> None:
    image = textured()
    before = image.copy()
    snapshot(frame(0, image), [PERSON], [PERSON], [((0, 0), (1, 0), (1, 1))])
    assert np.array_equal(image, before)


@pytest.mark.parametrize(("given", "width", "height"), [((1080, 1920), 1280, 720), ((360, 640), 640, 360)])
def test_evidence_says_what_the_bytes_are(given: tuple[int, int], width: int, height: int) -> None:
    taken = snapshot(frame(3, textured(*given)), [], [], [])
    said = taken.evidence
    assert (said.width, said.height) == (width, height) == decoded(taken).shape[1::-1]
    assert said.bytes == len(taken.jpeg)
    assert said.sha256 == hashlib.sha256(taken.jpeg).hexdigest()
    assert said.media_type == "image/jpeg"
    assert said.masked
    assert said.captured_at == frame(3, textured(8, 8)).captured_at


def test_equal_frames_give_equal_bytes() -> None:
    assert snapshot(frame(0, textured()), [PERSON], [PERSON], []) == snapshot(
        frame(0, textured()), [PERSON], [PERSON], []
    )


def test_boxes_without_area_and_at_the_edges_do_no_harm() -> None:
    edge = [Box(x1=1.0, y1=1.0, x2=1.0, y2=1.0), Box(x1=0.0, y1=0.0, x2=1.0, y2=1.0), Box(x1=0.5, y1=0, x2=0.5, y2=1)]
    assert snapshot(frame(0, textured()), edge, edge, []).jpeg


def test_all_who_may_be_persons_are_masked_also_weak_lost_and_standing_in_the_dark() -> None:
    analysis = CameraAnalysis(camera(), ScriptedDetector([]))
    boxes = [box_at(0.1 + number / 5, 0.9) for number in range(4)]
    seen = (
        Detection(box=boxes[0], label="person", score=0.1), Detection(box=box_at(0.9, 0.9), label="car", score=0.9),
    )  # fmt: skip
    lost = [tracked(1.0, (0.0, 0.9), 1, last_seen=0.2), tracked(1.0, (0.0, 0.9), 2, last_seen=0.2, label="somebody")]
    tracks = tuple(replace(one, box=box) for one, box in zip(lost, boxes[1:3], strict=True))
    step = Analysis(incidents=(), snapshots=(), detected=True, detections=0, seen=seen, tracks=tracks)
    assert analysis.people(frame(0, textured()), step) == boxes[:3]
