"""Real clients play the virtual cameras."""

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from gridwatch.domain import SystemClock
from gridwatch.rig import RtspLimits, VirtualCamera
from tests.fixtures.rig import PASSWORD, USERNAME, MakeRig, encode_clip
from tests.integration.rig.rtsp_client import BareRtsp, opened, packets, wait_until, wall_clock, with_credentials


@pytest.fixture(scope="module")
def second_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second, so that a test soon sees the loop's seam."""
    return encode_clip(tmp_path_factory.mktemp("clips") / "second.mp4", seconds=1)


def open_camera(clip: Path, **options: float) -> VirtualCamera:
    return VirtualCamera(id="open", clip=clip, **options)


def decoded(source: str, count: int, transport: str = "tcp") -> list[np.ndarray]:
    with opened(source, transport) as container:
        return [frame.to_ndarray() for frame, _ in zip(container.decode(video=0), range(count), strict=False)]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_every_picture_arrives_as_it_was_recorded(rig: MakeRig, tiny_clip: Path, transport: str) -> None:
    url = with_credentials(rig().rtsp_url("cam1"))
    with av.open(str(tiny_clip)) as recording:
        expected = [frame.to_ndarray() for frame, _ in zip(recording.decode(video=0), range(12), strict=False)]

    pictures = decoded(url, 12, transport)

    assert all(np.array_equal(*pair) for pair in zip(pictures, expected, strict=True))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_long_key_picture_arrives_whole(rig: MakeRig, tmp_path: Path, transport: str) -> None:
    clip = encode_clip(tmp_path / "noise.mp4", seconds=0.3, gop=1, noise=True, size=(512, 288))
    with av.open(str(clip)) as recording:
        expected = [frame.to_ndarray() for frame in recording.decode(video=0)]
    assert clip.stat().st_size / len(expected) > 212_992, "each picture must be longer than a client's UDP buffer"

    url = rig(open_camera(clip)).rtsp_url("open")

    def arrives_whole() -> bool:
        pictures = decoded(url, len(expected), transport)
        return all(np.array_equal(*pair) for pair in zip(pictures, expected, strict=True))

    # A busy machine may keep a client from its socket until a datagram is lost; sent all at once, some always are.
    assert any(arrives_whole() for _ in range(1 if transport == "tcp" else 4))


def test_ffprobe_reads_the_stream(rig: MakeRig) -> None:
    command = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_streams", "-of", "json"]
    url = with_credentials(rig().rtsp_url("cam1"))

    shown = subprocess.run([*command, url], check=True, capture_output=True, timeout=30).stdout

    (stream,) = json.loads(shown)["streams"]
    assert (stream["codec_name"], stream["width"], stream["height"]) == ("h264", 320, 180)
    assert stream["r_frame_rate"] == "10/1"


def test_the_stream_begins_with_a_key_picture_and_keeps_the_recorded_pace(rig: MakeRig) -> None:
    began = time.perf_counter()
    received = packets(with_credentials(rig().rtsp_url("cam1")), 16)
    took = time.perf_counter() - began

    assert received[0].is_keyframe
    # The client's parser holds each picture until the next begins, so 16 pictures need 16 intervals of 0.1 s.
    assert 1.5 < took < 3.0


def test_timestamps_go_on_over_the_loops_seam(rig: MakeRig, second_clip: Path) -> None:
    received = packets(rig(open_camera(second_clip)).rtsp_url("open"), 25)

    times = [packet.pts or 0 for packet in received]  # FFmpeg gives the first none
    assert [later - earlier for earlier, later in pairwise(times)] == [9000] * 24
    assert [i for i, packet in enumerate(received) if packet.is_keyframe] == [0, 10, 20]


