"""Messages whose meaning the configuration gives: which value begins what, which ends it, and where in them that is."""

from gridwatch.config import Deployment
from gridwatch.config.sources import Condition, TopicSource, WebhookSource
from gridwatch.sources.model import Arrived, Change, Reading, Told, Unread, Where
from gridwatch.sources.reading import (
    Json,
    Unreadable,
    at_path,
    believable,
    count_identities,
    moment,
    number,
    read_json,
)

_MAX_SUBJECT = 200
_MAX_COUNT = 1_000_000


class MappedAdapter:
    """Reads messages by a mapping. Pure, thread-safe."""

    def __init__(self, source: TopicSource | WebhookSource, deployment: Deployment) -> None:
        self._source = source
        self._map = source.map
        self._is_text = isinstance(source, TopicSource) and source.format == "text"
        self._only = None if source.map.camera is None else Where.of(source.map.camera, deployment)
        self._named = {name: Where.of(bound, deployment) for name, bound in source.map.cameras.items()}

    def read(self, arrived: Arrived) -> Reading:
        """One message. Raises Unreadable."""
        message = self._parsed(arrived.payload)
        identities = count_identities(message)
        change = self._change(message)
        if change is None:
            return Reading(unread=Unread.UNKNOWN, identities=identities, reason="neither begins nor ends anything")
        where = self._only or self._named.get(_word(at_path(message, self._map.camera_path or ""), "camera"))
        if where is None:
            return Reading(unread=Unread.UNBOUND, identities=identities, reason="of a camera that is not bound")
        told = self._told(message, where, change, arrived)
        return Reading(told=(told,), identities=identities)

    def _parsed(self, payload: bytes) -> Json:
        if not self._is_text:
            return read_json(payload)
        try:
            return payload.decode().strip()
        except UnicodeDecodeError as exc:
            raise Unreadable("not UTF-8") from exc

    def _change(self, message: Json) -> Change | None:
        if _holds(self._map.raise_when, message):
            lasts = self._map.clear_when is not None or self._map.lasts
            return Change.ON if lasts else Change.MOMENT
        ends = self._map.clear_when is not None and _holds(self._map.clear_when, message)
        return Change.OFF if ends else None

    def _told(self, message: Json, where: Where, change: Change, arrived: Arrived) -> Told:
        mapping = self._map
        subject = "" if mapping.subject is None else _word(at_path(message, mapping.subject), "subject")
        told_at = None if mapping.time is None else moment(at_path(message, mapping.time))
        at = believable(told_at, arrived.received_at, self._source.max_age)
        return Told(
            where=where, kind=mapping.kind, severity=mapping.severity, rule=f"{self._source.id}.{mapping.rule}",
            subject=f"{where.camera}/{subject}", once=False, news=not arrived.stored, change=change, occurred_at=at,
            observed_at=at, score=_optional(message, mapping.score, "score", 1.0),
            count=round(_optional(message, mapping.count, "count", _MAX_COUNT)),
        )  # fmt: skip


def _optional(message: Json, path: str | None, what: str, most: float) -> float:
    """The number there; 1 where none is mapped, or none is there. Raises Unreadable for anything else."""
    value = None if path is None else at_path(message, path)
    return 1.0 if value is None else number(value, what, 0, most)


def _word(value: Json, what: str) -> str:
    """A name or number as text. Raises Unreadable."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > _MAX_SUBJECT:
        raise Unreadable(f"{what} is neither a name nor a number")
    return str(value)


def _holds(condition: Condition, message: Json) -> bool:
    value = at_path(message, condition.path)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    above, below = condition.above, condition.below
    checks = (
        condition.equals is None or _same(value, condition.equals),
        condition.one_of is None or any(_same(value, one) for one in condition.one_of),
        above is None or (is_number and isinstance(value, int | float) and value > above),
        below is None or (is_number and isinstance(value, int | float) and value < below),
    )
    return all(checks)


def _same(value: Json, wanted: str | float) -> bool:
    """Equal and of one kind: `true` is not 1, and not "true"."""
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted
