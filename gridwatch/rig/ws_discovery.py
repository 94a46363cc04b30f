"""Answers WS-Discovery probes for the virtual cameras, as ONVIF devices do (ONVIF Core 7)."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import structlog

log = structlog.get_logger(__name__)

GROUP, PORT = "239.255.255.250", 3702
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_KNOWN_TYPES = {"NetworkVideoTransmitter", "Device"}


class DiscoveryResponder(asyncio.DatagramProtocol):
    """Listens on `host`'s interface for probes and answers each with every camera. Belongs to one event loop."""

    def __init__(self, devices: Callable[[], Mapping[str, str]]) -> None:
        """`devices` gives the device service's URL by camera id, of those that live, anew for each probe."""
        self._devices = devices
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, host: str) -> None:
        """Join the group on the interface that has the IPv4 address `host`. Raises OSError."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            # Others on this machine may listen too: a multicast reaches all of them.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setblocking(False)
            listening.bind(("", PORT))
            group = socket.inet_aton(GROUP) + socket.inet_aton(host)
            listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=listening)
        except OSError:
            listening.close()
            raise

    async def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Answer a probe for devices of ours; anything else is ignored."""
        relates_to = _probe_id(data)
        if relates_to is not None and self._transport is not None:
            for camera, url in self._devices().items():
                self._transport.sendto(probe_match(camera, url, relates_to).encode(), addr)

    def error_received(self, exc: Exception) -> None:
        """Nobody waits for the answer any more."""
        log.debug("ws_discovery_answer_lost", reason=str(exc))


def _probe_id(data: bytes) -> str | None:
    """MessageID of a probe that asks for what we are, else None."""
    try:
        text = data.decode()
        if "<!DOCTYPE" in text:
            return None
        message = ET.fromstring(text)  # noqa: S314 - without a DTD there are no entities
    except (UnicodeDecodeError, ET.ParseError):
        return None
    probe = message.find(f".//{{{_DISCOVERY}}}Probe")
    if probe is None:
        return None
    types = {one.rpartition(":")[2] for one in probe.findtext(f"{{{_DISCOVERY}}}Types", "").split()}
    if types and not types & _KNOWN_TYPES:
        return None
    return message.findtext(f".//{{{_ADDRESSING}}}MessageID", "").strip() or None


def probe_match(camera: str, url: str, relates_to: str) -> str:
    """The whole answer for one camera."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        f'xmlns:a="{_ADDRESSING}" xmlns:d="{_DISCOVERY}" xmlns:dn="http://www.onvif.org/ver10/network/wsdl" '
        'xmlns:tds="http://www.onvif.org/ver10/device/wsdl"><s:Header>'
        f"<a:MessageID>urn:uuid:{uuid4()}</a:MessageID><a:RelatesTo>{escape(relates_to)}</a:RelatesTo>"
        f"<a:To>{_ADDRESSING}/role/anonymous</a:To><a:Action>{_DISCOVERY}/ProbeMatches</a:Action>"
        '<d:AppSequence InstanceId="1" MessageNumber="1"/></s:Header><s:Body><d:ProbeMatches><d:ProbeMatch>'
        f"<a:EndpointReference><a:Address>urn:uuid:{uuid5(NAMESPACE_URL, url)}</a:Address></a:EndpointReference>"
        "<d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types><d:Scopes>"
        f"onvif://www.onvif.org/Profile/Streaming onvif://www.onvif.org/name/{escape(camera)}</d:Scopes>"
        f"<d:XAddrs>{escape(url)}</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion>"
        "</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    )
