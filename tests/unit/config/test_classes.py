import pytest

from gridwatch.config.classes import GROUPS, expanded
from gridwatch.config.rules import LineCrossingRule


def rule(*classes: str) -> LineCrossingRule:
    return LineCrossingRule.model_validate({"id": "gate", "kind": "line_crossing", "line": "gate", "classes": classes})


def test_a_group_stands_for_its_classes() -> None:
    assert {"car", "truck", "bus"} < set(rule("vehicle").classes)
    assert rule("person", "bag").classes[:3] == ("person", "bag", "backpack")


def test_a_class_named_twice_counts_once() -> None:
    assert expanded(("car", "vehicle", "car")) == ("car", *(one for one in GROUPS["vehicle"] if one != "car"))


def test_a_single_class_stays_what_it_is() -> None:
    assert rule("car").classes == ("car",)


@pytest.mark.parametrize("group", GROUPS)
def test_no_class_is_in_two_groups(group: str) -> None:
    others = {label for name, labels in GROUPS.items() if name != group for label in labels}
    assert not others & set(GROUPS[group])
