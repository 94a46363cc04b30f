"""What goes wrong with cases."""

from gridwatch.domain import CaseStep, GridwatchError


class CaseError(GridwatchError):
    """A case cannot be changed as asked."""


class StepRefused(CaseError):  # noqa: N818 (an answer to somebody, named as the API's contract names it)
    """This step cannot be taken now; the case is as it was."""

    def __init__(self, reason: str, allowed: tuple[CaseStep, ...]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.allowed = allowed
        """The steps that can be taken instead; empty when none can."""
