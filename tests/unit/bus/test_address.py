import pytest
from pydantic import SecretStr

from gridwatch.bus import BadBrokerAddress, BrokerAddress
from gridwatch.config.services import BrokerConfig


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", BrokerAddress(host="broker", port=1883)),
        ("mqtt://127.0.0.1:2883", BrokerAddress(host="127.0.0.1", port=2883)),
        ("mqtts://broker.example", BrokerAddress(host="broker.example", port=8883, tls=True)),
        ("mqtt://[::1]:1884", BrokerAddress(host="::1", port=1884)),
        ("mqtt://me:p%40ss@broker", BrokerAddress(host="broker", port=1883, username="me", password="p@ss")),
    ],
)
def test_an_address_is_read_from_its_url(url: str, expected: BrokerAddress) -> None:
    assert BrokerAddress.from_config(BrokerConfig(url=url)) == expected


def test_the_fields_of_the_configuration_win_over_the_url() -> None:
    config = BrokerConfig(url="mqtt://a:b@broker", username="me", password=SecretStr("secret"))
    address = BrokerAddress.from_config(config)
    assert (address.username, address.password) == ("me", "secret")


def test_no_text_form_shows_the_password() -> None:
    address = BrokerAddress.from_config(BrokerConfig(url="mqtt://me:hunter2@[::1]"))
    assert "hunter2" not in f"{address} {address!r}"
    assert str(address) == "mqtt://[::1]:1883"


@pytest.mark.parametrize(
    "url",
    ["mqtt://broker:x", "mqtt://broker:0", "mqtt://:1883", "mqtt://broker:99999", "mqtt://broker?x=y", "mqtt://[::1"],
)
def test_a_wrong_url_is_told_without_quoting_it(url: str) -> None:
    with pytest.raises(BadBrokerAddress, match="url"):
        BrokerAddress.from_config(BrokerConfig(url=url))


def test_a_password_needs_a_username() -> None:
    with pytest.raises(BadBrokerAddress, match="no username"):
        BrokerAddress.from_config(BrokerConfig(password=SecretStr("secret")))
