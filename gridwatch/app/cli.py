"""The command line."""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from gridwatch import __version__
from gridwatch.app import keeping_cli
from gridwatch.app.children import EXIT_USAGE, die_with_parent
from gridwatch.app.commands.cli import commands
from gridwatch.app.embedded_broker import BrokerKind
from gridwatch.app.grids.cli import grids
from gridwatch.app.logs import configure_logs
from gridwatch.app.options import DEFAULT_CONFIG, ConfigPath, ask_password, out
from gridwatch.app.quarantine_cli import quarantine
from gridwatch.config import Settings, load_settings
from gridwatch.domain import GridwatchError, Role, SystemClock, UsageError

app = typer.Typer(
    help="Public-area cameras to handled work. Incidents, not identities.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Help is text, in which brackets stand for what may be left out.
    rich_markup_mode=None,
    add_completion=False,
)
accounts = typer.Typer(help="Who may log in.", no_args_is_help=True)
samples = typer.Typer(help="Synthetic sample streams with exact truth.", no_args_is_help=True)
app.add_typer(accounts, name="account")
app.add_typer(samples, name="samples")
app.add_typer(quarantine, name="quarantine")
app.add_typer(commands, name="command")
app.add_typer(grids, name="grids")
app.add_typer(keeping_cli.holds, name="hold")
app.add_typer(keeping_cli.retention, name="retention")
app.command("export")(keeping_cli.export)

errors = Console(stderr=True, highlight=False, soft_wrap=True)

Jobs = Annotated[int | None, typer.Option(min=1, max=256, help="Processes at once. Default: one a core.")]


def main() -> None:
    """Run the command line: exit 0 for success, 1 for a failure or a difference, 2 for what the person gave."""
    die_with_parent()
    try:
        app(standalone_mode=True)
    except UsageError as error:
        errors.print(f"[bold red]gridwatch:[/] {_plain(error)}")
        sys.exit(EXIT_USAGE)
    except GridwatchError as error:
        errors.print(f"[bold red]gridwatch:[/] {_plain(error)}")
        sys.exit(1)


def _plain(error: GridwatchError) -> str:
    """Square brackets of a message are not markup."""
    return str(error).replace("[", r"\[")


def _version(value: bool) -> None:
    if value:
        out.print(f"gridwatch {__version__}")
        raise typer.Exit


