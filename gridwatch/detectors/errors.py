"""Errors of this package. Everything raised on purpose by `gridwatch.detectors` is a `DetectorError`."""

from gridwatch.domain import GridwatchError, UsageError


class DetectorError(GridwatchError):
    """A detector, or what it was given, cannot be used."""


class WeightsError(DetectorError, UsageError):
    """A weights file is missing, changed, or no model that we can run. Names the file and the remedy."""


class LabelsError(WeightsError):
    """The model does not say which classes it has, or names one that gridwatch does not detect."""


class IdentityModelRefused(LabelsError):  # noqa: N818 -- refusing is no fault: it is what gridwatch promises
    """The model names a class that says who somebody is or whose vehicle it is. No setting permits it."""


def short(error: Exception) -> str:
    """What a runtime says of a model can be pages long: of those, the line that is no mere place in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("Exception from ", "Check "))]
    return " ".join([*said, *lines][:1])
