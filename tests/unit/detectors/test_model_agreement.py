"""The packaged int8 weights see what the fp32 model sees, and the measure notices when they do not."""

from dataclasses import replace

import pytest

from gridwatch.domain import Box, Detection
from scripts.model.agree import Runtime, Seen, check, compare, fixed_pictures, packaged_files, read_golden


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("size", ["416x416", "256x416"])
def test_the_packaged_int8_model_agrees_with_fp32(size: str, runtime: Runtime) -> None:
    agreement = check(size, packaged_files()[size], runtime)
    assert agreement.holds, str(agreement)
    assert agreement.strong >= 80


@pytest.mark.parametrize("size", ["416x416", "256x416"])
def test_the_golden_detections_are_of_the_fixed_pictures(size: str) -> None:
    assert sorted(read_golden(size)) == [path.name for path in fixed_pictures()]


def golden() -> dict[str, tuple[Detection, ...]]:
    return read_golden("416x416")


def test_a_model_agrees_with_itself() -> None:
    agreement = compare(golden(), golden())
    assert (agreement.found, agreement.confirmed, agreement.score_difference) == (1, 1, 0)
    assert agreement.holds


def lost(one: Detection) -> Detection | None:
    return None if one.box.x1 < 0.2 else one


def moved(one: Detection) -> Detection:
    box = one.box
    return replace(one, box=Box(x1=box.x1 + box.width / 2, y1=box.y1, x2=box.x2 + box.width / 2, y2=box.y2))


def renamed(one: Detection) -> Detection:
    return replace(one, label="dog") if one.label == "person" else one


def unsure(one: Detection) -> Detection:
    return replace(one, score=one.score * 0.85)


@pytest.mark.parametrize("damage", [lost, moved, renamed, unsure])
def test_damage_is_disagreement(damage: object) -> None:
    assert callable(damage)
    damaged: Seen = {
        name: [worse for one in detections if (worse := damage(one)) is not None]
        for name, detections in golden().items()
    }
    assert not compare(golden(), damaged).holds
    assert not compare(damaged, golden()).holds


def test_detections_that_are_not_there_in_fp32_are_disagreement() -> None:
    ghost = Detection(box=Box(x1=0.01, y1=0.01, x2=0.02, y2=0.02), label="giraffe", score=0.9)
    agreement = compare(golden(), {name: [*seen, ghost] for name, seen in golden().items()})
    assert agreement.found == 1
    assert not agreement.holds


def test_seeing_nothing_is_no_agreement() -> None:
    assert not compare({"a.jpg": []}, {"a.jpg": []}).holds


def test_one_detection_is_partner_of_one_only() -> None:
    one = Detection(box=Box(x1=0, y1=0, x2=0.5, y2=0.5), label="person", score=0.9)
    assert compare({"a": [one, one]}, {"a": [one]}).found == 0.5


def test_a_score_that_slips_below_the_threshold_is_still_agreement() -> None:
    one = Detection(box=Box(x1=0, y1=0, x2=0.5, y2=0.5), label="person", score=0.41)
    assert compare({"a": [one]}, {"a": [replace(one, score=0.39)]}).holds
    assert not compare({"a": [one]}, {"a": [replace(one, score=0.24)]}).holds
