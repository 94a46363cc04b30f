from lxml import etree

from gridwatch.domain import FakeClock
from gridwatch.ingest.events import EventTally
from gridwatch.ingest.events.pullpoint import Tap
from tests.unit.ingest.event_messages import notification, parsed


def test_the_library_never_sees_a_message_nor_a_time() -> None:
    tap = Tap("gate-3", FakeClock(), 0.0, EventTally())
    message = parsed(notification("tns1:RuleEngine/Recognition/Face", {"Person": "suspect-4711"}))
    envelope = message.getroottree().getroot()
    etree.SubElement(envelope, "{urn:any}CurrentTime").text = "2026-01-01T00:00:00Z"
    etree.SubElement(envelope, "{urn:any}TerminationTime").text = "2026-01-01T00:01:00Z"
    seen, _ = tap.ingress(envelope, {}, None)
    assert b"suspect-4711" not in etree.tostring(seen)
    assert b"Time" not in etree.tostring(seen)
    assert tap.seconds_left == 60.0
    assert (tap.drain().messages, tap.drain().messages) == (1, 0)
