from pathlib import Path

import av
import pytest
from av.codec.hwaccel import HWAccel, hwdevices_available
from structlog.testing import capture_logs

from gridwatch.ingest.hardware import Decode, accelerator


def works(device: str) -> bool:
    """Whether this machine decodes on `device`, found out another way: by decoding."""
    if device not in hwdevices_available():
        return False
    sample = Path(__file__).parents[3] / "samples" / "streams" / "covered-lens.mp4"
    try:
        with av.open(str(sample), hwaccel=HWAccel(device)) as container:
            next(container.decode(video=0))
    except (av.FFmpegError, NotImplementedError, RuntimeError):
        return False
    return True


def test_the_cpu_needs_nothing_and_says_nothing() -> None:
    with capture_logs() as logs:
        assert accelerator("cpu", "gate-3") is None
    assert logs == []


@pytest.mark.parametrize("decode", ["vaapi", "cuda", "auto"])
def test_hardware_that_is_not_there_is_said_and_the_cpu_decodes(decode: Decode) -> None:
    devices = ["cuda", "vaapi"] if decode == "auto" else [decode]
    working = [device for device in devices if works(device)]
    with capture_logs() as logs:
        chosen = accelerator(decode, "gate-3")
    (entry,) = logs
    assert entry["camera"] == "gate-3"
    if working:
        assert chosen is not None
        assert (entry["event"], entry["device"]) == ("decoding_on_hardware", working[0])
    else:
        assert chosen is None
        assert (entry["event"], entry["log_level"]) == ("hardware_decoding_unavailable", "warning")
        assert (entry["wanted"], entry["instead"]) == (decode, "cpu")
        assert sorted(entry["reasons"]) == sorted(devices)


def test_whatever_the_machine_has_a_stream_opened_so_gives_pictures() -> None:
    sample = Path(__file__).parents[3] / "samples" / "streams" / "covered-lens.mp4"
    with av.open(str(sample), hwaccel=accelerator("auto", "gate-3")) as container:
        assert next(container.decode(video=0)).width == 960
