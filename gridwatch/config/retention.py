"""How long incidents and their evidence are kept (docs/retention.md)."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from gridwatch.config.base import Section
from gridwatch.domain import IncidentKind, RetentionPolicy, SitePath

KeptFor = Annotated[timedelta, Field(ge=timedelta(days=1), le=timedelta(days=36_525))]
"""ISO 8601, e.g. `P30D`. From a day, so that a bare number, which would mean seconds, is refused."""

BELOW_FLOOR = "the ceiling {ceiling} is below the floor {floor}: nothing may be deleted before its floor"


class RetentionRule(Section):
    """What is different for some kinds or at some sites."""

    site: str | None = None
    """This site and everything below; None: the whole district."""
    kinds: tuple[IncidentKind, ...] = ()
    """Empty: every kind."""
    floor: KeptFor | None = None
    """None: the deployment's."""
    ceiling: KeptFor | None = None
    """None: the deployment's."""

    @field_validator("site")
    @classmethod
    def _site_reads(cls, value: str | None) -> str | None:
        if value is not None:
            SitePath.parse(value)
        return value


class RetentionConfig(Section):
    """Floor and ceiling of everything, and rules that differ. The first rule that fits an incident counts."""

    floor: KeptFor = timedelta(days=30)
    """Regulation 799, article 17: at least 30 days."""
    ceiling: KeptFor = timedelta(days=180)
    """Then incidents, their messages and their evidence are deleted, unless held."""
    rules: tuple[RetentionRule, ...] = ()

    @model_validator(mode="after")
    def _ceiling_is_not_below(self) -> Self:
        if self.ceiling < self.floor:
            raise ValueError(BELOW_FLOOR.format(ceiling=days(self.ceiling), floor=days(self.floor)))
        return self

    def limits(self, rule: RetentionRule) -> tuple[timedelta, timedelta]:
        """Floor and ceiling of a rule, its own or the deployment's."""
        return rule.floor or self.floor, rule.ceiling or self.ceiling

    def policies(self, district: str) -> tuple[RetentionPolicy, ...]:
        """In the order in which they are asked; the last fits everything in the district."""
        found = []
        for index, rule in enumerate(self.rules):
            floor, ceiling = self.limits(rule)
            site = SitePath.parse(rule.site or district)
            name = f"retention.rules[{index}]"
            found.append(RetentionPolicy(name=name, site=site, kinds=rule.kinds, floor=floor, ceiling=ceiling))
        rest = SitePath(district=district)
        return (
            *found, RetentionPolicy(name="retention", site=rest, kinds=(), floor=self.floor, ceiling=self.ceiling),
        )  # fmt: skip

    def longest_floor(self, site: SitePath) -> timedelta:
        """What anything that happens at `site` may have to be kept for, whatever its kind."""
        longest = timedelta(0)
        for policy in self.policies(site.district):
            if policy.site.contains(site):
                longest = max(longest, policy.floor)
                if not policy.kinds:
                    break  # nothing is left for those after it
        return longest


def days(duration: timedelta) -> str:
    """`P30D`, or `P30DT6H`: as a person would write it in the file."""
    rest = duration - timedelta(days=duration.days)
    return f"P{duration.days}D" + (f"T{int(rest.total_seconds())}S" if rest else "")
