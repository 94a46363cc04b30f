"""Positions of a vehicle from an NMEA 0183 server: the box or router in it that forwards its GNSS receiver."""

import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import structlog

from gridwatch.domain import Clock, GridwatchError, PositionFix
from gridwatch.ingest.positions_nmea import LineCutter, Refusal, read_sentence

log = structlog.get_logger(__name__)

CONNECT_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 15.0
"""A receiver speaks every second, also without a fix; one that is silent for so long is no longer there."""
_CHUNK: Final = 4096


class PositionsLost(GridwatchError):  # noqa: N818 - named like its siblings
    """A source gives no positions (any more); the message says why."""


class NmeaReader:
    """Reads one server. `run_once` in one thread, `stop` from any; one use each."""

    def __init__(
        self, url: str, clock: Clock, on_fix: Callable[[PositionFix], None], silence: float = SILENCE_SECONDS
    ) -> None:
        """`url` is `tcp://host:port`, checked. `on_fix` gets each fix in the thread of `run_once`."""
        self._url = url
        self._clock = clock
        self._on_fix = on_fix
        self._silence = silence
        self._stopping = threading.Event()
        self._socket: socket.socket | None = None
        self.refused: Counter[str] = Counter()
        """Lines that gave no fix, by `Refusal`, and `overlong`."""

    def run_once(self) -> None:
        """Connect and read until told to stop. Raises PositionsLost when that ends by itself."""
        where = urlsplit(self._url)
        try:
            with socket.create_connection((where.hostname, where.port), timeout=CONNECT_SECONDS) as connection:
                connection.settimeout(self._silence)
                self._socket = connection
                if not self._stopping.is_set():
                    log.info("positions_connected", source=self._url)
                    self._read(connection)
        except TimeoutError as error:
            raise PositionsLost(f"{self._url} is silent; check the receiver and its network") from error
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise PositionsLost(f"{self._url} cannot be read: {reason}; check its address and network") from error

    def stop(self) -> None:
        """End `run_once` soon; one that is connecting ends within CONNECT_SECONDS."""
        self._stopping.set()
        connection = self._socket
        if connection is not None:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has ended by itself
                return

    def _read(self, connection: socket.socket) -> None:
        cutter = LineCutter()
        while data := connection.recv(_CHUNK):
            received_at = self._clock.now()
            for line in cutter.cut(data):
                result = read_sentence(line, received_at)
                if isinstance(result, Refusal):
                    self.refused[result] += 1
                else:
                    self._on_fix(result)
            self.refused["overlong"] = cutter.overlong
        if not self._stopping.is_set():
            raise PositionsLost(f"{self._url} closed the connection; check that it allows another client")
