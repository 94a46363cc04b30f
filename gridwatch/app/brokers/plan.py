"""Which brokers a district has, which accounts each takes, and what each account may do. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from gridwatch.bus import discovery_topics
from gridwatch.bus.topics import ROOT
from gridwatch.config import Deployment
from gridwatch.config.model import BrokerPlace, CheckpointConfig, DistrictConfig, SubstationConfig
from gridwatch.domain import SiteLevel, SitePath, UsageError


class AccountRole(StrEnum):
    """Who logs in at a broker."""

    INGEST = "ingest"  # workers: write what their cameras see, read where moving cameras are
    RECORDER = "recorder"  # reads everything that is kept
    OFFICER = "officer"  # people and their programs: read their site and what is below it
    VEHICLE = "vehicle"  # tells where the moving cameras of a site are
    BRIDGE = "bridge"  # a substation's broker at the district's


class Access(StrEnum):
    """What an ACL line of Mosquitto allows."""

    READ = "read"  # subscribe and receive
    WRITE = "write"  # publish


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """One line of an account's ACL."""

    access: Access
    topics: str
    """A topic filter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Someone who logs in at a broker."""

    role: AccountRole
    site: SitePath
    discovery: str | None = None
    """Filter of the topics by which Home Assistant finds cameras, where that is switched on."""

    @property
    def name(self) -> str:
        """`role@district[/substation[/checkpoint]]`."""
        return f"{self.role}@{self.site}"

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What it may do: nothing outside of its site, but for the messages by which cameras are found."""
        access = {AccountRole.INGEST: Access.WRITE, AccountRole.OFFICER: Access.READ}.get(self.role)
        if self.discovery is None or access is None:
            return self._own_grants
        return (*self._own_grants, Grant(access=access, topics=self.discovery))

    @property
    def _own_grants(self) -> tuple[Grant, ...]:
        under = _under(self.site)
        own = _own(self.site)
        match self.role:
            case AccountRole.INGEST:
                return (
                    Grant(access=Access.WRITE, topics=f"{own}/#"),
                    Grant(access=Access.READ, topics=_positions(self.site)),
                )
            case AccountRole.VEHICLE:
                return (Grant(access=Access.WRITE, topics=_positions(self.site)),)
            case AccountRole.BRIDGE:
                return (Grant(access=Access.WRITE, topics=under),)
            case AccountRole.RECORDER | AccountRole.OFFICER:
                return (Grant(access=Access.READ, topics=under),)


@dataclass(frozen=True, kw_only=True, slots=True)
class Broker:
    """One broker to install."""

    site: SitePath
    place: BrokerPlace
    accounts: tuple[Account, ...]
    upstream: "Broker | None" = None
    """The district's, for a substation's."""

    @property
    def name(self) -> str:
        """Folder of its files: the last part of its site."""
        return self.site.parts[-1]

    @property
    def bridge(self) -> Account:
        """The account it uses upstream."""
        return Account(role=AccountRole.BRIDGE, site=self.site)

    @property
    def bridged_topics(self) -> str:
        """What it passes on to the district."""
        return _under(self.site)


def plan_brokers(deployment: Deployment) -> tuple[Broker, ...]:
    """The district's broker, then those of its substations that have one. Raises UsageError when there is no place."""
    district = deployment.district
    if district.broker is None:
        raise UsageError(
            f"district {district.id!r} has no broker: give it `broker: {{host: ...}}`, and one to each substation that "
            "is to work alone"
        )
    own = [one for one in district.substations if one.broker is not None]
    top = SitePath(district=district.id)
    at_top = _accounts(district, top, recorder=True)
    for substation in district.substations:
        site = SitePath(district=district.id, substation=substation.id)
        if substation.broker is None:
            at_top += _accounts(substation, site)
        else:
            at_top += [Account(role=AccountRole.BRIDGE, site=site), Account(role=AccountRole.OFFICER, site=site)]
    found = deployment.services.broker.home_assistant
    discovery = None if found is None else discovery_topics(district.id, found.prefix)
    root = Broker(site=top, place=district.broker, accounts=_finding(at_top, discovery))
    return (root, *(_of_substation(one, root, discovery) for one in own))


def _finding(accounts: Iterable[Account], discovery: str | None) -> tuple[Account, ...]:
    return tuple(replace(one, discovery=discovery) for one in accounts)


def _of_substation(substation: SubstationConfig, upstream: Broker, discovery: str | None) -> Broker:
    assert substation.broker is not None  # noqa: S101 - the caller chose those that have one
    site = SitePath(district=upstream.site.district, substation=substation.id)
    return Broker(
        site=site, place=substation.broker, accounts=_finding(_accounts(substation, site), discovery), upstream=upstream
    )  # fmt: skip


def _accounts(config: DistrictConfig | SubstationConfig, site: SitePath, *, recorder: bool = False) -> list[Account]:
    """Those of a site and, for a substation, of its checkpoints."""
    roles = (AccountRole.INGEST, AccountRole.VEHICLE, AccountRole.OFFICER)
    accounts = [Account(role=AccountRole.RECORDER, site=site)] if recorder else []
    accounts += [Account(role=role, site=site) for role in roles]
    if isinstance(config, SubstationConfig):
        accounts += [Account(role=AccountRole.OFFICER, site=one) for one in _below(site, config.checkpoints)]
    return accounts


def _below(site: SitePath, checkpoints: tuple[CheckpointConfig, ...]) -> Iterator[SitePath]:
    for one in checkpoints:
        yield SitePath(district=site.district, substation=site.substation, checkpoint=one.id)


def _under(site: SitePath) -> str:
    """Everything of a site and below it."""
    return f"{ROOT}/{'/'.join(site.parts)}/#"


def _own(site: SitePath) -> str:
    """What the workers of a site watch: of the district only its own cameras, as substations have their own workers."""
    return "/".join((ROOT, *(site.levels if site.level is SiteLevel.DISTRICT else site.parts)))


def _positions(site: SitePath) -> str:
    """Where the moving cameras of its workers are."""
    levels = site.levels if site.level is SiteLevel.DISTRICT else (*site.parts, *("+",) * (3 - len(site.parts)))
    return "/".join((ROOT, *levels, "+", "position"))
