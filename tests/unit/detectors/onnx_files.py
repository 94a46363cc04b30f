"""Small ONNX files for tests: they take a picture and give a fixed answer."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from gridwatch.config.detectors import DetectorModel


def write_model(
    path: Path,
    answer: npt.NDArray[np.float32],
    names: str | None,
    input_shape: Sequence[int | str] = ("batch", 3, 32, 64),
    extra_inputs: int = 0,
) -> Path:
    """A model whose `output0` is `answer` whatever it is shown; `names` goes into the metadata as it is."""
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, input_shape)]
    inputs += [helper.make_tensor_value_info(f"more{i}", TensorProto.FLOAT, [1]) for i in range(extra_inputs)]
    graph = helper.make_graph(
        [
            # It looks at its input: a runtime leaves out what nothing looks at.
            helper.make_node("ReduceMin", ["images"], ["darkest"], keepdims=0),
            helper.make_node("Mul", ["darkest", "zero"], ["nothing"]),
            helper.make_node("Add", ["answer", "nothing"], ["output0"]),
        ],
        "fixed",
        inputs,
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [None] * answer.ndim)],
        [numpy_helper.from_array(answer, "answer"), numpy_helper.from_array(np.float32(0), "zero")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if names is not None:
        helper.set_model_props(model, {"names": names})
    onnx.save(model, path)
    return path


def answer(classes: int, anchors: int = 5) -> npt.NDArray[np.float32]:
    """Of the right form for that many classes, seeing nothing."""
    return np.zeros((1, 4 + classes, anchors), np.float32)


def pinned(path: Path, **more: object) -> DetectorModel:
    """The configuration that names this file with its right SHA-256; in onnxruntime unless `more` says otherwise."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return DetectorModel.model_validate({"weights": path, "weights_sha256": sha256, "runtime": "onnxruntime", **more})
