"""A small deployment over real parts: cameras from the rig, a real Mosquitto, a real PostgreSQL."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import yaml

from gridwatch.config import Settings, load_settings
from tests.fixtures.broker import BrokerControl

SQUARE = [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]]

MakeSettings = Callable[..., Settings]


def broker_url(broker: BrokerControl) -> str:
    """With the account."""
    config = broker.config
    assert config.username is not None
    assert config.password is not None
    password = quote(config.password.get_secret_value(), safe="")
    return f"mqtt://{config.username}:{password}@{urlsplit(config.url).netloc}"


@pytest.fixture
def settings(tmp_path: Path) -> MakeSettings:
    """`settings(district, broker=..., dsn=..., cameras=[...])`; one grid holds everything from (0, 0) to (1, 1)."""

    def make(
        district: str, *, broker: BrokerControl | None = None, dsn: str = "", cameras: Sequence[dict[str, object]] = ()
    ) -> Settings:
        grid = {
            "type": "Feature",
            "properties": {"code": "310101001001001", "unit": "order"},
            "geometry": {"type": "Polygon", "coordinates": SQUARE},
        }
        (tmp_path / "grids.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [grid]}))
        services: dict[str, object] = {"data_dir": str(tmp_path / "data"), "api": {"port": 0}}
        if broker is not None:
            services["broker"] = {"url": broker_url(broker)}
        if dsn:
            services["database"] = {"dsn": dsn}
        document = {
            "version": 1,
            "district": {"id": district, "name": "A district", "substations": [{"id": "east", "name": "East"}]},
            "cameras": [{"site": f"{district}/east", "position": [0.5, 0.5], **camera} for camera in cameras],
            "grids": "grids.geojson",
            "units": [{"code": "order", "name": "Public order"}],
            "services": services,
        }
        path = tmp_path / f"{district}.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return load_settings(path)

    return make
