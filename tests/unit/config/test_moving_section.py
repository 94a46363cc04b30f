from collections.abc import Callable
from pathlib import Path

import pytest

from gridwatch.config import ConfigError, MovingConfig, load_settings

Deployment = Callable[..., Path]


def moving(deployment: Deployment, section: str) -> MovingConfig | None:
    path = deployment(("    position: [121.5", f"    moving: {section}\n    position: [121.5"))
    return load_settings(path).deployment.cameras[0].moving


@pytest.mark.parametrize("url", ["tcp://192.0.2.9:10110", "tcp://van-7.example:1", "tcp://[2001:db8::7]:65535"])
def test_a_camera_may_follow_nmea(deployment: Deployment, url: str) -> None:
    section = moving(deployment, f'{{nmea: "{url}", max_age_seconds: 5}}')
    assert section is not None
    assert (section.nmea, section.mqtt, section.max_age_seconds) == (url, None, 5)


def test_a_camera_may_follow_mqtt_and_stands_still_by_default(deployment: Deployment) -> None:
    section = moving(deployment, "{mqtt: true}")
    assert section is not None
    assert section.max_age_seconds == 30
    assert load_settings(deployment()).deployment.cameras[0].moving is None


def test_a_camera_found_by_onvif_may_tell_by_itself(deployment: Deployment) -> None:
    source = ('{rtsp: "rtsp://192.0.2.1/live"}', '{onvif: {url: "http://192.0.2.1"}}\n    moving: {onvif: true}')
    section = load_settings(deployment(source)).deployment.cameras[0].moving
    assert section is not None
    assert (section.onvif, section.max_age_seconds) == (True, 30)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("{}", "exactly one of nmea, mqtt or onvif"),
        ('{mqtt: true, nmea: "tcp://h:1"}', "exactly one of nmea, mqtt or onvif"),
        ("{mqtt: true, onvif: true}", "exactly one of nmea, mqtt or onvif"),
        ("{mqtt: false}", "moving.mqtt"),
        ("{onvif: false}", "moving.onvif"),
        ("{onvif: true}", "moving.onvif needs a source found by onvif"),
        ('{nmea: "udp://h:1"}', "moving.nmea"),
        ('{nmea: "tcp://h"}', "moving.nmea"),
        ('{nmea: "tcp://user:secret@h:1"}', "moving.nmea"),
        ('{nmea: "tcp://h:0"}', "the port must be 1 to 65535"),
        ('{nmea: "tcp://h:65536"}', "the port must be 1 to 65535"),
        ("{mqtt: true, max_age_seconds: 0}", "max_age_seconds"),
        ("{mqtt: true, max_age: 3}", "did you mean 'max_age_seconds'"),
    ],
)
def test_a_bad_section_is_refused_by_name(deployment: Deployment, section: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        moving(deployment, section)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)
