"""The watch command: what happens at a site, live, from the broker alone."""

import queue
import secrets
import sys
from contextlib import suppress
from getpass import getpass
from pathlib import Path
from typing import Final

import structlog
from pydantic import SecretStr, ValidationError
from rich.console import Console
from rich.live import Live

from gridwatch.app.board import Board, Heading, line_of
from gridwatch.app.shutdown import StopSignal
from gridwatch.bus import BrokerAddress, Channel, Delivery, LinkState, MalformedMessage, Subscriber, subscriptions
from gridwatch.config import load_settings
from gridwatch.config.services import BrokerConfig
from gridwatch.domain import Clock, Incident, SitePath, UsageError

log = structlog.get_logger(__name__)

_WAITING: Final = 10_000
"""Messages not shown yet; beyond, what comes is dropped and counted."""
_PERIOD: Final = 0.25
"""Seconds between two looks of the screen."""
_CHANNELS: Final = (Channel.INCIDENT, Channel.STATE, Channel.NODE)


class Watcher:
    """Subscribes to a site, and keeps its board up to date. Used by one thread."""

    def __init__(self, broker: BrokerConfig, site: SitePath, clock: Clock) -> None:
        self.board = Board()
        self.dropped = 0
        self.malformed = 0
        self._site = site
        self._clock = clock
        self._waiting: queue.Queue[Delivery] = queue.Queue(_WAITING)
        self._address = BrokerAddress.from_config(broker)
        # Not persistent: it sees what happens while somebody looks, and many may look.
        self._subscriber = Subscriber(
            self._address, f"watch-{secrets.token_hex(6)}", subscriptions(site, *_CHANNELS), self._arrived,
            persistent=False, clock=clock,
        )  # fmt: skip

    def start(self) -> None:
        """Start subscribing."""
        self._subscriber.start()

    def close(self, timeout: float) -> None:
        """Leave the broker."""
        self._subscriber.close(timeout)

    def take(self, timeout: float) -> list[Incident]:
        """Note what came, waiting up to `timeout` seconds for the first; the incidents among it, in order."""
        said: list[Incident] = []
        with suppress(queue.Empty):
            delivery = self._waiting.get(timeout=timeout)
            while True:
                self._note(delivery, said)
                delivery = self._waiting.get_nowait()
        return said

    @property
    def heading(self) -> Heading:
        """What stands above the tables."""
        status = self._subscriber.status
        link = "connected" if status.state is LinkState.CONNECTED else status.reason or str(status.state)
        lost = ", ".join(
            f"{count} {what}" for count, what in ((self.dropped, "dropped"), (self.malformed, "bad")) if count
        )
        link = f"{link} ({lost})" if lost else link
        return Heading(site=str(self._site), broker=str(self._address), link=link, now=self._clock.now())

    def _note(self, delivery: Delivery, said: list[Incident]) -> None:
        try:
            incident = self.board.take(delivery)
        except MalformedMessage as error:
            self.malformed += 1
            log.warning("malformed_message", topic=delivery.topic, reason=error.reason)
        else:
            said += [incident] if incident else []

    def _arrived(self, delivery: Delivery) -> None:
        """In the network's thread."""
        try:
            self._waiting.put_nowait(delivery)
        except queue.Full:
            self.dropped += 1


def choose_broker(
    config: Path, broker: str | None, username: str | None, tls_ca: Path | None, site: str | None
) -> tuple[BrokerConfig, SitePath]:
    """Where to look, and at what: as named, else as the deployment says. Raises UsageError."""
    if broker is None:
        if username or tls_ca:
            raise UsageError("--username and --tls-ca go with --broker; without it the deployment says them")
        deployment = load_settings(config).deployment
        return deployment.services.broker, _site(site or deployment.district.id)
    if site is None:
        raise UsageError("--broker needs --site: there is no deployment that says which")
    password = None
    if username is not None:
        asked = getpass(f"Password of {username}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        password = SecretStr(asked)
    try:
        place = BrokerConfig(url=broker, username=username, password=password, tls_ca=tls_ca)
    except ValidationError as error:
        raise UsageError("--broker is written mqtt://host[:port] or mqtts://host[:port]") from error
    return place, _site(site)


def _site(text: str) -> SitePath:
    try:
        return SitePath.parse(text)
    except ValueError as error:
        raise UsageError(f"--site: {error}") from error


def run_watch(broker: BrokerConfig, site: SitePath, clock: Clock, console: Console) -> None:
    """Show a site until SIGINT or SIGTERM: tables on a terminal, else a line for each message about an incident."""
    watcher = Watcher(broker, site, clock)
    with StopSignal() as stop:
        watcher.start()
        try:
            if console.is_terminal:
                _show(watcher, console, stop)
            else:
                _tell(watcher, console, stop)
        finally:
            watcher.close(5)


def _show(watcher: Watcher, console: Console, stop: StopSignal) -> None:
    with Live(watcher.board.render(watcher.heading), console=console, screen=True, auto_refresh=False) as live:
        while not stop.event.is_set():
            watcher.take(_PERIOD)
            live.update(watcher.board.render(watcher.heading), refresh=True)


def _tell(watcher: Watcher, console: Console, stop: StopSignal) -> None:
    before = ""
    while not stop.event.is_set():
        for incident in watcher.take(_PERIOD):
            console.print(line_of(incident), markup=False, soft_wrap=True)
        link = watcher.heading.link
        if link != before:
            log.info("watch_link", link=link)
        before = link
