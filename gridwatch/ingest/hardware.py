"""Decoding on a GPU, where the configuration asks for it, and on the CPU where that does not work."""

from collections.abc import Mapping
from functools import cache
from typing import Final, Literal, TypeAlias

import av
import structlog
from av.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available

log = structlog.get_logger(__name__)

Decode: TypeAlias = Literal["cpu", "vaapi", "cuda", "auto"]
"""`cuda` is NVDEC; `auto` the first of both that works."""

_DEVICES: Final[Mapping[Decode, tuple[str, ...]]] = {
    "cpu": (), "vaapi": ("vaapi",), "cuda": ("cuda",), "auto": ("cuda", "vaapi"),
}  # fmt: skip


def accelerator(decode: Decode, camera: str) -> HWAccel | None:
    """What to give `av.open` so that it decodes as asked; None for the CPU, also when the device does not work.

    Never raises. A device is tried once in the life of a process. What a working one cannot decode (a profile, a size)
    FFmpeg itself decodes on the CPU; pictures come back to main memory either way.
    """
    reasons = {}
    for device in _DEVICES[decode]:
        reason = _why_not(device)
        if reason is None:
            log.info("decoding_on_hardware", camera=camera, device=device)
            return HWAccel(device_type=device, allow_software_fallback=True)
        reasons[device] = reason
    if reasons:
        log.warning("hardware_decoding_unavailable", camera=camera, wanted=decode, instead="cpu", reasons=reasons)
    return None


@cache
def _why_not(device: str) -> str | None:
    """Why `device` cannot decode H.264, the least of all; None when it can."""
    if device not in hwdevices_available():
        return "this build of FFmpeg has no support for it"
    try:
        HWAccel(device_type=device).create(Codec("h264", "r"))
    except NotImplementedError:
        return "this build of FFmpeg does not decode H.264 with it"
    except (av.FFmpegError, OSError) as error:
        return f"it does not open ({error.strerror}); check its driver, and that this process may use it"
    return None
