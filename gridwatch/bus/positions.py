"""Positions of cameras that move, from whoever publishes them."""

from collections.abc import Callable, Iterable

import structlog

from gridwatch.bus.connection import BrokerAddress, LinkStatus
from gridwatch.bus.errors import MalformedMessage
from gridwatch.bus.subscriber import Delivery, Subscriber
from gridwatch.bus.topics import CameraPath, PositionTopic
from gridwatch.bus.wire import decode_position
from gridwatch.domain import Clock, PositionFix

log = structlog.get_logger(__name__)


class PositionFeed:
    """Subscribes to the position topics of some cameras. Methods are thread-safe.

    Not persistent: after a reconnect the broker gives the retained position of each camera, and older ones are of no
    use. A message that cannot be read is counted, logged and left.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        cameras: Iterable[CameraPath],
        on_fix: Callable[[str, PositionFix], None],
        clock: Clock,
    ) -> None:
        """`on_fix` gets camera id and fix in the network thread: it must be quick and not raise."""
        self._on_fix = on_fix
        self._malformed = 0
        # A topic a camera, not a wildcard: of thousands that drive about, this node takes in few.
        filters = [str(PositionTopic(camera=camera)) for camera in cameras]
        self._subscriber = Subscriber(address, client_id, filters, self._take, persistent=False, clock=clock)

    @property
    def status(self) -> LinkStatus:
        """How the link is."""
        return self._subscriber.status

    @property
    def malformed(self) -> int:
        """Messages that could not be read."""
        return self._malformed

    def start(self) -> None:
        """Start connecting in the background, for as long as it takes."""
        self._subscriber.start()

    def close(self, timeout: float) -> None:
        """Leave the broker and join the thread."""
        self._subscriber.close(timeout)

    def _take(self, delivery: Delivery) -> None:
        if not delivery.payload:  # somebody deleted the retained position
            return
        try:
            camera, fix = decode_position(delivery.topic, delivery.payload)
        except MalformedMessage as error:
            self._malformed += 1
            log.warning("position_malformed", topic=delivery.topic, reason=error.reason)
            return
        self._on_fix(camera.camera, fix)
