"""Incident messages as text that PostgreSQL reads: arrays for the statements of a batch, lines of COPY for the rest.

A message is encoded once and used for both; this is most of what a recorder does besides waiting for the server.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from gridwatch.domain import DetectorInfo, Incident, IncidentBox, SitePath
from gridwatch.store.rows import evidence_object

_PLAIN = (
    "incident_id", "seq", "occurred_at", "observed_at", "kind", "severity", "phase", "lon", "lat", "score", "count",
)  # fmt: skip
"""Columns of digits, times and names of ours: nothing that needs quotes anywhere, and never NULL."""
_SOURCE = ("district", "substation", "checkpoint", "camera", "rule", "grid")
_SEPARATOR = "\x1e"
"""Between the details of a batch: JSON has it as an escape only."""
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


@dataclass(frozen=True, slots=True)
class _Source:
    """What all messages of a rule of a camera have in common, written once."""

    copied: str
    """As fields of COPY."""
    elements: tuple[str, ...]
    """As elements of arrays."""


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message and its grid as text."""

    plain: tuple[str, ...]
    source: _Source
    detail: str
    """JSON."""
    line: str
    """Of COPY's text format, without the first two fields."""

    @property
    def incident(self) -> str:
        """Its id; sorts as the ids do."""
        return self.plain[0]

    @property
    def key(self) -> tuple[str, str, str]:
        """Incident, seq and when it occurred."""
        return self.plain[0], self.plain[1], self.plain[2]

    def agrees(self, other: "MessageRow") -> bool:
        """Whether both say the same of when and where their incident occurred; False may be wrong."""
        # The sources are remembered, so they are the same while they are in use.
        return self.source is other.source and self.plain[2] == other.plain[2]


def message_row(incident: Incident, grid: str | None) -> MessageRow:
    """The columns of a message that it brings itself, and its grid."""
    position, occurred_at = incident.position, incident.occurred_at.isoformat()
    plain = (
        f"{incident.id.int:032x}", str(incident.seq), occurred_at, incident.observed_at.isoformat(), incident.kind,
        incident.severity, incident.phase, repr(position.lon), repr(position.lat), repr(incident.score),
        str(incident.count),
    )  # fmt: skip
    source = _source(incident.site, incident.camera, incident.rule, grid)
    detail = _detail(incident)
    # Without control characters there is nothing in JSON to escape but the backslash.
    copied = detail if "\\" not in detail and detail.isprintable() else _copied(detail)
    return MessageRow(plain, source, detail, f"{source.copied}\t{copied}\t" + "\t".join(plain) + "\n")


def copy_line(row: MessageRow, recorded_at: str, cursor: int) -> str:
    """A line of COPY's text format: the columns of the query `append_messages`, in its order."""
    return f"{cursor}\t{recorded_at}\t{row.line}"


def state_parameters(rows: Sequence[MessageRow]) -> dict[str, str]:
    """What `keep_states` takes, for at least one row."""
    plain = zip(_PLAIN, zip(*[row.plain for row in rows], strict=True), strict=True)
    sources = zip(_SOURCE, zip(*[row.source.elements for row in rows], strict=True), strict=True)
    details = _SEPARATOR.join([row.detail for row in rows])
    return {name: array(column) for name, column in (*plain, *sources)} | {"detail": details}


def known_parameters(rows: Mapping[int, MessageRow]) -> dict[str, str]:
    """What `known` takes: at least one message, by its place in the batch."""
    columns = zip(*[row.key for row in rows.values()], strict=True)
    keys = zip(("incident_id", "seq", "occurred_at"), columns, strict=True)
    sources = zip(_SOURCE, zip(*[row.source.elements for row in rows.values()], strict=True), strict=True)
    times = [datetime.fromisoformat(row.key[2]) for row in rows.values()]
    bounds = {"since": min(times).isoformat(), "until": max(times).isoformat()}
    places = array([str(place) for place in rows])
    return {name: array(column) for name, column in (*keys, *sources)} | {"place": places} | bounds


def array(elements: Sequence[str]) -> str:
    """An array of elements that are quoted where they must be: a tenth of what the driver takes for a list."""
    return "{" + ",".join(elements) + "}"


@lru_cache(4096)
def _source(site: SitePath, camera: str, rule: str, grid: str | None) -> _Source:
    columns = (site.district, site.substation, site.checkpoint, camera, rule, grid)
    return _Source("\t".join(map(_copied, columns)), tuple(map(_element, columns)))


def _detail(incident: Incident) -> str:
    # Put together from parts in JSON: the whole through `json.dumps` takes three times as long.
    boxes = ", ".join(map(_box, incident.boxes))
    evidence = json.dumps([evidence_object(one) for one in incident.evidence]) if incident.evidence else "[]"
    return f'{{"boxes": [{boxes}], "evidence": {evidence}, "detector": {_detector(incident.detector)}}}'


def _box(one: IncidentBox) -> str:
    box = one.box
    return f"[{box.x1!r}, {box.y1!r}, {box.x2!r}, {box.y2!r}, {_quoted(one.label)}, {one.score!r}]"


@lru_cache(1024)
def _quoted(text: str) -> str:
    return json.dumps(text)


@lru_cache(64)
def _detector(info: DetectorInfo | None) -> str:
    return json.dumps(None if info is None else [info.name, info.version, info.weights_sha256])


def _copied(text: str | None) -> str:
    """PostgreSQL, COPY, "Text Format"."""
    return r"\N" if text is None else text.translate(_ESCAPES)


def _element(text: str | None) -> str:
    """PostgreSQL, "Array Input and Output Syntax"."""
    return "NULL" if text is None else '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'
