"""Where the cameras that move are: their sources, supervised, and what each camera's analysis asks."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog

from gridwatch.app.backoff import Backoff
from gridwatch.app.positions_onvif import OnvifPositions
from gridwatch.bus import BrokerAddress, CameraPath, PositionFeed
from gridwatch.config import CameraConfig, MovingConfig
from gridwatch.domain import Clock, FixVerdict, Incident, Phase, Position, PositionFix, PositionTrack
from gridwatch.ingest import NmeaReader, PositionsLost

Put = Callable[[str, Sequence[Incident]], None]
"""Takes incidents of a camera."""

log = structlog.get_logger(__name__)

AHEAD = timedelta(seconds=5)
"""A fix further in our future tells of a wrong clock; kept, enough of them would push out the good ones."""
RETRY_CAP = 10.0
"""Longest wait in seconds before a lost source is tried again; within the usual `max_age_seconds`."""


class Answer(StrEnum):
    """What became of a fix or a question, beside `FixVerdict`."""

    AHEAD = "ahead"  # a fix from our future
    UNKNOWN = "unknown"  # asked for a time of which no fix is near


class PositionKeeper:
    """The track of one moving camera. Thread-safe."""

    def __init__(self, camera: CameraConfig, moving: MovingConfig, clock: Clock) -> None:
        self._camera = camera
        self._clock = clock
        self._lock = threading.Lock()
        self._track = PositionTrack(max_age=timedelta(seconds=moving.max_age_seconds))
        self._trouble: str | None = None
        self._places: dict[UUID, Position] = {}
        """Of the open incidents that were placed."""
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """Fixes by `FixVerdict`, and what `Answer` counts."""
        with self._lock:
            return dict(self._counts)

    def take(self, fix: PositionFix) -> None:
        """Add a fix; one that is refused is counted, and logged when the one before it was not."""
        ahead = fix.at - self._clock.now() > AHEAD
        with self._lock:
            self._track, verdict = (self._track, Answer.AHEAD) if ahead else self._track.adding(fix)
            self._counts[str(verdict)] += 1
            if verdict is FixVerdict.KNOWN:
                return
            refused = None if verdict is FixVerdict.KEPT else str(verdict)
            news, self._trouble = refused != self._trouble, refused
        if refused and news:
            log.warning("position_refused", camera=self._camera.id, why=refused, at=fix.at.isoformat())

    def position_at(self, moment: datetime) -> Position:
        """Where the camera was; the place that the deployment gives it when no fix is near in time."""
        with self._lock:
            track = self._track
            place = track.position_at(moment)
            if place is None:
                self._counts[str(Answer.UNKNOWN)] += 1
        if place is None:
            latest = track.fixes[-1].at.isoformat() if track.fixes else "never"
            log.warning("position_unknown", camera=self._camera.id, at=moment.isoformat(), latest_fix=latest)
            return self._camera.place
        return place

    def remember(self, incident: Incident) -> None:
        """It was raised in an earlier run, with its place."""
        with self._lock:
            self._places[incident.id] = incident.position

    def place(self, incident: Incident) -> Incident:
        """`incident` where the camera was when it occurred, in all its messages."""
        with self._lock:
            known = self._places.pop(incident.id, None)
        position = known or self.position_at(incident.occurred_at)
        if incident.phase is not Phase.CLEARED:
            with self._lock:
                self._places[incident.id] = position
        return replace(incident, position=position)


class _NmeaSource:
    """Owns the thread that reads one server for the cameras of one vehicle."""

    def __init__(self, url: str, keepers: Sequence[PositionKeeper], clock: Clock) -> None:
        self._url = url
        self._keepers = tuple(keepers)
        self._clock = clock
        self._stopping = threading.Event()
        self._reader: NmeaReader | None = None
        self._lock = threading.Lock()
        name = f"positions-{url.removeprefix('tcp://')}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        self._stopping.set()
        with self._lock:
            reader = self._reader
        if reader is not None:
            reader.stop()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)
        if self._thread.is_alive():
            log.warning("positions_thread_left_behind", source=self._url, after_seconds=timeout)

    def _run(self) -> None:
        backoff = Backoff(cap=RETRY_CAP)
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            reader = NmeaReader(self._url, self._clock, self._take)
            with self._lock:
                self._reader = reader
            try:
                if not self._stopping.is_set():
                    reader.run_once()
            except PositionsLost as error:
                log.warning("positions_lost", reason=str(error), refused=dict(reader.refused))
            except Exception:  # the supervisor: a bug must not end the retries
                log.exception("positions_failed", source=self._url)
            self._stopping.wait(backoff.next_delay(self._clock.monotonic() - began))

    def _take(self, fix: PositionFix) -> None:
        for keeper in self._keepers:
            keeper.take(fix)


class Positions:
    """The moving cameras among those of a worker. `start` once, `close` once; without any, nothing runs."""

    def __init__(self, cameras: Sequence[CameraConfig], address: BrokerAddress, node: str, clock: Clock) -> None:
        self._clock = clock
        self._keepers: dict[str, PositionKeeper] = {}
        by_server: dict[str, list[PositionKeeper]] = {}
        over_mqtt: list[CameraPath] = []
        over_onvif: list[CameraConfig] = []
        for camera in cameras:
            if camera.moving is None:
                continue
            keeper = self._keepers[camera.id] = PositionKeeper(camera, camera.moving, clock)
            if camera.moving.nmea is not None:
                by_server.setdefault(camera.moving.nmea, []).append(keeper)
            elif camera.moving.onvif:
                over_onvif.append(camera)
            else:
                over_mqtt.append(CameraPath(site=camera.site_path, camera=camera.id))
        self._servers = [_NmeaSource(url, keepers, clock) for url, keepers in by_server.items()]
        self._onvif = OnvifPositions(over_onvif, self._take, clock, RETRY_CAP)
        self._feed = None
        if over_mqtt:
            self._feed = PositionFeed(address, f"gridwatch-{node}-positions", over_mqtt, self._take, clock)

    def of(self, camera: CameraConfig) -> Callable[[datetime], Position]:
        """What tells where `camera` was: its track when it moves, else always its place."""
        keeper = self._keepers.get(camera.id)
        return keeper.position_at if keeper is not None else lambda _: camera.place

    def placing(self, put: Put, still_open: Iterable[Incident] = ()) -> Put:
        """`put`, for incidents that know their camera's configured place only (health, device alarms).

        `still_open` are those of an earlier run: they stay where they were raised.
        """
        for one in still_open:
            if one.camera in self._keepers:
                self._keepers[one.camera].remember(one)

        def placed(camera: str, incidents: Sequence[Incident]) -> None:
            keeper = self._keepers.get(camera)
            put(camera, incidents if keeper is None else [keeper.place(one) for one in incidents])

        return placed

    def told(self, camera: str, fix: PositionFix) -> None:
        """Take what the camera's ONVIF event told; of no effect for one that has its positions from elsewhere."""
        self._onvif.told(camera, fix)

    def counts(self) -> dict[str, dict[str, int]]:
        """By moving camera, what `PositionKeeper.counts` has."""
        return {camera: keeper.counts for camera, keeper in self._keepers.items()}

    def start(self) -> None:
        """Start following; connecting goes on in the background."""
        for server in self._servers:
            server.start()
        self._onvif.start()
        if self._feed is not None:
            self._feed.start()

    def close(self, timeout: float) -> None:
        """Stop and join every thread."""
        deadline = self._clock.monotonic() + timeout
        for server in self._servers:
            server.ask_to_stop()
        self._onvif.ask_to_stop()
        if self._feed is not None:
            self._feed.close(timeout)
        for server in self._servers:
            server.join(max(0.0, deadline - self._clock.monotonic()))
        self._onvif.join(max(0.0, deadline - self._clock.monotonic()))
        if self._keepers:
            log.info("positions_stopped", cameras=self.counts())

    def _take(self, camera: str, fix: PositionFix) -> None:
        self._keepers[camera].take(fix)
