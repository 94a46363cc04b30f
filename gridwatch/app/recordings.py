"""Which recordings to replay, what is true of each, and whose zones and rules watch it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gridwatch.app.expected import Truth, read_truth
from gridwatch.app.replay import Watched
from gridwatch.config import CameraConfig, Deployment, Document, check_settings, load_settings
from gridwatch.domain import HEALTH_RULE_PREFIX, IncidentKind, UsageError

_VIDEO: Final = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm"}
"""Endings by which a folder's recordings are known; a file named outright may have any."""
DEFAULT_CONFIG: Final = Path("gridwatch.yaml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """A clip to replay."""

    watched: Watched
    deployment: Deployment
    """Where its camera is from."""
    truth: Truth | None
    """None: nobody wrote down what it shows."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.watched.file.stem


def gather(paths: Iterable[Path], config: Path | None, camera: str | None, expect: Path | None) -> list[Recording]:
    """Every recording at `paths`, files or folders, in the order given, those of a folder by name.

    The zones and rules are those of `config`, else of NAME.yaml beside the clip, else of its truth file, else of
    gridwatch.yaml here; the truth is `expect`, else NAME.json beside the clip or in a folder `truth` beside its folder.
    Raises UsageError naming what is missing or wrong, before anything is replayed.
    """
    clips = list(dict.fromkeys(clip for path in paths for clip in _clips(path)))
    if expect is not None and len(clips) != 1:
        raise UsageError(f"--expect is for one clip, and there are {len(clips)}; put NAME.json beside each NAME.mp4")
    recordings = [_recording(clip, config, camera, expect or _truth_beside(clip)) for clip in clips]
    names = [one.name for one in recordings]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two recordings are named {name}; reports could not tell them apart")
    return recordings


def _clips(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in _VIDEO and file.is_file())
    if not found:
        raise UsageError(f"{path} holds no recording; they are known by {', '.join(sorted(_VIDEO))}")
    yield from found


def _truth_beside(clip: Path) -> Path | None:
    beside = clip.with_suffix(".json")
    apart = clip.parent.parent / "truth" / beside.name
    return next((path for path in (beside, apart) if path.is_file()), None)


def _recording(clip: Path, config: Path | None, camera: str | None, truth_file: Path | None) -> Recording:
    truth = None if truth_file is None else read_truth(truth_file)
    beside = clip.with_suffix(".yaml")
    chosen = config or (beside if beside.is_file() else None)
    if chosen is None and truth is not None and truth_file is not None and truth.rules:
        deployment = _deployment_of(truth, truth_file, clip)
    else:
        chosen = chosen or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)
        if chosen is None:
            raise UsageError(f"{clip}: nothing says what to watch; give --config, or put {beside.name} beside it")
        deployment = load_settings(chosen).deployment
    one = choose_camera(deployment, clip, camera)
    watched = Watched(file=clip, camera=one, health=deployment.health_of(one))
    return Recording(watched=watched, deployment=deployment, truth=truth)


def _deployment_of(truth: Truth, truth_file: Path, clip: Path) -> Deployment:
    """One camera that plays `clip` and watches what the truth file says is watched.

    Its rules of kind camera_tamper stand for the camera's health. Raises ConfigError naming the truth file.
    """
    camera: dict[str, Any] = {
        "id": "recording", "site": "recordings", "position": [0.0, 0.0], "source": {"file": str(clip.resolve())},
        "zones": truth.zones, "lines": truth.lines,
        "rules": [rule for rule in truth.rules if rule.get("kind") != IncidentKind.CAMERA_TAMPER],
        "health": {
            f"{str(rule.get('id')).removeprefix(HEALTH_RULE_PREFIX)}_seconds": rule.get("seconds")
            for rule in truth.rules
            if rule.get("kind") == IncidentKind.CAMERA_TAMPER
        },
    }  # fmt: skip
    data = {"version": 1, "district": {"id": "recordings", "name": "Recordings"}, "cameras": [camera]}
    return check_settings(Document(path=truth_file, data=data, lines={})).deployment


def choose_camera(deployment: Deployment, file: Path, wanted: str | None) -> CameraConfig:
    """The camera whose zones and rules apply: the one named, the one that plays `file`, or the only one.

    Raises UsageError when that is not one.
    """
    cameras = deployment.cameras
    if wanted is not None:
        cameras = tuple(camera for camera in cameras if camera.id == wanted)
    elif len(cameras) > 1:
        same = file.resolve()
        cameras = tuple(camera for camera in cameras if camera.source.file == same)
    if len(cameras) != 1:
        names = ", ".join(camera.id for camera in deployment.cameras) or "none"
        raise UsageError(f"say with --camera whose zones and rules apply to {file}; the configuration has {names}")
    return cameras[0]
