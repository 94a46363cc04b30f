import pytest

from gridwatch.domain import SiteLevel, SitePath


@pytest.mark.parametrize(
    ("text", "level", "levels"),
    [
        ("harbour", SiteLevel.DISTRICT, ("harbour", "-", "-")),
        ("harbour/east", SiteLevel.SUBSTATION, ("harbour", "east", "-")),
        ("harbour/east/gate-1", SiteLevel.CHECKPOINT, ("harbour", "east", "gate-1")),
    ],
)
def test_paths_read_and_write_back(text: str, level: SiteLevel, levels: tuple[str, str, str]) -> None:
    path = SitePath.parse(text)
    assert str(path) == text
    assert path.level is level
    assert path.levels == levels
    assert SitePath.parse("/".join(levels)) == path


@pytest.mark.parametrize("text", ["", "a//c", "a/b/c/d", "/a"])
def test_malformed_paths_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="district"):
        SitePath.parse(text)


def test_a_checkpoint_needs_a_substation() -> None:
    with pytest.raises(ValueError, match="substation"):
        SitePath(district="harbour", checkpoint="gate-1")


def test_a_site_contains_itself_and_what_is_below_it_only() -> None:
    district, east, west = (SitePath.parse(t) for t in ("harbour", "harbour/east", "harbour/west"))
    gate = SitePath.parse("harbour/east/gate-1")
    assert all(district.contains(site) for site in (district, east, west, gate))
    assert east.contains(gate)
    assert not west.contains(gate)
    assert not gate.contains(east)
    assert gate.parent == east
    assert district.parent is None


def test_a_name_that_begins_like_another_is_not_below_it() -> None:
    assert not SitePath.parse("harbour/east").contains(SitePath.parse("harbour/east-2"))
