"""Static int8 quantisation with onnxruntime, calibrated on frames of recorded video."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from gridwatch.detectors.postprocess import Letterbox, Tensor, to_tensor
from gridwatch.domain import Image

CALIBRATION_FRAMES = 36


def calibration_frames(videos: Sequence[Path], count: int = CALIBRATION_FRAMES) -> list[Image]:
    """`count` frames in all, spread evenly over each video. Raises ValueError when a video gives too few."""
    frames: list[Image] = []
    for index, video in enumerate(videos):
        wanted = count * (index + 1) // len(videos) - len(frames)
        frames += _spread(video, wanted)
    return frames


def _spread(video: Path, wanted: int) -> list[Image]:
    capture = cv2.VideoCapture(str(video))
    try:
        total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        # Middles of equal parts: never the first or the last frame, which may be black.
        places = {(2 * part + 1) * total // (2 * wanted) for part in range(wanted)}
        frames = []
        for place in range(max(places, default=-1) + 1):
            ok, frame = capture.read()
            if ok and place in places:
                frames.append(np.asarray(frame, np.uint8))
    finally:
        capture.release()
    if len(frames) < wanted:
        raise ValueError(f"{video} gave {len(frames)} of {wanted} calibration frames; is it a video?")
    return frames


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, frames: Sequence[Image], size: tuple[int, int]) -> None:
        self._frames = iter(frames)
        self._size = size

    def get_next(self) -> dict[str, Tensor] | None:
        frame = next(self._frames, None)
        if frame is None:
            return None
        return {"images": to_tensor(frame, Letterbox.fit((frame.shape[0], frame.shape[1]), self._size))}


def quantise(source: Path, target: Path, frames: Sequence[Image]) -> None:
    """Write the int8 form of an fp32 model made by `convert`.

    Only convolutions are quantised, weights per channel: they are nearly all the work, and the decoding of boxes after
    them needs the range of floats.
    """
    height, width = (side.dim_value for side in onnx.load(source).graph.input[0].type.tensor_type.shape.dim[2:])
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared), str(target), _Reader(frames, (height, width)), quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"], per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )  # fmt: skip
