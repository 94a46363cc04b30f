"""Other systems that tell of incidents: where each is, what its messages mean, and which camera they belong to."""

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from gridwatch.config.base import Fraction, Identifier, LonLat, Section, require_unique
from gridwatch.config.services import BrokerConfig
from gridwatch.domain import IncidentKind, Severity, SitePath
from gridwatch.domain.onvif import is_identity_field, is_identity_topic

ROOM_FOR_RULE = 40
SourceId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,21}$")]
"""Begins the rule of every incident of the source (`lobby.yard`), which has to fit into an identifier."""
RuleId = Annotated[Identifier, Field(max_length=ROOM_FOR_RULE)]
_STEP = re.compile(r"[^.\s]{1,64}")
_SECRET_LENGTH = 16


def _is_path(text: str) -> str:
    """Raise ValueError unless it is a path, and none into what names a person."""
    steps = text.split(".") if text else []
    if len(steps) > 16 or not all(_STEP.fullmatch(step) for step in steps):
        raise ValueError("a path is names and list positions joined by dots, such as `alarm.zones.0`")
    if any(is_identity_field(step) for step in steps):
        raise ValueError("this promises a person, face, plate or temperature, which no source may tell")
    return text


def _is_filter(text: str) -> str:
    """Raise ValueError unless it is a topic filter of MQTT that says from where it wants messages."""
    levels = text.split("/")
    if any(("#" in one or "+" in one) and len(one) > 1 for one in levels) or "#" in levels[:-1] or levels[0] == "#":
        raise ValueError("`+` and `#` stand for whole levels, `#` for the last ones, and something comes before it")
    return text


JsonPath = Annotated[str, AfterValidator(_is_path)]
"""Names and list positions joined by dots; empty for the whole message."""
TopicFilter = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_is_filter)]


class ForeignPlace(Section):
    """What a source tells of that is no camera of the deployment: it has a place and a name of its own."""

    id: Identifier
    """Stands where a camera's id does."""
    site: str
    position: LonLat

    @field_validator("site")
    @classmethod
    def _site_reads(cls, value: str) -> str:
        SitePath.parse(value)
        return value


Bound = Identifier | ForeignPlace
"""A camera of the deployment by its id, or a place."""


class SourceBase(Section):
    """What every source has."""

    id: SourceId
    max_age: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=30))] = timedelta(days=1)
    """How far back a time that the source tells is believed; older, or in the future, it is the time of arrival."""
    clear_after: Annotated[timedelta, Field(ge=timedelta(seconds=1))] | None = timedelta(hours=6)
    """An incident of which nothing is heard for so long is over; null: never."""
    burst: Annotated[int, Field(ge=1, le=1000)] = 20
    """Incidents that one camera may raise at once..."""
    per_minute: Annotated[float, Field(gt=0, le=6000)] = 20.0
    """...and how many more a minute. The rest are counted, not raised."""


class MqttSourceBase(SourceBase):
    """A source that publishes over MQTT."""

    broker: BrokerConfig | None = None
    """Where; null: on the deployment's own broker."""


