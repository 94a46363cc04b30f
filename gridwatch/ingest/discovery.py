"""Finds ONVIF devices at given places and asks each what it is, with few tries of passwords."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import structlog

from gridwatch.config.model import OnvifSource
from gridwatch.domain import Clock
from gridwatch.ingest.discovery_targets import Target
from gridwatch.ingest.errors import CameraLocked, CameraRefused, IngestError
from gridwatch.ingest.onvif import Device, DeviceDescription, describe
from gridwatch.ingest.urls import Credentials

log = structlog.get_logger(__name__)

PORTS = (80, 8080, 8899, 2020, 8000, 443)
"""Where devices of the common makes have ONVIF, in the order of preference."""
MAX_TRIES = 3
"""Passwords tried on one device: many lock an account after five wrong ones, and somebody may have mistyped before."""
CONNECT_SECONDS = 1.5
"""Limit of a TCP connection while looking for open ports."""
PLACE_SECONDS = 90.0
"""Limit of everything at one place; a device that answers each call just in time is left at it."""
CONCURRENT = 32
"""Places asked at a time: with a connection to every port, some 200 sockets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What was found at one place."""

    host: str
    port: int
    url: str
    """Its device service, as dialled."""
    said: DeviceDescription | None
    """What it is; None when it did not tell, then `problem` says why."""
    login: int | None = None
    """Which of the logins goes with it; None when there were none, or it took none."""
    problem: str = ""
    passwords_tried: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """How to look. All frozen, so that one may serve several surveys."""

    clock: Clock
    logins: Sequence[Credentials] = ()
    """Tried in order, MAX_TRIES of them at most; the first that a device takes is kept for it."""
    ports: Sequence[int] = PORTS
    """For places given without one."""
    connect_seconds: float = CONNECT_SECONDS

    async def run(self, targets: Sequence[Target], on_done: Callable[[], None]) -> list[Finding]:
        """What is at `targets`, in their order; places in a range where nothing answers ONVIF are left out.

        `on_done` is called in this event loop after each place. Raises nothing but CancelledError: what goes wrong at
        one place is in its finding.
        """
        gate = asyncio.Semaphore(CONCURRENT)

        async def one(target: Target) -> Finding | None:
            async with gate:
                try:
                    async with asyncio.timeout(PLACE_SECONDS):
                        return await self._look(target)
                except TimeoutError:
                    port, url = target.urls(self.ports)[0]
                    slow = f"was not done within {PLACE_SECONDS:g} s"
                    return Finding(host=target.host, port=port, url=url, said=None, problem=slow)
                finally:
                    on_done()

        found = await asyncio.gather(*(one(target) for target in targets))
        return [finding for finding in found if finding is not None]

    async def _look(self, target: Target) -> Finding | None:
        places = target.urls(self.ports)
        answering = await asyncio.gather(*(self._answers(target.host, port) for port, _ in places))
        problem = "no answer at port " + ", ".join(str(port) for port, _ in places)
        refusal: Finding | None = None
        for (port, url), answers in zip(places, answering, strict=True):
            if not answers:
                continue
            try:
                await self._recognise(target.host, url)
            except CameraRefused:
                # ONVIF tells the time to everybody, but some devices do not, as any page behind a login does not.
                if target.named:
                    return await self._ask(target.host, port, url)
                reason = "wants credentials before it says what it is; name it with --address to try them"
                refusal = refusal or Finding(host=target.host, port=port, url=url, said=None, problem=reason)
            except IngestError as error:
                problem = error.reason
            else:
                return await self._ask(target.host, port, url)
        if refusal is None and target.named:
            return Finding(host=target.host, port=places[0][0], url=places[0][1], said=None, problem=problem)
        return refusal

    async def _answers(self, host: str, port: int) -> bool:
        """Whether anything listens there."""
        try:
            async with asyncio.timeout(self.connect_seconds):
                _, writer = await asyncio.open_connection(host.strip("[]"), port)
        except (OSError, TimeoutError, UnicodeError):  # the last for a name that DNS cannot have
            return False
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return True

    async def _recognise(self, host: str, url: str) -> None:
        """Ask for the time, without credentials. Raises IngestError when the answer is not ONVIF's."""
        async with AsyncExitStack() as stack:
            await Device(host, OnvifSource(url=url), stack).clock_offset(self.clock)

    async def _ask(self, host: str, port: int, url: str) -> Finding:
        """What the device is, by the first login that it takes."""
        tries: list[Credentials | None] = [*self.logins[:MAX_TRIES]] or [None]
        problem, tried = "", 0
        for number, login in enumerate(tries):
            source = OnvifSource(
                url=url, username=login.username if login else None, password=login.password if login else None
            )
            try:
                said = await describe(host, source, self.clock)
            except CameraLocked as error:
                problem, tried = error.reason, tried + (login is not None)
                break
            except CameraRefused as error:
                tried += login is not None
                problem = error.reason if login else "asks for a user name and password; see --credentials"
            except IngestError as error:
                problem = error.reason
                break
            else:
                used = None if login is None else number
                return Finding(host=host, port=port, url=url, said=said, login=used, passwords_tried=tried)
        return Finding(host=host, port=port, url=url, said=None, problem=problem, passwords_tried=tried)
