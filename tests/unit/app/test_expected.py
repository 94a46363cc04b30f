import itertools
import json
import random
from pathlib import Path

import pytest

from gridwatch.app.expected import ExpectedIncident, FoundIncident, compare, read_truth
from gridwatch.domain import IncidentKind, UsageError


def want(at: float, kind: IncidentKind = IncidentKind.INTRUSION, **more: object) -> ExpectedIncident:
    return ExpectedIncident.model_validate({"kind": kind, "from": at, **more})


def got(at: float, kind: IncidentKind = IncidentKind.INTRUSION, rule: str = "fence") -> FoundIncident:
    return FoundIncident(kind=kind, rule=rule, raised_at=at)


def test_within_its_tolerance_an_incident_is_found_and_beyond_it_missed_and_false() -> None:
    assert compare([want(10.0)], [got(12.0)]).agrees
    late = compare([want(10.0)], [got(12.1)])
    assert (len(late.missed), len(late.false)) == (1, 1)


def test_the_time_compared_is_when_the_rule_is_due() -> None:
    assert compare([want(10.0, due=14.0)], [got(14.5)]).agrees
    assert not compare([want(10.0, due=14.0)], [got(10.5)]).agrees


def test_one_found_incident_answers_one_expected_one() -> None:
    result = compare([want(10.0), want(10.5)], [got(10.2)])
    assert (len(result.found), len(result.missed)) == (1, 1)


def test_the_nearest_pair_is_taken_first() -> None:
    result = compare([want(10.0), want(12.0)], [got(11.9), got(10.4)])
    assert [(w.start, f.raised_at) for w, f in result.found] == [(10.0, 10.4), (12.0, 11.9)]


def test_kind_and_rule_must_be_the_expected_ones() -> None:
    assert not compare([want(1.0, IncidentKind.CROWDING)], [got(1.0)]).agrees
    assert not compare([want(1.0, rule="lawn")], [got(1.0)]).agrees
    assert compare([want(1.0, rule="fence")], [got(1.0)]).agrees


def test_truth_may_name_the_zone_or_the_line_instead_of_the_rule() -> None:
    one = FoundIncident(kind=IncidentKind.INTRUSION, rule="fence", zone="yard", raised_at=1.0)
    assert compare([want(1.0, zone="yard")], [one]).agrees
    assert not compare([want(1.0, zone="lawn")], [one]).agrees
    assert not compare([want(1.0, line="yard")], [one]).agrees


def test_as_many_pairs_are_made_as_can_be_though_others_are_nearer() -> None:
    """Nearest first would pair 11.5 with 12.0 and leave 10.0 and 13.5 alone."""
    result = compare([want(10.0), want(12.0)], [got(11.5), got(13.5)])
    assert [(w.start, f.raised_at) for w, f in result.found] == [(10.0, 11.5), (12.0, 13.5)]


@pytest.mark.parametrize("seed", range(20))
def test_the_pairs_are_the_best_there_are(seed: int) -> None:
    """Against every way to pair them up: as many as possible, and of those the least seconds apart."""
    rng = random.Random(seed)
    wants = [want(rng.uniform(0, 8)) for _ in range(rng.randrange(5))]
    gots = [got(rng.uniform(0, 8)) for _ in range(rng.randrange(5))]
    result = compare(wants, gots)
    short, long = sorted([wants, gots], key=len)
    best = min(
        (-len(gaps), sum(gaps))
        for order in itertools.permutations(long, len(short))
        for gaps in [[abs(a.raised_at - b.raised_at) for a, b in zip(short, order, strict=True)
                      if abs(a.raised_at - b.raised_at) <= 2.0]]
    )  # fmt: skip
    gaps = [abs(w.raised_at - f.raised_at) for w, f in result.found]
    assert (-len(gaps), sum(gaps)) == pytest.approx(best)
    assert len(result.found) + len(result.missed) == len(wants)
    assert len(result.found) + len(result.false) == len(gots)


def test_an_optional_incident_may_be_missed_but_is_not_false_when_found() -> None:
    assert compare([want(1.0, optional=True)], []).agrees
    assert compare([want(1.0, optional=True)], [got(1.0)]).agrees


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "dictionary"),
        ('{"incidents": [{"kind": "flying", "from": 1}]}', "incidents.0.kind"),
        ('{"incidents": [{"kind": "intrusion"}]}', "incidents.0.from"),
        ('{"incidents": [{"kind": "intrusion", "from": -1}]}', "greater than or equal to 0"),
        ('{"incidents": [{"kind": "intrusion", "from": 2, "to": 1}]}', "to 1.0 is before from 2.0"),
        ('{"incidents": [{"kind": "intrusion", "from": 2, "due": 1}]}', "due 1.0 is before from 2.0"),
        ('{"incidents": [], "frames": [{"t": 0, "boxes": {"a": [0, 0, 1]}}]}', "frames.0.boxes.a"),
    ],
)
def test_a_wrong_truth_file_is_refused_with_the_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "truth.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        read_truth(path)


def test_a_missing_truth_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_truth(tmp_path / "nowhere.json")


def test_whatever_else_a_truth_file_holds_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    path.write_text(
        json.dumps({"made": "by hand", "colour": 1, "incidents": [{"kind": "intrusion", "from": 1, "count": 2}]})
    )
    assert [one.start for one in read_truth(path).incidents] == [1.0]