class FrigateRule(Section):
    """What of Frigate's tracked objects is an incident."""

    id: RuleId
    kind: IncidentKind
    severity: Severity = Severity.MAJOR
    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    """Frigate's: `person`, `car`, ..."""
    zones: tuple[str, ...] = ()
    """Frigate's zones, one of which the object must have entered; none: wherever it is."""
    cameras: tuple[str, ...] = ()
    """Frigate's names; none: all that are bound."""
    min_score: Fraction = 0.0

    @field_validator("labels")
    @classmethod
    def _labels_are_things(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(is_identity_topic(label) for label in value):
            raise ValueError("faces and plates are no incidents: gridwatch takes in neither")
        return value


class FrigateSource(MqttSourceBase):
    """Frigate's tracked objects, from its `events` topic."""

    type: Literal["frigate"]
    topic: TopicFilter = "frigate/events"
    cameras: Annotated[dict[str, Bound], Field(min_length=1)]
    """By Frigate's name."""
    pictures: dict[str, tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)
    """Width and height of a camera's `detect` picture, by Frigate's name; boxes are left out where it is not given."""
    rules: Annotated[tuple[FrigateRule, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        require_unique([rule.id for rule in self.rules], "rule")
        named = {*self.pictures, *(name for rule in self.rules for name in rule.cameras)}
        if unknown := sorted(named - self.cameras.keys()):
            raise ValueError(f"{', '.join(unknown)} is not among its cameras")
        return self


class OnvifJsonSource(MqttSourceBase):
    """Cameras that publish their events themselves, in ONVIF's JSON (Core specification, 9.12)."""

    type: Literal["onvif"]
    cameras: Annotated[dict[TopicFilter, Bound], Field(min_length=1)]
    """By topic prefix: what stands before `/onvif-ej/`."""
    motion: bool = False
    """Plain motion too. It comes all day."""
    severity: dict[IncidentKind, Severity] = Field(default_factory=dict)
    """By kind; default major, and info for plain motion."""

    @field_validator("cameras")
    @classmethod
    def _prefixes_are_plain(cls, value: dict[str, Bound]) -> dict[str, Bound]:
        if any("+" in prefix or "#" in prefix for prefix in value):
            raise ValueError("a prefix belongs to one camera, so it has no + or #")
        return value


class Condition(Section):
    """When a message says so. What is given must all hold."""

    path: JsonPath = ""
    equals: str | bool | int | float | None = None
    one_of: tuple[str | bool | int | float, ...] | None = None
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(one is None for one in (self.equals, self.one_of, self.above, self.below)):
            raise ValueError("give equals, one_of, above or below")
        return self


class MappingConfig(Section):
    """What the messages of a source mean. Whatever is not named here is not looked at."""

    kind: IncidentKind
    severity: Severity = Severity.MAJOR
    rule: RuleId
    camera: Bound | None = None
    """Where all of it happens; or..."""
    camera_path: JsonPath | None = None
    """...where a message names it, ..."""
    cameras: dict[str, Bound] = Field(default_factory=dict)
    """...and what each name is bound to."""
    raise_when: Condition
    clear_when: Condition | None = None
    """What ends it; null: it is of a moment, or ends by `clear_after`, when `lasts`."""
    lasts: bool = False
    """Without `clear_when`: goes on until nothing is heard for `clear_after`."""
    subject: JsonPath | None = None
    """Tells several at once on a camera apart; never shown. null: one at a time."""
    time: JsonPath | None = None
    """RFC 3339 text, or seconds or milliseconds since 1970. null: the time of arrival."""
    score: JsonPath | None = None
    """0..1; null: 1."""
    count: JsonPath | None = None
    """How many take part; null: 1."""

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if (self.camera is None) == (self.camera_path is None) or (self.camera_path is None) == bool(self.cameras):
            raise ValueError("give either camera, or camera_path and cameras")
        if self.lasts and self.clear_when is not None:
            raise ValueError("lasts is for what nothing clears")
        return self

    @property
    def bound(self) -> tuple[Bound, ...]:
        """Every camera and place it may be about."""
        return (self.camera,) if self.camera is not None else tuple(self.cameras.values())


class TopicSource(MqttSourceBase):
    """Any topic whose messages are JSON, or plain text."""

    type: Literal["topic"]
    topic: TopicFilter
    format: Literal["json", "text"] = "json"
    map: MappingConfig


class WebhookSource(SourceBase):
    """Whoever sends an HTTP POST and proves that it may."""

    type: Literal["webhook"]
    token: SecretStr | None = None
    """Expected as `Authorization: Bearer ...`; or..."""
    hmac_key: SecretStr | None = None
    """...the key of an HMAC-SHA256 of the body, expected as `X-Hub-Signature-256: sha256=<hex>`."""
    requests_per_minute: Annotated[float, Field(gt=0, le=6000)] = 120.0
    map: MappingConfig

    @model_validator(mode="after")
    def _has_a_secret(self) -> Self:
        secrets = [one.get_secret_value() for one in (self.token, self.hmac_key) if one is not None]
        if len(secrets) != 1 or len(secrets[0]) < _SECRET_LENGTH:
            raise ValueError(f"give either token or hmac_key, of at least {_SECRET_LENGTH} characters")
        return self


SourceConfig = Annotated[FrigateSource | OnvifJsonSource | TopicSource | WebhookSource, Field(discriminator="type")]


def bound_by(source: SourceConfig) -> tuple[Bound, ...]:
    """Every camera and place that incidents of `source` may be about."""
    if isinstance(source, FrigateSource | OnvifJsonSource):
        return tuple(source.cameras.values())
    return source.map.bound
