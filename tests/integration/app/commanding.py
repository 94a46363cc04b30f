"""What the tests of commands share: a deployment, a wish, and asking."""

from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import yaml

from gridwatch.bus import CameraPath, CommandClient, Reply
from gridwatch.config import Settings, load_settings
from gridwatch.domain import Command, SitePath, SystemClock, Wish
from tests.fixtures.acl_broker import PASSWORD, AclBroker

CLOCK = SystemClock()
DSN: Final = "postgresql://nobody@/none"
NORTH: Final = SitePath.parse("harbour/north")
OFFICER: Final = "officer@harbour/north"


def login(broker: AclBroker, account: str) -> dict[str, object]:
    """As `services.broker` has it."""
    return {"url": f"mqtt://127.0.0.1:{broker.port}", "username": account, "password": PASSWORD}


def write_settings(folder: Path, broker: dict[str, object], dsn: str = DSN, **more: object) -> Settings:
    document = {
        "version": 1,
        "district": {
            "id": "harbour", "name": "Harbour", "broker": {"host": "127.0.0.1"},
            "substations": [{"id": "north", "name": "North"}, {"id": "south", "name": "South"}],
        },
        "services": {
            "data_dir": str(folder / "data"), "broker": broker, "database": {"dsn": dsn}, "commands": {"enabled": True}
        },
        **more,
    }  # fmt: skip
    path = folder / "gridwatch.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_settings(path)


def wish(what: Wish, account: str = OFFICER, **changes: object) -> Command:
    now = CLOCK.now()
    fields = {
        "id": uuid4(), "site": NORTH, "camera": "gate-1", "account": account, "wish": what, "reason": "for a test",
        "asked_at": now, "expires_at": now + timedelta(minutes=1),
    }  # fmt: skip
    return Command(**(fields | changes))  # type: ignore[arg-type]


def ask(broker: AclBroker, asked: Command, login: str | None = None, timeout: float = 10.0) -> Reply:
    place = CameraPath(site=asked.site, camera=asked.camera)
    with CommandClient(broker.address(login or asked.account), asked.account, place, CLOCK) as client:
        return client.request(asked, timeout)
