"""Typed settings: one YAML describes a deployment. Every section is frozen and refuses unknown keys."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from gridwatch.config.base import Identifier, LonLat, PicturePoint, Section, ZonePolygon, require_unique
from gridwatch.config.clips import ClipMode, ClipsConfig
from gridwatch.config.detectors import DEFAULT_DETECTOR, DetectorConfig, DetectorModel
from gridwatch.config.retention import RetentionConfig
from gridwatch.config.rules import RuleConfig
from gridwatch.config.schedule import TimeZoneName
from gridwatch.config.services import ServicesConfig
from gridwatch.config.sources import SourceConfig
from gridwatch.domain import HEALTH_RULE_PREFIX, CaseStep, Category, IncidentKind, Position, Severity, SitePath, Unit


class CheckpointConfig(Section):
    """A checkpoint: the lowest site."""

    id: Identifier
    name: str
    position: LonLat | None = None
    timezone: TimeZoneName | None = None
    """For schedules; None: that of the site above."""
    detector: Identifier | None = None
    """Of the cameras here and below that name none; None: that of the site above."""


class BrokerPlace(Section):
    """Where a site's own MQTT broker listens, as others reach it. Read by `gridwatch broker-config`."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$")]
    """Name or address; its certificate is for this."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8883


class SubstationConfig(CheckpointConfig):
    """A police substation and its checkpoints."""

    broker: BrokerPlace | None = None
    """None: its workers and people use the district's."""
    checkpoints: tuple[CheckpointConfig, ...] = ()


class DistrictConfig(CheckpointConfig):
    """The district: root of the tree."""

    broker: BrokerPlace | None = None
    substations: tuple[SubstationConfig, ...] = ()


class OnvifSource(Section):
    """A camera found by asking it over ONVIF where its stream is."""

    url: Annotated[str, Field(pattern=r"^https?://", repr=False)]
    """Device service, e.g. `http://192.0.2.10/onvif/device_service`."""
    username: str | None = None
    password: SecretStr | None = None
    profile: str | None = None
    """Token or name of the media profile to analyse; None: the smallest H.264 or H.265 one at least 640 wide."""
    tls_ca: Path | None = None
    """PEM certificates that must have signed the camera's, for https and rtsps; None: any is taken, since cameras sign
    their own. Relative to the YAML file."""


class CameraSource(Section):
    """Exactly one of ONVIF, RTSP, motion JPEG over HTTP, or a recorded file."""

    onvif: OnvifSource | None = None
    rtsp: Annotated[str, Field(pattern=r"^rtsps?://")] | None = Field(default=None, repr=False)
    """May hold a user name and password, and so is not shown."""
    mjpeg: Annotated[str, Field(pattern=r"^https?://")] | None = Field(default=None, repr=False)
    """`multipart/x-mixed-replace` over HTTP, for cameras without RTSP."""
    file: Path | None = None
    loop: bool = False
    """Play the file again and again as one stream that does not end."""
    transport: Literal["auto", "tcp", "udp"] = "auto"
    """How RTP comes; auto: over TCP, and over UDP from a camera that refuses TCP."""

    tls_ca: Path | None = None
    """As in `onvif`, for rtsps and for https of mjpeg."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.onvif, self.rtsp, self.mjpeg, self.file)) != 1:
            raise ValueError("give exactly one of onvif, rtsp, mjpeg or file")
        if self.loop and self.file is None:
            raise ValueError("loop is for a file")
        if self.tls_ca is not None and not (self.rtsp or self.mjpeg or "").startswith(("rtsps:", "https:")):
            raise ValueError("tls_ca is for an rtsps or https address; a camera found by onvif has it under onvif")
        return self


class LineConfig(Section):
    """A directed line on the picture. Looking from `start` to `end`, objects pass to its left or its right."""

    start: PicturePoint
    end: PicturePoint

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.start == self.end:
            raise ValueError("start and end are the same point; a line needs length")
        return self


Hold = Annotated[float, Field(ge=0, le=3600)] | None
"""Seconds a condition must last before it is an incident; null: it is not watched."""


class HealthConfig(Section):
    """When a camera's own state is an incident. A camera's `health` replaces those of the deployment that it names."""

    offline_seconds: Hold = 20.0
    """Grace: without video for this long, a camera is offline."""
    return_seconds: Annotated[float, Field(ge=0, le=3600)] = 10.0
    """Video for this long without a break ends its outage."""
    clock_drift_seconds: Annotated[float, Field(gt=0)] | None = 2.0
    """How far its clock may be from ours; null: not watched."""
    frozen_seconds: Hold = 12.0
    """Longer than the key frame interval: of a still scene, an encoder may send nothing new in between."""
    black_seconds: Hold = 5.0
    bright_seconds: Hold = 10.0
    blurred_seconds: Hold = 8.0
    covered_seconds: Hold = 3.0
    moved_seconds: Hold = 5.0
    """null for a camera that turns on purpose."""

    def with_changes(self, changes: "HealthConfig | None") -> Self:
        """Itself, with what `changes` was given explicitly."""
        if changes is None:
            return self
        return self.model_copy(update={name: getattr(changes, name) for name in changes.model_fields_set})


class MovingConfig(Section):
    """Where the positions of a camera that moves come from: exactly one of NMEA, MQTT or ONVIF."""

    nmea: Annotated[str, Field(pattern=r"^tcp://[^/\s@?#]+:\d{1,5}$")] | None = None
    """A server of NMEA 0183 sentences, `tcp://host:port`. Cameras of one vehicle may name the same."""
    mqtt: Literal[True] | None = None
    """Whoever knows them publishes them, retained, on the camera's `position` topic."""
    onvif: Literal[True] | None = None
    """The camera knows where it is, and tells by GetGeoLocation or an event. For cameras found by ONVIF."""
    max_age_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """How far in time a position may be from an incident that takes it; beyond, the camera's `position` counts."""

    @field_validator("nmea")
    @classmethod
    def _port_exists(cls, value: str | None) -> str | None:
        if value is not None and not 1 <= int(value.rpartition(":")[2]) <= 65535:
            raise ValueError("the port must be 1 to 65535")
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.nmea, self.mqtt, self.onvif)) != 1:
            raise ValueError("give exactly one of nmea, mqtt or onvif")
        return self


