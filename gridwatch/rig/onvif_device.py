"""ONVIF device, media and event services of one virtual camera, over HTTP."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from xml.etree import ElementTree as ET

import structlog

from gridwatch.domain import Clock
from gridwatch.rig import media2_messages
from gridwatch.rig import onvif_messages as messages
from gridwatch.rig.camera import Channel, OnvifStyle
from gridwatch.rig.camera import Fault as CameraFault
from gridwatch.rig.clip import Clip
from gridwatch.rig.credentials import UsernameToken
from gridwatch.rig.http_digest import HttpDigest
from gridwatch.rig.onvif_events import SUBSCRIPTIONS_NS, EventService
from gridwatch.rig.onvif_messages import DEVICE_NS, EVENTS_NS, MEDIA2_NS, MEDIA_NS, Fault
from gridwatch.rig.wire import MAX_HEAD_BYTES, MessageError, Request, Response, read_request

log = structlog.get_logger(__name__)

IDLE_SECONDS = 60.0
"""A kept-alive connection without a request is closed after this."""
MAX_CONNECTIONS = 64
"""More are closed at once."""
DEVICE_PATH = "/onvif/device_service"
_PATHS = {
    DEVICE_NS: DEVICE_PATH, MEDIA_NS: "/onvif/media_service", MEDIA2_NS: "/onvif/media2_service",
    EVENTS_NS: "/onvif/event_service",
}  # fmt: skip
_SUBSCRIPTIONS = "/onvif/subscription/"
"""Path of a pull point, before its number."""
_MISSING = {OnvifStyle.CLASSIC: {MEDIA2_NS}, OnvifStyle.MODERN: {MEDIA_NS}, OnvifStyle.BOTH: set[str]()}
"""Namespaces of the services that a camera does not have."""
_SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
_WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
_WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Call:
    """What an action needs to answer."""

    channel: Channel
    element: ET.Element
    """The action's element, with its arguments."""
    now: datetime
    """By the camera's clock, UTC."""
    services: Mapping[str, str]
    """URL by namespace, as this client reaches them."""
    rtsp_url: str


def _get_geo_location(call: _Call) -> str | Fault:
    place = call.channel.position
    return messages.NOT_SUPPORTED if place is None else messages.geo_locations(place)


def _get_profile(call: _Call) -> str | Fault:
    if not _profile_exists(call):
        return messages.NO_PROFILE
    return messages.profile(call.channel.clip, metadata=call.channel.camera.has_metadata)


def _get_profiles(call: _Call) -> str:
    return messages.profiles(_clip(call), metadata=call.channel.camera.has_metadata)


def _get_stream_uri(call: _Call) -> str | Fault:
    return messages.stream_uri(call.rtsp_url) if _profile_exists(call) else messages.NO_PROFILE


def _get_profiles2(call: _Call) -> str:
    return media2_messages.profiles(_clip(call), metadata=call.channel.camera.has_metadata)


def _get_stream_uri2(call: _Call) -> str | Fault:
    return media2_messages.stream_uri(call.rtsp_url) if _profile_exists(call, MEDIA2_NS) else messages.NO_PROFILE


def _clip(call: _Call) -> Clip | None:
    return None if call.channel.fault is CameraFault.NO_VIDEO else call.channel.clip


def _profile_exists(call: _Call, namespace: str = MEDIA_NS) -> bool:
    token = call.element.findtext(f"{{{namespace}}}ProfileToken")
    return token == messages.PROFILE_TOKEN and call.channel.fault is not CameraFault.NO_VIDEO


