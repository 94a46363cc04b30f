"""ONNX files in onnxruntime: on the CPU, or on a GPU where its providers are installed and work."""

from typing import Final

import onnxruntime as ort
import structlog
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from gridwatch.detectors.errors import DetectorError, WeightsError
from gridwatch.detectors.postprocess import Tensor

log = structlog.get_logger(__name__)

_ORT_ERRORS: tuple[type[Exception], ...] = (
    ort_errors.EPFail, ort_errors.EngineError, ort_errors.Fail, ort_errors.InvalidArgument, ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf, ort_errors.NoModel, ort_errors.NoSuchFile, ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)  # fmt: skip
_CPU: Final = "CPUExecutionProvider"
_PROVIDERS: Final = {
    "cpu": (_CPU,),
    "cuda": ("CUDAExecutionProvider", _CPU),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", _CPU),
}
"""By `detector.device`, best first; the others run what the best cannot."""


class OnnxruntimeEngine:
    """One session, one thread per call. Safe to call from several threads at once."""

    def __init__(self, session: ort.InferenceSession, batch: int) -> None:
        """Use `open_onnxruntime`."""
        self._session = session
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name
        self._batch = batch

    @property
    def inputs(self) -> tuple[tuple[str, str, tuple[int | str, ...]], ...]:
        """See `Engine`."""
        kinds = {"tensor(float)": "float32"}
        return tuple((one.name, kinds.get(one.type, one.type), tuple(one.shape)) for one in self._session.get_inputs())

    @property
    def names(self) -> str:
        """See `Engine`."""
        found: str = self._session.get_modelmeta().custom_metadata_map.get("names", "")
        return found

    @property
    def batch(self) -> int:
        """See `Engine`: 1 on a CPU, where four pictures together take four times as long (docs/detectors.md)."""
        return self._batch

    @property
    def provider(self) -> str:
        """What runs most of it."""
        first: str = self._session.get_providers()[0]
        return first

    def infer(self, tensor: Tensor) -> Tensor:
        """See `Engine`."""
        try:
            outputs: list[Tensor] = self._session.run([self._output], {self._input: tensor})
        except _ORT_ERRORS as error:
            raise DetectorError(f"inference failed: {error}") from error
        return outputs[0]


def open_onnxruntime(data: bytes, origin: str, device: str = "cpu", batch: int = 1) -> OnnxruntimeEngine:
    """Load the bytes of an ONNX file. A device that does not work is replaced by the CPU, with a warning.

    Raises WeightsError for what onnxruntime cannot load.
    """
    options = ort.SessionOptions()
    # Workers are the parallelism: two sessions of one thread beat one of two (docs/model.md).
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3 if device == "cpu" else 4
    wanted = [one for one in _PROVIDERS[device] if one in ort.get_available_providers()]
    try:
        session = ort.InferenceSession(data, options, providers=wanted)
    except _ORT_ERRORS as error:
        raise WeightsError(f"{origin} is no ONNX model that onnxruntime can load: {error}") from error
    # A provider whose libraries are missing is left out of a session without an error.
    runs_on = session.get_providers()[0]
    if runs_on != _PROVIDERS[device][0]:
        log.warning(
            "detector_device_unavailable", weights=origin, wanted=device, runs_on=runs_on,
            remedy="install onnxruntime-gpu in place of onnxruntime, with CUDA (and TensorRT) of the version it names",
        )  # fmt: skip
    elif device != "cpu":
        log.info("detector_device", weights=origin, runs_on=runs_on, batch=batch)
    shape = session.get_inputs()[0].shape
    takes_many = bool(shape) and not isinstance(shape[0], int)
    return OnnxruntimeEngine(session, batch if takes_many and runs_on != _CPU else 1)
