"""What is kept of commands, in memory, for tests."""

from uuid import UUID

from gridwatch.domain import Acknowledgement, AuditEntry, Clock, SitePath
from gridwatch.store import GivenAnswer, StoreUnavailable


class MemoryLedger:
    """`clerk.Ledger`. `available = False` plays a database that is away."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.available = True
        self.incidents: dict[UUID, tuple[SitePath, str]] = {}
        """Site and camera by id."""
        self.acknowledged: dict[UUID, Acknowledgement] = {}
        self.audit: list[AuditEntry] = []
        self.answers: dict[UUID, GivenAnswer] = {}
        self._noted: set[str] = set()

    async def note(self, message_sha256: str, entry: AuditEntry) -> None:
        """See clerk.Ledger."""
        self._check()
        if message_sha256 not in self._noted:
            self._noted.add(message_sha256)
            self.audit.append(entry)

    async def acknowledge(self, incident: UUID, site: SitePath, camera: str, account: str) -> Acknowledgement | None:
        """See clerk.Ledger."""
        self._check()
        if self.incidents.get(incident) != (site, camera):
            return None
        return self.acknowledged.setdefault(incident, Acknowledgement(at=self._clock.now(), by=account))

    async def answer(self, command: UUID) -> GivenAnswer | None:
        """See clerk.Ledger."""
        self._check()
        return self.answers.get(command)

    async def keep_answer(self, command: UUID, answer: GivenAnswer) -> GivenAnswer:
        """See clerk.Ledger."""
        self._check()
        return self.answers.setdefault(command, answer)

    def _check(self) -> None:
        if not self.available:
            raise StoreUnavailable("the ledger is away")
