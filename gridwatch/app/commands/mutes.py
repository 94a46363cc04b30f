"""Rules that raise nothing for a time."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from gridwatch.detectors import Analysis
from gridwatch.domain import Clock, Incident, Mute, Phase

Put = Callable[[str, Sequence[Incident]], None]


class KeepsMutes(Protocol):
    """Where mutes outlive a restart. `CommandMemory` is one."""

    def mutes(self) -> Mapping[tuple[str, str], Mute]:
        """By camera and rule."""

    def keep_mute(self, camera: str, mute: Mute) -> None:
        """Keep it instead of an earlier one of that rule."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MuteState:
    """What is mute on a camera."""

    mutes: tuple[Mute, ...] = ()
    """Those that have not ended, by rule."""
    muted: int = 0
    """Incidents not raised, since the worker started."""


class Mutes:
    """Lets through what may be told. Thread-safe; messages of one incident come in order.

    What was raised before a mute goes on and is cleared. What would have been raised during one is not told; where it
    goes on after that, it is raised then, by its next message, without a picture.
    """

    def __init__(self, kept: KeepsMutes, clock: Clock, on_change: Callable[[], None] = lambda: None) -> None:
        """`on_change` is called when a rule was muted or is no longer. Raises what `kept` raises."""
        self._kept = kept
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._mutes = dict(kept.mutes())
        self._hidden: dict[UUID, str] = {}
        """Camera of each incident that goes on and was not told."""
        self._late: dict[UUID, tuple[str, int]] = {}
        """Of those that were raised late: their camera, and how many messages nobody heard."""
        self._counts: dict[str, int] = {}

    def tell_of(self, on_change: Callable[[], None]) -> None:
        """Call this instead from now on."""
        self._on_change = on_change

    def mute(self, camera: str, rule: str, until: datetime) -> Mute:
        """From now on, and after a restart. Raises what keeping it raises, with nothing changed."""
        mute = Mute(rule=rule, until=until)
        self._kept.keep_mute(camera, mute)
        with self._lock:
            self._mutes[camera, rule] = mute
        self._on_change()
        return mute

    def state(self, camera: str) -> MuteState:
        """Of one camera."""
        now = self._clock.now()
        with self._lock:
            mutes = [one for (where, _), one in self._mutes.items() if where == camera and one.until > now]
            return MuteState(mutes=tuple(sorted(mutes, key=lambda one: one.rule)), muted=self._counts.get(camera, 0))

    def begin_anew(self, camera: str) -> None:
        """Whoever raises of `camera` goes on with what was told, and knows nothing of the rest."""
        with self._lock:
            self._hidden = {one: where for one, where in self._hidden.items() if where != camera}
            self._late = {one: late for one, late in self._late.items() if late[0] != camera}

    def passing(self, put: Put) -> Put:
        """`put`, given only what may be told."""

        def put_what_may_be_told(camera: str, incidents: Sequence[Incident]) -> None:
            put(camera, self.let_through(camera, incidents))

        return put_what_may_be_told

    def let_analysis_through(self, camera: str, analysis: Analysis) -> Analysis:
        """What a frame gave, without what may not be told."""
        if not analysis.incidents:
            return analysis
        told = self.let_through(camera, analysis.incidents)
        raised = {one.id for one in told if one.phase is Phase.RAISED}
        pictures = tuple((owner, picture) for owner, picture in analysis.snapshots if owner in raised)
        return replace(analysis, incidents=tuple(told), snapshots=pictures)

    def let_through(self, camera: str, incidents: Sequence[Incident]) -> list[Incident]:
        """Those that may be told, numbered as who hears them expects."""
        now = self._clock.now()
        with self._lock:
            return [told for one in incidents if (told := self._told(camera, one, now)) is not None]

    def _told(self, camera: str, one: Incident, now: datetime) -> Incident | None:
        mute = self._mutes.get((camera, one.rule))
        is_mute = mute is not None and mute.until > now
        if one.phase is Phase.RAISED:
            if not is_mute:
                return one
            self._hidden[one.id] = camera
            self._counts[camera] = self._counts.get(camera, 0) + 1
            return None
        if one.id in self._hidden:
            if one.phase is Phase.CLEARED:
                del self._hidden[one.id]
                return None
            if is_mute:
                return None
            del self._hidden[one.id]
            self._late[one.id] = (camera, one.seq)
            return replace(one, phase=Phase.RAISED, seq=0)
        _, unheard = self._late.get(one.id, (camera, 0))
        if one.phase is Phase.CLEARED:
            self._late.pop(one.id, None)
        return replace(one, seq=one.seq - unheard) if unheard else one
