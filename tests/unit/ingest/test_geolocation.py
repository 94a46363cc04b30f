import pytest
from lxml import etree

from gridwatch.domain import Position
from gridwatch.ingest.geolocation import NoPlace, place_among, read_place

TT = 'xmlns:tt="http://www.onvif.org/ver10/schema"'


def location(lon: str | None, lat: str | None) -> str:
    attributes = "".join(f' {name}="{value}"' for name, value in (("lon", lon), ("lat", lat)) if value is not None)
    return f"<tt:GeoLocation {TT}{attributes}/>"


def entry(attributes: str, place: tuple[str, str] | None = ("1", "2")) -> etree._Element:
    inside = "<tt:LocalLocation x='1'/>" if place is None else location(*place)
    return etree.fromstring(f"<tds:Location xmlns:tds='urn:d' {TT} {attributes}>{inside}</tds:Location>")


@pytest.mark.parametrize(
    ("lon", "lat", "place"),
    [
        ("121.4737", "31.2304", Position(lon=121.4737, lat=31.2304)),
        (" -180 ", "+90.0\n", Position(lon=-180, lat=90)),
        ("1.5e1", ".5", Position(lon=15, lat=0.5)),
        ("0", "51.477811", Position(lon=0, lat=51.477811)),
        ("0.123456789", "1", Position(lon=0.1234568, lat=1)),
    ],
)
def test_a_place_is_read_as_xml_schema_writes_numbers(lon: str, lat: str, place: Position) -> None:
    assert read_place(etree.fromstring(location(lon, lat))) == place


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        (None, "1"), ("1", None), ("", "1"), ("180.0001", "1"), ("1", "-90.1"), ("NaN", "1"), ("1", "INF"),
        ("1_0", "1"), ("1,5", "1"), ("0x1", "1"), ("१", "1"), ("1e99", "1"), ("1" * 5000, "1"), ("121°28'E", "1"),
    ],
)  # fmt: skip
def test_what_is_no_place_is_malformed(lon: str | None, lat: str | None) -> None:
    assert read_place(etree.fromstring(location(lon, lat))) is NoPlace.MALFORMED


def test_zero_zero_is_a_receiver_that_does_not_know() -> None:
    assert read_place(etree.fromstring(location("0.0", "-0"))) is NoPlace.NO_FIX


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([], NoPlace.NONE),
        ([entry('Entity="Device"', None)], NoPlace.NONE),
        ([entry('Entity="Device"')], Position(lon=1, lat=2)),
        ([entry("")], Position(lon=1, lat=2)),
        ([entry('Entity="AudioSource"')], NoPlace.NONE),
        ([entry('Entity="VideoSource"', ("3", "4")), entry('Entity="Device"')], Position(lon=1, lat=2)),
        ([entry('Entity="Device"'), entry('Entity="VideoSource" AutoGeo="true"', ("3", "4"))], Position(lon=3, lat=4)),
        ([entry('Entity="Device"', None), entry('Entity="VideoSource"', ("3", "4"))], Position(lon=3, lat=4)),
        ([entry('Entity="Device" AutoGeo="1"', ("0", "0")), entry('Entity="VideoSource"')], Position(lon=1, lat=2)),
        ([entry('Entity="Device" AutoGeo="false"')], NoPlace.TYPED_IN),
        ([entry('Entity="Device" AutoGeo="0" GeoSource="http://192.0.2.1/"')], Position(lon=1, lat=2)),
        ([entry('Entity="Device" AutoGeo="true"', ("0", "0"))], NoPlace.NO_FIX),
        ([entry('Entity="Device"', ("x", "0"))], NoPlace.MALFORMED),
    ],
)
def test_the_place_of_the_camera_is_chosen_among_entries(
    entries: list[etree._Element], found: Position | NoPlace
) -> None:
    assert place_among(entries) == found
