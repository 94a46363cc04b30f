"""What a camera does to a stream that goes on: sessions that time out, new sizes, new codecs, passwords."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gridwatch.config.model import CameraSource
from gridwatch.ingest import CameraRefused, StreamEnded, StreamStalled
from gridwatch.ingest.rtsp import Transport
from tests.fixtures.gst_rtsp import MakeGst, Mount
from tests.fixtures.proxy import FaultProxy, Network
from tests.fixtures.rig import encode_clip
from tests.integration.ingest.harness import camera_config, everything_it_says, run_to_error, watching
from tests.integration.ingest.network import persisting, pictures, wrong

SESSION_SECONDS = 4


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_session_that_times_out_after_seconds_is_kept_alive(
    gst: MakeGst, tiny_clip: Path, transport: Transport
) -> None:
    server = gst(Mount(path="cam1", clips=[tiny_clip]), session_seconds=SESSION_SECONDS)
    with FaultProxy(server.port) as proxy, persisting(proxy, "cam1", transport=transport) as reader:
        seen = reader.wait_for_frames(22 * SESSION_SECONDS)  # ten a second: more than two times the session's
        assert seen.errors == []
        assert seen.ups == 1


def test_that_server_does_end_a_session_that_is_not(gst: MakeGst, tiny_clip: Path) -> None:
    server = gst(Mount(path="cam1", clips=[tiny_clip]), session_seconds=SESSION_SECONDS)
    with FaultProxy(server.port) as proxy, persisting(proxy, "cam1", transport="udp") as reader:
        reader.wait_for_frames(3)
        proxy.network = Network(mute=True)
        seen = reader.wait(lambda seen: len(seen.errors) > 0)
        assert type(seen.errors[0]) in {StreamEnded, StreamStalled}
        proxy.network = Network()
        reader.wait(lambda seen: seen.ups == 2)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_stream_may_change_its_size_and_parameters_at_any_key_picture(
    gst: MakeGst, tmp_path: Path, codec: str
) -> None:
    made = [
        ("small", {}),
        ("large", {"size": (640, 360)}),
        ("reordered", {"size": (640, 360), "b_frames": 2}),  # another SPS of the same size
        ("tiny", {"size": (128, 96), "gop": 5}),
    ]
    clips = [encode_clip(tmp_path / f"{name}.mp4", seconds=1, codec=codec, **how) for name, how in made]
    server = gst(Mount(path="cam1", clips=clips))
    with FaultProxy(server.port) as proxy, persisting(proxy, "cam1") as reader:
        seen = reader.wait_for_frames(50)
        tally = reader.tally.snapshot()
    assert {frame.image.shape for frame in seen.frames} == {(180, 320, 3), (360, 640, 3), (96, 128, 3)}
    assert wrong(seen.frames, pictures(*clips)) == []
    assert (seen.errors, tally.decode_errors, tally.connections) == ([], 0, 1)
    times = [frame.pts for frame in seen.frames]
    assert times == sorted(set(times))


def test_a_camera_may_come_back_with_another_codec(
    gst: MakeGst, tiny_clip: Path, h265_clip: Path, tmp_path: Path
) -> None:
    server = gst(Mount(path="cam1", clips=[tiny_clip]))
    other = gst(Mount(path="cam1", clips=[h265_clip]))
    with FaultProxy(server.port) as proxy, persisting(proxy, "cam1") as reader:
        seen = reader.wait_for_frames(3)
        assert wrong(seen.frames, pictures(tiny_clip)) == []
        proxy.target = other.port
        proxy.cut()
        reader.wait(lambda seen: seen.ups == 2)
        reader.forget()
        assert wrong(reader.wait_for_frames(5).frames, pictures(h265_clip)) == []


def test_a_server_of_another_make_takes_the_password_and_refuses_a_wrong_one(gst: MakeGst, tiny_clip: Path) -> None:
    server = gst(Mount(path="cam1", clips=[tiny_clip]), login=("operator", "p@ss/w:rd%"))
    good = server.url("cam1").replace("://", "://operator:p%40ss%2Fw%3Ard%25@")
    with watching(camera_config(CameraSource(rtsp=good))) as watched:
        watched.wait_for_frames(2)
    error = run_to_error(camera_config(CameraSource(rtsp=good.replace("p%40ss", "wr-ong"))))
    assert type(error) is CameraRefused
    assert "wr-ong" not in everything_it_says(error)


SECRET = "s3cr3t-in-a-url"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_password_is_in_no_output_no_process_list_and_no_log_of_the_library(
    gst: MakeGst, tiny_clip: Path, transport: str
) -> None:
    """Read in a process of its own, with everything that Python logs written out."""
    server = gst(Mount(path="cam1", clips=[tiny_clip]), login=("operator", SECRET))
    script = textwrap.dedent(
        """
        import contextlib, logging, sys, threading
        from pathlib import Path
        from gridwatch.app.logs import configure_logs
        from gridwatch.config.model import CameraConfig, CameraSource
        from gridwatch.domain import SystemClock
        from gridwatch.ingest import IngestError, Reader, ReaderTally
        configure_logs(verbose=True)
        logging.getLogger().setLevel(logging.DEBUG)
        for url in sys.stdin.read().split():
            source = CameraSource(rtsp=url, transport=sys.argv[1])
            camera = CameraConfig(id="gate-3", site="north", position=(0, 0), source=source)
            seen = threading.Event()
            reader = Reader(camera, SystemClock(), lambda frame: seen.set(), lambda *_: None, ReaderTally())
            def run():
                try:
                    reader.run_once()
                except IngestError:
                    logging.exception("lost")
                    seen.set()
            thread = threading.Thread(target=run)
            thread.start()
            assert seen.wait(20)
            for task in Path("/proc/self/task").iterdir():
                with contextlib.suppress(OSError):  # it may end meanwhile
                    print((task / "comm").read_text(), (task / "cmdline").read_bytes())
            print(repr(camera), repr(reader), vars(reader))
            reader.stop()
            thread.join()
        print("done")
        """
    )
    good = server.url("cam1").replace("://", f"://operator:{SECRET}@")
    urls = [good, good + "-wrong", good.replace(SECRET, SECRET + "-wrong"), good.replace("cam1", "none")]
    urls.append(f"rtsp://operator:{SECRET}@127.0.0.1:1/none")
    process = subprocess.run(
        [sys.executable, "-c", script, transport],
        input="\n".join(urls), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = process.stdout + process.stderr
    assert process.returncode == 0, said
    assert "done" in said
    assert said.count("Traceback") >= 3, "the errors were logged"
    assert SECRET not in said
    assert "operator" not in said