ONVIF_RULE_PREFIX = "onvif."
"""Rules of the incidents that cameras tell of (`onvif.signalloss`, ...) begin so; no configured rule may."""


class EventsConfig(Section):
    """Which of the events that a camera tells over ONVIF become incidents. Of no effect on other cameras."""

    enabled: bool = True
    motion: bool = False
    """Plain motion too. It comes all day: only for where nothing may move."""
    severity: dict[IncidentKind, Severity] = Field(default_factory=dict)
    """By kind; default major, and info for plain motion."""


class CameraConfig(Section):
    """One video source, where it hangs and what is watched on it."""

    id: Identifier
    name: str = ""
    site: str
    """Path of the site it hangs on: `district[/substation[/checkpoint]]`."""
    position: LonLat
    """Where it stands; for a moving camera, where it is when nothing better is known."""
    moving: MovingConfig | None = None
    source: CameraSource
    gb28181: Annotated[str, Field(pattern=r"^\d{20}$")] | None = None
    """GB/T 28181 code; kept, not interpreted."""
    analysis_fps: Annotated[float, Field(gt=0, le=30)] = 5.0
    gate: bool = True
    """False decodes and analyses every frame, moving or not."""
    decode: Literal["cpu", "vaapi", "cuda", "auto"] = "cpu"
    """Where to decode: `cuda` is NVDEC, `auto` the first of `cuda` and `vaapi` that works. The CPU when none does."""
    closer_looks: Annotated[int, Field(ge=0, le=8)] = 0
    """For small objects: crops around what moves, at most so many a picture, each as costly as a picture."""
    detector: Identifier | None = None
    """One of `detectors`, or `default`; None: that of its site."""
    events: EventsConfig = EventsConfig()
    zones: dict[Identifier, ZonePolygon] = Field(default_factory=dict)
    lines: dict[Identifier, LineConfig] = Field(default_factory=dict)
    privacy: tuple[ZonePolygon, ...] = ()
    """Blackened in every picture before it leaves the worker."""
    ignore: tuple[ZonePolygon, ...] = ()
    """Whatever has its foot in one of these does not count, and what moves in them wakes nobody."""
    timezone: TimeZoneName | None = None
    """For schedules; None: that of its site."""
    rules: tuple[RuleConfig, ...] = ()
    health: HealthConfig | None = None
    """What is different here from the deployment's `health`."""
    clips: ClipMode | None = None
    """Instead of the `mode` of the deployment's `clips`."""

    @field_validator("site")
    @classmethod
    def _site_reads(cls, value: str) -> str:
        SitePath.parse(value)
        return value

    @model_validator(mode="after")
    def _rules_refer_to_something(self) -> Self:
        require_unique([rule.id for rule in self.rules], "rule")
        for rule in self.rules:
            if rule.id.startswith(HEALTH_RULE_PREFIX):
                raise ValueError(f"rule {rule.id!r}: ids that begin with {HEALTH_RULE_PREFIX!r} are those of health")
            if rule.id.startswith(ONVIF_RULE_PREFIX):
                raise ValueError(f"rule {rule.id!r}: ids that begin with {ONVIF_RULE_PREFIX!r} are those of cameras")
        return self

    @model_validator(mode="after")
    def _onvif_can_tell(self) -> Self:
        if self.moving is not None and self.moving.onvif and self.source.onvif is None:
            raise ValueError("moving.onvif needs a source found by onvif")
        return self

    @property
    def site_path(self) -> SitePath:
        """`site`, parsed."""
        return SitePath.parse(self.site)

    @property
    def place(self) -> Position:
        """`position`, as a domain type."""
        return Position(lon=self.position[0], lat=self.position[1])


class UnitConfig(Section):
    """An organisation that handles cases."""

    code: Annotated[str, Field(min_length=1)]
    name: str

    def to_domain(self) -> Unit:
        """As a domain type."""
        return Unit(code=self.code, name=self.name)


