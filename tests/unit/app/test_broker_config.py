"""Brokers of a district, from its tree of sites."""

import io
import ipaddress
import json
import stat
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest
from cryptography import x509
from rich.console import Console

from gridwatch.app.brokers.command import ACCOUNTS, run_broker_config, tell
from gridwatch.app.brokers.mosquitto import render_acl
from gridwatch.app.brokers.plan import Broker, plan_brokers
from gridwatch.config.commands import CommandAccount, CommandsConfig
from gridwatch.config.model import BrokerPlace, CheckpointConfig, Deployment, DistrictConfig, SubstationConfig
from gridwatch.config.services import BrokerConfig, HomeAssistantConfig, ServicesConfig
from gridwatch.domain import FakeClock, Role, UsageError

DATA = PurePosixPath("/var/lib/mosquitto")
NOW = datetime(2026, 3, 4, tzinfo=UTC)


def deployment(*, south: bool = False, top: bool = True) -> Deployment:
    """North has a broker of its own, south only when told."""
    north = SubstationConfig(
        id="north", name="North", broker=BrokerPlace(host="mq-north.example", port=18883),
        checkpoints=(CheckpointConfig(id="gate", name="Gate"),),
    )  # fmt: skip
    other = SubstationConfig(id="south", name="South", broker=BrokerPlace(host="10.1.0.3") if south else None)
    district = DistrictConfig(
        id="harbour", name="Harbour", broker=BrokerPlace(host="10.1.0.1") if top else None, substations=(north, other)
    )
    return Deployment(version=1, district=district)


def write(folder: Path, *, south: bool = False) -> tuple[Broker, ...]:
    return run_broker_config(deployment(south=south), folder, None, DATA, FakeClock(NOW))


def acl_of(broker: Broker) -> dict[str, list[str]]:
    """Lines of each account."""
    paragraphs = [text.splitlines() for text in render_acl(broker.accounts).split("\n\n")]
    return {lines[0].removeprefix("user "): lines[1:] for lines in paragraphs}


def test_a_district_without_a_place_for_its_broker_is_told_what_to_write() -> None:
    with pytest.raises(UsageError, match=r"district 'harbour' has no broker: give it `broker"):
        plan_brokers(deployment(top=False))


def test_only_substations_with_a_place_have_brokers_and_the_others_use_the_districts() -> None:
    top, north = plan_brokers(deployment())

    assert (top.name, top.upstream) == ("harbour", None)
    assert (north.name, north.upstream) == ("north", top)
    assert "ingest@harbour/south" in acl_of(top)
    assert "ingest@harbour/north" not in acl_of(top)


def test_where_home_assistant_is_to_find_cameras_workers_may_write_that_and_officers_read_it() -> None:
    services = ServicesConfig(broker=BrokerConfig(home_assistant=HomeAssistantConfig(prefix="ha")))
    _, north = plan_brokers(deployment().model_copy(update={"services": services}))

    assert "topic write ha/device/gridwatch_harbour/+/config" in acl_of(north)["ingest@harbour/north"]
    assert "topic read ha/device/gridwatch_harbour/+/config" in acl_of(north)["officer@harbour/north/gate"]
    assert not any("ha/" in line for line in acl_of(north)["vehicle@harbour/north"])


def test_where_there_are_sources_their_adapter_writes_in_the_district_and_reads_their_topics_here() -> None:
    place = {"id": "hall", "site": "harbour", "position": [0, 0]}
    rules = [{"id": "r", "kind": "intrusion", "labels": ["person"]}]
    here = {"id": "here", "type": "frigate", "cameras": {"c": place}, "rules": rules}
    sources = Deployment.model_validate(
        {
            "version": 1, "district": {"id": "harbour", "name": "Harbour"},
            "sources": [
                here, {**here, "id": "there", "topic": "far/events", "broker": {"url": "mqtt://192.0.2.1"}},
                {"id": "cams", "type": "onvif", "cameras": {"site/cam7": place}},
            ],
        }
    ).sources  # fmt: skip
    top, north = plan_brokers(deployment().model_copy(update={"sources": sources}))

    assert acl_of(top)["adapt@harbour"] == [
        "topic write gridwatch/v1/harbour/#", "topic read frigate/events", "topic read site/cam7/onvif-ej/#",
    ]  # fmt: skip
    assert "adapt@harbour" not in acl_of(north)
    assert "adapt@harbour" not in acl_of(plan_brokers(deployment())[0])


