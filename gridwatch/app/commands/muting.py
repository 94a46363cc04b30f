"""Carrying out `mute`."""

from collections.abc import Mapping
from datetime import timedelta

from gridwatch.app.commands.mutes import Mutes
from gridwatch.app.commands.office import Action, Done
from gridwatch.config import CameraConfig
from gridwatch.config.model import ONVIF_RULE_PREFIX
from gridwatch.domain import HEALTH_RULE_PREFIX, MAX_MUTE, Clock, Command, MuteRule, Outcome

_SKEW = timedelta(seconds=2)


def muting(cameras: Mapping[str, CameraConfig], mutes: Mutes, clock: Clock) -> Action:
    """Mutes rules of `cameras` (by id), also those of their health and of what they tell themselves."""

    def mute(command: Command) -> Done:
        wish = command.wish
        if not isinstance(wish, MuteRule):
            raise TypeError(f"not a mute: {command.name}")
        camera = cameras.get(command.camera)
        if camera is None or not _has(camera, wish.rule):
            rules = ", ".join(one.id for one in camera.rules) if camera else ""
            return Done(outcome=Outcome.UNKNOWN, reason=f"no rule {wish.rule} on {command.camera}; it has {rules}")
        if wish.until > clock.now() + MAX_MUTE + _SKEW:
            hours = MAX_MUTE // timedelta(hours=1)
            return Done(outcome=Outcome.MALFORMED, reason=f"a rule can be muted for {hours} hours at most")
        return Done(detail=mutes.mute(command.camera, wish.rule, wish.until))

    return mute


def _has(camera: CameraConfig, rule: str) -> bool:
    return rule.startswith((HEALTH_RULE_PREFIX, ONVIF_RULE_PREFIX)) or any(one.id == rule for one in camera.rules)
