"""Objects followed by a rule, each with one incident at most, however its track flickers.

A rule says of each object in each picture whether its condition holds (`Judgement`); what is common is here: a lost
track is continued by one that begins near it, the condition must hold for a time, an incident is raised once, updated
while it lasts and cleared when the condition has not held for a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from gridwatch.config.rules import VisitRule
from gridwatch.detectors.rules.base import (
    Episode,
    Moment,
    Resumed,
    RuleEvent,
    anchor,
    as_box,
    distance,
    history,
    is_believed,
    is_cooling,
    is_seen,
    is_watched,
    size,
)
from gridwatch.detectors.rules.thoughts import Stance, Thought, unbelieved
from gridwatch.detectors.tracker import CONFIRMED_HITS, kin_of
from gridwatch.domain import Box, Track

M = TypeVar("M")
"""What a rule remembers of one object besides."""

_REACH: Final = 1.0
"""Sizes of the object within which a new track continues a lost one at once..."""
_REACH_PER_SECOND: Final = 0.7
"""...and how many more for each second since: a walk of 1.2 m/s over a height of 1.7 m."""
_STILL_REACH: Final = 0.5
"""Sizes within which a new track continues a lost one that stood, whenever that was."""
_NEVER: Final = float("-inf")
_NOBODY: Final = -(2**62)
"""Ids below it are nobody's: trackers count from 1, what is found in pixels has negative ones."""
_BEFORE: Final = -1e-6
"""Just before stream time begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement(Generic[M]):
    """What a rule says of an object as it is seen now."""

    holds: bool
    """The rule's condition: inside, standing, going the wrong way."""
    memory: M
    follow: bool = False
    """Where it does not hold: whether to go on following the object."""
    since: float | None = None
    """Stream time since when it holds; None: since it was first said to."""
    still: bool = False
    """It stands, so whoever continues its track must be where it was."""
    patience: float | None = None
    """Seconds without a track, or without the condition, after which it is forgotten, when nothing was raised on it.
    None: the rule's."""