@app.callback()
def common(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what normally goes without saying.")] = False,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Public-area cameras to handled work. Incidents, not identities."""
    configure_logs(verbose=verbose)


@app.command()
def demo(
    seconds: Annotated[
        int | None,
        typer.Option("--for", min=20, help="Stop after this many seconds and judge: exit 0 only if all is well."),
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep database, logs and evidence in this folder.")] = None,
    broker: Annotated[
        BrokerKind | None, typer.Option(help="Which broker to start. Default: Mosquitto where it is installed.")
    ] = None,
) -> None:
    """Four virtual cameras, a broker, a database and the whole path between them, on this machine alone."""
    from gridwatch.app.demo import run_demo

    raise typer.Exit(run_demo(seconds, keep, broker, SystemClock()))


@app.command("check-config")
def check_config(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Read the deployment, verify the weights, and say what is wrong, or what there is."""
    settings = _checked(config)
    deployment = settings.deployment
    rules = sum(len(camera.rules) for camera in deployment.cameras)
    out.print(
        f"{config}: good. {len(settings.sites)} sites, {len(deployment.cameras)} cameras, {rules} rules, "
        f"{len(settings.grids)} grids, {len(deployment.units)} units, {len(deployment.sources)} sources."
    )


@app.command()
def run(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Everything the deployment needs in one go: record, serve, adapt and ingest, each a process that is kept alive."""
    from gridwatch.app.run import run_roles

    run_roles(_checked(config), SystemClock())


@app.command()
def ingest(
    config: ConfigPath = DEFAULT_CONFIG,
    camera: Annotated[list[str] | None, typer.Option(help="Only this camera; may be repeated. Default: all.")] = None,
    name: Annotated[str | None, typer.Option(help="Names the node and its outbox. Default: from the cameras.")] = None,
) -> None:
    """Cameras to incidents on the broker."""
    from gridwatch.app.ingest import IngestRole, choose_cameras, node_name
    from gridwatch.app.shutdown import StopSignal

    settings = load_settings(config)
    wanted = camera or []
    role = IngestRole(
        settings.deployment, choose_cameras(settings.deployment, wanted), name or node_name(wanted), SystemClock(),
        read=lambda: load_settings(config).deployment,
    )  # fmt: skip
    with StopSignal() as stop:
        role.start()
        try:
            stop.event.wait()
        finally:
            role.close()


@app.command()
def record(
    config: ConfigPath = DEFAULT_CONFIG,
    name: Annotated[str, typer.Option(help="Name of its session at the broker; one process at a time.")] = "recorder",
) -> None:
    """The broker to the database and to cases."""
    from gridwatch.app.opening import run_until_signalled
    from gridwatch.app.record import RecordRole

    run_until_signalled(RecordRole(load_settings(config), name, SystemClock()).run)


@app.command()
def serve(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """The API, the live stream and the first page."""
    from gridwatch.app.opening import run_until_signalled
    from gridwatch.app.serve import ServeRole

    run_until_signalled(ServeRole(load_settings(config), SystemClock()).run)


@app.command()
def adapt(
    config: ConfigPath = DEFAULT_CONFIG,
    name: Annotated[str, typer.Option(help="Names the node, its outbox and its sessions.")] = "adapt",
) -> None:
    """Other systems' events to incidents on the broker: Frigate, ONVIF over MQTT, any topic, webhooks."""
    from gridwatch.app.adapt import AdaptRole
    from gridwatch.app.opening import run_until_signalled

    run_until_signalled(AdaptRole(load_settings(config).deployment, name, SystemClock()).run)


@app.command()
def replay(  # noqa: PLR0913 - each is an option of the command
    paths: Annotated[
        list[Path], typer.Argument(help="Recorded streams, or folders of them.", metavar="FILE|FOLDER...")
    ],
    *,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Zones and rules. Default: NAME.yaml beside the clip, else its truth's."),
    ] = None,
    camera: Annotated[str | None, typer.Option(help="Whose zones and rules apply.")] = None,
    expect: Annotated[Path | None, typer.Option(help="Truth to compare with. Default: NAME.json beside it.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write incidents, comparison and scores here.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML here.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Folder for a picture of each miss and false alarm.")] = None,
    video: Annotated[Path | None, typer.Option(help="Folder for an annotated copy of each clip.")] = None,
    jobs: Jobs = None,
) -> None:
    """Recorded files through the same gate, detector, tracker and rules as live video, compared with what is true.

    Exits 1 when something was missed or false.
    """
    from gridwatch.app.replay_command import ReplayOptions, run_replay

    options = ReplayOptions(
        paths=paths, config=config, camera=camera, expect=expect, json=json, junit=junit, sheets=sheet, video=video,
        jobs=jobs,
    )  # fmt: skip
    raise typer.Exit(run_replay(options))


@app.command()
def tune(  # noqa: PLR0913 - each is an option of the command
    source: Annotated[str, typer.Argument(help="A camera's id, or a recorded stream.", metavar="CAMERA|FILE")],
    config: ConfigPath = DEFAULT_CONFIG,
    *,
    camera: Annotated[str | None, typer.Option(help="Whose zones and rules apply to a recorded stream.")] = None,
    begin: Annotated[float, typer.Option("--from", min=0, help="First second shown.")] = 0.0,
    end: Annotated[float | None, typer.Option("--to", min=0, help="Last second shown.")] = None,
    seconds: Annotated[float, typer.Option("--for", min=1, max=600, help="How long to watch a live camera.")] = 30.0,
    start: Annotated[
        datetime | None, typer.Option(help="When a recorded stream began, for rules with a schedule.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--out", help="Default: tune-<camera>.")] = None,
) -> None:
    """What was seen, tracked and thought, picture by picture: a page to open in a browser, and pictures."""
    from gridwatch.app.tuning import TuneOptions, run_tune

    options = TuneOptions(
        source=source, camera=camera, begin=begin, end=end, seconds=seconds, start=start, out=folder
    )  # fmt: skip
    raise typer.Exit(run_tune(options, load_settings(config), SystemClock()))


@app.command()
def discover(  # noqa: PLR0913 - each is an option of the command
    *,
    network: Annotated[list[str] | None, typer.Option(help="A range such as 10.1.0.0/24; may be repeated.")] = None,
    address: Annotated[list[str] | None, typer.Option(help="HOST, HOST:PORT or device URL; may be repeated.")] = None,
    file: Annotated[Path | None, typer.Option(help="An address or range a line; # begins a comment.")] = None,
    ws: Annotated[bool, typer.Option("--ws", help="Ask by WS-Discovery too; alone where nothing is named.")] = False,
    port: Annotated[
        list[int] | None, typer.Option(min=1, max=65535, help="Where to look. Default: usual ones.")
    ] = None,
    credentials: Annotated[Path | None, typer.Option(help="YAML list of username, password; 3 are tried.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the cameras here as YAML, for one site.")] = None,
    site: Annotated[str | None, typer.Option(help="Site of the cameras: district[/substation[/checkpoint]].")] = None,
) -> None:
    """Find ONVIF cameras, say what each is, and write them down for a deployment."""
    from gridwatch.app.discover_command import DiscoverOptions, run_discover

    options = DiscoverOptions(
        networks=network or (), addresses=address or (), file=file, ws=ws, ports=port or (), credentials=credentials,
        out=out, site=site,
    )  # fmt: skip
    raise typer.Exit(run_discover(options, SystemClock()))


@app.command()
def rig(
    cameras: Annotated[list[str], typer.Argument(help="NAME=FILE for each virtual camera.", metavar="NAME=FILE...")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    rtsp_port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    username: str = "admin",
    password: Annotated[str | None, typer.Option(help="Generated when not given.")] = None,
) -> None:
    """Virtual ONVIF cameras that play recorded files in a loop."""
    from gridwatch.app.rig_command import run_rig

    run_rig(cameras, host, rtsp_port, username, password)


@samples.command("make")
def make_samples(
    folder: Annotated[Path, typer.Option("--out", help="Folder for clips, truth and configuration.")],
    scene: Annotated[list[str] | None, typer.Option(help="May be repeated. Default: all.")] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="day, dusk, rain, noise, shake or compression; may be repeated.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Others do the same elsewhere, at other times: a version for each number.")
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Render synthetic scenes of every rule with exact truth, ready for `gridwatch replay FOLDER`."""
    from gridwatch.app.samples_command import make_scenes

    make_scenes(scene or ["all"], variant or ["all"], folder, jobs, seed)


@samples.command("convert")
def convert_samples(
    source: Annotated[Path, typer.Argument(help="A MOTChallenge sequence's folder, or a COCO file of videos.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder for truth and clips.")],
    *,
    config: ConfigPath = DEFAULT_CONFIG,
    camera: Annotated[str | None, typer.Option(help="Whose zones and rules apply.")] = None,
    fps: Annotated[float | None, typer.Option(min=0.1, max=240, help="Where a COCO file does not say.")] = None,
    tolerance: Annotated[float, typer.Option(min=0.1, help="Seconds, of every incident.")] = 2.0,
) -> None:
    """Annotated recordings of others to truth of ours: the rules run on their boxes."""
    from gridwatch.app.convert_command import convert

    convert(source, config, camera, folder, fps, tolerance)


@app.command("migrate")
def migrate_database(
    *,
    only_plan: Annotated[bool, typer.Option("--plan", help="Print the SQL and change nothing.")] = False,
    to: Annotated[int | None, typer.Option(min=0, help="Number of a migration, up or down. Default: newest.")] = None,
    allow_loss: Annotated[bool, typer.Option(help="Go down also where that deletes what is stored.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Bring the database's schema up to date; every role does so when it starts. Stop them all before going down."""
    from gridwatch.app.migrate_command import planned, run_migrate, show_plan

    settings = load_settings(config)
    if only_plan:
        show_plan(asyncio.run(planned(settings, to)), out)
        return
    done = asyncio.run(run_migrate(settings, SystemClock(), to, allow_loss=allow_loss))
    out.print(f"done: {', '.join(done)}" if done else "nothing to do")


@accounts.command("add")
def add_account(
    name: str,
    role: Annotated[Role, typer.Option(help="What it may do.")],
    site: Annotated[str, typer.Option(help="It sees this site and everything below.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Create an account, or give it a new role, site and password. The password is asked for, or read from a pipe."""
    from gridwatch.app.accounts import save_account

    asking = sys.stdin.isatty()
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if asking else sys.stdin.readline()
    asyncio.run(save_account(load_settings(config), name, role, site, password.rstrip("\n"), SystemClock()))
    out.print(f"account {name}: {role} of {site}")


@app.command()
def watch(
    site: Annotated[
        str | None, typer.Option(help="district[/substation[/checkpoint]]. Default: the deployment's.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    broker: Annotated[str | None, typer.Option(help="mqtt[s]://host[:port], and no deployment is read.")] = None,
    username: Annotated[str | None, typer.Option(help="With --broker: who logs in. The password is asked for.")] = None,
    tls_ca: Annotated[Path | None, typer.Option(help="With --broker: who signed its certificate.")] = None,
) -> None:
    """What happens at a site, live: open incidents, messages, cameras, nodes. Lines where the output is no terminal."""
    from gridwatch.app.watch_command import choose_broker, run_watch

    place = choose_broker(config, broker, username, tls_ca, site)
    run_watch(*place, SystemClock(), Console(highlight=False))


@app.command("broker-config")
def broker_config(
    folder: Annotated[Path, typer.Argument(help="Where the files of each broker go.")],
    config: ConfigPath = DEFAULT_CONFIG,
    installed_at: Annotated[
        str | None, typer.Option(help="Folder under which a broker's folder lies on its machine. Default: as written.")
    ] = None,
    data: Annotated[str, typer.Option(help="Where a broker keeps its messages.")] = "/var/lib/mosquitto",
) -> None:
    """Mosquitto configurations for district and substations: bridges, TLS, accounts and rights for each site."""
    from pathlib import PurePosixPath

    from gridwatch.app.brokers.command import run_broker_config, tell

    place = PurePosixPath(installed_at) if installed_at else None
    brokers = run_broker_config(load_settings(config).deployment, folder, place, PurePosixPath(data), SystemClock())
    tell(brokers, folder, out)


@app.command()
def clip(
    incident: Annotated[UUID, typer.Argument(help="Whose clips.")],
    account: Annotated[str, typer.Option(help="Who wants them. The password is asked for, or read from a pipe.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")],
    out_folder: Annotated[Path, typer.Option("--out", help="Where the files go.")] = Path(),
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Hand out the clips of an incident, on the worker that keeps them. They show people as they are."""
    from gridwatch.app.clip_command import ClipRequest, release_clips

    request = ClipRequest(
        incident=incident, account=account, password=ask_password(), reason=reason, out=out_folder
    )  # fmt: skip
    for path in asyncio.run(release_clips(load_settings(config), request, SystemClock())):
        out.print(str(path))


@app.command()
def schemas(
    folder: Annotated[Path, typer.Argument(help="Where the files go.")],
) -> None:
    """Write the JSON Schema of every message, and the AsyncAPI document."""
    from gridwatch.bus.schemas import write_schemas

    for path in write_schemas(folder):
        out.print(str(path))


def _checked(config: Path) -> Settings:
    """Settings whose weights were verified too, so that nothing starts on wrong ones."""
    from gridwatch.detectors import load_detectors

    settings = load_settings(config)
    load_detectors(settings.deployment, settings.deployment.cameras)
    return settings
