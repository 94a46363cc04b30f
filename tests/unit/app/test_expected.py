import json
from pathlib import Path

import pytest

from gridwatch.app.expected import ExpectedIncident, FoundIncident, compare, read_expected
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
    ],
)
def test_a_wrong_truth_file_is_refused_with_the_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "truth.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        read_expected(path)


def test_a_missing_truth_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_expected(tmp_path / "nowhere.json")


def test_whatever_else_a_truth_file_holds_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"frames": [1], "incidents": [{"kind": "intrusion", "from": 1, "count": 2}]}))
    assert [one.start for one in read_expected(path)] == [1.0]
