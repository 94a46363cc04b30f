"""Whether an account may ask for something. Pure; what the account is called was proven by the broker."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gridwatch.config.commands import CommandsConfig
from gridwatch.domain import MAX_LIFETIME, Command, Outcome, Role, SitePath

_SKEW: Final = timedelta(seconds=2)
"""How far an asker's clock may be behind ours."""
GENERATED_ROLES: Final = (Role.OFFICER, Role.OPERATOR, Role.ADMINISTRATOR)
"""Of accounts named `role@site`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why not."""

    outcome: Outcome
    reason: str


class Authority:
    """What the configuration allows. Immutable; a reload makes another."""

    def __init__(self, config: CommandsConfig) -> None:
        self._config = config
        self._people: Mapping[str, tuple[Role, SitePath]] = {
            one.name: (one.role, one.site_path) for one in config.accounts
        }

    def refusal(self, command: Command, now: datetime) -> Refusal | None:
        """Why it is not carried out; None when it may be. Asks only what needs no look at the camera."""
        if not self._config.enabled:
            return Refusal(
                outcome=Outcome.SWITCHED_OFF,
                reason="this deployment takes no commands: it needs a broker that holds every account to its own name "
                "(gridwatch broker-config), and `services.commands.enabled: true`",
            )
        known = self._role_of(command.account)
        if known is None:
            return Refusal(outcome=Outcome.NOT_ALLOWED, reason=f"no account {command.account} is known here")
        role, site = known
        if not site.contains(command.site):
            return Refusal(outcome=Outcome.NOT_ALLOWED, reason=f"{command.account} may not command {command.site}")
        if not self._config.allows(role, command.name):
            return Refusal(outcome=Outcome.NOT_ALLOWED, reason=f"the role {role} may not {command.name}")
        return _lifetime(command, now)

    def _role_of(self, account: str) -> tuple[Role, SitePath] | None:
        role, at, site = account.partition("@")
        if not at:
            return self._people.get(account)
        if role not in GENERATED_ROLES:
            return None
        return Role(role), SitePath.parse(site)


def _lifetime(command: Command, now: datetime) -> Refusal | None:
    if command.expires_at + _SKEW <= now:
        late = (now - command.expires_at).total_seconds()
        return Refusal(outcome=Outcome.LATE, reason=f"it expired {late:.0f} s ago and was not carried out")
    longest = MAX_LIFETIME[command.name]
    if command.expires_at > now + longest + _SKEW:
        return Refusal(outcome=Outcome.MALFORMED, reason=f"it expires more than {longest} from now")
    return None
