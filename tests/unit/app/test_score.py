import pytest

from gridwatch.app.expected import Comparison, ExpectedIncident, FoundIncident
from gridwatch.app.score import scores
from gridwatch.domain import IncidentKind


def want(at: float, kind: IncidentKind = IncidentKind.INTRUSION, **more: object) -> ExpectedIncident:
    return ExpectedIncident.model_validate({"kind": kind, "from": at, **more})


def got(at: float, kind: IncidentKind = IncidentKind.INTRUSION) -> FoundIncident:
    return FoundIncident(kind=kind, rule="r", raised_at=at)


def test_precision_recall_and_time_to_detect_are_by_kind_and_in_total() -> None:
    one = Comparison(
        found=((want(1.0), got(1.2)), (want(5.0), got(4.5)), (want(9.0), got(9.8))), missed=(want(20.0),), false=(),
    )  # fmt: skip
    other = Comparison(found=(), missed=(), false=(got(1.0, IncidentKind.CROWDING),))
    intrusion, crowding, total = scores([one, other])
    assert (intrusion.kind, intrusion.expected, intrusion.found, intrusion.missed) == (IncidentKind.INTRUSION, 4, 3, 1)
    assert (intrusion.precision, intrusion.recall) == (1.0, 0.75)
    assert (intrusion.median_delay, intrusion.longest_delay) == (0.2, 0.8)
    assert (crowding.precision, crowding.recall, crowding.median_delay) == (0.0, None, None)
    assert total.kind is None
    assert (total.precision, total.recall) == (0.75, 0.75)


def test_optional_incidents_count_neither_way() -> None:
    optional = want(1.0, optional=True)
    (total,) = scores([Comparison(found=((optional, got(2.0)),), missed=(), false=())])
    assert (total.expected, total.found, total.false) == (0, 0, 0)


def test_nothing_to_judge_is_no_division() -> None:
    (total,) = scores([])
    assert (total.precision, total.recall, total.median_delay, total.longest_delay) == (None, None, None, None)


@pytest.mark.parametrize("late", [0.1, -0.3])
def test_a_delay_is_from_when_the_incident_was_due(late: float) -> None:
    due = want(1.0, due=4.0)
    total = scores([Comparison(found=((due, got(4.0 + late)),), missed=(), false=())])[-1]
    assert total.longest_delay == pytest.approx(late)
