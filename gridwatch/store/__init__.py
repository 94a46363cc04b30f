"""PostgreSQL and TimescaleDB: pool, migrations, named SQL. The only importer of psycopg."""

from gridwatch.store.errors import EvidenceAltered, EvidenceRefused, MigrationError, StoreError, StoreUnavailable

__all__ = ["EvidenceAltered", "EvidenceRefused", "MigrationError", "StoreError", "StoreUnavailable"]
