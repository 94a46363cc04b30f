"""Which brokers a district has, which accounts each takes, and what each account may do. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gridwatch.bus import discovery_topics
from gridwatch.bus.command_topics import ANSWER_ROOT, COMMAND_ROOT, answer_filter, command_filter
from gridwatch.bus.topics import ROOT
from gridwatch.config import Deployment
from gridwatch.config.commands import CommandAccount
from gridwatch.config.model import BrokerPlace, CheckpointConfig, DistrictConfig, SubstationConfig
from gridwatch.config.sources import MqttSourceBase
from gridwatch.domain import SiteLevel, SitePath, UsageError
from gridwatch.sources import topic_filters


class AccountRole(StrEnum):
    """Who logs in at a broker."""

    INGEST = "ingest"  # workers: write what their cameras see, read where moving cameras are
    RECORDER = "recorder"  # reads everything that is kept
    OFFICER = "officer"  # people and their programs: read their site and what is below it, and ask for things there
    OPERATOR = "operator"  # the command centre: as an officer, of the whole district
    ADMINISTRATOR = "administrator"  # as an officer; workers and recorder let it do more
    PERSON = "person"  # somebody with a name of their own (`services.commands.accounts`), as an officer
    ADAPT = "adapt"  # tells what other systems see, anywhere in the district
    VEHICLE = "vehicle"  # tells where the moving cameras of a site are
    BRIDGE = "bridge"  # a substation's broker at the district's


_ASKS = (AccountRole.OFFICER, AccountRole.OPERATOR, AccountRole.ADMINISTRATOR, AccountRole.PERSON)


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
    called: str | None = None
    """Of a person."""
    passes_on: tuple[str, ...] = ()
    """Of a bridge: the accounts at its broker, whose commands it may pass on."""
    foreign: tuple[str, ...] = ()
    """Filters of other systems' topics that it reads."""

    @property
    def name(self) -> str:
        """`role@district[/substation[/checkpoint]]`, or a person's own."""
        return self.called or f"{self.role}@{self.site}"

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What it may do: nothing outside of its site, but for the messages by which cameras are found."""
        access = {AccountRole.INGEST: Access.WRITE, AccountRole.OFFICER: Access.READ}.get(self.role)
        if self.discovery is None or access is None:
            return self._own_grants
        return (*self._own_grants, Grant(access=access, topics=self.discovery))

    @property
    def _own_grants(self) -> tuple[Grant, ...]:
        match self.role:
            case AccountRole.INGEST:
                place = _own(self.site)
                return (
                    _write(f"{ROOT}/{place}/#"),
                    _read(f"{ROOT}/{_cameras(self.site)}/position"),
                    _read(f"{COMMAND_ROOT}/{place}/#"),
                    _write(f"{ANSWER_ROOT}/{place}/#"),
                )
            case AccountRole.VEHICLE:
                return (_write(f"{ROOT}/{_cameras(self.site)}/position"),)
            case AccountRole.ADAPT:
                return (_write(f"{ROOT}/{self.site}/#"), *(_read(one) for one in self.foreign))
            case AccountRole.BRIDGE:
                place = str(self.site)
                return (
                    _write(f"{ROOT}/{place}/#"),
                    _read(f"{COMMAND_ROOT}/{place}/#"),
                    *(_write(command_filter(self.site, name)) for name in self.passes_on),
                    _write(f"{ANSWER_ROOT}/{place}/#"),
                    _read(f"{ANSWER_ROOT}/{place}/#"),
                )
            case AccountRole.RECORDER:
                place = str(self.site)
                trees = (ROOT, COMMAND_ROOT, ANSWER_ROOT)
                return (*(_read(f"{tree}/{place}/#") for tree in trees), _write(f"{ANSWER_ROOT}/{place}/#"))
            case AccountRole.OFFICER | AccountRole.OPERATOR | AccountRole.ADMINISTRATOR | AccountRole.PERSON:
                return (
                    _read(f"{ROOT}/{self.site}/#"),
                    _write(command_filter(self.site, self.name)),
                    _read(f"{answer_filter(self.site, self.name)}/#"),
                )


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
    def bridged_topics(self) -> tuple[str, ...]:
        """What it passes on to the district."""
        return (f"{ROOT}/{self.site}/#",)

    @property
    def exchanged_topics(self) -> tuple[str, ...]:
        """What passes in both directions; a bridge never gives back what it was given."""
        return (f"{COMMAND_ROOT}/{self.site}/#", f"{ANSWER_ROOT}/{self.site}/#")


def plan_brokers(deployment: Deployment) -> tuple[Broker, ...]:
    """The district's broker, then those of its substations that have one. Raises UsageError when there is no place."""
    district = deployment.district
    if district.broker is None:
        raise UsageError(
            f"district {district.id!r} has no broker: give it `broker: {{host: ...}}`, and one to each substation that "
            "is to work alone"
        )
    people = [_person(one) for one in deployment.services.commands.accounts]
    own = [_of_substation(one, district.id, people) for one in district.substations if one.broker is not None]
    top = SitePath(district=district.id)
    at_top = [*_accounts(district, top, recorder=True), *people]
    for substation in district.substations:
        site = SitePath(district=district.id, substation=substation.id)
        below = next((one for one in own if one.site == site), None)
        if below is None:
            at_top += _accounts(substation, site)
        else:
            names = tuple(one.name for one in below.accounts if one.role in _ASKS)
            at_top.append(Account(role=AccountRole.BRIDGE, site=site, passes_on=names))
            at_top.append(Account(role=AccountRole.OFFICER, site=site))
    if deployment.sources:
        ours = (one for one in deployment.sources if isinstance(one, MqttSourceBase) and one.broker is None)
        foreign = tuple(topic for one in ours for topic in topic_filters(one))
        at_top.append(Account(role=AccountRole.ADAPT, site=top, foreign=foreign))
    found = deployment.services.broker.home_assistant
    discovery = None if found is None else discovery_topics(district.id, found.prefix)
    root = _finding(Broker(site=top, place=district.broker, accounts=tuple(at_top)), discovery)
    return (root, *(replace(_finding(one, discovery), upstream=root) for one in own))