class CategoryConfig(Section):
    """How one kind of work is followed."""

    id: Identifier
    name: str
    kinds: Annotated[tuple[IncidentKind, ...], Field(min_length=1)]
    clocks: dict[CaseStep, timedelta] = Field(default_factory=dict)
    """ISO 8601 durations, e.g. `PT30M`, `P3D`."""
    auto_file: bool = True
    join_window: timedelta = timedelta(minutes=30)

    @field_validator("clocks")
    @classmethod
    def _positive(cls, value: dict[CaseStep, timedelta]) -> dict[CaseStep, timedelta]:
        if CaseStep.DISCOVER in value:
            raise ValueError("discover starts a case and has no clock")
        for step, limit in value.items():
            if limit <= timedelta(0):
                raise ValueError(f"the clock of {step} must be longer than nothing")
        return value

    def to_domain(self) -> Category:
        """As a domain type."""
        return Category(
            id=self.id, name=self.name, kinds=self.kinds, clocks=dict(self.clocks),
            auto_file=self.auto_file, join_window=self.join_window,
        )  # fmt: skip


def _default_categories() -> tuple[CategoryConfig, ...]:
    clocks = {
        CaseStep.FILE: timedelta(minutes=10),
        CaseStep.DISPATCH: timedelta(minutes=10),
        CaseStep.HANDLE: timedelta(minutes=30),
        CaseStep.REVIEW: timedelta(hours=4),
        CaseStep.CLOSE: timedelta(hours=24),
        CaseStep.EVALUATE: timedelta(days=3),
    }
    order = CategoryConfig(
        id="public-order", name="Public order 治安秩序", clocks=clocks,
        kinds=(IncidentKind.INTRUSION, IncidentKind.LINE_CROSSING, IncidentKind.CROWDING, IncidentKind.LOITERING,
               IncidentKind.WRONG_WAY, IncidentKind.DEVICE_ALARM, IncidentKind.REPORTED, IncidentKind.FIRE_SMOKE),
    )  # fmt: skip
    city = CategoryConfig(
        id="city-order", name="City order 市容秩序", clocks={**clocks, CaseStep.HANDLE: timedelta(hours=48)},
        kinds=(IncidentKind.STOPPED_VEHICLE, IncidentKind.ABANDONED_OBJECT, IncidentKind.REMOVED_OBJECT),
    )  # fmt: skip
    return (order, city)


class CasesConfig(Section):
    """Categories of work; kinds in none of them do not make cases."""

    categories: tuple[CategoryConfig, ...] = Field(default_factory=_default_categories)

    @model_validator(mode="after")
    def _one_category_a_kind(self) -> Self:
        require_unique([c.id for c in self.categories], "category")
        require_unique([kind for c in self.categories for kind in c.kinds], "kind of a category")
        return self


class Deployment(Section):
    """The whole YAML."""

    version: Literal[1]
    district: DistrictConfig
    cameras: tuple[CameraConfig, ...] = ()
    grids: Path | None = None
    """GeoJSON FeatureCollection; relative to the YAML file."""
    units: tuple[UnitConfig, ...] = ()
    detector: DetectorConfig = DetectorConfig()
    """The one called `default`."""
    detectors: dict[Identifier, DetectorModel] = Field(default_factory=dict)
    """Others, by name."""
    health: HealthConfig = HealthConfig()
    clips: ClipsConfig = ClipsConfig()
    cases: CasesConfig = CasesConfig()
    retention: RetentionConfig = RetentionConfig()
    sources: tuple[SourceConfig, ...] = ()
    """Other systems that tell of incidents."""
    services: ServicesConfig = ServicesConfig()

    def health_of(self, camera: CameraConfig) -> HealthConfig:
        """The deployment's `health` with what `camera` changes of it."""
        return self.health.with_changes(camera.health)

    def keeps_clips(self, camera: CameraConfig) -> bool:
        """Whether clips are kept of what happens on `camera`."""
        return (camera.clips or self.clips.mode) == "original"

    @model_validator(mode="after")
    def _default_is_taken(self) -> Self:
        if DEFAULT_DETECTOR in self.detectors:
            raise ValueError(f"the detector {DEFAULT_DETECTOR!r} is described by the section `detector`")
        return self

    def detector_name(self, camera: CameraConfig) -> str:
        """Of the detector that looks at `camera`: its own, else that of the nearest site above that names one."""
        path = camera.site_path
        sites: list[CheckpointConfig] = [self.district]
        for substation in self.district.substations:
            if substation.id == path.substation:
                sites = [*(one for one in substation.checkpoints if one.id == path.checkpoint), substation, *sites]
        named = (camera.detector, *(site.detector for site in sites))
        return next((name for name in named if name is not None), DEFAULT_DETECTOR)

    def detector_called(self, name: str) -> DetectorModel:
        """The detector of that name. Raises KeyError."""
        return self.detector if name == DEFAULT_DETECTOR else self.detectors[name]

    def camera(self, camera_id: str) -> CameraConfig:
        """The camera of that id. Raises KeyError."""
        for one in self.cameras:
            if one.id == camera_id:
                return one
        raise KeyError(camera_id)
