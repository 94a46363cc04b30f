"""A person's command from the command line: sent, waited for, told."""

import sys
from dataclasses import dataclass
from datetime import timedelta
from getpass import getpass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from pydantic import SecretStr, ValidationError
from rich.console import Console

from gridwatch.app.private_files import write_private_bytes
from gridwatch.bus import BrokerAddress, CameraPath, CommandClient, Reply
from gridwatch.config import Deployment, load_settings
from gridwatch.config.services import BrokerConfig
from gridwatch.domain import (
    Acknowledgement,
    Answer,
    Clock,
    Command,
    Evidence,
    GridwatchError,
    Mute,
    Outcome,
    Reloaded,
    SitePath,
    UsageError,
    Wish,
)

_LIFETIME: Final = timedelta(seconds=60)
"""After this nobody carries it out any more, unless whoever asks waits for longer."""


class NotDone(GridwatchError):  # noqa: N818  (reads as what happened)
    """The answer was no."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Which broker, as whom, and how long to wait."""

    config: Path
    broker: str | None
    username: str | None
    tls_ca: Path | None
    timeout: float
    id: UUID | None
    """Of a command asked before, to learn what became of it; None: a new one."""


def ask(camera: str, wish: Wish, reason: str, place: Place, clock: Clock) -> Reply:
    """Ask, and wait for the answer. Raises UsageError, NoAnswer, MessageRefused, NotDone."""
    broker, deployment = _broker(place)
    where = _camera(camera, deployment)
    address = BrokerAddress.from_config(broker)
    if address.username is None:
        raise UsageError("a command says who asks: log in at the broker with --username")
    now = clock.now()
    command = Command(
        id=place.id or uuid4(), site=where.site, camera=where.camera, account=address.username, wish=wish,
        reason=reason.strip(), asked_at=now, expires_at=now + max(_LIFETIME, timedelta(seconds=place.timeout)),
    )  # fmt: skip
    with CommandClient(address, address.username, where, clock) as client:
        reply = client.request(command, place.timeout)
    if reply.answer.outcome is not Outcome.DONE:
        raise NotDone(f"{reply.answer.outcome}: {reply.answer.reason} (command {command.id})")
    return reply


def tell(answer: Answer, console: Console) -> None:
    """What was done, in a line or a few."""
    match answer.detail:
        case Acknowledgement(at=at, by=by):
            console.print(f"acknowledged by {by} at {at:%Y-%m-%d %H:%M:%S} UTC", markup=False)
        case Mute(rule=rule, until=until) if until > answer.at:
            console.print(f"{answer.camera}: {rule} raises nothing until {until:%Y-%m-%d %H:%M:%S} UTC", markup=False)
        case Mute(rule=rule):
            console.print(f"{answer.camera}: {rule} raises again", markup=False)
        case Reloaded(changed=changed, needs_restart=later):
            console.print(f"{answer.node} reloaded; changed: {', '.join(changed) or 'nothing'}", markup=False)
            for one in later:
                console.print(f"needs a restart: {one}", markup=False)


def save_picture(reply: Reply, file: Path, console: Console) -> None:
    """Write the picture of a snapshot for its user alone. Raises UsageError."""
    about = reply.answer.detail
    if reply.picture is None or not isinstance(about, Evidence):
        raise NotDone("the answer names no picture")
    try:
        write_private_bytes(file, reply.picture)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    console.print(f"{file}: {about.width} x {about.height} at {about.captured_at:%H:%M:%S} UTC", markup=False)
    console.print(f"sha256 {about.sha256}", markup=False)


def _broker(place: Place) -> tuple[BrokerConfig, Deployment | None]:
    password = None
    if place.username is not None:
        asked = getpass(f"Password of {place.username}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        password = SecretStr(asked)
    if place.broker is None:
        deployment = load_settings(place.config).deployment
        broker = deployment.services.broker
        if place.username is not None:
            broker = broker.model_copy(update={"username": place.username, "password": password})
        return broker, deployment
    try:
        return BrokerConfig(
            url=place.broker, username=place.username, password=password, tls_ca=place.tls_ca
        ), None  # fmt: skip
    except ValidationError as error:
        raise UsageError("--broker is written mqtt://host[:port] or mqtts://host[:port]") from error


def _camera(text: str, deployment: Deployment | None) -> CameraPath:
    if text.startswith("/"):
        *site, camera = text.removeprefix("/").split("/")
        try:
            return CameraPath(site=SitePath.parse("/".join(site)), camera=camera)
        except ValueError as error:
            raise UsageError(f"{text} is not /district/substation/checkpoint/camera") from error
    if deployment is None:
        raise UsageError(
            f"where there is no deployment to read, write the camera /district/substation/checkpoint/{text}"
        )
    try:
        return CameraPath(site=deployment.camera(text).site_path, camera=text)
    except KeyError as error:
        raise UsageError(f"no camera {text!r} in the deployment") from error
