"""What `gridwatch watch` knows: open incidents, cameras and nodes of a site, from their messages alone."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from gridwatch.bus import (
    CameraStateTopic,
    Delivery,
    IncidentTopic,
    NodeState,
    NodeStateTopic,
    NodeStatus,
    OutboxState,
    decode_health,
    decode_incident,
    decode_node,
    parse_topic,
)
from gridwatch.domain import CHINESE, CameraHealth, CameraState, Incident, Phase, Severity

FEED: Final = 12
"""Messages shown, newest first."""
OPEN: Final = 1000
"""Open incidents kept; beyond, the oldest is forgotten and counted."""
SEVERITY_STYLE: Final = {Severity.CRITICAL: "bold red", Severity.MAJOR: "red", Severity.MINOR: "yellow"}
_CAMERA_STYLE: Final = {CameraState.UP: "green", CameraState.CONNECTING: "yellow"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """What stands above the tables."""

    site: str
    broker: str
    link: str
    """`connected`, or why not."""
    now: datetime


class Board:
    """The state of a site. Not thread-safe: one thread takes and shows."""

    def __init__(self) -> None:
        self.open: dict[UUID, Incident] = {}
        self.feed: deque[Incident] = deque(maxlen=FEED)
        self.cameras: dict[str, CameraHealth] = {}
        self.nodes: dict[str, NodeStatus] = {}
        self.forgotten = 0
        self._ended: deque[UUID] = deque(maxlen=OPEN)
        """Incidents that are over, so that a message overtaken by the end opens none again."""

    def take(self, delivery: Delivery) -> Incident | None:
        """Note a message, and return the incident if it is one. Raises MalformedMessage."""
        topic = parse_topic(delivery.topic)
        if isinstance(topic, IncidentTopic):
            incident = decode_incident(delivery.topic, delivery.payload, delivery.content_type)
            self._note(incident)
            return incident
        if isinstance(topic, CameraStateTopic):
            if delivery.payload:
                self.cameras[str(topic.camera)] = decode_health(delivery.topic, delivery.payload)
            else:  # somebody deleted the retained state
                self.cameras.pop(str(topic.camera), None)
        elif isinstance(topic, NodeStateTopic):
            where = f"{topic.site}/{topic.node}"
            if delivery.payload:
                self.nodes[where] = decode_node(delivery.topic, delivery.payload)
            else:
                self.nodes.pop(where, None)
        return None

    def render(self, heading: Heading) -> RenderableType:
        """The whole screen."""
        title = Text.assemble(
            (f"{heading.site}  ", "bold"), (f"{heading.broker}  ", "dim"), (heading.link, _link_style(heading.link)),
            (f"  {heading.now:%H:%M:%S} UTC", "dim"),
        )  # fmt: skip
        return Group(title, self._open_table(heading.now), self._feed_table(), self._camera_table(), self._node_table())

    def _note(self, incident: Incident) -> None:
        known = self.open.get(incident.id)
        if incident.id in self._ended or (known is not None and incident.seq <= known.seq):
            return
        self.feed.appendleft(incident)
        if incident.phase is Phase.CLEARED:
            self.open.pop(incident.id, None)
            self._ended.append(incident.id)
            return
        self.open[incident.id] = incident
        if len(self.open) > OPEN:
            del self.open[next(iter(self.open))]
            self.forgotten += 1

    def _open_table(self, now: datetime) -> Table:
        table = _table(f"Open incidents 未结束 {len(self.open)}", "for", "site", "camera", "kind", "severity", "count")
        newest = sorted(self.open.values(), key=lambda one: one.occurred_at, reverse=True)
        for one in newest[:FEED]:
            table.add_row(
                _duration((now - one.occurred_at).total_seconds()), str(one.site), one.camera,
                f"{one.kind} {CHINESE[one.kind]}", _severity(one), str(one.count),
            )  # fmt: skip
        if len(newest) > FEED or self.forgotten:
            table.caption = f"and {len(newest) - len(newest[:FEED]) + self.forgotten} older"
        return table

    def _feed_table(self) -> Table:
        table = _table("Messages 消息", "time (UTC)", "site", "camera", "kind", "phase", "severity", "count")
        for one in self.feed:
            table.add_row(
                f"{one.observed_at:%H:%M:%S}", str(one.site), one.camera, f"{one.kind} {CHINESE[one.kind]}",
                f"{one.phase} {CHINESE[one.phase]}", _severity(one), str(one.count),
            )  # fmt: skip
        return table

    def _camera_table(self) -> Table:
        up = sum(one.state is CameraState.UP for one in self.cameras.values())
        table = _table(
            f"Cameras 摄像机 {up} of {len(self.cameras)} up", "camera", "site", "state", "since (UTC)", "why"
        )
        troubled_first = sorted(self.cameras.values(), key=lambda one: (one.state is CameraState.UP, one.camera))
        for one in troubled_first[: 2 * FEED]:
            state = Text(f"{one.state} {CHINESE[one.state]}", _CAMERA_STYLE.get(one.state, "bold red"))
            table.add_row(one.camera, str(one.site), state, f"{one.since:%m-%d %H:%M:%S}", escape(one.reason))
        if len(troubled_first) > 2 * FEED:
            table.caption = f"and {len(troubled_first) - 2 * FEED} more"
        return table

    def _node_table(self) -> Table:
        table = _table("Nodes 节点", "node", "site", "state", "outbox", "started (UTC)")
        for one in sorted(self.nodes.values(), key=lambda one: one.node):
            style = "green" if one.state is NodeState.UP else "bold red" if one.state is NodeState.LOST else "yellow"
            table.add_row(
                one.node, str(one.site), Text(str(one.state), style), _outbox(one), f"{one.started_at:%m-%d %H:%M:%S}"
            )
        return table


def line_of(incident: Incident) -> str:
    """A message in a line, for output that is no terminal."""
    return (
        f"{incident.observed_at:%Y-%m-%dT%H:%M:%SZ} {incident.phase} {incident.severity} {incident.kind} "
        f"{incident.site}/{incident.camera} rule={incident.rule} count={incident.count} id={incident.id}"
    )


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", expand=True, border_style="dim")
    for one in headings:
        table.add_column(one, overflow="fold")
    return table


def _severity(incident: Incident) -> Text:
    return Text(f"{incident.severity} {CHINESE[incident.severity]}", SEVERITY_STYLE.get(incident.severity, ""))


def _outbox(node: NodeStatus) -> Text:
    lost = f", {node.outbox_lost} lost" if node.outbox_lost else ""
    return Text(f"{node.outbox}{lost}", "green" if node.outbox is OutboxState.OK and not lost else "bold red")


def _link_style(link: str) -> str:
    return "green" if link == "connected" else "bold red"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
