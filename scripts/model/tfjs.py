"""Read a TensorFlow.js graph model: its nodes, and its weights as numpy arrays."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_STORED = {"float32": "<f4", "float16": "<f2", "int32": "<i4"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One operation of the graph."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]
    """As the JSON has them: protobuf's JSON mapping of TensorFlow's AttrValue."""

    def ints(self, name: str) -> list[int]:
        """An attribute that is a list of integers, e.g. `strides`."""
        return [int(value) for value in self.attributes[name]["list"]["i"]]


def read_graph(path: Path) -> tuple[dict[str, Node], dict[str, Array]]:
    """Nodes by name and constants by name; `path` is the JSON, its weights lie beside it.

    Weights stored as float16 come back as float32, integers as int64. Raises ValueError for a stored type or
    quantisation not met in this model, and for trailing bytes: both mean that the file is not the one we know.
    """
    model = json.loads(path.read_text(encoding="utf-8"))
    nodes = {
        node["name"]: Node(
            name=node["name"], op=node["op"], inputs=tuple(node.get("input", ())), attributes=node.get("attr", {})
        )
        for node in model["modelTopology"]["node"]
    }
    constants: dict[str, Array] = {}
    for group in model["weightsManifest"]:
        data = b"".join((path.parent / name).read_bytes() for name in group["paths"])
        offset = 0
        for weight in group["weights"]:
            array = _array(weight, data, offset)
            offset += array.nbytes
            constants[weight["name"]] = array.astype(np.float32 if weight["dtype"] == "float32" else np.int64)
        if offset != len(data):
            raise ValueError(f"{path}: {len(data) - offset} bytes of weights are not described")
    return nodes, constants


def _array(weight: dict[str, Any], data: bytes, offset: int) -> Array:
    quantisation = weight.get("quantization", {})
    stored = quantisation.get("dtype", weight["dtype"])
    if "scale" in quantisation or stored not in _STORED:
        raise ValueError(f"weight {weight['name']} is stored as {stored} {quantisation}: not supported")
    count = int(np.prod(weight["shape"], dtype=np.int64))
    return np.frombuffer(data, _STORED[stored], count, offset).reshape(weight["shape"])
