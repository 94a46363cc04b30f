"""NanoDet-g from its TensorFlow.js graph to ONNX, with numpy and onnx only.

The TensorFlow graph was itself made from a PyTorch model, so around every convolution it transposes to channels-last
and back. Here every tensor stays channels-first, as ONNX wants it; a transpose only turns a flag on our view of the
tensor. Likewise a padding is kept on the view until the convolution or pooling that it belongs to takes it over.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gridwatch.detectors.labels import coco_labels
from scripts.model.tfjs import Array, Node, read_graph

_NATIVE = 416
"""Side of the square input that the TensorFlow graph was frozen for."""
_TO_CHANNELS_LAST = [0, 2, 3, 1]
_TO_CHANNELS_FIRST = [0, 3, 1, 2]
_SCOPE = "PartitionedCall/"
_HEADS = ("onnx_tf_prefix_Split_153", "onnx_tf_prefix_Split_164", "onnx_tf_prefix_Split_175")
"""Output 0: class logits, output 1: distances to the four sides; of stride 8, 16 and 32."""
_STRIDES = (8, 16, 32)
_BINS = 11
"""Each distance is a distribution over 0..10 strides (generalised focal loss; NanoDet's reg_max = 10)."""
_MEAN_BGR = np.array([103.53, 116.28, 123.675])
_STD_BGR = np.array([57.375, 57.12, 58.395])
"""NanoDet's training normalisation of 0..255 pixels: config/legacy_v0.x_configs/nanodet-g.yml."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _View:
    """A tensor as TensorFlow sees it: channels-first in ONNX, of a picture shrunk `stride` times."""

    name: str
    stride: int
    channels_last: bool = False
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Top, left, bottom, right; not yet applied."""
    bias: str = ""
    """The bias of the convolution that made it, for an addition that follows."""


class _Builder:
    """Walks the TensorFlow graph from an output back and emits the ONNX nodes in order."""

    def __init__(self, nodes: dict[str, Node], constants: dict[str, Array]) -> None:
        self._tf_nodes = nodes
        self._constants = constants
        self._views: dict[str, _View] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, Array] = {}

    def constant(self, value: Array | np.generic, stem: str = "const") -> str:
        """Store a weight; returns its name."""
        name = f"{stem}_{len(self.weights)}"
        self.weights[name] = np.ascontiguousarray(value)
        return name

    def emit(self, op: str, inputs: list[str], outputs: int = 1, **attributes: Any) -> list[str]:
        """Append a node; returns the names of its outputs."""
        names = [f"{op.lower()}_{len(self.nodes)}{f'_{i}' if i else ''}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=names[0], **attributes))
        return names

    def bind(self, tf_name: str, view: _View) -> None:
        """Say what a TensorFlow name is, e.g. its placeholder."""
        self._views[tf_name] = view

    def view(self, tf_name: str) -> _View:
        """The view of a TensorFlow output, emitted with all it needs."""
        if tf_name not in self._views:
            node = self._tf_nodes[tf_name.partition(":")[0]]
            for index, view in enumerate(self._translate(node)):
                self._views[f"{node.name}:{index}" if index else node.name] = view
        return self._views[tf_name]

    def _translate(self, node: Node) -> list[_View]:
        if node.op == "SplitV":
            return self._split(node)
        translators: dict[str, Callable[[Node], _View]] = {
            "Add": self._add, "ConcatV2": self._concat, "Conv2D": self._convolution, "LeakyRelu": self._leaky_relu,
            "MaxPool": self._max_pool, "Pad": self._pad, "PadV2": self._pad, "ResizeBilinear": self._resize,
            "Transpose": self._transpose,
        }  # fmt: skip
        if node.op not in translators:
            raise ValueError(f"operation {node.op} of {node.name} is not known: not the model this was written for")
        return [translators[node.op](node)]

    def _transpose(self, node: Node) -> _View:
        view, order = self.view(node.inputs[0]), self._constants[node.inputs[1]].tolist()
        if order != (_TO_CHANNELS_FIRST if view.channels_last else _TO_CHANNELS_LAST):
            raise ValueError(f"{node.name} transposes by {order}")
        return replace(view, channels_last=not view.channels_last, bias="")

    def _pad(self, node: Node) -> _View:
        # PadV2 pads with minus infinity before the max-pooling, which is what ONNX's MaxPool does by itself.
        view, amounts = self.view(node.inputs[0]), self._constants[node.inputs[1]].reshape(4, 2)
        _expect(not view.channels_last and not amounts[:2].any(), node)
        (top, bottom), (left, right) = amounts[2:].tolist()
        return replace(view, padding=(top, left, bottom, right), bias="")

    def _convolution(self, node: Node) -> _View:
        view, kernel = self.view(node.inputs[0]), self._constants[node.inputs[1]]
        _expect(view.channels_last and node.ints("dilations") == [1, 1, 1, 1], node)
        stride = node.ints("strides")[1]
        bias = self.constant(np.zeros(kernel.shape[3], np.float32), "bias")
        weight = self.constant(kernel.transpose(3, 2, 0, 1), "kernel")
        (name,) = self.emit(
            "Conv", [view.name, weight, bias],
            strides=[stride, stride], pads=list(view.padding), kernel_shape=list(kernel.shape[:2]),
        )  # fmt: skip
        return _View(name=name, stride=view.stride * stride, channels_last=True, bias=bias)

    def _add(self, node: Node) -> _View:
        first, second = node.inputs
        view = self.view(first)
        if second in self._constants:
            # Each convolution is followed by its bias and nothing else, so the addition goes into it.
            _expect(bool(view.bias), node)
            self.weights[view.bias] = self.weights[view.bias] + self._constants[second].reshape(-1)
            return replace(view, bias="")
        other = self.view(second)
        _expect(not view.channels_last and not other.channels_last and view.stride == other.stride, node)
        (name,) = self.emit("Add", [view.name, other.name])
        return _View(name=name, stride=view.stride)

    def _max_pool(self, node: Node) -> _View:
        view = self.view(node.inputs[0])
        _expect(view.channels_last, node)
        size, stride = node.ints("ksize")[1], node.ints("strides")[1]
        (name,) = self.emit(
            "MaxPool", [view.name], kernel_shape=[size, size], strides=[stride, stride], pads=list(view.padding)
        )
        return _View(name=name, stride=view.stride * stride, channels_last=True)

    def _leaky_relu(self, node: Node) -> _View:
        view = self.view(node.inputs[0])
        (name,) = self.emit("LeakyRelu", [view.name], alpha=float(node.attributes["alpha"]["f"]))
        return replace(view, name=name, bias="")

    def _concat(self, node: Node) -> _View:
        views = [self.view(one) for one in node.inputs[:-1]]
        _expect(int(self._constants[node.inputs[-1]]) == 1 and not any(view.channels_last for view in views), node)
        (name,) = self.emit("Concat", [view.name for view in views], axis=1)
        return _View(name=name, stride=views[0].stride)

    def _split(self, node: Node) -> list[_View]:
        view, sizes, axis = self.view(node.inputs[0]), *(self._constants[one] for one in node.inputs[1:])
        _expect(int(axis) == 1 and not view.channels_last, node)
        names = self.emit("Split", [view.name, self.constant(sizes.reshape(-1))], outputs=sizes.size, axis=1)
        return [_View(name=name, stride=view.stride) for name in names]

    def _resize(self, node: Node) -> _View:
        view, size = self.view(node.inputs[0]), self._constants[node.inputs[1]].reshape(-1).tolist()
        _expect(view.channels_last and node.attributes["half_pixel_centers"]["b"] and size[0] == size[1], node)
        stride = _NATIVE // size[0]
        factor = view.stride / stride
        scales = self.constant(np.array([1, 1, factor, factor], np.float32), "scales")
        (name,) = self.emit(
            "Resize", [view.name, "", scales], mode="linear", coordinate_transformation_mode="half_pixel"
        )
        return _View(name=name, stride=stride, channels_last=True)


def _expect(holds: bool, node: Node) -> None:
    if not holds:
        raise ValueError(f"{node.op} {node.name} is not as in the model that this was written for")


def convert(source: Path, target: Path, size: tuple[int, int]) -> None:
    """Write the ONNX model for inputs of `size` (height, width), both multiples of 32.

    Contract: `images` float32 [N,3,H,W] RGB 0..1 -> `output0` float32 [N,84,A]: centre x, centre y, width, height in
    input pixels, then 80 class scores 0..1. Raises ValueError when the graph is not the one this was written for.
    """
    height, width = size
    if height % 32 or width % 32:
        raise ValueError(f"height and width must be multiples of 32, not {height}x{width}")
    builder = _Builder(*read_graph(source))
    _normalise(builder)
    heads = [(builder.view(_SCOPE + name), builder.view(f"{_SCOPE}{name}:1")) for name in _HEADS]
    _swap_first_kernel(builder)
    _decode(builder, heads, size)
    graph = helper.make_graph(
        builder.nodes, "nanodet-g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, height, width])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["batch", 84, _anchors(size)])],
        [numpy_helper.from_array(array, name) for name, array in builder.weights.items()],
    )  # fmt: skip
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name="gridwatch"
    )
    # Ultralytics' metadata keys, so that its tools load the file too.
    helper.set_model_props(
        model,
        {"task": "detect", "stride": "32", "batch": "1", "imgsz": str([height, width]),
         "names": str(dict(enumerate(coco_labels())))},
    )  # fmt: skip
    model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def _anchors(size: tuple[int, int]) -> int:
    return sum((size[0] // stride) * (size[1] // stride) for stride in _STRIDES)


def _normalise(builder: _Builder) -> None:
    """RGB 0..1 to the normalised values of training, still in RGB order."""
    scale = builder.constant((255 / _STD_BGR)[::-1].reshape(1, 3, 1, 1).astype(np.float32))
    shift = builder.constant((_MEAN_BGR / _STD_BGR)[::-1].reshape(1, 3, 1, 1).astype(np.float32))
    (scaled,) = builder.emit("Mul", ["images", scale])
    (name,) = builder.emit("Sub", [scaled, shift])
    builder.bind("input_1", _View(name=name, stride=1))


def _swap_first_kernel(builder: _Builder) -> None:
    """The network was trained on BGR; turning the first kernel's input channels round saves turning every picture."""
    first = next(node for node in builder.nodes if node.op_type == "Conv").input[1]
    builder.weights[first] = np.ascontiguousarray(builder.weights[first][:, ::-1])


def _decode(builder: _Builder, heads: list[tuple[_View, _View]], size: tuple[int, int]) -> None:
    """Distances to the sides, as expectations over their bins, and logits to boxes and scores."""
    bins = builder.constant(np.arange(_BINS, dtype=np.float32).reshape(1, 1, _BINS, 1))
    logits, distances, centres = [], [], []
    for (classes, sides), stride in zip(heads, _STRIDES, strict=True):
        rows, columns = size[0] // stride, size[1] // stride
        logits += builder.emit("Reshape", [classes.name, builder.constant(np.array([0, 80, rows * columns]))])
        shape = builder.constant(np.array([0, 4, _BINS, rows * columns]))
        (spread,) = builder.emit("Softmax", builder.emit("Reshape", [sides.name, shape]), axis=2)
        (weighted,) = builder.emit("Mul", [spread, bins])
        (mean,) = builder.emit("ReduceSum", [weighted, builder.constant(np.array([2]))], keepdims=0)
        distances += builder.emit("Mul", [mean, builder.constant(np.float32(stride))])
        y, x = np.mgrid[:rows, :columns]
        centres.append(np.stack([x.ravel(), y.ravel()]) * stride + stride / 2)
    (scores,) = builder.emit("Sigmoid", builder.emit("Concat", logits, axis=2))
    left, top, right, bottom = builder.emit(
        "Split", builder.emit("Concat", distances, axis=2), outputs=4, axis=1, num_outputs=4
    )
    x, y = (builder.constant(row.reshape(1, 1, -1).astype(np.float32)) for row in np.hstack(centres))
    boxes = _centre_and_size(builder, [(x, left, right), (y, top, bottom)])
    builder.nodes.append(helper.make_node("Concat", [*boxes, scores], ["output0"], name="output0", axis=1))


def _centre_and_size(builder: _Builder, axes: list[tuple[str, str, str]]) -> list[str]:
    half = builder.constant(np.float32(0.5))
    centres, sizes = [], []
    for anchor, before, after in axes:
        (near,), (far,) = builder.emit("Sub", [anchor, before]), builder.emit("Add", [anchor, after])
        centres += builder.emit("Mul", [*builder.emit("Add", [near, far]), half])
        sizes += builder.emit("Sub", [far, near])
    return centres + sizes
