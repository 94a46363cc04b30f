"""Virtual cameras misbehave over RTSP as told, and behave again."""

import time

import av
import pytest

from gridwatch.rig import Fault
from tests.fixtures.rig import MakeRig
from tests.integration.rig.rtsp_client import opened, packets, with_credentials


def test_a_stalled_camera_stays_connected_but_sends_nothing_and_resumes_at_a_key_picture(rig: MakeRig) -> None:
    running = rig("cam1", "cam2")
    with (
        opened(with_credentials(running.rtsp_url("cam1"))) as stalling,
        opened(with_credentials(running.rtsp_url("cam2"))) as healthy,
    ):
        video, other = stalling.demux(video=0), healthy.demux(video=0)
        assert all(next(video).size for _ in range(2))
        running.set_fault("cam1", Fault.STALL)
        during = [next(other) for _ in range(5)]
        assert running.stats.clients == 2
        running.set_fault("cam1", Fault.NONE)
        times = [next(video).pts for _ in range(5)]

    assert all(packet.size for packet in during)
    # A picture or two were on the way when the stall began; then nothing up to the key picture at 1 s of stream time.
    resumed = times.index(90_000)
    assert resumed <= 2
    assert all(at < 45_000 for at in times[:resumed])
    assert times[resumed:] == [90_000 + 9_000 * i for i in range(5 - resumed)]


def test_a_stalled_camera_sends_no_first_packet_either(rig: MakeRig) -> None:
    running = rig()
    running.set_fault("cam1", Fault.STALL)

    with pytest.raises((av.FFmpegError, OSError)), av.open(
        with_credentials(running.rtsp_url("cam1")), options={"rtsp_transport": "tcp", "timeout": "400000"}
    ) as container:  # fmt: skip
        next(container.demux(video=0))


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.REFUSE, Fault.NO_VIDEO])
def test_a_failing_camera_cuts_its_clients_and_no_others(rig: MakeRig, fault: Fault) -> None:
    running = rig("cam1", "cam2")
    with (
        opened(with_credentials(running.rtsp_url("cam1"))) as failing,
        opened(with_credentials(running.rtsp_url("cam2"))) as healthy,
    ):
        video, other = failing.demux(video=0), healthy.demux(video=0)
        next(video)
        running.set_fault("cam1", fault)

        assert sum(1 for packet in video if packet.size) < 5  # the end of the stream, not a time-out
        assert all(next(other).size for _ in range(3))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.DROP, av.FFmpegError),
        (Fault.REFUSE, av.HTTPUnauthorizedError),
        (Fault.NO_VIDEO, av.HTTPNotFoundError),
    ],
)
def test_a_failing_camera_refuses_new_clients_until_it_behaves_again(
    rig: MakeRig, fault: Fault, error: type[Exception]
) -> None:
    running = rig()
    url = with_credentials(running.rtsp_url("cam1"))
    running.set_fault("cam1", fault)

    began = time.perf_counter()
    with pytest.raises(error):
        packets(url, 1)
    assert time.perf_counter() - began < 2, "refused, not timed out"

    running.set_fault("cam1", Fault.NONE)
    assert packets(url, 1)[0].is_keyframe


def test_a_fault_of_an_unknown_camera_is_an_error(rig: MakeRig) -> None:
    with pytest.raises(KeyError):
        rig().set_fault("cam9", Fault.DROP)
