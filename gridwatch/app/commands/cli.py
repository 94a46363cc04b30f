"""`gridwatch command ...`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from gridwatch.app.options import DEFAULT_CONFIG, ConfigPath, Reason, out
from gridwatch.domain import Acknowledge, MuteRule, Reload, SystemClock, TakeSnapshot, UsageError

commands = typer.Typer(
    help="Ask whoever has a camera for something, over the broker, and wait for the answer.", no_args_is_help=True
)

Camera = Annotated[
    str, typer.Argument(help="Its id in the deployment, or /district/substation/checkpoint/camera (- for none).")
]
Broker = Annotated[str | None, typer.Option(help="mqtt[s]://host[:port], and no deployment is read.")]
Username = Annotated[
    str | None,
    typer.Option(help="Who asks. The password is asked for, or read from a pipe. Default: the deployment's."),
]
TlsCa = Annotated[Path | None, typer.Option(help="With --broker: who signed its certificate.")]
Timeout = Annotated[float, typer.Option(min=0.1, max=600, help="Seconds to wait for the answer.")]
Id = Annotated[UUID | None, typer.Option("--id", help="Of a command asked before, to learn what became of it.")]


@commands.command()
def acknowledge(  # noqa: PLR0913 - each is an option of the command
    camera: Camera,
    incident: Annotated[UUID, typer.Argument(help="Which incident of the camera.")],
    *,
    reason: Annotated[str, typer.Option(help="A note; kept in the audit.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    broker: Broker = None,
    username: Username = None,
    tls_ca: TlsCa = None,
    timeout: Timeout = 10.0,
    id_: Id = None,
) -> None:
    """Say that an incident was seen and somebody deals with it."""
    from gridwatch.app.commands.asking import Place, ask, tell

    place = Place(config=config, broker=broker, username=username, tls_ca=tls_ca, timeout=timeout, id=id_)
    tell(ask(camera, Acknowledge(incident=incident), reason, place, SystemClock()).answer, out)


@commands.command()
def snapshot(  # noqa: PLR0913 - each is an option of the command
    camera: Camera,
    *,
    reason: Reason,
    file: Annotated[Path | None, typer.Option("--out", help="Where the picture goes. Default: CAMERA.jpg.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    broker: Broker = None,
    username: Username = None,
    tls_ca: TlsCa = None,
    timeout: Timeout = 15.0,
    id_: Id = None,
) -> None:
    """A masked picture of what a camera sees now."""
    from gridwatch.app.commands.asking import Place, ask, save_picture

    place = Place(config=config, broker=broker, username=username, tls_ca=tls_ca, timeout=timeout, id=id_)
    reply = ask(camera, TakeSnapshot(), reason, place, SystemClock())
    save_picture(reply, file or Path(f"{camera.rpartition('/')[2]}.jpg"), out)


@commands.command()
def mute(  # noqa: PLR0913 - each is an option of the command
    camera: Camera,
    rule: Annotated[str, typer.Argument(help="Id of the rule; `health.offline` and the like too.")],
    *,
    reason: Reason,
    minutes: Annotated[float | None, typer.Option("--for", min=0, help="For so many minutes; 0 ends it.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Until then, UTC.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    broker: Broker = None,
    username: Username = None,
    tls_ca: TlsCa = None,
    timeout: Timeout = 10.0,
    id_: Id = None,
) -> None:
    """Let a rule raise nothing for a time, a day at most. What is open goes on and is cleared."""
    from gridwatch.app.commands.asking import Place, ask, tell

    if (minutes is None) == (until is None):
        raise UsageError("give one of --for MINUTES and --until TIME")
    clock = SystemClock()
    end = until.replace(tzinfo=UTC) if until else clock.now() + timedelta(minutes=minutes or 0)
    place = Place(config=config, broker=broker, username=username, tls_ca=tls_ca, timeout=timeout, id=id_)
    tell(ask(camera, MuteRule(rule=rule, until=end), reason, place, clock).answer, out)


@commands.command()
def reload(  # noqa: PLR0913 - each is an option of the command
    camera: Camera,
    *,
    reason: Reason,
    config: ConfigPath = DEFAULT_CONFIG,
    broker: Broker = None,
    username: Username = None,
    tls_ca: TlsCa = None,
    timeout: Timeout = 60.0,
    id_: Id = None,
) -> None:
    """Let the worker that has a camera read its configuration anew: rules, zones and limits of all its cameras."""
    from gridwatch.app.commands.asking import Place, ask, tell

    place = Place(config=config, broker=broker, username=username, tls_ca=tls_ca, timeout=timeout, id=id_)
    tell(ask(camera, Reload(), reason, place, SystemClock()).answer, out)
