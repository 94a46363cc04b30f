"""Everything the demo needs around the program, started in order and stopped in reverse."""

import asyncio
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from gridwatch.api import MIN_PASSWORD
from gridwatch.app.accounts import save_account
from gridwatch.app.embedded_broker import BrokerKind, start_broker
from gridwatch.app.embedded_postgres import start_postgres
from gridwatch.app.opening import make_database
from gridwatch.app.shutdown import ShutdownStack
from gridwatch.config import BrokerConfig, Settings, load_settings
from gridwatch.domain import Clock, Role, UsageError
from gridwatch.rig import Rig, RigThread, VirtualCamera

Say = Callable[[str], None]
"""Tells the person what has started."""

OPERATOR = "operator"
CAMERA_USER = "admin"
DEFAULT_PORT = 8480

CAMERAS: Mapping[str, str] = {
    "square": "plaza-day.mp4",
    "street": "pets2009-s2l1-street.mp4",
    "north-gate": "road-day.mp4",
    "bridge": "road-dusk.mp4",
}
"""Which sample each camera plays. The ids are those of deployment.yaml."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What stands when everything has started."""

    config: Path
    settings: Settings
    password: str
    """The operator's."""
    cursor: int
    """The newest message already in the database when the demo began."""


def samples_folder() -> Path:
    """Where the sample streams are: in the checkout, since not all of them may be redistributed in a package.

    Raises UsageError.
    """
    folder = Path(__file__).parents[3] / "samples" / "streams"
    if not folder.is_dir():
        raise UsageError(f"the demo plays the sample streams of a source checkout, and {folder} is not there")
    return folder


def set_stage(
    work: Path, broker: BrokerKind | None, stack: ShutdownStack, clock: Clock, say: Callable[[str], None]
) -> Stage:
    """Start database, broker and cameras, write the configuration, make the operator. Pushes what it starts on `stack`.

    GRIDWATCH_DSN and GRIDWATCH_MQTT name ones that run already. Raises UsageError, GridwatchError.
    """
    _start_database(work, stack, clock, say)
    _start_broker(work, broker, stack, clock, say)
    rig, camera_password = _start_rig(stack, say)
    os.environ["GRIDWATCH_DEMO_CAMERA_PASSWORD"] = camera_password
    os.environ["GRIDWATCH_DEMO_PORT"] = str(_port())
    for camera in CAMERAS:
        os.environ[f"GRIDWATCH_DEMO_{camera.upper().replace('-', '_')}"] = rig.onvif_url(camera)
    for name in ("deployment.yaml", "grids.geojson"):
        shutil.copyfile(Path(__file__).parent / name, work / name)
    config = work / "deployment.yaml"
    settings = load_settings(config)
    password = secrets.token_urlsafe(max(9, MIN_PASSWORD))
    district = str(settings.sites[0].path)
    asyncio.run(save_account(settings, OPERATOR, Role.OPERATOR, district, password, clock))
    cursor = asyncio.run(_head(settings, clock))
    return Stage(config=config, settings=settings, password=password, cursor=cursor)


async def _head(settings: Settings, clock: Clock) -> int:
    database = make_database(settings, clock)
    await database.open()
    try:
        return await database.events.head()
    finally:
        await database.close()


def _start_database(work: Path, stack: ShutdownStack, clock: Clock, say: Say) -> None:
    if "GRIDWATCH_DSN" in os.environ:
        say("database    the one GRIDWATCH_DSN names")
        return
    began = clock.monotonic()
    postgres = start_postgres(work / "postgres", clock=clock)
    stack.push("database", postgres.close, timeout=3.0)
    os.environ["GRIDWATCH_DSN"] = postgres.dsn
    stack.push("database's name", lambda _: os.environ.pop("GRIDWATCH_DSN"), timeout=0.1)
    say(f"database    PostgreSQL from its wheel, started in {clock.monotonic() - began:.1f} s")


def _start_broker(
    work: Path, kind: BrokerKind | None, stack: ShutdownStack, clock: Clock, say: Callable[[str], None]
) -> None:
    if "GRIDWATCH_MQTT" in os.environ:
        say("broker      the one GRIDWATCH_MQTT names")
        return
    began = clock.monotonic()
    broker = start_broker(work, clock, kind=kind)
    stack.push("broker", broker.close, timeout=2.0)
    os.environ["GRIDWATCH_MQTT"] = _with_credentials(broker.config)
    stack.push("broker's name", lambda _: os.environ.pop("GRIDWATCH_MQTT"), timeout=0.1)
    durable = "" if broker.kind == "mosquitto" else " (not durable: install mosquitto for more)"
    say(f"broker      {broker.kind}{durable} at {broker.address}, started in {clock.monotonic() - began:.1f} s")


def _with_credentials(broker: BrokerConfig) -> str:
    url = urlsplit(broker.url)
    if broker.username is None or broker.password is None:
        return broker.url
    user, password = quote(broker.username, safe=""), quote(broker.password.get_secret_value(), safe="")
    return f"{url.scheme}://{user}:{password}@{url.netloc}"


def _start_rig(stack: ShutdownStack, say: Say) -> tuple[Rig, str]:
    folder = samples_folder()
    password = secrets.token_urlsafe(9)
    cameras = [
        VirtualCamera(id=name, clip=folder / clip, username=CAMERA_USER, password=password)
        for name, clip in CAMERAS.items()
    ]
    thread = RigThread(Rig(cameras))
    rig = thread.start()
    stack.push("cameras", lambda _: thread.close(), timeout=2.0)
    say(f"cameras     {len(cameras)} virtual ONVIF cameras, e.g. {rig.onvif_url(cameras[0].id)}")
    return rig, password


def _port() -> int:
    """The usual port where it is free, else any."""
    for port in (DEFAULT_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise UsageError("no port is free on 127.0.0.1")
