"""The root of every error gridwatch raises on purpose.

Each adapter package owns one tree below `GridwatchError` and turns its library's exceptions into it.
"""


class GridwatchError(Exception):
    """Something gridwatch can explain: the message names the place and the remedy, without secrets."""


class UsageError(GridwatchError):
    """What the person gave cannot be used; nothing was started. Commands exit 2 on it."""
