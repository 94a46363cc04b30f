"""One ONVIF device as something to call: credentials, time limits, and the library's errors as ours."""

import asyncio
import logging
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import zeep.exceptions

from gridwatch.ingest.errors import CameraLocked, CameraRefused, CameraUnreachable, IngestError, NoVideo
from gridwatch.ingest.urls import Credentials

CALL_SECONDS = 5.0
"""Limit of one call; the library alone would wait 90 s for a dead peer."""

DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
EVENTS = "http://www.onvif.org/ver10/events/wsdl"
PULL_POINT = f"{EVENTS}#PullPointSubscription"
SUBSCRIPTION = f"{EVENTS}#SubscriptionManager"
GEOLOCATION = f"{DEVICE}#GeoLocation"
MEDIA_PROFILES = f"{MEDIA}#Profiles"
"""Four more bindings of the namespace before the `#`."""
_BINDINGS = {
    DEVICE: ("devicemgmt.wsdl", "DeviceBinding"), MEDIA: ("media.wsdl", "MediaBinding"),
    MEDIA2: ("media2.wsdl", "Media2Binding"), EVENTS: ("events.wsdl", "EventBinding"),
    PULL_POINT: ("events.wsdl", "PullPointSubscriptionBinding"),
    SUBSCRIPTION: ("events.wsdl", "SubscriptionManagerBinding"),
    GEOLOCATION: ("geolocation.wsdl", "GeoLocationBinding"), MEDIA_PROFILES: ("profiles.wsdl", "ProfilesBinding"),
}  # fmt: skip
MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""More is no answer; the largest of the real ones, GetProfiles of a recorder of 64 channels, have a tenth of it."""
_OUR_WSDL = Path(__file__).parent / "wsdl"
"""Of services, and operations, that the library does not describe, or not well enough."""
_OURS = frozenset({MEDIA2, GEOLOCATION, MEDIA_PROFILES})

_LOCKED = re.compile(r"\blocked\b|>\s*lock\s*<", re.IGNORECASE)
"""How devices say that an account is locked, in a fault's reason or a page: `User is locked`, `<lockStatus>lock<`."""
_PAGE_BYTES = 4096
"""What is read of a page that comes with a refusal."""


