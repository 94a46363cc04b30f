"""PostgreSQL and TimescaleDB: pool, migrations, named SQL. The only importer of psycopg."""

from gridwatch.store.commands import CommandStore, GivenAnswer
from gridwatch.store.database import Database
from gridwatch.store.directory import GridChanges
from gridwatch.store.errors import (
    EvidenceAltered,
    EvidenceMissing,
    EvidenceRefused,
    MigrationError,
    RetentionRefused,
    StoreError,
    StoreUnavailable,
)
from gridwatch.store.evidence import EvidenceBytes, EvidenceFiles
from gridwatch.store.export import ExportedCase, ExportedIncident
from gridwatch.store.figures import CaseCount, IncidentCount, Summary
from gridwatch.store.gridindex import GridIndex
from gridwatch.store.quarantine import BadMessage, QuarantinedMessage
from gridwatch.store.recording import Recording
from gridwatch.store.retention import Outlook, Removal

__all__ = [
    "BadMessage", "CaseCount", "CommandStore", "Database", "EvidenceAltered", "EvidenceBytes", "EvidenceFiles",
    "EvidenceMissing", "EvidenceRefused", "ExportedCase", "ExportedIncident", "GivenAnswer", "GridChanges",
    "GridIndex", "IncidentCount", "MigrationError", "Outlook", "QuarantinedMessage", "Recording", "Removal",
    "RetentionRefused", "StoreError", "StoreUnavailable", "Summary",
]  # fmt: skip
