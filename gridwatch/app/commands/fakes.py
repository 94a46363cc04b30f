"""What is kept of commands, in memory, for tests."""

from collections.abc import Mapping
from uuid import UUID

from gridwatch.app.commands.memory import MemoryFailed, Remembered
from gridwatch.domain import Acknowledgement, AuditEntry, Clock, Command, Mute, SitePath
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


class MemoryMemory:
    """`office.Remembers` and `mutes.KeepsMutes`. `works = False` plays a disk that is full."""

    def __init__(self) -> None:
        self.works = True
        self.room = True
        self.answers: dict[UUID, Remembered] = {}
        self.kept_mutes: dict[tuple[str, str], Mute] = {}

    def answer(self, command: UUID) -> Remembered | None:
        """See office.Remembers."""
        self._check()
        return self.answers.get(command)

    def has_room(self, *, for_picture: bool) -> bool:  # noqa: ARG002 - it is full or it is not
        """See office.Remembers."""
        self._check()
        return self.room

    def remember(self, command: Command, answer: Remembered) -> None:
        """See office.Remembers."""
        self._check()
        self.answers[command.id] = answer

    def forget(self) -> None:
        """See office.Remembers."""
        self._check()

    def mutes(self) -> Mapping[tuple[str, str], Mute]:
        """See mutes.KeepsMutes."""
        self._check()
        return self.kept_mutes

    def keep_mute(self, camera: str, mute: Mute) -> None:
        """See mutes.KeepsMutes."""
        self._check()
        self.kept_mutes[camera, mute.rule] = mute

    def _check(self) -> None:
        if not self.works:
            raise MemoryFailed("the disk is full")
