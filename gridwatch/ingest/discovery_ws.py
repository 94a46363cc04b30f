"""Asks the local networks by WS-Discovery which ONVIF devices are there (ONVIF Core 7, WS-Discovery 2005/04).

Our own probe rather than the WSDiscovery library, which serves as an independent peer in the tests: a client needs two
messages of the standard, and the library neither tells who answered (needed where a device announces addresses that
are not reachable) nor survives one answer with a malformed AppSequence, and leaves out link-local interfaces, where
new cameras are.
"""

import asyncio
import re
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET

import psutil
import structlog

from gridwatch.ingest.discovery_targets import Target, parse_target
from gridwatch.ingest.errors import BadTarget
from gridwatch.ingest.urls import hostname, rehost

log = structlog.get_logger(__name__)

GROUP, PORT = "239.255.255.250", 3702
WAIT_SECONDS = 4.0
"""Devices answer within half a second (APP_MAX_DELAY), slow ones later."""
_REPEATS, _REPEAT_SECONDS = 2, 0.25
"""UDP loses; SOAP-over-UDP has a multicast sent twice."""
_MAX_ANSWERS = 4096
"""More are dropped, lest a flood fills the memory."""
_TYPES = ("dn:NetworkVideoTransmitter", "tds:Device")
"""Old devices know the first only."""
_PROBE = """<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tds="http://www.onvif.org/ver10/device/wsdl"><s:Header>
<a:Action s:mustUnderstand="1">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>
<a:MessageID>urn:uuid:{id}</a:MessageID>
<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>
<a:To s:mustUnderstand="1">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>
<s:Body><d:Probe><d:Types>{types}</d:Types></d:Probe></s:Body></s:Envelope>"""
_HTTP = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Announcement:
    """One device's answer."""

    sender: str
    """IPv4 address that the answer came from: reachable, whatever the device says."""
    addresses: tuple[str, ...]
    """URLs of its device service, as it says."""

    def target(self) -> Target | None:
        """Where to ask it: at the address that it answered from. None when it announced no usable URL."""
        for url in sorted(self.addresses, key=lambda one: f"://{self.sender}" not in one):
            try:
                target = parse_target(url)
                if target.host != self.sender:
                    log.info("ws_discovery_host_rewritten", told=hostname(url), used=self.sender)
                    target = parse_target(rehost(url, self.sender))
            except (BadTarget, ValueError):
                continue
            return target
        return None


def read_answer(data: bytes, sender: str) -> list[Announcement]:
    """The devices in one datagram from `sender`; empty for anything but ProbeMatches."""
    try:
        text = data.decode()
        # Entities are the danger in XML from strangers; they need a DTD, and SOAP forbids one.
        root = None if "<!DOCTYPE" in text else ET.fromstring(text)  # noqa: S314
    except (UnicodeDecodeError, ET.ParseError):
        root = None
    if root is None:
        return []
    found = []
    for match in root.iterfind(".//{*}ProbeMatch"):
        said = (match.findtext("{*}XAddrs") or "").split()
        addresses = tuple(url for url in said if _HTTP.match(url))
        if addresses:
            found.append(Announcement(sender=sender, addresses=addresses))
    return found


async def probe(wait_seconds: float = WAIT_SECONDS) -> list[Target]:
    """Ask every local IPv4 network and wait for answers. Raises BadTarget when none can be asked."""
    answers: list[tuple[bytes, str]] = []
    loop = asyncio.get_running_loop()
    transports: list[asyncio.DatagramTransport] = []
    try:
        for address in local_addresses():
            try:
                transport, _ = await loop.create_datagram_endpoint(lambda: _Listener(answers), sock=_socket(address))
            except OSError as error:
                log.info("ws_discovery_interface_unusable", address=address, reason=error.strerror)
                continue
            transports.append(transport)
        if not transports:
            raise BadTarget("no network interface here can be asked by WS-Discovery; give --network or --address")
        for _ in range(_REPEATS):
            for transport in transports:
                for types in _TYPES:
                    transport.sendto(_PROBE.format(id=uuid4(), types=types).encode(), (GROUP, PORT))
            await asyncio.sleep(_REPEAT_SECONDS)
        await asyncio.sleep(max(0.0, wait_seconds - _REPEATS * _REPEAT_SECONDS))
    finally:
        for transport in transports:
            transport.close()
    found = [one for data, sender in answers for one in read_answer(data, sender)]
    targets = [target for target in (one.target() for one in dict.fromkeys(found)) if target is not None]
    return list(dict.fromkeys(targets))


def local_addresses() -> list[str]:
    """The IPv4 addresses of the interfaces that are up, without 127.0.0.0/8."""
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    listed = [one for name, addresses in psutil.net_if_addrs().items() if name in up for one in addresses]
    given = [one.address for one in listed if one.family == socket.AF_INET]
    return [address for address in dict.fromkeys(given) if not ip_address(address).is_loopback]


def _socket(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        made.setblocking(False)
        made.bind((address, 0))
    except OSError:
        made.close()
        raise
    return made


class _Listener(asyncio.DatagramProtocol):
    """Collects what comes, up to _MAX_ANSWERS."""

    def __init__(self, answers: list[tuple[bytes, str]]) -> None:
        self._answers = answers

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if len(self._answers) < _MAX_ANSWERS:
            self._answers.append((data, addr[0]))

    def error_received(self, exc: Exception) -> None:
        log.info("ws_discovery_send_failed", reason=str(exc))
