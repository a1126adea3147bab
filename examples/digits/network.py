"""The digit network: its convolutions as data, and its ONNX graph built from trained weights.

image 1x8x8 → stem 16x8x8 → block1 (dw, pw, + its input) → block2 (dw stride 2, pw) 32x4x4 →
block3 (dw, pw, + its input) → pool 32x2x2 → top_pw 64x2x2 → gap → flatten → head → logits 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper, shape_inference

OPSET = 13
IR_VERSION = 8
CLASSES = 10


class Activation(Enum):
    """What follows a convolution."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"


@dataclass(frozen=True)
class Conv:
    """A convolution that keeps the spatial size (divided by `stride`); `kernel` is 1 or 3."""

    name: str
    ch_in: int
    ch_out: int
    activation: Activation
    kernel: int = 1
    stride: int = 1
    groups: int = 1

    @property
    def pad(self) -> int:
        """Zeros added on each side."""
        return self.kernel // 2


@dataclass(frozen=True)
class Weights:
    """Weights `[C_out, C_in / groups, K, K]` (Gemm: `[N, K]`) and bias `[C_out]`, BatchNorm folded in."""

    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]


STEM = Conv("stem", 1, 16, Activation.RELU, kernel=3)
BLOCK1_DW = Conv("block1_dw", 16, 16, Activation.RELU6, kernel=3, groups=16)
BLOCK1_PW = Conv("block1_pw", 16, 16, Activation.NONE)
BLOCK2_DW = Conv("block2_dw", 16, 16, Activation.RELU6, kernel=3, stride=2, groups=16)
BLOCK2_PW = Conv("block2_pw", 16, 32, Activation.RELU)
BLOCK3_DW = Conv("block3_dw", 32, 32, Activation.RELU6, kernel=3, groups=32)
BLOCK3_PW = Conv("block3_pw", 32, 32, Activation.NONE)
TOP_PW = Conv("top_pw", 32, 64, Activation.RELU)
CONVS = (STEM, BLOCK1_DW, BLOCK1_PW, BLOCK2_DW, BLOCK2_PW, BLOCK3_DW, BLOCK3_PW, TOP_PW)


def _scalar(value: float) -> npt.NDArray[np.float32]:
    return np.array(value, np.float32)


class _GraphWriter:
    """Collects nodes and initializers; every method returns the name of the tensor it made."""

    def __init__(self, weights: Mapping[str, Weights]) -> None:
        self._weights = weights
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}

    def op(self, op_type: str, name: str, *inputs: str, output: str = "", **attributes: object) -> str:
        output = output or name
        self.nodes.append(helper.make_node(op_type, list(inputs), [output], name=name, **attributes))
        return output

    def constant(self, name: str, value: npt.NDArray[np.float32]) -> str:
        self.initializers[name] = numpy_helper.from_array(value, name)
        return name

    def parameters(self, name: str) -> tuple[str, str]:
        folded = self._weights[name]
        return self.constant(f"{name}_weight", folded.weight), self.constant(f"{name}_bias", folded.bias)

    def conv(self, conv: Conv, source: str) -> str:
        out = self.op(
            "Conv",
            conv.name,
            source,
            *self.parameters(conv.name),
            kernel_shape=[conv.kernel] * 2,
            strides=[conv.stride] * 2,
            pads=[conv.pad] * 4,
            group=conv.groups,
        )
        if conv.activation is Activation.RELU:
            return self.op("Relu", f"{conv.name}_relu", out)
        if conv.activation is Activation.RELU6:
            limits = self.constant("zero", _scalar(0)), self.constant("six", _scalar(6))
            return self.op("Clip", f"{conv.name}_relu6", out, *limits)
        return out


def onnx_model(weights: Mapping[str, Weights]) -> ModelProto:
    """Build the float network: `image` `[1, 1, 8, 8]` to `logits` `[1, 10]`.

    `weights` has an entry for the name of each of `CONVS` and one for `head`.
    """
    g = _GraphWriter(weights)
    stem = g.conv(STEM, "image")
    block1 = g.op("Add", "block1_add", stem, g.conv(BLOCK1_PW, g.conv(BLOCK1_DW, stem)))
    block2 = g.conv(BLOCK2_PW, g.conv(BLOCK2_DW, block1))
    block3 = g.op("Add", "block3_add", block2, g.conv(BLOCK3_PW, g.conv(BLOCK3_DW, block2)))
    pooled = g.op("MaxPool", "pool", block3, kernel_shape=[2, 2], strides=[2, 2])
    features = g.op("GlobalAveragePool", "gap", g.conv(TOP_PW, pooled))
    flat = g.op("Flatten", "flatten", features)
    g.op("Gemm", "head", flat, *g.parameters("head"), output="logits", transB=1)
    graph = helper.make_graph(
        g.nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CLASSES])],
        list(g.initializers.values()),
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="digits")
    checker.check_model(model, full_check=True)
    return shape_inference.infer_shapes(model)
