"""The rig starts, stops and leaves nothing behind, whoever owns it."""

import asyncio
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gridwatch.rig import Fault, Rig, RigThread, VirtualCamera
from tests.integration.rig.rtsp_client import BareRtsp, opened, packets

SERVE = """
import sys
from pathlib import Path
from gridwatch.rig import Rig, VirtualCamera, serve

serve(Rig([VirtualCamera(id="a", clip=Path(sys.argv[1]))]), lambda rig: print("at", rig.rtsp_url("a"), flush=True))
"""


def open_descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


@pytest.fixture
def camera(tiny_clip: Path) -> VirtualCamera:
    return VirtualCamera(id="a", clip=tiny_clip)


def test_closing_cuts_clients_and_leaves_no_thread_and_no_descriptor(camera: VirtualCamera) -> None:
    descriptors = open_descriptors()
    with RigThread(Rig([camera])) as rig:
        assert "rig" in {thread.name for thread in threading.enumerate()}
        url = rig.rtsp_url("a")
        client = BareRtsp(url)
        _, setup, _ = client.ask("SETUP", Transport="RTP/AVP;unicast;client_port=40000-40001")
        assert client.ask("PLAY", Session=setup["session"].partition(";")[0])[0] == 200
    with client:
        client.until_closed()

    assert "rig" not in {thread.name for thread in threading.enumerate()}
    assert open_descriptors() <= descriptors
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((urlsplit(url).hostname, urlsplit(url).port))


async def test_a_rig_runs_in_the_callers_loop_and_its_faults_are_set_from_inside(camera: VirtualCamera) -> None:
    def play_until_cut(url: str, playing: threading.Event) -> int:
        with opened(url) as container:
            sizes = []
            for packet in container.demux(video=0):
                sizes.append(packet.size)
                playing.set()
            return sizes[-1]

    playing = threading.Event()
    async with Rig([camera]) as rig:
        client = asyncio.create_task(asyncio.to_thread(play_until_cut, rig.rtsp_url("a"), playing))
        assert await asyncio.to_thread(playing.wait, 5)
        rig.set_fault("a", Fault.DROP)

        assert await client == 0  # PyAV ends a stream with an empty packet


def test_a_fault_set_after_the_end_is_harmless(camera: VirtualCamera) -> None:
    with RigThread(Rig([camera])) as rig:
        pass

    rig.set_fault("a", Fault.DROP)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_served_by_a_process_it_ends_well_on_a_signal(tiny_clip: Path, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVE, str(tiny_clip)], stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stdout if line.startswith("at "))
            assert packets(line.split()[1], 1)[0].is_keyframe

            process.send_signal(number)
            assert process.wait(10) == 0
        finally:
            process.kill()
