"""What the roles need around them."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from gridwatch.config.base import Section
from gridwatch.config.commands import CommandsConfig


class DatabaseConfig(Section):
    """Where PostgreSQL or TimescaleDB is. GRIDWATCH_DSN wins over the file."""

    dsn: SecretStr = SecretStr("postgresql://gridwatch@127.0.0.1:5432/gridwatch")
    pool_size: Annotated[int, Field(ge=2, le=100)] = 8


class HomeAssistantConfig(Section):
    """What Home Assistant finds by MQTT discovery."""

    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "homeassistant"
    """First level of the topics, as its MQTT integration has it set."""


class BrokerConfig(Section):
    """Where the MQTT 5 broker is. GRIDWATCH_MQTT wins over `url`."""

    url: Annotated[str, Field(pattern=r"^mqtts?://[^/]+$")] = "mqtt://127.0.0.1:1883"
    username: str | None = None
    password: SecretStr | None = None
    tls_ca: Path | None = None
    """PEM certificates that must have signed the broker's, for mqtts; None: those the system trusts."""
    onvif_mirror: bool = False
    """Tell every incident in ONVIF's own JSON too (Core specification, 9.12)."""
    home_assistant: HomeAssistantConfig | None = None
    """Let Home Assistant find the cameras by itself; null: no."""


class ApiConfig(Section):
    """Where the API listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8480
    session: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))] = timedelta(hours=12)
    """How long a login lasts; ISO 8601, e.g. `PT12H`."""


class OutboxConfig(Section):
    """What a worker keeps for a broker that is away, on its own disk."""

    max_bytes: Annotated[int, Field(ge=1_000_000)] = 256_000_000
    """Updates are refused from four fifths of it, then pictures, at last everything."""
    max_age: Annotated[timedelta, Field(ge=timedelta(hours=1), le=timedelta(days=3650))] = timedelta(days=14)
    """Updates and pictures older than that are deleted; raised and cleared incidents are not. ISO 8601, e.g. `P14D`."""
    drain_rate: Annotated[float, Field(ge=1, le=100_000)] = 200.0
    """Messages a second that a worker sends of what has waited long; what happens now is not slowed down."""


class WebhooksConfig(Section):
    """Where other systems send what they saw over HTTP, when a source is a webhook. TLS is a proxy's work."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8481


class S3Config(Section):
    """A bucket of an S3-compatible store."""

    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    endpoint: Annotated[str, Field(pattern=r"^https?://[^/]+$")] | None = None
    """None: Amazon's of the region."""
    region: str = "us-east-1"
    access_key: str
    secret_key: SecretStr
    prefix: Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]+/)*$")] = ""
    """Before every key; ends in a slash."""


class EvidenceConfig(Section):
    """Where pictures are kept. Every recorder and every API must reach the same place."""

    s3: S3Config | None = None
    """None: files in `data_dir/evidence`. Wants the extra `s3`."""


class ServicesConfig(Section):
    """What the roles need around them."""

    data_dir: Path = Path("data")
    """Outboxes and evidence; created when missing. Relative to the YAML file."""
    database: DatabaseConfig = DatabaseConfig()
    broker: BrokerConfig = BrokerConfig()
    evidence: EvidenceConfig = EvidenceConfig()
    commands: CommandsConfig = CommandsConfig()
    api: ApiConfig = ApiConfig()
    outbox: OutboxConfig = OutboxConfig()
    webhooks: WebhooksConfig = WebhooksConfig()
