"""What publisher and subscriber share: where the broker is, how the link is doing, how a paho client is made."""

import socket
import ssl
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gridwatch.bus.errors import BadBrokerAddress
from gridwatch.config.services import BrokerConfig

KEEPALIVE = 20
"""Seconds; a silent peer is noticed after at most one and a half of it."""
RECONNECT = (1, 30)
"""First and longest wait in seconds between tries to connect; it doubles."""
CONNECT_TIMEOUT = 5.0
REFUSALS = 0x80
"""MQTT 5, 2.4: reason codes from here on are failures."""


class LinkState(StrEnum):
    """How a connection to the broker is doing."""

    IDLE = "idle"  # not started
    CONNECTING = "connecting"  # first try
    CONNECTED = "connected"  # the broker took us in
    REFUSED = "refused"  # the broker answers and refuses us: credentials, client id, subscription
    LOST = "lost"  # no broker there, or the connection broke; tried again
    CLOSED = "closed"  # closed by us


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkStatus:
    """State and, unless all is well, a reason a person can act on; never a credential."""

    state: LinkState
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerAddress:
    """Where a broker is and how to log in. Its text form has no credentials."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls_ca: Path | None = None
    """What must have signed the broker's certificate; None: what the system trusts."""

    @classmethod
    def from_config(cls, config: BrokerConfig) -> Self:
        """Read `mqtt[s]://[user:password@]host[:port]`; the config's own fields win. Raises BadBrokerAddress."""
        try:
            url = urlsplit(config.url)
            port = url.port
        except ValueError as exc:
            raise BadBrokerAddress("the broker's url has no valid host and port") from exc
        if url.scheme not in ("mqtt", "mqtts") or not url.hostname or url.path or url.query or port == 0:
            raise BadBrokerAddress("the broker's url must be mqtt://host[:port] or mqtts://host[:port]")
        tls = url.scheme == "mqtts"
        password = config.password.get_secret_value() if config.password else url.password and unquote(url.password)
        username = config.username or (unquote(url.username) if url.username else None)
        if password and not username:
            raise BadBrokerAddress("the broker has a password but no username")
        if config.tls_ca is not None and not tls:
            raise BadBrokerAddress("the broker has tls_ca, so its url must begin with mqtts://")
        return cls(
            host=url.hostname,
            port=port or (8883 if tls else 1883),
            tls=tls,
            username=username,
            password=password,
            tls_ca=config.tls_ca,
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' if self.tls else ''}://{host}:{self.port}"


def make_client(address: BrokerAddress, client_id: str, *, manual_ack: bool = False) -> mqtt.Client:
    """A paho client for MQTT 5, not connected."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, manual_ack=manual_ack)
    client.connect_timeout = CONNECT_TIMEOUT
    client.reconnect_delay_set(*RECONNECT)
    if address.username is not None:
        client.username_pw_set(address.username, address.password)
    if address.tls:
        client.tls_set_context(_tls_context(address))
    return client


def _tls_context(address: BrokerAddress) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=address.tls_ca)
    except (OSError, ssl.SSLError) as exc:
        raise BadBrokerAddress(f"{address.tls_ca} holds no certificates that can be read: {exc.strerror}") from exc


def publish_properties(content_type: str) -> Properties:
    """MQTT 5 properties of a PUBLISH."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = content_type
    return properties


def will_properties(content_type: str, delay: int) -> Properties:
    """MQTT 5 properties of a last will that waits for `delay` seconds."""
    properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
    properties.ContentType = content_type
    properties.WillDelayInterval = delay
    return properties


def session_properties(seconds: int) -> Properties:
    """MQTT 5 properties of a CONNECT whose session outlives the connection by `seconds`."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = seconds
    return properties


def cut(client: mqtt.Client) -> None:
    """Break the connection so that paho's thread notices; it is no error when there is none."""
    connection = client.socket()
    if isinstance(connection, socket.socket):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def connack_status(address: BrokerAddress, code: ReasonCode) -> LinkStatus:
    """What a CONNACK means."""
    if code.is_failure:
        return LinkStatus(state=LinkState.REFUSED, reason=f"{address} refused the connection: {code}")
    return LinkStatus(state=LinkState.CONNECTED)


def unreachable_status(address: BrokerAddress) -> LinkStatus:
    """Why connecting failed; called while the exception is being handled, as paho does."""
    error = sys.exception()
    why = getattr(error, "strerror", None) or (str(error) if error else "no answer")
    return LinkStatus(state=LinkState.LOST, reason=f"cannot reach {address}: {why}")


def lost_status(address: BrokerAddress, before: LinkStatus, code: ReasonCode) -> LinkStatus:
    """What a broken connection means, given what it was before. A refusal stays one: it says more."""
    if before.state is LinkState.REFUSED:
        return before
    if before.state is LinkState.CONNECTED:
        return LinkStatus(state=LinkState.LOST, reason=f"{address} closed the connection: {code}")
    return LinkStatus(
        state=LinkState.REFUSED,
        reason=f"{address} closed the connection before accepting it: not MQTT 5, or wrong username or password",
    )
