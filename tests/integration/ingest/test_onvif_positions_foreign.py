"""Asking where it is a device that is not ours and does not know."""

import pytest

from gridwatch.config.model import CameraSource, OnvifSource
from gridwatch.domain import SystemClock
from gridwatch.ingest import NoGeoLocation, OnvifPositionReader
from tests.integration.ingest.foreign import ipycam
from tests.integration.ingest.harness import camera_config


async def test_a_device_of_another_make_that_does_not_know_is_told_from_one_that_is_away() -> None:
    with ipycam() as camera:
        source = CameraSource(onvif=OnvifSource(url=camera.device_url))
        with pytest.raises(NoGeoLocation):
            await OnvifPositionReader(camera_config(source), SystemClock(), [].append).run_once()
