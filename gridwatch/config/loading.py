"""From a YAML file to a `Deployment`, or to a list of everything that is wrong with it."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from gridwatch.config.detectors import DEFAULT_DETECTOR, DetectorModel
from gridwatch.config.document import Document, plain_message, read_document, validation_problems
from gridwatch.config.grids import read_grids
from gridwatch.config.model import CameraConfig, CameraSource, Deployment
from gridwatch.config.problems import ConfigError, Location, Problem, nearest
from gridwatch.config.retention import BELOW_FLOOR, days
from gridwatch.config.rules import LineCrossingRule
from gridwatch.config.sources import MqttSourceBase, SourceConfig, bound_by
from gridwatch.domain import Grid, Position, SitePath, SiteRecord


class Environment(BaseSettings):
    """Settings that the environment may override: GRIDWATCH_DSN, GRIDWATCH_MQTT, GRIDWATCH_DATA_DIR."""

    model_config = SettingsConfigDict(env_prefix="GRIDWATCH_", frozen=True)
    dsn: SecretStr | None = None
    mqtt: str | None = None
    data_dir: Path | None = None


class Settings(BaseModel):
    """A deployment that has passed every check, with paths made absolute and grids read."""

    model_config = {"frozen": True, "arbitrary_types_allowed": True}
    path: Path
    deployment: Deployment
    sites: tuple[SiteRecord, ...]
    """Every node of the tree, district first, depth first."""
    grids: tuple[Grid, ...]


def load_settings(path: Path) -> Settings:
    """Read, check and resolve the deployment at `path`. Raises ConfigError with every problem found."""
    return check_settings(read_document(path, variables=True))


def check_settings(document: Document) -> Settings:
    """Check and resolve a deployment that was read, or made. Raises ConfigError with every problem found."""
    path = document.path
    deployment = _validate(document)
    deployment = _resolve(deployment, path.resolve().parent, Environment())
    problems = list(_cross_check(document, deployment))
    grids: tuple[Grid, ...] = ()
    if deployment.grids is not None:
        try:
            grids = read_grids(deployment.grids, {unit.code for unit in deployment.units})
        except ConfigError as exc:
            problems.extend(exc.problems)
    if problems:
        raise ConfigError(problems)
    return Settings(path=path.resolve(), deployment=deployment, sites=tuple(site_tree(deployment)), grids=grids)


def site_tree(deployment: Deployment) -> Iterator[SiteRecord]:
    """The tree as records, district first, depth first."""
    district = deployment.district
    top = SitePath(district=district.id)
    yield _site(top, district.name, district.position)
    for substation in district.substations:
        middle = SitePath(district=district.id, substation=substation.id)
        yield _site(middle, substation.name, substation.position)
        for checkpoint in substation.checkpoints:
            leaf = SitePath(district=district.id, substation=substation.id, checkpoint=checkpoint.id)
            yield _site(leaf, checkpoint.name, checkpoint.position)


def _site(path: SitePath, name: str, position: tuple[float, float] | None) -> SiteRecord:
    place = None if position is None else Position(lon=position[0], lat=position[1])
    return SiteRecord(path=path, name=name, position=place)


def _validate(document: Document) -> Deployment:
    try:
        return Deployment.model_validate(document.data)
    except ValidationError as exc:
        raise ConfigError(validation_problems(document, exc, _explain)) from exc


def _explain(error: ErrorDetails, location: Location) -> str:
    if error["type"] == "extra_forbidden":
        return f"unknown key{nearest(str(location[-1]), _known_keys(location[:-1]))}"
    if error["type"] == "union_tag_invalid":
        tag, expected = str(error["ctx"]["tag"]), error["ctx"]["expected_tags"]
        if location[:1] == ("sources",):
            types = re.findall(r"'(\w+)'", expected)
            return f"no source of type {tag!r}{nearest(tag, types)}"
        kinds = re.findall(r": '(\w+)'>", expected)
        return f"no rule of kind {tag!r}{nearest(tag, kinds)}"
    if error["type"] == "union_tag_not_found":
        discriminator = str(error["ctx"]["discriminator"]).strip("'")
        return f"{discriminator} is required but not given"
    return plain_message(error)


def _known_keys(location: Location) -> set[str]:
    """Keys that the section at `location` has; for a rule, those of every kind."""
    models: set[type[BaseModel]] = {Deployment}
    for part in location:
        annotations = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        if annotations:
            models = {found for annotation in annotations for found in _models_in(annotation)}
    return {name for model in models for name in model.model_fields}


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)


def _resolve(deployment: Deployment, base: Path, environment: Environment) -> Deployment:
    """Paths relative to the YAML file become absolute; the environment's overrides are put in."""
    services = deployment.services
    broker = services.broker.model_copy(update={"url": environment.mqtt}) if environment.mqtt else services.broker
    if broker.tls_ca is not None:
        broker = broker.model_copy(update={"tls_ca": (base / broker.tls_ca).resolve()})
    database = services.database.model_copy(update={"dsn": environment.dsn}) if environment.dsn else services.database
    data_dir = (base / (environment.data_dir or services.data_dir)).resolve()
    zones = dict(_time_zones(deployment))
    cameras = tuple(
        camera.model_copy(
            update={
                "source": _resolve_source(camera.source, base),
                "timezone": camera.timezone or zones.get(str(camera.site_path)),
            }
        )
        for camera in deployment.cameras
    )
    return deployment.model_copy(
        update={
            "cameras": cameras,
            "sources": tuple(_resolve_foreign(one, base) for one in deployment.sources),
            "grids": None if deployment.grids is None else (base / deployment.grids).resolve(),
            "detector": _resolve_detector(deployment.detector, base),
            "detectors": {name: _resolve_detector(one, base) for name, one in deployment.detectors.items()},
            "services": services.model_copy(update={"broker": broker, "database": database, "data_dir": data_dir}),
        }
    )


