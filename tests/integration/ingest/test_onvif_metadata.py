"""Where cameras say in the metadata track of their stream that they are."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gridwatch.domain import Position, PositionFix, SystemClock
from gridwatch.ingest import (
    CameraRefused,
    CameraUnreachable,
    IngestError,
    NoMetadata,
    OnvifMetadataReader,
    StreamEnded,
    StreamStalled,
)
from gridwatch.rig import Fault, OnvifStyle, Rig, RtspDigest, VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig
from tests.integration.ingest.harness import DEADLINE, camera_config, onvif_source, rtsp_source, watching
from tests.waiting import wait_until

CLOCK = SystemClock()


def van(clip: Path, **more: object) -> VirtualCamera:
    return VirtualCamera(id="cam1", clip=clip, username=USERNAME, password=PASSWORD, **{"has_metadata": True, **more})


class Reading:
    """A reader in a task of its own."""

    def __init__(self, rig: Rig, password: str = PASSWORD, silence: float = 10.0) -> None:
        self.fixes: list[PositionFix] = []
        camera = camera_config(onvif_source(rig, "cam1", password))
        self.reader = OnvifMetadataReader(camera, CLOCK, self.fixes.append, silence)
        self._task = asyncio.create_task(self.reader.run_once())

    async def until_fixes(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE):
            while len(self.fixes) < count:
                assert not self._task.done(), self._task
                await asyncio.sleep(0.01)

    async def error(self) -> IngestError:
        with pytest.raises(IngestError) as caught:
            await asyncio.wait_for(self._task, DEADLINE)
        return caught.value

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})


@asynccontextmanager
async def reading(rig: Rig, password: str = PASSWORD, silence: float = 10.0) -> AsyncIterator[Reading]:
    one = Reading(rig, password, silence)
    try:
        yield one
    finally:
        await one.stop()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Looks after the rig has stopped: what waits for a silent camera ends with its connection."""
    yield
    wait_until(lambda: not [one for one in threading.enumerate() if one.name.startswith("metadata-")], DEADLINE)


@pytest.mark.parametrize("style", list(OnvifStyle))
@pytest.mark.parametrize("digest", [RtspDigest.MD5, RtspDigest.SHA_256])
async def test_a_camera_that_drives_tells_where_it_was_and_when(
    rig: MakeRig, tiny_clip: Path, style: OnvifStyle, digest: RtspDigest
) -> None:
    device = rig(van(tiny_clip, onvif_style=style, rtsp_digest=digest, clock_skew_seconds=7200))
    device.set_position("cam1", 10, 20)
    async with reading(device) as one:
        await one.until_fixes(1)
        began = CLOCK.now()
        device.set_position("cam1", 10.0001, 20)
        await one.until_fixes(2)
    assert [fix.position for fix in one.fixes] == [Position(lon=10, lat=20), Position(lon=10.0001, lat=20)]
    assert abs(one.fixes[-1].at - began) < timedelta(seconds=5)


async def test_damaged_documents_are_counted_and_long_ones_put_together(rig: MakeRig, tiny_clip: Path) -> None:
    device = rig(van(tiny_clip))
    device.set_position("cam1", 10, 20)
    async with reading(device) as one:
        await one.until_fixes(1)
        begin = b'<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema">'
        device.send_metadata("cam1", begin + b"<tt:GeoLocation></tt:MetadataStream>")
        device.send_metadata("cam1", begin + b"x" * 5000)
        device.send_metadata("cam1", begin + b"<!--" + b"x" * 5000 + b"GeoLocation--></tt:MetadataStream>")
        device.send_metadata("cam1", b"\x1f\x8b nonsense")
        device.set_position("cam1", 11, 20)
        await one.until_fixes(2)
    assert one.reader.refused == {"malformed": 1, "cut": 1}
    assert one.reader.answers == 4


async def test_a_camera_without_metadata_says_so(rig: MakeRig, tiny_clip: Path) -> None:
    for style in OnvifStyle:
        async with reading(rig(van(tiny_clip, has_metadata=False, onvif_style=style))) as one:
            assert type(await one.error()) is NoMetadata


async def test_an_end_a_silence_and_a_refusal_are_named(rig: MakeRig, tiny_clip: Path) -> None:
    device = rig(van(tiny_clip))
    device.set_position("cam1", 10, 20)
    async with reading(device, silence=1.0) as one:
        await one.until_fixes(1)
        assert type(await one.error()) is StreamStalled
    async with reading(device) as one:
        await one.until_fixes(1)
        device.set_fault("cam1", Fault.DROP)
        assert type(await one.error()) is StreamEnded
    async with reading(device) as one:
        assert type(await one.error()) is CameraUnreachable
    device.set_fault("cam1", Fault.NONE)
    async with reading(device, "wrong") as one:
        assert type(await one.error()) is CameraRefused


def test_the_video_beside_it_is_the_same(rig: MakeRig, tiny_clip: Path) -> None:
    device = rig(van(tiny_clip))
    device.set_position("cam1", 10, 20)
    with watching(camera_config(rtsp_source(device, "cam1"), fps=10)) as watched:
        watched.wait_for_frames(12)
    assert [frame.pts for frame in watched.frames[:12]] == pytest.approx([i / 10 for i in range(12)], abs=0.002)