def _finding(broker: Broker, discovery: str | None) -> Broker:
    return replace(broker, accounts=tuple(replace(one, discovery=discovery) for one in broker.accounts))


def _person(account: CommandAccount) -> Account:
    return Account(role=AccountRole.PERSON, site=account.site_path, called=account.name)


def _of_substation(substation: SubstationConfig, district: str, people: Sequence[Account]) -> Broker:
    assert substation.broker is not None  # noqa: S101 - the caller chose those that have one
    site = SitePath(district=district, substation=substation.id)
    accounts = [*_accounts(substation, site), *(one for one in people if site.contains(one.site))]
    return Broker(site=site, place=substation.broker, accounts=tuple(accounts))


def _accounts(config: DistrictConfig | SubstationConfig, site: SitePath, *, recorder: bool = False) -> list[Account]:
    """Those of a site and, for a substation, of its checkpoints."""
    roles = [AccountRole.INGEST, AccountRole.VEHICLE, AccountRole.OFFICER, AccountRole.ADMINISTRATOR]
    if recorder:
        roles = [AccountRole.RECORDER, *roles, AccountRole.OPERATOR]
    accounts = [Account(role=role, site=site) for role in roles]
    if isinstance(config, SubstationConfig):
        accounts += [Account(role=AccountRole.OFFICER, site=one) for one in _below(site, config.checkpoints)]
    return accounts


def _below(site: SitePath, checkpoints: tuple[CheckpointConfig, ...]) -> Iterator[SitePath]:
    for one in checkpoints:
        yield SitePath(district=site.district, substation=site.substation, checkpoint=one.id)


def _own(site: SitePath) -> str:
    """What the workers of a site watch: of the district only its own cameras, as substations have their own workers."""
    return "/".join(site.levels if site.level is SiteLevel.DISTRICT else site.parts)


def _cameras(site: SitePath) -> str:
    """Each camera of its workers."""
    levels = site.levels if site.level is SiteLevel.DISTRICT else (*site.parts, *("+",) * (3 - len(site.parts)))
    return "/".join((*levels, "+"))


def _read(topics: str) -> Grant:
    return Grant(access=Access.READ, topics=topics)


def _write(topics: str) -> Grant:
    return Grant(access=Access.WRITE, topics=topics)