_PUBLIC: Mapping[str, Callable[[_Call], str | Fault]] = {
    f"{{{DEVICE_NS}}}GetSystemDateAndTime": lambda call: messages.system_date_and_time(call.now),
    f"{{{DEVICE_NS}}}GetServices": lambda call: messages.services(call.services),
    f"{{{DEVICE_NS}}}GetCapabilities": lambda call: messages.capabilities(call.services),
}
"""Actions of access class PRE_AUTH (ONVIF Core, 5.9.4.3): they need no credentials."""
_PROTECTED: Mapping[str, Callable[[_Call], str | Fault]] = {
    f"{{{DEVICE_NS}}}GetDeviceInformation": lambda call: messages.device_information(call.channel.camera.id),
    f"{{{DEVICE_NS}}}GetGeoLocation": _get_geo_location,
    f"{{{DEVICE_NS}}}GetScopes": lambda call: messages.scopes(call.channel.camera.id),
    f"{{{DEVICE_NS}}}GetNetworkInterfaces": lambda call: messages.network_interfaces(call.channel.camera.id),
    f"{{{MEDIA_NS}}}GetProfiles": _get_profiles,
    f"{{{MEDIA_NS}}}GetProfile": _get_profile,
    f"{{{MEDIA_NS}}}GetStreamUri": _get_stream_uri,
    f"{{{MEDIA2_NS}}}GetProfiles": _get_profiles2,
    f"{{{MEDIA2_NS}}}GetStreamUri": _get_stream_uri2,
}


