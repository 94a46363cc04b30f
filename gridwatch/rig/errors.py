"""What can go wrong with the rig, for callers."""

from gridwatch.domain import GridwatchError, UsageError


class RigError(GridwatchError):
    """Root of the rig's errors."""


class ClipError(RigError, UsageError):
    """The recorded file cannot be served as it is; the message names the remedy."""


class RigSetupError(RigError, UsageError):
    """The cameras or addresses asked for cannot be set up."""
