"""Frigate's `events` topic: the life of a tracked object as new, update and end, each with `before` and `after`.

Read of `after` is only what stands in this file. Names of persons and plates (`sub_label`, `recognized_license_plate`,
`attributes`) and pictures are counted and left.
"""

from collections.abc import Mapping
from datetime import datetime

from gridwatch.config import Deployment
from gridwatch.config.sources import FrigateRule, FrigateSource
from gridwatch.domain import Box, IncidentBox
from gridwatch.sources.model import Arrived, Change, Reading, Told, Unread, Where
from gridwatch.sources.reading import (
    Json,
    Unreadable,
    believable,
    count_identities,
    is_object,
    moment,
    names,
    number,
    read_json,
    text,
)

_TYPES = frozenset({"new", "update", "end"})


class FrigateAdapter:
    """Reads the messages of one Frigate. Pure, thread-safe."""

    def __init__(self, source: FrigateSource, deployment: Deployment) -> None:
        self._source = source
        self._where = {name: Where.of(bound, deployment) for name, bound in source.cameras.items()}

    def read(self, arrived: Arrived) -> Reading:
        """One message. Raises Unreadable."""
        message = read_json(arrived.payload)
        if not is_object(message) or message.get("type") not in _TYPES:
            raise Unreadable("neither new, update nor end")
        after = message.get("after")
        if not is_object(after):
            raise Unreadable("after is no object")
        identities = count_identities(after)
        where = self._where.get(text(after, "camera"))
        if where is None:
            return Reading(unread=Unread.UNBOUND, identities=identities, reason="of a camera that is not bound")
        told = self._told(message, after, where, arrived)
        unread = None if told else Unread.UNKNOWN
        return Reading(told=told, unread=unread, identities=identities)

    def _told(
        self, message: Mapping[str, Json], after: Mapping[str, Json], where: Where, arrived: Arrived
    ) -> tuple[Told, ...]:
        identity, label = text(after, "id"), text(after, "label", 64)
        score = number(after.get("top_score"), "top_score", 0, 1)
        entered = set(names(after.get("entered_zones"), "entered_zones"))
        if after.get("false_positive") is True:
            return ()
        is_over = message["type"] == "end"
        seen_at = self._time(after.get("end_time" if is_over else "frame_time"), arrived)
        began_at = min(self._time(after.get("start_time"), arrived), seen_at)
        return tuple(
            Told(
                where=where, kind=rule.kind, severity=rule.severity, rule=f"{self._source.id}.{rule.id}",
                subject=f"{rule.id}/{identity}", once=True, news=True, change=Change.OFF if is_over else Change.ON,
                occurred_at=began_at, observed_at=seen_at, boxes=self._boxes(after, label, score), score=score,
            )
            for rule in self._source.rules
            if _is_meant(rule, text(after, "camera"), label, score) and (not rule.zones or entered & set(rule.zones))
        )  # fmt: skip

    def _time(self, value: Json, arrived: Arrived) -> datetime:
        return believable(moment(value), arrived.received_at, self._source.max_age)

    def _boxes(self, after: Mapping[str, Json], label: str, score: float) -> tuple[IncidentBox, ...]:
        """`box` is in pixels of the `detect` picture; without its size there is no saying where that is."""
        size, box = self._source.pictures.get(text(after, "camera")), after.get("box")
        if size is None or box is None:
            return ()
        if not isinstance(box, list) or len(box) != 4:
            raise Unreadable("box has no four corners")
        x1, y1, x2, y2 = (min(1.0, number(one, "box", 0, 1e6) / size[at % 2]) for at, one in enumerate(box))
        if x1 > x2 or y1 > y2:
            raise Unreadable("box is inside out")
        return (IncidentBox(box=Box(x1=x1, y1=y1, x2=x2, y2=y2), label=label, score=score),)


def _is_meant(rule: FrigateRule, camera: str, label: str, score: float) -> bool:
    return label in rule.labels and score >= rule.min_score and (not rule.cameras or camera in rule.cameras)
