"""What goes wrong in the store. psycopg's exceptions become these in `store.pool`."""

from gridwatch.domain import GridwatchError


class StoreError(GridwatchError):
    """The database refused a statement, or holds something that does not read."""


class StoreUnavailable(StoreError):  # noqa: N818 (a state, named as the API's contract names it)
    """The database cannot be reached or answer now; trying again later may work. Nothing was committed."""


class MigrationError(StoreError):
    """The database's schema is not one this program may work with."""


class EvidenceRefused(StoreError):  # noqa: N818
    """The bytes are not those their hash names; nothing was kept."""


class EvidenceAltered(StoreError):  # noqa: N818
    """A stored file no longer has its hash: never served as genuine."""


class EvidenceMissing(EvidenceAltered):
    """A file that was stored is gone."""


class RetentionRefused(StoreError):  # noqa: N818
    """Somebody wants to delete what is younger than its floor; nothing was deleted."""
