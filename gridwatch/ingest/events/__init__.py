"""What cameras tell of themselves over ONVIF, as incidents."""

from gridwatch.ingest.events.alarms import AlarmState, DeviceAlarms
from gridwatch.ingest.events.model import DeviceEvent, EventTally, Operation
from gridwatch.ingest.events.pullpoint import SubscriptionLost
from gridwatch.ingest.events.reader import EventReader, NoEventService, NoPullPoint, TakesEvents, warm_up

__all__ = [
    "AlarmState", "DeviceAlarms", "DeviceEvent", "EventReader", "EventTally", "NoEventService", "NoPullPoint",
    "Operation", "SubscriptionLost", "TakesEvents", "warm_up",
]  # fmt: skip
