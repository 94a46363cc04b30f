"""Tracks to incidents: one file a rule, each a frozen value that a picture turns into its successor."""

from zoneinfo import ZoneInfo

from gridwatch.config.model import CameraConfig
from gridwatch.config.rules import (
    AbandonedObjectRule,
    CrowdingRule,
    FireSmokeRule,
    IntrusionRule,
    LineCrossingRule,
    LoiteringRule,
    RemovedObjectRule,
    RuleConfig,
    StoppedVehicleRule,
    WrongWayRule,
)
from gridwatch.config.schedule import parse_span
from gridwatch.detectors.rules.abandoned import AbandonedObject
from gridwatch.detectors.rules.base import Moment, Resumed, Rule, RuleEvent, RuleStep, Zone
from gridwatch.detectors.rules.crowding import Crowding
from gridwatch.detectors.rules.duty import OnDuty
from gridwatch.detectors.rules.fire_smoke import FireSmoke
from gridwatch.detectors.rules.intrusion import Intrusion
from gridwatch.detectors.rules.line_crossing import LineCrossing, Segment
from gridwatch.detectors.rules.loitering import Loitering
from gridwatch.detectors.rules.removed import RemovedObject
from gridwatch.detectors.rules.stopped_vehicle import StoppedVehicle
from gridwatch.detectors.rules.thoughts import Explains, Stance, Thought
from gridwatch.detectors.rules.wrong_way import WrongWay
from gridwatch.domain import IncidentKind

LASTING = frozenset({IncidentKind.STOPPED_VEHICLE, IncidentKind.ABANDONED_OBJECT, IncidentKind.REMOVED_OBJECT})
"""Kinds that are about what does not move by itself: what stands where it stood before an outage is the same."""

__all__ = [
    "LASTING",
    "AbandonedObject",
    "Crowding",
    "Explains",
    "FireSmoke",
    "Intrusion",
    "LineCrossing",
    "Loitering",
    "Moment",
    "RemovedObject",
    "Resumed",
    "Rule",
    "RuleEvent",
    "RuleStep",
    "Segment",
    "Stance",
    "StoppedVehicle",
    "Thought",
    "WrongWay",
    "Zone",
    "build",
]


def build(camera: CameraConfig, aspect: float) -> dict[str, Rule]:
    """The camera's rules by id, having seen nothing; `aspect` is width over height of its pictures.

    Raises KeyError for a zone or line that the camera lacks; a checked configuration has none.
    """
    return {rule.id: _on_duty(rule, camera, aspect) for rule in camera.rules}


def _on_duty(rule: RuleConfig, camera: CameraConfig, aspect: float) -> Rule:
    return OnDuty(
        settings=rule, inner=_build(rule, camera, aspect), timezone=ZoneInfo(camera.timezone or "UTC"),
        spans=tuple(parse_span(text) for text in rule.schedule or ()),
    )  # fmt: skip


def _build(rule: RuleConfig, camera: CameraConfig, aspect: float) -> Rule:
    built: Rule
    match rule:
        case IntrusionRule():
            built = Intrusion.new(rule, Zone(camera.zones[rule.zone]), aspect)
        case LoiteringRule():
            built = Loitering.new(rule, Zone(camera.zones[rule.zone]), aspect)
        case StoppedVehicleRule():
            built = StoppedVehicle.new(rule, Zone(camera.zones[rule.zone]), aspect)
        case WrongWayRule():
            built = WrongWay.new(rule, Zone(camera.zones[rule.zone]), aspect)
        case LineCrossingRule():
            built = LineCrossing(settings=rule, segment=Segment.of(camera.lines[rule.line], aspect))
        case CrowdingRule():
            built = Crowding(settings=rule, zone=Zone(camera.zones[rule.zone]))
        case AbandonedObjectRule():
            built = AbandonedObject.new(rule, Zone(camera.zones[rule.zone]), aspect)
        case RemovedObjectRule():
            built = RemovedObject.new(rule, Zone(camera.zones[rule.zone]), aspect)
        case FireSmokeRule():
            built = FireSmoke(settings=rule, zone=Zone(camera.zones[rule.zone]))
    return built