def test_nobody_may_do_anything_outside_of_their_site() -> None:
    top, north = plan_brokers(deployment())

    assert acl_of(north)["ingest@harbour/north"] == [
        "topic write gridwatch/v1/harbour/north/#",
        "topic read gridwatch/v1/harbour/north/+/+/position",
        "topic read gridwatch/command/v1/harbour/north/#",
        "topic write gridwatch/answer/v1/harbour/north/#",
    ]
    gate = "officer@harbour:north:gate"
    assert acl_of(north)["officer@harbour/north/gate"] == [
        "topic read gridwatch/v1/harbour/north/gate/#",
        f"topic write gridwatch/command/v1/harbour/north/gate/+/+/{gate}",
        f"topic read gridwatch/answer/v1/harbour/north/gate/+/{gate}/+/#",
    ]
    assert acl_of(top)["recorder@harbour"] == [
        "topic read gridwatch/v1/harbour/#",
        "topic read gridwatch/command/v1/harbour/#",
        "topic read gridwatch/answer/v1/harbour/#",
        "topic write gridwatch/answer/v1/harbour/#",
    ]
    assert acl_of(top)["ingest@harbour"][0] == "topic write gridwatch/v1/harbour/-/-/#", "not its substations' cameras"


def test_a_bridge_passes_on_commands_of_the_accounts_at_its_own_broker_and_of_nobody_else() -> None:
    lines = acl_of(plan_brokers(deployment())[0])["bridge@harbour/north"]

    commands = "topic write gridwatch/command/v1/harbour/north/+/+/+"
    assert [line for line in lines if line.startswith("topic write gridwatch/command")] == [
        f"{commands}/officer@harbour:north", f"{commands}/administrator@harbour:north",
        f"{commands}/officer@harbour:north:gate",
    ]  # fmt: skip
    assert "topic write gridwatch/v1/harbour/north/#" in lines
    assert "topic read gridwatch/command/v1/harbour/north/#" in lines


def test_people_with_names_of_their_own_have_accounts_at_the_brokers_of_their_site() -> None:
    people = (
        CommandAccount(name="wang.li", role=Role.OPERATOR, site="harbour"),
        CommandAccount(name="chen", role=Role.OFFICER, site="harbour/north"),
    )
    services = ServicesConfig(commands=CommandsConfig(accounts=people))
    top, north = plan_brokers(deployment().model_copy(update={"services": services}))

    assert "topic write gridwatch/command/v1/harbour/+/+/+/+/wang.li" in acl_of(top)["wang.li"]
    assert "wang.li" not in acl_of(north)
    assert acl_of(north)["chen"] == acl_of(top)["chen"]
    passed_on = [line for line in acl_of(top)["bridge@harbour/north"] if line.endswith("/chen")]
    assert passed_on == ["topic write gridwatch/command/v1/harbour/north/+/+/+/chen"]


def test_only_the_owner_can_read_what_was_written(tmp_path: Path) -> None:
    write(tmp_path / "out")

    files = [one for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert len(files) == 3 + 2 * 6
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}


def test_passwords_and_the_authority_stay_when_a_substation_joins(tmp_path: Path) -> None:
    write(tmp_path)
    before = json.loads((tmp_path / ACCOUNTS).read_text())
    authority = (tmp_path / "ca.pem").read_bytes()

    write(tmp_path, south=True)

    after = json.loads((tmp_path / ACCOUNTS).read_text())
    assert before.items() <= after.items()
    assert "bridge@harbour/south" in after
    assert (tmp_path / "ca.pem").read_bytes() == authority
    assert len(set(after.values())) == len(after)


def test_each_broker_has_a_certificate_for_its_own_place_signed_by_the_authority(tmp_path: Path) -> None:
    write(tmp_path)

    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    names = {}
    for name in ("harbour", "north"):
        certificate = x509.load_pem_x509_certificate((tmp_path / name / "server.pem").read_bytes())
        certificate.verify_directly_issued_by(authority)
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names[name] = [one.value for one in alternative]
    assert names == {"harbour": [ipaddress.ip_address("10.1.0.1")], "north": ["mq-north.example"]}


def test_paths_in_a_configuration_are_those_of_the_machine_it_is_for(tmp_path: Path) -> None:
    run_broker_config(deployment(), tmp_path, PurePosixPath("/etc/mosquitto/gridwatch"), DATA, FakeClock(NOW))

    conf = (tmp_path / "north" / "mosquitto.conf").read_text()
    assert "acl_file /etc/mosquitto/gridwatch/north/acl" in conf
    assert "address 10.1.0.1:8883" in conf
    assert str(tmp_path) not in conf


def test_a_damaged_list_of_accounts_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / ACCOUNTS).write_text("{")

    with pytest.raises(UsageError, match=r"accounts\.json is damaged .* restore it, or delete it"):
        write(tmp_path)
    assert (tmp_path / ACCOUNTS).read_text() == "{"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match=r"file/out cannot be written or read: Not a directory"):
        write(tmp_path / "file" / "out")


def test_what_was_written_is_told_without_a_password(tmp_path: Path) -> None:
    brokers = write(tmp_path)
    text = io.StringIO()

    tell(brokers, tmp_path, Console(file=text, width=200))

    assert "officer@harbour/north/gate" in text.getvalue()
    for password in json.loads((tmp_path / ACCOUNTS).read_text()).values():
        assert password not in text.getvalue()
