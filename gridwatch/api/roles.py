"""What each role may see and do, within its site's subtree."""

from gridwatch.domain import CaseStep, Role

EVERYBODY = frozenset(Role)
WATCHERS = EVERYBODY - {Role.AUDITOR}
"""Incidents and their stream. An auditor reads who looked, and does not look."""
CASE_READERS = WATCHERS - {Role.INTEGRATOR}
EVIDENCE_VIEWERS = CASE_READERS
AUDIT_READERS = frozenset({Role.AUDITOR, Role.ADMINISTRATOR})
EXPORTERS = frozenset({Role.OPERATOR, Role.ADMINISTRATOR})
HOLD_READERS = AUDIT_READERS
ADMINISTRATORS = frozenset({Role.ADMINISTRATOR})
HOLD_KEEPERS = ADMINISTRATORS
_STEPS: dict[Role, frozenset[CaseStep]] = {
    # The centre also writes down what a unit reports by phone, so it may take every step.
    Role.OPERATOR: frozenset(CaseStep) - {CaseStep.DISCOVER},
    Role.OFFICER: frozenset({CaseStep.HANDLE, CaseStep.REVIEW}),
    Role.GRID_WORKER: frozenset({CaseStep.HANDLE}),
}


def steps_of(role: Role) -> frozenset[CaseStep]:
    """The case steps a role may take."""
    return _STEPS.get(role, frozenset())


def takers_of(step: CaseStep) -> list[Role]:
    """The roles that may take a step."""
    return [role for role in Role if step in steps_of(role)]


def readable(role: Role) -> list[str]:
    """What a role may read beyond the tree, by the words of the API."""
    who = {"incidents": WATCHERS, "evidence": EVIDENCE_VIEWERS, "cases": CASE_READERS, "audit": AUDIT_READERS}
    return [word for word, roles in who.items() if role in roles]
