"""One pull point on a camera: pull, keep alive, end. Its messages are read before the library sees them."""

import copy
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any, ClassVar

import structlog

from gridwatch.domain import CameraState, Clock, PositionFix
from gridwatch.ingest.errors import IngestError, NoVideo
from gridwatch.ingest.events.messages import Arrival, read_message, read_time
from gridwatch.ingest.events.model import DeviceEvent, EventTally, Unread
from gridwatch.ingest.onvif import Device
from gridwatch.ingest.onvif_client import CALL_SECONDS, EVENTS, PULL_POINT, SUBSCRIPTION

log = structlog.get_logger(__name__)

LIFETIME_SECONDS = 180.0
"""What a subscription asks for. Short: a camera allows few, and one that we lose lives on as long."""
MAX_MESSAGES = 500
"""More in one answer are left out: a camera may ignore what it is asked for."""
_LEAST_PULL_SECONDS = 1.0
_FAREWELL_SECONDS = 1.0
_NOTIFICATION = "{http://docs.oasis-open.org/wsn/b-2}NotificationMessage"
_REFERENCE = f"{{{EVENTS}}}SubscriptionReference"
_WSA = "{http://www.w3.org/2005/08/addressing}"


class SubscriptionLost(IngestError):  # noqa: N818 - named like its siblings
    """The camera forgot the subscription."""

    state: ClassVar[CameraState] = CameraState.CONNECTING


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulled:
    """What one pull brought."""

    events: Sequence[DeviceEvent]
    fixes: Sequence[PositionFix]
    """Where the camera says that it was, in order."""
    messages: int
    """How many there were, whatever they were."""


class Tap:
    """Takes messages and times out of an answer, and reads them, as soon as it is parsed.

    Follows the library's plugin interface. What the library sees then holds no message, and no time to choke on.
    """

    def __init__(self, camera_id: str, clock: Clock, clock_offset_seconds: float, tally: EventTally) -> None:
        self._camera_id = camera_id
        self._clock = clock
        self._offset = clock_offset_seconds
        self._tally = tally
        self._events: list[DeviceEvent] = []
        self._fixes: list[PositionFix] = []
        self._messages = 0
        self.seconds_left: float | None = None
        """How long the subscription lives, as of the latest answer that told; by the camera's clock, which may be any,
        but by the difference of two times of it."""
        self.address = ""
        """Where the subscription is, as the camera has it; empty until it told."""
        self.reference: list[Any] = []
        """Header elements that every request to the subscription must repeat (WS-Addressing, 3.1)."""

    def into(self, service: Any) -> None:
        """See the answers of a service of the library."""
        for client in (service.zeep_client, service.zeep_client_authless):
            client.plugins.append(self)

    def drain(self) -> Pulled:
        """What came since the last call."""
        pulled = Pulled(events=self._events, fixes=self._fixes, messages=self._messages)
        self._events, self._fixes, self._messages = [], [], 0
        return pulled

    def egress(self, envelope: Any, http_headers: Any, operation: Any, binding_options: Any) -> tuple[Any, Any]:
        """Called by the library; requests go as they are."""
        del operation, binding_options
        return envelope, http_headers

    def ingress(self, envelope: Any, http_headers: Any, operation: Any) -> tuple[Any, Any]:
        """Called by the library with an answer, parsed."""
        del operation
        arrival = Arrival(camera=self._camera_id, received_at=self._clock.now(), clock_offset_seconds=self._offset)
        notifications = list(envelope.iter(_NOTIFICATION))
        for notification in notifications[:MAX_MESSAGES]:
            self._note(read_message(notification, arrival))
        for notification in notifications:
            # Not before all are read: a prefix in their text is declared above them.
            notification.getparent().remove(notification)
        self._messages += len(notifications)
        self._tally.dropped += max(0, len(notifications) - MAX_MESSAGES)
        times = {name: list(envelope.iter(f"{{*}}{name}")) for name in ("CurrentTime", "TerminationTime")}
        now, end = (read_time(found[0].text or "") if found else None for found in times.values())
        self.seconds_left = (end - now).total_seconds() if now and end else None
        for element in chain.from_iterable(times.values()):
            element.getparent().remove(element)
        for reference in envelope.iter(_REFERENCE):
            self.address = (reference.findtext(f"{_WSA}Address") or "").strip()
            self.reference = [copy.deepcopy(one) for one in reference.iterfind(f"{_WSA}ReferenceParameters/*")]
        return envelope, http_headers

    def _note(self, outcome: DeviceEvent | PositionFix | Unread) -> None:
        if isinstance(outcome, Unread):
            self._tally.count(outcome)
        elif isinstance(outcome, PositionFix):
            self._tally.positions += 1
            self._fixes.append(outcome)
        else:
            self._tally.events += 1
            self._events.append(outcome)


