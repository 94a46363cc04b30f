"""Cases, as people work on them."""

from uuid import UUID

from psycopg.errors import UniqueViolation

from gridwatch.domain import Case, CaseFilter, CaseStep, PageKey
from gridwatch.store.pool import Pool
from gridwatch.store.queries import queries
from gridwatch.store.rows import case_of, case_row, page_parameters, site_columns


class CaseStore:
    """Cases. Satisfies `api.ports.CaseBook`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sql = queries("cases")

    async def cases(self, where: CaseFilter, after: PageKey | None, limit: int) -> list[Case]:
        """Newest `latest_at` first (ties by id, descending), strictly after the key `after`."""
        parameters = {
            **site_columns(where.scope),
            "grid": where.grid,
            "steps": list(where.steps),
            "late_at": where.late_at,
            **page_parameters(after, limit),
        }
        return [case_of(row) for row in await self._pool.rows(self._sql["cases"], parameters)]

    async def case(self, case: UUID) -> Case | None:
        """One case whole."""
        row = await self._pool.row(self._sql["case"], {"id": case})
        return None if row is None else case_of(row)

    async def save_step(self, case: Case, expected: CaseStep) -> bool:
        """Write the step, clock, unit and last history entry if the stored step is `expected`; else False.

        False too when the stored history is not the one `case` continues by one entry.
        """
        entry = case.history[-1]
        parameters = {
            **case_row(case),
            "expected": expected,
            "ordinal": len(case.history) - 1,
            "at": entry.at,
            "by": entry.by,
            "note": entry.note,
        }
        async with self._pool.connection("cannot save the step of a case") as connection:
            try:
                return (await connection.execute(self._sql["save_step"], parameters)).rowcount == 1
            except UniqueViolation:
                # Two went the same way at once; the other was first.
                return False