class OnvifDevice:
    """Serves one camera at `http://host:port/onvif/device_service`. Belongs to one event loop.

    Each camera has a port of its own because clients (onvif-zeep among them) take a host and a port, and the path as
    given.
    """

    def __init__(self, channel: Channel, clock: Clock, rtsp_port: int) -> None:
        self._channel = channel
        self._clock = clock
        self._rtsp_port = rtsp_port
        self._digest = HttpDigest()
        missing = _MISSING[channel.camera.onvif_style] | (set() if channel.camera.has_events else {EVENTS_NS})
        self._paths = {namespace: path for namespace, path in _PATHS.items() if namespace not in missing}
        self.events = EventService(self._now)
        self._clients: dict[asyncio.StreamWriter, asyncio.Event] = {}
        self._server: asyncio.Server | None = None
        self._rebooting: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD_BYTES)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def reboot(self, seconds: float) -> None:
        """Be gone for `seconds`: connections are refused, and subscriptions forgotten. Nothing while it reboots."""
        if self._server is not None and (self._rebooting is None or self._rebooting.done()):
            self._rebooting = asyncio.create_task(self._reboot(self._server, seconds), name="rig-reboot")

    async def _reboot(self, server: asyncio.Server, seconds: float) -> None:
        host, port = server.sockets[0].getsockname()[:2]
        await self._stop_serving()
        await asyncio.sleep(seconds)
        await self.start(host, port)

    async def close(self) -> None:
        """Stop listening, cut every client and wait until their tasks ended."""
        if self._rebooting is not None:
            self._rebooting.cancel()
            await asyncio.wait({self._rebooting})
        await self._stop_serving()

    async def _stop_serving(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self.events.forget_subscriptions()
        cut = dict(self._clients)
        for writer in cut:
            writer.transport.abort()
        for ended in cut.values():
            await ended.wait()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._clients[writer] = ended = asyncio.Event()
        try:
            while (request := await read_request(reader, IDLE_SECONDS)) is not None:
                response = await self._respond(request, writer.get_extra_info("sockname"))
                if response is None:
                    writer.transport.abort()
                    break
                writer.write(response.render("HTTP/1.1"))
                await writer.drain()
                if request.headers.get("connection", "").lower() == "close":
                    break
        except MessageError as error:
            log.info("onvif_bad_request", reason=str(error))
            writer.write(_http(HTTPStatus.BAD_REQUEST).render("HTTP/1.1"))
        except (ConnectionError, TimeoutError) as error:
            log.debug("onvif_client_lost", reason=str(error))
        finally:
            writer.close()
            del self._clients[writer]
            ended.set()

    async def _respond(self, request: Request, local: tuple[str, int]) -> Response | None:
        """The answer, or None for a camera that is dead. `local` is the address the client reached."""
        if self._channel.fault is CameraFault.DROP:
            return None
        path = request.target.partition("?")[0]
        if path not in self._paths.values() and not path.startswith(_SUBSCRIPTIONS):
            return _http(HTTPStatus.NOT_FOUND)
        if request.method != "POST":
            return _http(HTTPStatus.METHOD_NOT_ALLOWED, Allow="POST")
        answer = await self._answer(request, local)
        if isinstance(answer, Response):
            return answer
        status, body = (answer.status, answer.body()) if isinstance(answer, Fault) else (200, answer)
        return _http(
            HTTPStatus(status), messages.envelope(body), **{"Content-Type": "application/soap+xml; charset=utf-8"}
        )

    async def _answer(self, request: Request, local: tuple[str, int]) -> str | Fault | Response:
        message = _parse(request.body)
        element = None if message is None else next(iter(message.find(f"{_SOAP}Body") or ()), None)
        if message is None or element is None:
            return messages.MALFORMED
        channel = self._channel
        now = self._now()
        namespace = element.tag[1:].partition("}")[0]
        if element.tag in _PUBLIC:
            action = _PUBLIC[element.tag]
        elif (refusal := self._refusal(request, message, now)) is not None:
            log.info("onvif_credentials_refused", camera=channel.camera.id)
            return refusal
        elif namespace in {EVENTS_NS, SUBSCRIPTIONS_NS} and channel.camera.has_events:
            return await self._answer_about_events(request.target, element, local)
        elif element.tag in _PROTECTED and namespace in self._paths:
            action = _PROTECTED[element.tag]
        else:
            return messages.NOT_SUPPORTED
        # The address this client used, so that it also works when the rig listens on every interface.
        host, port = channel.camera.told_host or local[0], local[1]
        call = _Call(
            channel=channel,
            element=element,
            now=now,
            services={namespace: f"http://{host}:{port}{path}" for namespace, path in self._paths.items()},
            rtsp_url=f"rtsp://{host}:{self._rtsp_port}/{channel.camera.id}",
        )
        return action(call)

    async def _answer_about_events(self, target: str, element: ET.Element, local: tuple[str, int]) -> str | Fault:
        host, port = self._channel.camera.told_host or local[0], local[1]
        action = element.tag.rpartition("}")[2]
        number = target.removeprefix(_SUBSCRIPTIONS) if target.startswith(_SUBSCRIPTIONS) else ""
        return await self.events.answer(action, element, f"http://{host}:{port}{_SUBSCRIPTIONS}", number)

    def _now(self) -> datetime:
        """By the camera's clock, UTC."""
        return self._clock.now() + timedelta(seconds=self._channel.clock_skew_seconds)

    def _refusal(self, request: Request, message: ET.Element, now: datetime) -> Fault | Response | None:
        """Why the request may not be answered, None when it may."""
        channel = self._channel
        style = channel.camera.onvif_style
        if channel.camera.username is None and channel.fault is not CameraFault.REFUSE:
            return None
        token = _token(message) if style is not OnvifStyle.MODERN else None
        digest = request.headers.get("authorization", "") if style is not OnvifStyle.CLASSIC else ""
        if token is not None:
            return None if not digest and token.proves(channel, now) else messages.NOT_AUTHORIZED
        if style is OnvifStyle.CLASSIC:
            return messages.NOT_AUTHORIZED
        if self._digest.proves(channel, request.method, request.target, digest):
            return None
        return _http(HTTPStatus.UNAUTHORIZED, **{"WWW-Authenticate": self._digest.header})


def _parse(body: bytes) -> ET.Element | None:
    """The SOAP 1.2 envelope, or None."""
    # Entities are the danger in XML from strangers; they need a DTD, and SOAP forbids one. Decoding first makes sure
    # that no other encoding hides it.
    try:
        text = body.decode()
        if "<!DOCTYPE" in text:
            return None
        message = ET.fromstring(text)  # noqa: S314
    except (UnicodeDecodeError, ET.ParseError):
        return None
    return message if message.tag == f"{_SOAP}Envelope" else None


def _token(message: ET.Element) -> UsernameToken | None:
    token = message.find(f"{_SOAP}Header/{_WSSE}Security/{_WSSE}UsernameToken")
    if token is None:
        return None
    return UsernameToken(
        username=token.findtext(f"{_WSSE}Username", ""),
        digest=token.findtext(f"{_WSSE}Password", ""),
        nonce=token.findtext(f"{_WSSE}Nonce", ""),
        created=token.findtext(f"{_WSU}Created", ""),
    )


def _http(status: HTTPStatus, body: str = "", **headers: str) -> Response:
    return Response(status=status, reason=status.phrase, headers=headers, body=body)
