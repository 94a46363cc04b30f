"""The rig command."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from gridwatch.domain import UsageError
from gridwatch.rig import Rig, VirtualCamera, serve


def run_rig(cameras: Sequence[str], host: str, rtsp_port: int, username: str, password: str | None) -> None:
    """Serve NAME=FILE cameras until SIGINT or SIGTERM. Raises UsageError, ClipError, RigSetupError."""
    secret = password or secrets.token_urlsafe(9)
    virtual = [_camera(one, username, secret) for one in cameras]

    def announce(rig: Rig) -> None:
        console = Console(highlight=False, soft_wrap=True)
        for one in virtual:
            console.print(f"{one.id}: {rig.onvif_url(one.id)}  {rig.rtsp_url(one.id)}")
        if password is None:
            console.print(f"user {username}, password {secret}")

    serve(Rig(virtual, host=host, rtsp_port=rtsp_port), announce)


def _camera(text: str, username: str, password: str) -> VirtualCamera:
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise UsageError(f"{text!r} is not NAME=FILE")
    return VirtualCamera(id=name, clip=Path(file), username=username, password=password)