@pytest.mark.parametrize("skew", [0.0, -30.0])
def test_sender_reports_carry_the_cameras_wall_clock_from_the_first_packet(
    rig: MakeRig, tiny_clip: Path, skew: float
) -> None:
    url = rig(open_camera(tiny_clip, clock_skew_seconds=skew)).rtsp_url("open")
    with opened(url) as container:
        received = [
            (packet, SystemClock().now().timestamp())
            for packet, _ in zip(container.demux(video=0), range(12), strict=False)
        ]

    taken = [wall_clock(packet) for packet, _ in received]
    assert [later - earlier for earlier, later in pairwise(taken)] == pytest.approx([0.1] * 11, abs=0.005)
    # FFmpeg delivers a picture when the next begins, one interval after it was taken; a busy machine only adds to it.
    least_late = min(arrived - at for at, (_, arrived) in zip(taken, received, strict=True))
    assert least_late - 0.1 == pytest.approx(-skew, abs=0.05)


def test_the_first_report_comes_before_the_first_packet(rig: MakeRig, tiny_clip: Path) -> None:
    with BareRtsp(rig(open_camera(tiny_clip)).rtsp_url("open")) as client:
        _, setup, _ = client.ask("SETUP", client.url + "/track1", Transport="RTP/AVP/TCP;interleaved=4-5")
        assert setup["transport"] == "RTP/AVP/TCP;unicast;interleaved=4-5"
        client.ask("PLAY", Session=setup["session"].partition(";")[0])

        assert [client.interleaved()[0] for _ in range(2)] == [5, 4]


def test_clients_play_at_a_time_each_from_the_beginning(rig: MakeRig, tiny_clip: Path) -> None:
    running = rig("cam1", open_camera(tiny_clip, start_seconds=2.0))
    urls = [with_credentials(running.rtsp_url("cam1"))] * 2 + [running.rtsp_url("open")]

    with ThreadPoolExecutor(3) as pool:
        first, second, other = pool.map(lambda url: decoded(url, 5), urls)

    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_a_client_that_does_not_read_is_dropped_and_counted_and_others_go_on(rig: MakeRig, tmp_path: Path) -> None:
    clip = encode_clip(tmp_path / "noise.mp4", seconds=1, fps=50, gop=1, noise=True)
    running = rig(open_camera(clip), limits=RtspLimits(waiting_bytes=100_000))
    with BareRtsp(running.rtsp_url("open"), receive_buffer=4096) as slow, opened(running.rtsp_url("open")) as reader:
        _, setup, _ = slow.ask("SETUP", Transport="RTP/AVP/TCP;interleaved=0-1")
        slow.ask("PLAY", Session=setup["session"].partition(";")[0])

        sizes = []
        for packet in reader.demux(video=0):
            sizes.append(packet.size)
            if running.stats.dropped_slow or len(sizes) > 1000:
                break

        assert running.stats.dropped_slow == 1
        slow.until_closed()


def test_clients_over_the_limit_are_closed_and_counted(rig: MakeRig) -> None:
    running = rig(limits=RtspLimits(clients=1))
    with BareRtsp(running.rtsp_url("cam1")) as first, BareRtsp(running.rtsp_url("cam1")) as second:
        assert first.ask("OPTIONS")[0] == 200
        second.until_closed()

        assert first.ask("OPTIONS")[0] == 200
        assert (running.stats.clients, running.stats.refused_full) == (1, 1)


def test_leaving_frees_the_place_of_a_client(rig: MakeRig) -> None:
    running = rig()
    for _ in range(3):
        packets(with_credentials(running.rtsp_url("cam1")), 2)

    wait_until(lambda: running.stats.clients == 0)


def test_a_wrong_password_is_refused(rig: MakeRig) -> None:
    with pytest.raises(av.HTTPUnauthorizedError):
        packets(with_credentials(rig().rtsp_url("cam1"), "wrong"), 1)


def test_credentials_of_one_camera_do_not_open_another(rig: MakeRig, tiny_clip: Path) -> None:
    other = VirtualCamera(id="other", clip=tiny_clip, username=USERNAME, password=PASSWORD + "!")

    with pytest.raises(av.HTTPUnauthorizedError):
        packets(with_credentials(rig("cam1", other).rtsp_url("other")), 1)


def test_an_unknown_camera_is_not_found(rig: MakeRig) -> None:
    with pytest.raises(av.HTTPNotFoundError):
        packets(with_credentials(rig().rtsp_url("cam1")) + "2", 1)
