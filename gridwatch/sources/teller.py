"""What sources tell, as incidents with the guarantees of our own: one id for life, in order, durable, bounded."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from gridwatch.config.sources import SourceConfig
from gridwatch.domain import Clock, DetectorInfo, Incident, OpenIncident, Phase, incident_id
from gridwatch.sources.memory import KEPT, Known, SourceMemory
from gridwatch.sources.model import Change, Reading, SourceTally, Told

log = structlog.get_logger(__name__)

MAX_OPEN: Final = 256
"""Incidents of one source that go on at the same time; the oldest is given up for another."""
UPDATE_EVERY: Final = timedelta(seconds=5)
"""Least time between two `updated` messages of an incident."""
ADAPTER_VERSION: Final = "1"
_KEY: Final = "\0key\0"
"""Begins the memory's subjects of idempotency keys: no source's own subject holds a NUL of ours."""
_AGAIN: Final = timedelta(minutes=5)
"""A message given again after a crash comes within this; what comes later is about another time."""
_SWEEP: Final = timedelta(hours=1)
"""Time between two looks for what need not be known any more."""

Put = Callable[[Sequence[Incident]], None]
"""Takes incidents; they are on disk when it returns. What it raises, nothing here has happened."""


@dataclass(slots=True)
class _Open:
    latest: Incident
    seen_at: datetime
    updated_at: datetime


@dataclass(slots=True)
class _Allowance:
    left: float
    at: float


def source_of(incident: Incident) -> str:
    """The id of the source that an incident came from; empty when from none."""
    kind, colon, source = (incident.detector.name if incident.detector else "").partition(":")
    return source if colon and kind else ""


class Teller:
    """Turns readings into incidents and hands them on. For one thread at a time.

    An error of `put` or of the memory passes through; the same reading, taken again, then tells what it did not yet.
    """

    def __init__(
        self, sources: Iterable[SourceConfig], memory: SourceMemory, put: Put, clock: Clock,
        still_open: Iterable[OpenIncident] = (),
    ) -> None:  # fmt: skip
        """`still_open`: what the run before left open."""
        self._sources = {source.id: source for source in sources}
        self._memory = memory
        self._put = put
        self._clock = clock
        self.tallies: Mapping[str, SourceTally] = {name: SourceTally() for name in self._sources}
        """By source id."""
        self._open: dict[str, dict[UUID, _Open]] = {name: {} for name in self._sources}
        self._orphans: list[Incident] = []
        for one in still_open:
            name = source_of(one.latest)
            if name in self._open:
                self._open[name][one.latest.id] = _Open(one.latest, one.seen_at, one.seen_at)
            else:
                self._orphans.append(one.latest)
        self._allowances: dict[tuple[str, str], _Allowance] = {}
        self._swept_at = clock.now()

    def take(self, source: str, reading: Reading) -> tuple[Incident, ...]:
        """The incidents of a reading, which are on disk when it returns."""
        incidents = tuple(incident for told in reading.told for incident in self._take(source, told))
        tally = self.tallies[source]
        tally.messages += 1
        tally.identities += reading.identities
        if reading.unread is not None:
            tally.unread[reading.unread] += 1
        return incidents

    def arrival(self, source: str, key: str, at: datetime) -> tuple[datetime, bool]:
        """When the report of that key first came, which is `at` for a new one, and whether it was taken in.

        A report that is sent again is then read as of its first arrival, and so is the same incident.
        """
        known = self._memory.find(source, _KEY + key)
        if known is None:
            known = Known(incident=UUID(int=0), occurred_at=at, told=False)
            self._memory.begin(source, _KEY + key, known, at)
        return known.occurred_at, known.told

    def taken(self, source: str, key: str) -> None:
        """The report of that key was taken in."""
        self._memory.told(source, _KEY + key)

    def tick(self) -> None:
        """End what was not heard of for too long, and what is of sources that are gone. Call every second or so."""
        now = self._clock.now()
        while self._orphans:
            self._put([self._orphans[0].cleared(now)])
            self._orphans.pop(0)
        for name, ours in self._open.items():
            patience = self._sources[name].clear_after
            late = [] if patience is None else [one for one in ours.values() if now - one.seen_at >= patience]
            for one in late:
                self._clear(name, one.latest, now)
        if now - self._swept_at >= _SWEEP:
            self._swept_at = now
            self._memory.forget(now - KEPT)

    def _take(self, source: str, told: Told) -> tuple[Incident, ...]:
        known = self._memory.find(source, told.subject)
        going_on = self._open[source].get(known.incident) if known else None
        if going_on is not None:
            if told.change is Change.ON:
                return self._update(source, going_on, told)
            return (self._clear(source, going_on.latest, told.observed_at),)
        is_over = known is not None and known.told and told.once
        if is_over or not told.news or (told.change is Change.OFF and not told.once):
            self.tallies[source].repeated += 1
            return ()
        raised = self._raise(source, told, known)
        if raised is None:
            return ()
        if told.change is Change.ON:
            return (raised,)
        return (raised, self._clear(source, raised, told.observed_at))

    def _raise(self, source: str, told: Told, known: Known | None) -> Incident | None:
        """None when it was told before, or when its camera raises too many."""
        if known is None or known.told or not _is_that_again(told, known):
            identity = incident_id(told.occurred_at, source, told.where.camera, told.rule, told.subject)
            if known is not None and known.incident == identity:
                self.tallies[source].repeated += 1
                return None
            known = Known(incident=identity, occurred_at=told.occurred_at, told=False)
        if not self._may_raise(source, told.where.camera):
            self.tallies[source].suppressed += 1
            return None
        self._make_room(source)
        incident = self._incident(source, told, known)
        self._memory.begin(source, told.subject, known, self._clock.now())
        self._put([incident])
        self._memory.told(source, told.subject)
        now = self._clock.now()
        self._open[source][incident.id] = _Open(incident, now, now)
        self.tallies[source].raised += 1
        return incident

    def _incident(self, source: str, told: Told, known: Known) -> Incident:
        return Incident(
            id=known.incident, kind=told.kind, severity=told.severity, phase=Phase.RAISED, seq=0,
            site=told.where.site, camera=told.where.camera, rule=told.rule, position=told.where.position,
            occurred_at=known.occurred_at, observed_at=max(told.observed_at, known.occurred_at), boxes=told.boxes,
            score=told.score, count=told.count, evidence=(),
            detector=DetectorInfo(
                name=f"{self._sources[source].type}:{source}", version=ADAPTER_VERSION, weights_sha256=None
            ),
        )  # fmt: skip

    def _update(self, source: str, going_on: _Open, told: Told) -> tuple[Incident, ...]:
        now, before = self._clock.now(), going_on.latest
        going_on.seen_at = now
        says_more = (told.score, told.count, told.boxes) != (before.score, before.count, before.boxes)
        if not says_more or timedelta(0) <= now - going_on.updated_at < UPDATE_EVERY:
            self.tallies[source].repeated += 1
            return ()
        incident = replace(
            before, phase=Phase.UPDATED, seq=before.seq + 1, observed_at=max(told.observed_at, before.observed_at),
            boxes=told.boxes, score=told.score, count=told.count,
        )  # fmt: skip
        self._put([incident])
        going_on.latest, going_on.updated_at = incident, now
        self.tallies[source].updated += 1
        return (incident,)

    def _clear(self, source: str, latest: Incident, at: datetime) -> Incident:
        incident = latest.cleared(max(at, latest.observed_at))
        self._put([incident])
        del self._open[source][latest.id]
        self.tallies[source].cleared += 1
        return incident

    def _make_room(self, source: str) -> None:
        ours = self._open[source]
        if len(ours) >= MAX_OPEN:
            oldest = min(ours.values(), key=lambda one: one.seen_at).latest
            log.warning("source_incident_given_up", source=source, incident=str(oldest.id), open=len(ours))
            self._clear(source, oldest, self._clock.now())

    def _may_raise(self, source: str, camera: str) -> bool:
        """Takes one from the camera's allowance, which refills by itself."""
        config, now = self._sources[source], self._clock.monotonic()
        allowance = self._allowances.setdefault((source, camera), _Allowance(config.burst, now))
        refilled = allowance.left + (now - allowance.at) * config.per_minute / 60
        allowance.left, allowance.at = min(config.burst, refilled), now
        if allowance.left < 1:
            return False
        allowance.left -= 1
        return True


def _is_that_again(told: Told, known: Known) -> bool:
    """Whether `told` is what `known` was about to be told of when the run before ended."""
    return told.once or abs(told.occurred_at - known.occurred_at) <= _AGAIN