class OnvifClient:
    """Calls operations of one device, in one event loop; what it opens is closed by `stack`.

    Credentials go by HTTP Digest where the device asks for it, else by WS-UsernameToken once it refused to answer
    without: never both at once, which some devices refuse.
    """

    def __init__(
        self,
        camera_id: str,
        where: str,
        credentials: Credentials | None,
        stack: AsyncExitStack,
        tls_ca: Path | None = None,
    ) -> None:
        """`where` is how messages name the device; `tls_ca` as in `rtsp.open_stream`."""
        self._tls_ca = tls_ca
        self._camera_id = camera_id
        self._where = where
        self._credentials = credentials
        self._stack = stack
        self._services: dict[tuple[str, str], Any] = {}
        self._clock_offset = timedelta()
        self._by_token = False
        self._wants_digest = False

    def set_clock_offset(self, offset: timedelta) -> None:
        """The device's clock minus ours: tokens carry the device's own time."""
        self._clock_offset = offset
        self._services.clear()

    async def call(
        self,
        namespace: str,
        url: str,
        operation: str,
        arguments: dict[str, Any] | None = None,
        *,
        seconds: float = CALL_SECONDS,
    ) -> Any:
        """The answer to `operation` of the service `namespace` (DEVICE, MEDIA, EVENTS...) at `url`.

        Each try may take `seconds`, and there are two at most. Raises CameraRefused, CameraLocked,
        CameraUnreachable, or NoVideo when the device cannot do it.
        """
        try:
            return await self._try(namespace, url, operation, arguments, seconds)
        except CameraLocked:
            raise
        except CameraRefused:
            if self._credentials is None or self._by_token or self._wants_digest:
                raise
        self._by_token = True
        return await self._try(namespace, url, operation, arguments, seconds)

    async def prepare(self, namespace: str, url: str) -> Any:
        """Read the service's description from disk, so that a call after it takes no longer than the device."""
        service = self._services.get((namespace, url))
        if service is None:
            service = self._services[namespace, url] = await self._make_service(namespace, url)
        return service

    async def _try(
        self, namespace: str, url: str, operation: str, arguments: dict[str, Any] | None, seconds: float
    ) -> Any:
        service = await self.prepare(namespace, url)
        async with _our_errors(self._camera_id, self._where, operation, seconds):
            name = operation if self._by_token else f"authless_{operation}"
            return await getattr(service, name)(arguments or {})

    async def _make_service(self, namespace: str, url: str) -> Any:
        service_class, wsdl, insecure = _library()
        file, binding = _BINDINGS[namespace]
        service = service_class(
            url,
            self._credentials.username if self._credentials else None,
            self._credentials.password.get_secret_value() if self._credentials else None,
            str((_OUR_WSDL if namespace in _OURS else wsdl) / file),
            # The cache is an SQLite file in the home directory, shared by every thread; the WSDL lies on disk anyway.
            no_cache=True,
            dt_diff=self._clock_offset,
            binding_name=f"{{{namespace.partition('#')[0]}}}{binding}",
        )
        self._stack.push_async_callback(service.close)
        # Cameras sign their own certificates.
        tls = insecure if self._tls_ca is None else self._demanding(self._tls_ca)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls),
            middlewares=(self._refuse, *self._digest()),
            response_class=_BoundedResponse,
        )
        self._stack.push_async_callback(session.close)
        service.transport.session = session
        await service.setup()
        return service

    def _demanding(self, tls_ca: Path) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=tls_ca)
        except OSError as error:
            problem = f"{tls_ca} cannot be read as certificates ({error.strerror or type(error).__name__})"
            raise CameraUnreachable(self._camera_id, problem, "give tls_ca a PEM file") from error

    def _digest(self) -> tuple[aiohttp.DigestAuthMiddleware, ...]:
        if self._credentials is None or ":" in self._credentials.username:  # which HTTP does not allow
            return ()
        return (
            aiohttp.DigestAuthMiddleware(self._credentials.username, self._credentials.password.get_secret_value()),
        )

    async def _refuse(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Say a refusal by HTTP, which the library would lose when a page comes with it."""
        response = await handler(request)
        if response.status in {401, 403, 423}:
            challenges = response.headers.getall("WWW-Authenticate", [])
            self._wants_digest = any(challenge.lower().startswith("digest") for challenge in challenges)
            page = (await response.content.read(_PAGE_BYTES)).decode(errors="replace")
            response.release()
            if response.status == 423 or _LOCKED.search(page):
                raise _locked(self._camera_id, self._where)
            raise _refused(self._camera_id, self._where)
        return response


class _BoundedResponse(aiohttp.ClientResponse):
    """An answer of at most MAX_ANSWER_BYTES, unpacked; what talks on and on is cut off."""

    async def read(self) -> bytes:
        """The whole body. Raises ClientPayloadError when it is longer."""
        body = bytearray()
        async for part in self.content.iter_any():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                self.close()
                raise aiohttp.ClientPayloadError("the answer is too long")
        return bytes(body)


@cache
def _library() -> tuple[Any, Path, Any]:
    """The library's service class, the folder of its WSDL files, and its TLS settings for self-signed devices.

    Those settings, 0.8 MiB and 16 ms each, are shared by all devices; any thread may use them.
    """
    # Importing it calls logging.basicConfig, which does nothing where the root logger has a handler.
    keeper = logging.NullHandler()
    logging.root.addHandler(keeper)
    try:
        import onvif.client
        from onvif.util import create_no_verify_ssl_context
    finally:
        logging.root.removeHandler(keeper)
    return onvif.client.ONVIFService, Path(onvif.client.__file__).parent / "wsdl", create_no_verify_ssl_context()


@asynccontextmanager
async def _our_errors(camera_id: str, where: str, operation: str, seconds: float) -> AsyncIterator[None]:
    """Turn what the library raises into ours, and limit the time."""
    try:
        with _faults(camera_id, where, operation):
            async with asyncio.timeout(seconds):
                yield
    except TimeoutError as error:
        raise CameraUnreachable(
            camera_id, f"{where} did not answer {operation} within {seconds:g} s", "check its power and network"
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        raise CameraUnreachable(
            camera_id, f"cannot reach {where} ({type(error).__name__})", "check its address, power and network"
        ) from error


@contextmanager
def _faults(camera_id: str, where: str, operation: str) -> Iterator[None]:
    """Turn the answers that say no, and those that are not ONVIF, into our errors."""
    try:
        yield
    except zeep.exceptions.Fault as error:
        raise _from_fault(camera_id, where, operation, error) from error
    # A page that is XML but no SOAP trips the library itself.
    except (zeep.exceptions.Error, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _not_onvif(camera_id, where, operation) from error


def _from_fault(camera_id: str, where: str, operation: str, fault: zeep.exceptions.Fault) -> IngestError:
    from onvif.util import is_auth_error

    if is_auth_error(fault):
        return _locked(camera_id, where) if _LOCKED.search(str(fault.message)) else _refused(camera_id, where)
    if fault.code is None:  # the library's word for an error page that is XML, but no SOAP
        return _not_onvif(camera_id, where, operation)
    return NoVideo(camera_id, f"{where} cannot {operation} ({fault.message})", "use rtsp for this camera")


def _refused(camera_id: str, where: str) -> CameraRefused:
    return CameraRefused(camera_id, f"{where} refused the user name or password", "correct them")


def _locked(camera_id: str, where: str) -> CameraLocked:
    return CameraLocked(
        camera_id, f"{where} has locked its account after wrong passwords", "wait until it unlocks, then correct them"
    )


def _not_onvif(camera_id: str, where: str, operation: str) -> CameraUnreachable:
    return CameraUnreachable(
        camera_id, f"{where} does not answer {operation} as ONVIF does", "correct its onvif URL, or use rtsp"
    )
