"""What each camera saw, rolled up by the minute at its worker."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from gridwatch.app.health import PutsHealth
from gridwatch.app.sink import Wakes
from gridwatch.bus import MessageRefused, Outbox, OutboxError, encode_observation
from gridwatch.detectors import Analysis
from gridwatch.domain import CameraHealth, ClassCount, Frame, Observation

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Minute:
    """A minute of one camera, while it goes on."""

    begin: datetime
    first: CameraHealth
    """As the counters stood when it began."""
    reports: int = 0
    moving: int = 0
    """Reports since whose last something had moved."""
    moved: bool = False
    """Since the last report."""
    most: Counter[str] = field(default_factory=Counter)
    sightings: Counter[str] = field(default_factory=Counter)

    def observation(self, last: CameraHealth) -> Observation:
        first = self.first
        seconds = max(1.0, (last.observed_at - first.observed_at).total_seconds())
        frames = max(0, last.frames - first.frames)
        return Observation(
            camera=last.camera, site=last.site, minute=self.begin, frames=frames,
            analysed=max(0, last.analysed - first.analysed), detected=max(0, last.detected - first.detected),
            dropped=max(0, last.dropped - first.dropped), moving=self.moving / max(1, self.reports),
            fps=frames / seconds,
            classes=tuple(
                ClassCount(label=label, most=most, sightings=self.sightings[label])
                for label, most in sorted(self.most.items())
            ),
        )  # fmt: skip


class MinuteObserver:
    """Sits between health reports and who publishes them: a camera's minute is over with its first report after it.

    Thread-safe. The minute in which a worker ends is not told of.
    """

    def __init__(self, out: PutsHealth, put: Callable[[Observation], None]) -> None:
        self._out = out
        self._put = put
        self._lock = threading.Lock()
        self._minutes: dict[str, _Minute] = {}

    def saw(self, frame: Frame, analysis: Analysis) -> None:
        """Take what one frame gave."""
        with self._lock:
            minute = self._minutes.get(frame.camera)
            if minute is None:
                return
            minute.moved |= not analysis.idle
            if analysis.detected:
                counts = Counter(track.label for track in analysis.tracks)
                minute.sightings += counts
                minute.most |= counts

    def put_health(self, health: CameraHealth) -> None:
        """Pass it on, and tell of the minute before it when that is over."""
        self._out.put_health(health)
        begin = health.observed_at.replace(second=0, microsecond=0)
        over: Observation | None = None
        with self._lock:
            minute = self._minutes.get(health.camera)
            if minute is not None:
                minute.reports += 1
                minute.moving += minute.moved
                minute.moved = False
            if minute is None or minute.begin != begin:
                over = None if minute is None else minute.observation(health)
                self._minutes[health.camera] = _Minute(begin=begin, first=health)
        if over is not None:
            self._put(over)


def tells_of_minutes(outbox: Outbox, sender: Wakes) -> Callable[[Observation], None]:
    """Puts observations into the outbox; one that has no room there is dropped, and counted by it."""

    def put(observation: Observation) -> None:
        try:
            outbox.append([encode_observation(observation)])
        except (MessageRefused, OutboxError) as error:
            log.warning("observation_lost", camera=observation.camera, reason=str(error))
        else:
            sender.wake()

    return put