def _time_zones(deployment: Deployment) -> Iterator[tuple[str, str | None]]:
    """The time zone of every node of the tree: its own, or that of the node above."""
    district = deployment.district
    yield district.id, district.timezone
    for substation in district.substations:
        middle = substation.timezone or district.timezone
        yield f"{district.id}/{substation.id}", middle
        for checkpoint in substation.checkpoints:
            yield f"{district.id}/{substation.id}/{checkpoint.id}", checkpoint.timezone or middle


_Detector = TypeVar("_Detector", bound=DetectorModel)


def _resolve_detector(detector: _Detector, base: Path) -> _Detector:
    paths = {"weights": detector.weights, "labels": detector.labels}
    resolved = {name: (base / path).resolve() for name, path in paths.items() if path is not None}
    weights = detector.weights
    if weights is not None and weights.suffix == ".pt" and len(weights.parts) == 1 and not resolved["weights"].exists():
        # A name that Ultralytics knows, and not a path.
        resolved["weights"] = weights
    return detector.model_copy(update=resolved)


def _resolve_foreign(source: SourceConfig, base: Path) -> SourceConfig:
    if not isinstance(source, MqttSourceBase) or source.broker is None or source.broker.tls_ca is None:
        return source
    broker = source.broker.model_copy(update={"tls_ca": (base / source.broker.tls_ca).resolve()})
    return source.model_copy(update={"broker": broker})


def _resolve_source(source: CameraSource, base: Path) -> CameraSource:
    paths = {name: (base / path).resolve() for name, path in (("file", source.file), ("tls_ca", source.tls_ca)) if path}
    onvif = source.onvif
    if onvif is not None and onvif.tls_ca is not None:
        onvif = onvif.model_copy(update={"tls_ca": (base / onvif.tls_ca).resolve()})
    return source.model_copy(update={**paths, "onvif": onvif})


def _cross_check(document: Document, deployment: Deployment) -> Iterator[Problem]:
    """What no section can see alone: names that refer to one another, and files that must be there."""
    yield from _check_sites(document, deployment)
    authority = deployment.services.broker.tls_ca
    if authority is not None and not authority.is_file():
        yield document.problem(("services", "broker", "tls_ca"), f"no such file: {authority}")
    known_sites = {str(site.path) for site in site_tree(deployment)}
    seen: dict[str, int] = {}
    for index, camera in enumerate(deployment.cameras):
        here: Location = ("cameras", index)
        if camera.id in seen:
            first = document.line(("cameras", seen[camera.id], "id"))
            message = f"camera {camera.id!r} is already on line {first}; ids are unique in a deployment"
            yield document.problem((*here, "id"), message)
        seen.setdefault(camera.id, index)
        if str(camera.site_path) not in known_sites:
            message = f"no site {camera.site!r} in the tree{nearest(camera.site, known_sites)}"
            yield document.problem((*here, "site"), message)
        yield from _check_files(document, (*here, "source"), camera.source)
        yield from _check_rules(document, here, camera)
    yield from _check_detectors(document, deployment)
    yield from _check_retention(document, deployment, known_sites)
    yield from _check_clips(document, deployment)
    yield from _check_sources(document, deployment)


def _check_clips(document: Document, deployment: Deployment) -> Iterator[Problem]:
    """No clip is deleted before the floor of what it may show. `keep` says nothing where no camera keeps clips."""
    keep = deployment.clips.keep
    keeping = [one for one in deployment.cameras if deployment.keeps_clips(one)]
    floors = {one.id: deployment.retention.longest_floor(one.site_path) for one in keeping}
    camera = max(floors, key=floors.__getitem__, default=None)
    if camera is not None and keep < floors[camera]:
        floor = days(floors[camera])
        message = f"clips of camera {camera!r} go after {days(keep)}, before its floor {floor}: give {floor} or more"
        yield document.problem(("clips", "keep"), message)