class PullPoint:
    """A live subscription. For one event loop, one call at a time."""

    def __init__(self, camera_id: str, device: Device, url: str, tap: Tap, clock: Clock) -> None:
        self._camera_id = camera_id
        self._device = device
        self._url = url
        self._tap = tap
        self._clock = clock
        self._renews = True
        self._ends_at = clock.monotonic() + LIFETIME_SECONDS

    async def prepare(self) -> None:
        """Before anything else."""
        for namespace in (PULL_POINT, SUBSCRIPTION):
            self._tap.into(await self._device.client.prepare(namespace, self._url))
        self._note_end()

    async def synchronize(self) -> None:
        """Ask for the state of everything; many cameras tell it unasked, and some know no such request."""
        with suppress(NoVideo):
            await self._call(PULL_POINT, "SetSynchronizationPoint", {})

    async def pull(self, seconds: float, limit: int) -> Pulled:
        """Wait up to `seconds` for messages, `limit` of them. Raises SubscriptionLost and as OnvifClient.call."""
        # Never so long that the subscription might end of itself meanwhile.
        seconds = max(_LEAST_PULL_SECONDS, min(seconds, (self._ends_at - self._clock.monotonic()) / 2))
        wanted = {"Timeout": timedelta(seconds=round(seconds)), "MessageLimit": limit}
        try:
            await self._call(PULL_POINT, "PullMessages", wanted, CALL_SECONDS + seconds)
        except NoVideo as error:
            raise SubscriptionLost(
                self._camera_id, f"{self._device.where} knows our event subscription no more", "it is made again"
            ) from error
        self._note_end()
        return self._tap.drain()

    async def keep(self) -> None:
        """Renew it when pulling alone does not keep it alive. Raises as OnvifClient.call, but never NoVideo."""
        if not self._renews or self._ends_at - self._clock.monotonic() > LIFETIME_SECONDS / 2:
            return
        try:
            await self._call(SUBSCRIPTION, "Renew", {"TerminationTime": duration(LIFETIME_SECONDS)})
        except NoVideo as error:
            # A subscription that is lost shows at the next pull.
            self._renews = False
            log.info("event_subscription_not_renewed", camera=self._camera_id, reason=type(error).__name__)
        else:
            self._ends_at = self._clock.monotonic() + LIFETIME_SECONDS
            self._note_end()

    async def end(self) -> None:
        """Tell the camera to forget it, if it listens: it allows few."""
        with suppress(IngestError):
            await self._call(SUBSCRIPTION, "Unsubscribe", {}, _FAREWELL_SECONDS)

    async def _call(
        self, namespace: str, operation: str, arguments: dict[str, Any], seconds: float = CALL_SECONDS
    ) -> None:
        if self._tap.reference:
            arguments = {**arguments, "_soapheaders": [copy.deepcopy(one) for one in self._tap.reference]}
        await self._device.client.call(namespace, self._url, operation, arguments, seconds=seconds)

    def _note_end(self) -> None:
        if self._tap.seconds_left is not None:
            self._ends_at = self._clock.monotonic() + self._tap.seconds_left


def duration(seconds: float) -> str:
    """As xs:duration."""
    return f"PT{round(seconds)}S"
