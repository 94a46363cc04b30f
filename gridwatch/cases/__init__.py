"""Incidents to grid cases: linking, the six steps, their clocks."""

from gridwatch.cases.errors import CaseError, StepRefused
from gridwatch.cases.linking import RECORDER, CaseLinker, Links, case_id
from gridwatch.cases.ports import CaseLedger, GridLocator
from gridwatch.cases.steps import advance, allowed, clock_after, is_rework, late

__all__ = [
    "RECORDER", "CaseError", "CaseLedger", "CaseLinker", "GridLocator", "Links", "StepRefused", "advance", "allowed",
    "case_id", "clock_after", "is_rework", "late",
]  # fmt: skip
