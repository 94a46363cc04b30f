"""ONNX and OpenVINO models on the CPU by OpenVINO, the extra `[openvino]`."""

import importlib.util
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import TYPE_CHECKING

import numpy as np

from gridwatch.detectors.errors import DetectorError, WeightsError, short
from gridwatch.detectors.postprocess import Tensor

if TYPE_CHECKING:
    import openvino as ov


def has_openvino() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("openvino") is not None


def import_openvino() -> types.ModuleType:
    """The package `openvino`, kept from telling its makers.

    Importing it starts a process that sends an event to an analytics service, unless `openvino_telemetry` cannot be
    imported, for which it has a stand-in.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


class OpenvinoEngine:
    """One compiled model with a stream for each worker. Safe to call from several threads at once."""

    def __init__(self, model: "ov.Model", compiled: "ov.CompiledModel") -> None:
        """Use `open_openvino`."""
        self._model = model
        self._compiled = compiled
        self._mine = local()
        """Requests are not thread-safe: one for each thread."""

    @property
    def inputs(self) -> tuple[tuple[str, str, tuple[int | str, ...]], ...]:
        """See `Engine`."""
        return tuple(
            (one.any_name, one.element_type.to_dtype().name,
             tuple(side.get_length() if side.is_static else str(side) for side in one.partial_shape))
            for one in self._model.inputs
        )  # fmt: skip

    @property
    def names(self) -> str:
        """See `Engine`: `names` as ONNX has it, or the `labels` that Ultralytics writes, with `_` for a space."""
        for path in (["framework", "names"], ["model_info", "labels"]):
            if self._model.has_rt_info(path):
                text = str(self._model.get_rt_info(path).value)
                return text if path[1] == "names" else repr([one.replace("_", " ") for one in text.split()])
        return ""

    @property
    def batch(self) -> int:
        """See `Engine`."""
        return 1

    def infer(self, tensor: Tensor) -> Tensor:
        """See `Engine`."""
        request: ov.InferRequest | None = getattr(self._mine, "request", None)
        try:
            if request is None:
                request = self._mine.request = self._compiled.create_infer_request()
            request.infer({0: tensor}, share_inputs=True)
            # Copied: the request writes into the same memory when it is used again.
            return np.array(request.get_output_tensor(0).data)
        except RuntimeError as error:
            raise DetectorError(f"inference failed: {error}") from error


def open_openvino(data: bytes, origin: str, workers: int, weights: bytes = b"") -> OpenvinoEngine:
    """Load the bytes of an ONNX file, or of an OpenVINO `.xml` with its `.bin` as `weights`.

    Raises WeightsError for what OpenVINO cannot load, or when it is not installed.
    """
    if not has_openvino():
        raise WeightsError(f"{origin} is to run in OpenVINO, which is not installed: pip install 'gridwatch[openvino]'")
    # OpenVINO gives the thread that compiles a stack for signal handlers, and unmaps it when the model goes, whichever
    # thread lets go of it. On the main thread the next SIGTERM would then kill the process instead of stopping it.
    with ThreadPoolExecutor(1, thread_name_prefix="openvino-open") as thread:
        return thread.submit(_compile, data, origin, workers, weights).result()


def _compile(data: bytes, origin: str, workers: int, weights: bytes) -> OpenvinoEngine:
    ov = import_openvino()
    core = ov.Core()
    try:
        model = core.read_model(data, weights)
        for one in model.inputs:
            shape = one.partial_shape
            if shape.rank == ov.Dimension(4) and shape[0].is_dynamic:
                # A fixed shape runs faster, and pictures run one by one.
                model.reshape({one.any_name: ov.PartialShape([ov.Dimension(1), *list(shape)[1:]])})
        compiled = core.compile_model(model, "CPU", {
            # A stream each, of one thread each: what is shared waits for each other.
            "NUM_STREAMS": workers, "INFERENCE_NUM_THREADS": workers,
            # Every process would pin its threads to the same cores.
            "ENABLE_CPU_PINNING": False,
            # Newer CPUs would take bfloat16, and see something else than older ones.
            "INFERENCE_PRECISION_HINT": "f32",
        })  # fmt: skip
    except RuntimeError as error:
        raise WeightsError(f"{origin} is no model that OpenVINO can load: {short(error)}") from error
    return OpenvinoEngine(model, compiled)
