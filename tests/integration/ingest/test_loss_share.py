"""What share of the pictures handed out is wrong when a network loses packets of UDP. Slow: shares need many."""

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
@pytest.mark.parametrize(("codec", "most_wrong"), [("libx264", 0.02), ("libx265", 0.6)])
def test_few_pictures_are_wrong_at_one_per_cent_of_loss(
    gst: MakeGst, tmp_path: Path, codec: str, most_wrong: float
) -> None:
    clip = panned(tmp_path / "clip.mp4", codec)
    server = gst(Mount(path="cam1", clips=[clip]))
    with (
        FaultProxy(server.port, seed=5) as proxy,
        persisting(proxy, "cam1", transport="udp", stall_seconds=30.0) as reader,
    ):
        reader.wait_for_frames(3)
        proxy.network = Network(loss=0.01)
        reader.wait(lambda seen: proxy.passed > 2500, timeout=90.0)
        seen, tally = reader.seen, reader.tally.snapshot()
    assert proxy.lost > 10
    share = len(wrong(seen.frames, pictures(clip))) / len(seen.frames)
    print(f"\n{codec}: {share:.1%} of {len(seen.frames)} wrong, {tally.decode_errors} errors, {proxy.lost} lost")  # noqa: T201 - -s
    assert tally.decode_errors > 0
    assert share <= most_wrong
