"""The broker-config command: a folder for each broker, and one file with what people must be told."""

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import ModuleType

from rich.console import Console
from rich.table import Table

from gridwatch.app.brokers.mosquitto import Folders, render_acl, render_conf, render_passwords
from gridwatch.app.brokers.plan import Broker, plan_brokers
from gridwatch.app.private_files import write_private
from gridwatch.config import Deployment
from gridwatch.domain import Clock, UsageError

ACCOUNTS = "accounts.json"
"""Passwords as given out, by name: the only place where they are not hashed, but for each bridge's own."""
_AUTHORITY = ("ca.pem", "ca.key")


def run_broker_config(
    deployment: Deployment, out: Path, installed_at: PurePosixPath | None, data: PurePosixPath, clock: Clock
) -> tuple[Broker, ...]:
    """Write the files of every broker below `out`; passwords and authority that are there already are kept.

    `installed_at`: the folder under which each broker's folder will lie on its machine; None: where it is written.
    Raises UsageError.
    """
    brokers = plan_brokers(deployment)
    try:
        out.mkdir(parents=True, exist_ok=True, mode=0o700)
        passwords = _passwords(out / ACCOUNTS, brokers)
        authority = _authority(out, deployment.district.id, clock)
        for broker in brokers:
            place = installed_at / broker.name if installed_at else (out / broker.name).absolute()
            _write(broker, out / broker.name, Folders(configuration=place, data=data), passwords)
            _certify(broker, out / broker.name, authority, clock)
    except OSError as error:
        raise UsageError(f"{error.filename or out} cannot be written or read: {error.strerror}") from error
    return brokers


def tell(brokers: Sequence[Broker], out: Path, console: Console) -> None:
    """What was written, as a table."""
    table = Table(
        title="Brokers", caption=f"{out / ACCOUNTS} holds the passwords, {out / _AUTHORITY[1]} signs: keep both"
    )
    for heading in ("folder", "listens", "passes on to", "accounts"):
        table.add_column(heading, overflow="fold")
    for one in brokers:
        upstream = f"{one.upstream.place.host}:{one.upstream.place.port}" if one.upstream else ""
        accounts = "\n".join(account.name for account in one.accounts)
        table.add_row(str(out / one.name), f"{one.place.host}:{one.place.port}", upstream, accounts)
    console.print(table)


def _passwords(file: Path, brokers: Sequence[Broker]) -> Mapping[str, str]:
    """Of every account: those of an earlier run, and new ones for who is new."""
    known: dict[str, str] = {}
    if file.exists():
        try:
            known = dict(json.loads(file.read_text(encoding="utf-8")))
        except ValueError as error:
            raise UsageError(
                f"{file} is damaged ({error}); restore it, or delete it to give everybody a new password"
            ) from error
    names = [account.name for broker in brokers for account in broker.accounts]
    passwords = {name: known.get(name) or secrets.token_urlsafe(24) for name in names}
    write_private(file, json.dumps(passwords, indent=1) + "\n")
    return passwords


def _authority(out: Path, district: str, clock: Clock) -> tuple[bytes, bytes]:
    files = tuple(out / name for name in _AUTHORITY)
    if not all(file.exists() for file in files):
        certificate, key = _certificates().make_authority(f"gridwatch {district}", clock.now())
        write_private(files[0], certificate.decode())
        write_private(files[1], key.decode())
    return files[0].read_bytes(), files[1].read_bytes()


def _write(broker: Broker, folder: Path, folders: Folders, passwords: Mapping[str, str]) -> None:
    folder.mkdir(exist_ok=True, mode=0o700)
    write_private(folder / "mosquitto.conf", render_conf(broker, folders, passwords))
    write_private(folder / "acl", render_acl(broker.accounts))
    write_private(folder / "passwords", render_passwords(broker.accounts, passwords))


def _certify(broker: Broker, folder: Path, authority: tuple[bytes, bytes], clock: Clock) -> None:
    try:
        certificate, key = _certificates().make_server(broker.place.host, authority, clock.now())
    except ValueError as error:
        raise UsageError(f"{folder.parent / _AUTHORITY[1]} cannot sign: {error}") from error
    write_private(folder / "ca.pem", authority[0].decode())
    write_private(folder / "server.pem", certificate.decode())
    write_private(folder / "server.key", key.decode())


def _certificates() -> ModuleType:
    try:
        from gridwatch.app.brokers import certificates
    except ImportError as error:
        raise UsageError("making certificates needs pip install 'gridwatch[deploy]'") from error
    return certificates
