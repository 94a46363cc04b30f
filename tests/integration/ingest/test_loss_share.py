"""No picture handed out is wrong when a network loses packets of UDP. Slow: that needs many."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.fixtures.gst_rtsp import MakeGst, Mount
from tests.fixtures.proxy import FaultProxy, Network
from tests.integration.ingest.network import persisting, pictures, wrong

SIZE, FPS, GOP, SECONDS = (640, 360), 10, 20, 10


def panned(path: Path, codec: str) -> Path:
    """Something with texture that moves past, so that damage shows: half a Mbit/s, four packets a picture."""
    width, height = SIZE
    random = np.random.default_rng(3)
    coarse = random.integers(40, 210, (height // 16, width // 8, 3)).astype(np.uint8)
    scene = cv2.resize(coarse, (2 * width, height), interpolation=cv2.INTER_CUBIC)
    key = "x264-params" if codec == "libx264" else "x265-params"
    params = "scenecut=0:bframes=0:log-level=error" + (":slices=1:sliced-threads=0" if codec == "libx264" else "")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.gop_size, stream.bit_rate = GOP, 400_000
        stream.options = {"preset": "veryfast", key: params}
        for i in range(FPS * SECONDS):
            noisy = scene[:, 3 * i : 3 * i + width] + random.normal(0, 2, (height, width, 1))
            frame = av.VideoFrame.from_ndarray(np.clip(noisy, 0, 255).astype(np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_no_picture_is_wrong_at_one_per_cent_of_loss(gst: MakeGst, tmp_path: Path, codec: str) -> None:
    clip = panned(tmp_path / "clip.mp4", codec)
    server = gst(Mount(path="cam1", clips=[clip]))
    with (
        FaultProxy(server.port, seed=5) as proxy,
        persisting(proxy, "cam1", transport="udp", stall_seconds=30.0) as reader,
    ):
        reader.wait_for_frames(3)
        proxy.network = Network(loss=0.01)
        reader.wait(lambda seen: proxy.passed > 1500, timeout=90.0)
        seen, tally = reader.seen, reader.tally.snapshot()
    assert proxy.lost > 5
    sent = 1 + round(FPS * (seen.frames[-1].pts - seen.frames[0].pts))
    print(f"\n{codec}: {len(seen.frames)} of {sent} handed out, {tally.decode_errors} holes, {proxy.lost} lost")  # noqa: T201 - -s
    assert tally.decode_errors > 0
    assert wrong(seen.frames, pictures(clip)) == []
    assert len(seen.frames) > sent / 4
