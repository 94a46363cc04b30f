"""Who may ask a deployment for what, over its broker."""

from typing import Annotated, Final, Literal

from pydantic import Field, field_validator, model_validator

from gridwatch.config.base import IDENTIFIER, Identifier, Section, require_unique
from gridwatch.domain import CommandName, Role, SitePath

_PART: Final = IDENTIFIER[1:-1]
ACCOUNT: Final = f"^{_PART}(@{_PART}(/{_PART}){{0,2}})?$"
"""Names at a broker: `somebody`, or `role@site` as `gridwatch broker-config` makes them."""
_ALLOWED: Final[dict[CommandName, tuple[Role, ...]]] = {
    CommandName.ACKNOWLEDGE: (Role.OFFICER, Role.OPERATOR, Role.ADMINISTRATOR),
    CommandName.SNAPSHOT: (Role.OFFICER, Role.OPERATOR, Role.ADMINISTRATOR),
    CommandName.MUTE: (Role.OPERATOR, Role.ADMINISTRATOR),
    CommandName.RELOAD: (Role.ADMINISTRATOR,),
}


class CommandAccount(Section):
    """Somebody with an account of their own at the broker."""

    name: Identifier
    role: Literal[Role.OFFICER, Role.OPERATOR, Role.ADMINISTRATOR]
    site: str
    """It may ask about cameras of this site and below."""

    @field_validator("site")
    @classmethod
    def _site_reads(cls, value: str) -> str:
        SitePath.parse(value)
        return value

    @property
    def site_path(self) -> SitePath:
        """`site`, parsed."""
        return SitePath.parse(self.site)


class CommandsConfig(Section):
    """Commands that workers and the recorder take over the broker."""

    enabled: bool = False
    """Only with a broker that lets an account write commands under its own name alone, as those of `gridwatch
    broker-config` do: what a command says of who asks is believed."""
    accounts: Annotated[tuple[CommandAccount, ...], Field(max_length=1000)] = ()
    """People with names of their own, besides the accounts `officer@<site>`, `operator@<site>` and
    `administrator@<site>`."""
    allow: dict[CommandName, tuple[Role, ...]] = Field(default_factory=dict)
    """Roles by command, instead of the usual ones."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> "CommandsConfig":
        require_unique([one.name for one in self.accounts], "account")
        return self

    def allows(self, role: Role, name: CommandName) -> bool:
        """Whether accounts of that role may ask for that."""
        return role in self.allow.get(name, _ALLOWED[name])