def _check_retention(document: Document, deployment: Deployment, known_sites: set[str]) -> Iterator[Problem]:
    """Rules name sites of the tree, and none has a ceiling below its floor, given or inherited."""
    retention = deployment.retention
    for index, rule in enumerate(retention.rules):
        here: Location = ("retention", "rules", index)
        floor, ceiling = retention.limits(rule)
        if ceiling < floor:
            place = (*here, "floor" if rule.ceiling is None else "ceiling")
            yield document.problem(place, BELOW_FLOOR.format(ceiling=days(ceiling), floor=days(floor)))
        if rule.site is not None and rule.site not in known_sites:
            message = f"no site {rule.site!r} in the tree{nearest(rule.site, known_sites)}"
            yield document.problem((*here, "site"), message)


def _check_sources(document: Document, deployment: Deployment) -> Iterator[Problem]:
    """What sources are bound to is there, and none tells under the name of another, or of a camera's rule."""
    cameras = {camera.id for camera in deployment.cameras}
    sites = {str(site.path) for site in site_tree(deployment)}
    seen: set[str] = set()
    for index, source in enumerate(deployment.sources):
        here: Location = ("sources", index)
        if source.id in seen:
            yield document.problem((*here, "id"), f"source {source.id!r} is defined twice")
        seen.add(source.id)
        if any(rule.id.startswith(f"{source.id}.") for camera in deployment.cameras for rule in camera.rules):
            message = f"a camera has a rule that begins with {source.id + '.'!r}, as those of this source do"
            yield document.problem((*here, "id"), message)
        authority = source.broker.tls_ca if isinstance(source, MqttSourceBase) and source.broker else None
        if authority is not None and not authority.is_file():
            yield document.problem((*here, "broker", "tls_ca"), f"no such file: {authority}")
        for one in bound_by(source):
            if isinstance(one, str):
                if one not in cameras:
                    yield document.problem(here, f"it is bound to no camera {one!r}{nearest(one, cameras)}")
            elif one.site not in sites:
                yield document.problem(here, f"{one.id!r} is at no site {one.site!r}{nearest(one.site, sites)}")
            elif one.id in cameras:
                yield document.problem(here, f"{one.id!r} is a camera of the deployment: bind it by its id alone")


def _check_detectors(document: Document, deployment: Deployment) -> Iterator[Problem]:
    """The detectors that cameras and sites name are there."""
    known = {DEFAULT_DETECTOR, *deployment.detectors}
    district: Location = ("district",)
    named: list[tuple[Location, str | None]] = [(district, deployment.district.detector)]
    for index, substation in enumerate(deployment.district.substations):
        here: Location = (*district, "substations", index)
        named.append((here, substation.detector))
        named += [((*here, "checkpoints", n), one.detector) for n, one in enumerate(substation.checkpoints)]
    named += [(("cameras", index), camera.detector) for index, camera in enumerate(deployment.cameras)]
    for place, name in named:
        if name is not None and name not in known:
            yield document.problem((*place, "detector"), f"no detector {name!r}{nearest(name, known)}")


def _check_sites(document: Document, deployment: Deployment) -> Iterator[Problem]:
    """Site ids are unique among their siblings."""
    seen: set[str] = set()
    for index, substation in enumerate(deployment.district.substations):
        here: Location = ("district", "substations", index)
        if substation.id in seen:
            yield document.problem((*here, "id"), f"substation {substation.id!r} is defined twice")
        seen.add(substation.id)
        below: set[str] = set()
        for number, checkpoint in enumerate(substation.checkpoints):
            if checkpoint.id in below:
                message = f"checkpoint {checkpoint.id!r} is defined twice under {substation.id!r}"
                yield document.problem((*here, "checkpoints", number, "id"), message)
            below.add(checkpoint.id)


def _check_files(document: Document, source_at: Location, source: CameraSource) -> Iterator[Problem]:
    """The files of a source are there."""
    files: tuple[tuple[Location, Path | None], ...] = (
        (("file",), source.file),
        (("tls_ca",), source.tls_ca),
        (("onvif", "tls_ca"), source.onvif.tls_ca if source.onvif else None),
    )
    for place, path in files:
        if path is not None and not path.is_file():
            yield document.problem((*source_at, *place), f"no such file: {path}")


def _check_rules(document: Document, camera_at: Location, camera: CameraConfig) -> Iterator[Problem]:
    for number, rule in enumerate(camera.rules):
        here: Location = (*camera_at, "rules", number)
        if rule.schedule is not None and camera.timezone is None:
            message = "a schedule needs a time zone: give `timezone` to the district, the site or the camera"
            yield document.problem((*here, "schedule"), message)
        if isinstance(rule, LineCrossingRule):
            if rule.line not in camera.lines:
                message = f"camera {camera.id!r} has no line {rule.line!r}{nearest(rule.line, camera.lines)}"
                yield document.problem((*here, "line"), message)
        elif rule.zone not in camera.zones:
            message = f"camera {camera.id!r} has no zone {rule.zone!r}{nearest(rule.zone, camera.zones)}"
            yield document.problem((*here, "zone"), message)