Judge = Callable[[M | None, Track, Moment], Judgement[M]]
"""Given what is remembered of an object (None: it is new), and its track as seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit(Generic[M]):
    """One object; survives changes of its track."""

    track: Track
    """Its latest track, as last seen while it was held or followed."""
    kept: float
    """Stream time when it last gave reason to follow it; a coasting track goes on giving it."""
    since: float | None
    """Since when the condition holds; None while it does not."""
    held: float
    """Stream time when the condition last held."""
    memory: M | None
    episode: Episode | None = None
    row: int = 0
    """Pictures in a row in which the condition held, without those in which it was missed."""
    still: bool = False
    patience: float | None = None
    blind: float = 0.0
    """Seconds nobody looked since it was last seen."""
    suppressed: bool = False
    """It would have been raised, but for the cool-down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitsStep(Generic[M]):
    """What visits become after a picture, and what is said about them."""

    visits: "Visits[M]"
    events: tuple[RuleEvent, ...]
    suppressed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Visits(Generic[M]):
    """The objects that a rule follows. A frozen value, like the rule."""

    settings: VisitRule
    aspect: float
    """Width of the picture over its height."""
    gap: float
    """Seconds without the condition, or without a track, after which an object with no incident is forgotten."""
    together: bool = False
    """Whether for one who comes out from behind another the condition has held since it held for that one."""
    visits: tuple[Visit[M], ...] = ()

    def step(
        self, moment: Moment, tracks: Sequence[Track], judge: Judge[M], seconds: Callable[[Visit[M]], float]
    ) -> VisitsStep[M]:
        """Follow, adopt, raise, update and clear. `seconds`: how long the condition must hold."""
        alive = {track.id: track for track in tracks if is_watched(self.settings, track)}
        known = [self._follow(visit, alive.get(visit.track.id), moment, judge) for visit in self.visits]
        events: list[RuleEvent] = []
        kept: list[Visit[M]] = []
        suppressed = 0
        for visit in self._welcome(known, alive, moment, judge):
            after, said = self._speak(visit, alive.get(visit.track.id), moment, seconds)
            events += said
            if after is not None:
                suppressed += after.suppressed and not visit.suppressed
                kept.append(after)
        return VisitsStep(visits=replace(self, visits=tuple(kept)), events=tuple(events), suppressed=suppressed)

    def finish(self, moment: Moment) -> VisitsStep[M]:
        """Clear whatever is open and forget everybody."""
        events = [v.episode.clear(moment, (as_box(v.track),)) for v in self.visits if v.episode is not None]
        return VisitsStep(visits=replace(self, visits=()), events=tuple(events), suppressed=0)

    def resume(
        self, resumed: Sequence[Resumed], *, still: bool = False, recall: Callable[[Box], M] | None = None
    ) -> "Visits[M]":
        """With objects that were last seen before the first picture, to be found again near where they were.

        `still`: where they were and nowhere else. `recall`: what the rule would remember of one, by its box.
        """
        visits: list[Visit[M]] = []
        for number, one in enumerate(resumed, 1):
            if one.boxes:
                memory = None if recall is None else recall(one.boxes[0].box)
                visits.append(replace(_resumed(number, one, memory), still=still))
        return replace(self, visits=tuple(visits))

    def explain(
        self,
        moment: Moment,
        tracks: Sequence[Track],
        seconds: Callable[[Visit[M]], float],
        describe: Callable[[Track, Visit[M] | None], tuple[str, str]],
    ) -> tuple[Thought, ...]:
        """What is thought of each track. `describe`: the state of one, and what it is that must last."""
        visits = {visit.track.id: visit for visit in self.visits}
        return tuple(self._explain(moment, track, visits.get(track.id), seconds, describe) for track in tracks)

    def _explain(
        self,
        moment: Moment,
        track: Track,
        visit: Visit[M] | None,
        seconds: Callable[[Visit[M]], float],
        describe: Callable[[Track, Visit[M] | None], tuple[str, str]],
    ) -> Thought:
        doubt = unbelieved(self.settings, track)
        if doubt is not None:
            return doubt
        state, lasts = describe(track, visit)
        thought = Thought(rule=self.settings.id, subject=track.id, stance=Stance.NO, text=state)
        if visit is None:
            return thought
        if visit.episode is not None:
            gone = moment.pts - visit.held
            text = state if gone <= 0 else f"{state}; clears in {self.settings.clear_seconds - gone:.1f} s"
            return replace(thought, stance=Stance.RAISED, text=f"incident open: {text}")
        if visit.since is None:
            return thought
        lasted, needed = moment.pts - visit.since, seconds(visit)
        held = f"{state}; {lasts} {lasted:.1f} of {needed:g} s"
        if is_cooling(moment, track.box, self.aspect):
            held += "; cooling down here"
        elif visit.row < self.settings.inertia:
            held += f"; {visit.row} of {self.settings.inertia} pictures in a row"
        return replace(thought, stance=Stance.NEARS, text=held, value=lasted, threshold=needed)

    def _follow(self, visit: Visit[M], track: Track | None, moment: Moment, judge: Judge[M]) -> Visit[M]:
        if track is None:
            return replace(visit, blind=visit.blind + moment.blind)
        if not is_seen(track, moment):
            # Coasting keeps it as it was last seen, which may have been elsewhere or otherwise.
            if track.last_seen > visit.track.last_seen:
                return visit
            holds = visit.held >= visit.kept
            return replace(visit, kept=moment.pts, held=moment.pts if holds else visit.held)
        return self._judged(visit, judge(visit.memory, track, moment), track, moment)

    def _judged(self, visit: Visit[M], said: Judgement[M], track: Track, moment: Moment) -> Visit[M]:
        if not said.holds:
            lapsed = moment.is_after(visit.held, self.gap) and visit.episode is None
            changed = replace(visit, memory=said.memory, row=0, since=None if lapsed else visit.since)
            if not said.follow:
                return changed
            return replace(changed, track=track, kept=moment.pts, still=said.still, patience=said.patience, blind=0.0)
        since = said.since if said.since is not None else moment.pts if visit.since is None else visit.since
        return replace(
            visit, track=track, kept=moment.pts, held=moment.pts, since=since, memory=said.memory, row=visit.row + 1,
            still=said.still, patience=said.patience, blind=0.0,
        )  # fmt: skip

    def _welcome(
        self, known: list[Visit[M]], alive: dict[int, Track], moment: Moment, judge: Judge[M]
    ) -> list[Visit[M]]:
        """The visits with everybody who is in none of them: a lost object found again, or a new one."""
        visits = list(known)
        followed = {visit.track.id for visit in known}
        for track in alive.values():
            if track.id in followed or not is_seen(track, moment):
                continue
            lost = [
                (self._apart(visit, track), index)
                for index, visit in enumerate(visits)
                if self._may_be(visit, track, alive.get(visit.track.id), moment)
            ]
            if lost:
                found = visits[min(lost)[1]]
                said = judge(found.memory, track, moment)
                if said.holds or said.follow:
                    visits[min(lost)[1]] = self._judged(found, said, track, moment)
            elif (new := self._begun(track, known, moment, judge)) is not None:
                visits.append(new)
        return visits

    def _begun(self, track: Track, known: list[Visit[M]], moment: Moment, judge: Judge[M]) -> Visit[M] | None:
        """A visit of somebody new, as it would be had `track` been shown from its first detection on."""
        visit: Visit[M] | None = None
        for then, when in history(track, moment):
            said = judge(None if visit is None else visit.memory, then, when)
            if visit is None:
                if not (said.holds or said.follow):
                    continue
                since = self._since_of_companion(track, known, moment)
                visit = Visit(track=then, kept=when.pts, since=since, held=_NEVER, memory=None)
            visit = self._judged(visit, said, then, when)
        return visit

    def _since_of_companion(self, track: Track, known: list[Visit[M]], moment: Moment) -> float | None:
        """Since when the condition holds for whom `track` came out from behind of a moment ago."""
        if not self.together or track.behind is None or moment.pts - track.first_seen > self.gap:
            return None
        return next((one.since for one in known if one.track.id == track.behind and one.held >= moment.pts), None)

    def _may_be(self, visit: Visit[M], track: Track, current: Track | None, moment: Moment) -> bool:
        """True when `track` can be the object of `visit`: born after that was last seen, and not too far from it."""
        if current is not None and is_seen(current, moment):
            return False
        last_seen = visit.track.last_seen if current is None else current.last_seen
        if track.first_seen <= last_seen or kin_of(track.label) != kin_of(visit.track.label):
            return False
        away = moment.pts - last_seen + visit.blind
        reach = _STILL_REACH if visit.still else _REACH + _REACH_PER_SECOND * away
        return self._apart(visit, track) <= reach * max(
            size(visit.track.box, self.aspect), size(track.box, self.aspect)
        )

    def _apart(self, visit: Visit[M], track: Track) -> float:
        """Distance of what the rule goes by, in heights of the picture."""
        return distance(anchor(self.settings, visit.track.box), anchor(self.settings, track.box), self.aspect)

    def _speak(
        self, visit: Visit[M], track: Track | None, moment: Moment, seconds: Callable[[Visit[M]], float]
    ) -> tuple[Visit[M] | None, list[RuleEvent]]:
        """What the visit becomes, None when it is over, and what is to say about it."""
        if visit.episode is None:
            return self._may_raise(visit, track, moment, seconds)
        boxes = (as_box(visit.track),)
        if not moment.on_duty:
            return replace(visit, episode=None), [visit.episode.clear(moment, boxes)]
        if visit.held < moment.pts:
            if not moment.is_after(visit.held, self.settings.clear_seconds):
                return visit, []
            followed = visit.kept >= moment.pts
            over = replace(visit, episode=None, since=None, suppressed=False)
            return over if followed else None, [visit.episode.clear(moment, boxes)]
        if moment.is_after(visit.episode.last_pts, self.settings.update_seconds):
            episode, event = visit.episode.update(moment, boxes, visit.track.best_score)
            return replace(visit, episode=episode), [event]
        return visit, []

    def _may_raise(
        self, visit: Visit[M], track: Track | None, moment: Moment, seconds: Callable[[Visit[M]], float]
    ) -> tuple[Visit[M] | None, list[RuleEvent]]:
        if moment.pts - visit.kept > (self.gap if visit.patience is None else visit.patience):
            return None, []
        if visit.since is None or visit.held < moment.pts or not moment.is_after(visit.since, seconds(visit)):
            return visit, []
        if track is None or not is_seen(track, moment) or not is_believed(self.settings, track):
            return visit, []
        if not moment.on_duty or visit.row < self.settings.inertia:
            return visit, []
        if is_cooling(moment, track.box, self.aspect):
            return replace(visit, suppressed=True), []
        episode, event = Episode.open(str(track.id), moment, (as_box(track),), track.best_score)
        return replace(visit, episode=episode, suppressed=False), [event]


def _resumed(number: int, one: Resumed, memory: M | None) -> Visit[M]:
    """Nobody's track yet: its id is none that a tracker gives, and it was last seen just before the first picture."""
    shown = one.boxes[0]
    track = Track(
        id=_NOBODY - number, label=shown.label, box=shown.box, score=shown.score, best_score=one.episode.score,
        first_seen=_NEVER, last_seen=_BEFORE, hits=CONFIRMED_HITS,
    )  # fmt: skip
    return Visit(track=track, kept=_BEFORE, since=_BEFORE, held=_BEFORE, memory=memory, episode=one.episode)
