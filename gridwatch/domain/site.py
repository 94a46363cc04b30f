"""The tree cameras hang on: district, police substation, checkpoint."""

from dataclasses import dataclass
from enum import StrEnum

MISSING_LEVEL = "-"
"""Stands for an absent level in topics and in CloudEvents sources."""


class SiteLevel(StrEnum):
    """Depth of a site in the tree."""

    DISTRICT = "district"  # 区县: the centre that sees everything below it
    SUBSTATION = "substation"  # 派出所: a police substation
    CHECKPOINT = "checkpoint"  # 卡口: a gate, square or crossing under a substation


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class SitePath:
    """Where a site is in the tree. Its text form is `district[/substation[/checkpoint]]`."""

    district: str
    substation: str | None = None
    checkpoint: str | None = None

    def __post_init__(self) -> None:
        if self.checkpoint is not None and self.substation is None:
            raise ValueError(f"checkpoint {self.checkpoint!r} needs a substation above it")

    @classmethod
    def parse(cls, text: str) -> "SitePath":
        """Read `a`, `a/b` or `a/b/c`; levels written `-` count as absent. Raises ValueError."""
        parts = [part for part in text.split("/") if part != MISSING_LEVEL]
        if not 1 <= len(parts) <= 3 or not all(parts):
            raise ValueError(f"{text!r} is not district[/substation[/checkpoint]]")
        return cls(
            district=parts[0],
            substation=parts[1] if len(parts) > 1 else None,
            checkpoint=parts[2] if len(parts) > 2 else None,
        )

    def __str__(self) -> str:
        return "/".join(self.parts)

    @property
    def parts(self) -> tuple[str, ...]:
        """The levels that are present, from the top."""
        return tuple(p for p in (self.district, self.substation, self.checkpoint) if p is not None)

    @property
    def levels(self) -> tuple[str, str, str]:
        """All three levels, with `-` for a missing one."""
        return (self.district, self.substation or MISSING_LEVEL, self.checkpoint or MISSING_LEVEL)

    @property
    def level(self) -> SiteLevel:
        """Which level this site is."""
        return list(SiteLevel)[len(self.parts) - 1]

    @property
    def parent(self) -> "SitePath | None":
        """The site above, or None for a district."""
        return SitePath.parse("/".join(self.parts[:-1])) if len(self.parts) > 1 else None

    def contains(self, other: "SitePath") -> bool:
        """True when `other` is this site or below it."""
        return other.parts[: len(self.parts)] == self.parts
