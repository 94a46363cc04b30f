"""Commands and answers of version 1 as pydantic models: the one source of their published schemas.

Read like every message (`gridwatch.bus.schema`): strict in what is there, lenient in what is not ours.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import UUID7, Field, model_validator

from gridwatch.bus.schema import (
    SAFE_TEXT,
    Identifier,
    Site,
    Time,
    WireEvidence,
    WireModel,
    WireMute,
    camera_source,
    must_say,
)
from gridwatch.config.commands import ACCOUNT
from gridwatch.domain import CommandName, Outcome

COMMAND_SCHEMA: Literal["urn:gridwatch:schema:command:1"] = "urn:gridwatch:schema:command:1"
ANSWER_SCHEMA: Literal["urn:gridwatch:schema:answer:1"] = "urn:gridwatch:schema:answer:1"
COMMAND_TYPE = "io.gridwatch.command."
"""CloudEvents type: this and the command."""
ANSWER_TYPE = "io.gridwatch.answer."
"""CloudEvents type: this and the outcome."""

_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
AccountName = Annotated[str, Field(pattern=ACCOUNT)]
CommandId = Annotated[str, Field(pattern=_UUID)]
Text = Annotated[str, Field(max_length=500, pattern=SAFE_TEXT)]
Reason = Annotated[str, Field(min_length=3, max_length=500, pattern=SAFE_TEXT)]


class _Asked(WireModel):
    """What every command says."""

    site: Site
    camera: Identifier
    account: AccountName
    """Who asks; the topic must say the same."""
    expires_at: Time
    """After this it is not carried out any more."""

    @property
    def source(self) -> str:
        """CloudEvents source of who asks."""
        return "/" + self.account.replace("/", ":")


class AcknowledgeData(_Asked):
    """An incident was seen, and somebody deals with it."""

    command: Literal["acknowledge"]
    incident: UUID7
    reason: Text = ""


class SnapshotData(_Asked):
    """A masked picture of the camera, now."""

    command: Literal["snapshot"]
    reason: Reason


class MuteData(_Asked):
    """A rule raises nothing until a time; one that has passed ends a mute."""

    command: Literal["mute"]
    rule: Identifier
    until: Time
    reason: Reason


class ReloadData(_Asked):
    """The worker that has the camera reads its configuration anew."""

    command: Literal["reload"]
    reason: Reason


def _without_discriminator(schema: dict[str, Any]) -> None:
    """An object of that name is OpenAPI's; in AsyncAPI it is something else, and `const` says it already."""
    schema.pop("discriminator", None)


CommandData = Annotated[
    AcknowledgeData | SnapshotData | MuteData | ReloadData,
    Field(discriminator="command", json_schema_extra=_without_discriminator),
]


class CommandEvent(WireModel):
    """A command as a CloudEvents 1.0 event in structured JSON mode."""

    specversion: Literal["1.0"]
    id: CommandId
    """Sent again under the same id, it takes effect once and is answered alike."""
    source: Annotated[str, Field(max_length=300)]
    type: Annotated[str, Field(pattern=r"^io\.gridwatch\.command\.(acknowledge|snapshot|mute|reload)$")]
    subject: Annotated[str, Field(max_length=300)]
    time: Time
    """When it was asked."""
    dataschema: Literal["urn:gridwatch:schema:command:1"]
    datacontenttype: Literal["application/json"]
    data: CommandData

    @model_validator(mode="after")
    def _envelope_agrees(self) -> Self:
        data = self.data
        must_say(
            self, type=COMMAND_TYPE + data.command, source=data.source, subject=camera_source(data.site, data.camera)
        )
        return self


class WireAcknowledgement(WireModel):
    """Who said first that the incident was seen."""

    at: Time
    by: AccountName


class WireReloaded(WireModel):
    """What has changed, and what could not."""

    changed: tuple[Identifier, ...]
    """Cameras with other rules, zones or limits than before."""
    needs_restart: tuple[Text, ...]


class AnswerData(WireModel):
    """What became of a command."""

    command: CommandId | None
    """Null when it could not be read."""
    name: CommandName
    site: Site
    camera: Identifier
    account: AccountName
    """Who asked."""
    node: Identifier
    """Who answers."""
    outcome: Outcome
    reason: Text
    """A line for people; empty when done."""
    acknowledged: WireAcknowledgement | None = None
    picture: WireEvidence | None = None
    """Of a snapshot; its bytes come on the answer's topic and `/picture`, before the answer."""
    mute: WireMute | None = None
    reloaded: WireReloaded | None = None

    @property
    def source(self) -> str:
        """CloudEvents source: the camera."""
        return camera_source(self.site, self.camera)


class AnswerEvent(WireModel):
    """An answer as a CloudEvents 1.0 event in structured JSON mode."""

    specversion: Literal["1.0"]
    id: Annotated[str, Field(max_length=200)]
    source: Annotated[str, Field(max_length=300)]
    type: Annotated[str, Field(pattern=r"^io\.gridwatch\.answer\.[a-z_]+$")]
    subject: CommandName
    time: Time
    dataschema: Literal["urn:gridwatch:schema:answer:1"]
    datacontenttype: Literal["application/json"]
    data: AnswerData

    @model_validator(mode="after")
    def _envelope_agrees(self) -> Self:
        data = self.data
        must_say(self, type=ANSWER_TYPE + data.outcome, source=data.source, subject=data.name)
        return self
