"""paho by itself, as its documentation shows it: what we are compared with. MQTT 5, QoS 1, a session that is kept."""

import threading
from collections.abc import Callable

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gridwatch.bus import BrokerAddress, OutgoingMessage

SESSION_SECONDS = 3600
WINDOW = 100
"""In flight, as ours."""


class RawClient:
    """One connection."""

    def __init__(self, address: BrokerAddress, client_id: str) -> None:
        self._address = address
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        self.client.username_pw_set(address.username, address.password)
        self.client.max_inflight_messages_set(WINDOW)

    def connect(self) -> None:
        """Connect, and return when the broker has taken us in."""
        ready = threading.Event()
        self.client.on_connect = lambda *_: ready.set()
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_SECONDS
        properties.ReceiveMaximum = 200
        self.client.connect(self._address.host, self._address.port, clean_start=False, properties=properties)
        self.client.loop_start()
        if not ready.wait(30):
            raise RuntimeError("no connection")

    def listen(self, topics: str, on_message: Callable[[bytes], None]) -> None:
        """Subscribe, and return when the broker has noted it."""
        ready = threading.Event()
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = lambda _, __, message: on_message(bytes(message.payload))
        self.client.subscribe(topics, qos=1)
        if not ready.wait(30):
            raise RuntimeError("no subscription")

    def publish(self, message: OutgoingMessage) -> None:
        """Hand it to paho, which keeps it in memory until its window has room."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = message.content_type
        self.client.publish(message.topic, message.payload, qos=1, properties=properties)

    def close(self) -> None:
        """Say goodbye."""
        self.client.disconnect()
        self.client.loop_stop()
