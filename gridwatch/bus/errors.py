"""Everything that can go wrong between an incident and its broker."""

from gridwatch.domain import GridwatchError, UsageError


class BusError(GridwatchError):
    """Root of this package's errors."""


class BadBrokerAddress(BusError, UsageError):  # noqa: N818  (names what is wrong)
    """The broker's address cannot be used. The message never holds the password."""


class BadTopicLevel(BusError, ValueError):  # noqa: N818  (names what is wrong)
    """A name cannot be one level of a topic."""


class MalformedMessage(BusError):  # noqa: N818  (names what is wrong)
    """A received message breaks the contract; `reason` says how in one line without quoting the payload."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class MessageRefused(BusError):  # noqa: N818  (names what is wrong)
    """A message of ours may not leave: too large, unmasked evidence, or evidence its incident does not name."""


class OutboxError(BusError):
    """The outbox cannot be read or written."""


class OutboxFull(OutboxError):  # noqa: N818  (names what is wrong)
    """No room is left even for raised and cleared incidents; nothing of the call was stored."""
