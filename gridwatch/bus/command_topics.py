"""Topics of commands and their answers, version 1.

    gridwatch/command/v1/<district>/<substation>/<checkpoint>/<camera>/<command>/<account>
    gridwatch/answer/v1/<district>/<substation>/<checkpoint>/<camera>/<account>/<inbox>
    gridwatch/answer/v1/<district>/<substation>/<checkpoint>/<camera>/<account>/<inbox>/picture

They have roots of their own, so that no right to everything below a site's `gridwatch/v1/...`, as workers, bridges and
officers have, is ever a right to command, or to read what others were answered. The broker lets an account write
commands only with its own name as the last level, which so proves who asks. `/` of a name is written `:`.
"""

import re
from dataclasses import dataclass
from typing import Final

from gridwatch.bus.errors import BadTopicLevel, MalformedMessage
from gridwatch.bus.topics import CameraPath, place_levels, read_place
from gridwatch.config.commands import ACCOUNT
from gridwatch.domain import MISSING_LEVEL, CommandName, SitePath

COMMAND_ROOT: Final = "gridwatch/command/v1"
ANSWER_ROOT: Final = "gridwatch/answer/v1"
PICTURE: Final = "picture"
INBOX: Final = r"^[a-z0-9_-]{1,64}$"
"""What an asker tells its answers by; its own choice."""
_ACCOUNT: Final = re.compile(ACCOUNT)
_INBOX: Final = re.compile(INBOX)


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandTopic:
    """Where an account asks something of whoever has a camera."""

    camera: CameraPath
    name: CommandName
    account: str

    def __str__(self) -> str:
        return f"{COMMAND_ROOT}/{place_levels(self.camera)}/{self.name}/{account_level(self.account)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerTopic:
    """Where the account is answered: what it gives as response topic."""

    camera: CameraPath
    account: str
    inbox: str

    def __str__(self) -> str:
        if not _INBOX.fullmatch(self.inbox):
            raise BadTopicLevel(f"{self.inbox!r} cannot be a topic level: it must match {INBOX}")
        return f"{ANSWER_ROOT}/{place_levels(self.camera)}/{account_level(self.account)}/{self.inbox}"

    @property
    def picture(self) -> str:
        """Where the picture of a snapshot comes, before the answer that names it."""
        return f"{self}/{PICTURE}"


def account_level(account: str) -> str:
    """The account's name as a topic level. Raises BadTopicLevel."""
    if not _ACCOUNT.fullmatch(account):
        raise BadTopicLevel(f"{account[:80]!r} is no name of an account: it must match {ACCOUNT}")
    return account.replace("/", ":")


def parse_command_topic(text: str) -> CommandTopic:
    """Read it. Raises MalformedMessage; building the result gives back the same text."""
    camera, (name, account) = _parse(text, COMMAND_ROOT, 2)
    if name not in set(CommandName):
        raise MalformedMessage("topic names an unknown command")
    return CommandTopic(camera=camera, name=CommandName(name), account=_account(account))


def parse_answer_topic(text: str) -> AnswerTopic:
    """Read it, of an answer and not of its picture. Raises MalformedMessage."""
    camera, (account, inbox) = _parse(text, ANSWER_ROOT, 2)
    if not _INBOX.fullmatch(inbox):
        raise MalformedMessage("topic has an inbox that is none")
    return AnswerTopic(camera=camera, account=_account(account), inbox=inbox)


def command_filter(place: SitePath | CameraPath, account: str | None = None) -> str:
    """Filter for the commands to one camera, or to all of a site and below; by one account, or by anybody."""
    who = "+" if account is None else account_level(account)
    return f"{COMMAND_ROOT}/{_anywhere(place)}/+/{who}"


def answer_filter(place: SitePath | CameraPath, account: str | None = None, inbox: str = "+") -> str:
    """Filter for answers, without their pictures."""
    who = "+" if account is None else account_level(account)
    return f"{ANSWER_ROOT}/{_anywhere(place)}/{who}/{inbox}"


def _anywhere(place: SitePath | CameraPath) -> str:
    if isinstance(place, CameraPath):
        return place_levels(place)
    return "/".join((*place.parts, *("+",) * (3 - len(place.parts)), "+"))


def _parse(text: str, root: str, tail: int) -> tuple[CameraPath, list[str]]:
    above = root.count("/") + 1
    levels = text.split("/")
    if "/".join(levels[:above]) != root or len(levels) != above + 4 + tail:
        raise MalformedMessage("topic is not of this contract")
    site, camera = read_place(levels[above : above + 4])
    if camera == MISSING_LEVEL:
        raise MalformedMessage("topic names no camera")
    return CameraPath(site=site, camera=camera), levels[above + 4 :]


def _account(level: str) -> str:
    account = level.replace(":", "/")
    if not _ACCOUNT.fullmatch(account):
        raise MalformedMessage("topic names no account")
    return account
