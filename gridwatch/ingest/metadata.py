"""ONVIF metadata as it comes over RTP: packets to documents, documents to the places they tell. No I/O.

A document is a tt:MetadataStream in one packet or several (Streaming 26.06, 5.1.2.1.1). Of what it may hold only events
are read, and of those only where the device itself is: a scene (tt:VideoAnalytics) is about people and vehicles.
"""

import re
from collections import Counter
from typing import Final

from lxml import etree

from gridwatch.domain import PositionFix
from gridwatch.ingest.events.messages import Arrival, read_message

MAX_DOCUMENT: Final = 256 * 1024
"""Bytes; what is longer is not looked at. A scene of a hundred objects has a tenth of it."""
_BEGIN = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:\?xml\b|(?:[\w.-]+:)?MetadataStream\b)")
_END = re.compile(rb"</(?:[\w.-]+:)?MetadataStream\s*>\s*\Z")
_TAIL = 64
"""Bytes in which the end tag is looked for."""
_WORD = b"GeoLocation"
"""In every document that tells of the device's place; others are not parsed."""
_STREAM, _EVENT, _MESSAGE = "MetadataStream", "Event", "NotificationMessage"


class MetadataDocuments:
    """Puts documents together. Holds at most MAX_DOCUMENT bytes. Not thread-safe."""

    def __init__(self) -> None:
        self._parts = bytearray()
        self._skipping = True
        self.refused: Counter[str] = Counter()
        """Documents not handed out: `cut` (it ended before its end, or began before its beginning) and `overlong`."""

    def feed(self, payload: bytes) -> bytes | None:
        """The document that the payload of one RTP packet completes."""
        if _BEGIN.match(payload):
            if self._parts:
                self.refused["cut"] += 1
            self._parts.clear()
            self._skipping = False
        elif self._skipping:
            return None
        self._parts += payload
        if _END.search(self._parts, max(0, len(self._parts) - _TAIL)):
            document = bytes(self._parts)
            self._parts.clear()
            self._skipping = True
            return document
        if len(self._parts) > MAX_DOCUMENT:
            self.refused["overlong"] += 1
            self._parts.clear()
            self._skipping = True
        return None


def read_fixes(document: bytes, arrival: Arrival) -> list[PositionFix]:
    """Where the device says that it was. Raises ValueError for what is no metadata document."""
    if _WORD not in document:
        return []
    # Entities are the danger in XML from strangers; they need a DTD, and none has any business here.
    if b"<!DOCTYPE" in document:
        raise ValueError("a document type")
    try:
        root = etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError as error:
        raise ValueError("no XML") from error
    if root is None or etree.QName(root).localname != _STREAM:
        raise ValueError("no metadata stream")
    messages = root.iterfind(f"{{*}}{_EVENT}/{{*}}{_MESSAGE}")
    return [told for one in messages if isinstance(told := read_message(one, arrival), PositionFix)]
