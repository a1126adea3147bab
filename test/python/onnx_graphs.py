"""Hypothesis strategy of quantized ONNX graphs from the operators that networks bring, in every form.

A graph is a chain of steps, each one operator (or the few that exporters write for one) on tensors made before.
Every step is computed by onnxruntime as it is drawn: that gives shapes and ranges. Between two steps stand Q
and DQ, at times none: then the tensor stays float.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_writer import Encoding, Quantization, WeightType, Writer, activation_encoding, weight_encoding
from onnxruntime import InferenceSession, SessionOptions
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
LARGEST = 3000
"""Elements of a tensor."""

IR_VERSIONS = {13: 7, 17: 8, 18: 8, 20: 9, 21: 10}


@dataclass(frozen=True)
class Node:
    """An ONNX operator. Operands are names of tensors or of the step's constants."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """Operators that belong together, from `inputs` to `outputs`.

    `constants` stay as they are; `weights` become 8-bit with the axis of their scales, or None; `tensors` are
    quantized like activations. `moves`: the result may have its operand's scale.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: dict[str, Array] = field(default_factory=dict)
    weights: dict[str, tuple[Array, int | None]] = field(default_factory=dict)
    moves: bool = False


class _Names:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"


@dataclass
class _Draw:
    """What a rule of an operator has at hand."""

    draw: st.DrawFn
    opset: int
    rng: np.random.Generator
    name: _Names
    values: dict[str, Array]

    def shape(self, tensor: str) -> Shape:
        return self.values[tensor].shape

    def flag(self) -> bool:
        return self.draw(st.booleans())

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def choice(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def axis(self, x: str) -> int:
        """An axis, at times a negative one."""
        rank = len(self.shape(x))
        return self.integer(-rank, rank - 1)

    def floats(self, shape: Shape, low: float = -1.5, high: float = 1.5) -> Array:
        return self.rng.uniform(low, high, shape).astype(np.float32)

    def one(
        self, op: str, inputs: tuple[str, ...], constants: tuple[Array, ...] = (), **attributes: Any
    ) -> Step:
        """A step of one operator that takes constants behind its inputs."""
        named = {self.name("c"): np.asarray(value) for value in constants}
        output = self.name("t")
        node = Node(op, (*inputs, *named), (output,), attributes)
        return Step((node,), inputs, (output,), named)

    def axes(self, op: str, x: str, axes: list[int], since: int, **attributes: Any) -> Step:
        """An operator whose axes are an attribute before opset `since`, an input from then on."""
        if self.opset < since:
            return self.one(op, (x,), axes=axes, **attributes)
        return self.one(op, (x,), (ints(*axes),), **attributes)


Rule = Callable[[_Draw, str], "Step | None"]


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def scalar(value: float) -> Array:
    return np.array(value, np.float32)


# ---- Functions of one tensor -----------------------------------------------------------------------------

UNARY = (
    *("Relu", "Sigmoid", "Tanh", "Elu", "Selu", "Celu", "Softplus", "Softsign", "ThresholdedRelu"),
    *("LeakyRelu", "HardSigmoid", "HardSwish", "Abs", "Neg", "Exp", "Erf", "Floor", "Ceil", "Round", "Sign"),
    *("Sin", "Cos", "Identity", "Mish", "Gelu"),
)
SINCE = {"HardSwish": 14, "Mish": 18, "Gelu": 20, "LayerNormalization": 17}


def unary(d: _Draw, x: str) -> Step | None:
    op = d.choice(*UNARY)
    if d.opset < SINCE.get(op, 0):
        return None
    attributes: dict[str, Any] = {}
    if op in ("Elu", "Celu", "LeakyRelu", "ThresholdedRelu") and d.flag():
        attributes = {"alpha": d.choice(0.3, 0.01, 1.7)}
    if op == "HardSigmoid" and d.flag():
        attributes = {"alpha": 1 / 6, "beta": 0.5}
    return d.one(op, (x,), **attributes)


def composed(d: _Draw, x: str) -> Step:
    """SiLU, GELU, hard swish and Mish as exporters write them."""
    kind = d.choice("silu", "gelu", "hard swish", "mish")
    made: list[Node] = []
    constants: dict[str, Array] = {}

    def node(op: str, *inputs: str | float, **attributes: Any) -> str:
        names = []
        for value in inputs:
            names.append(value if isinstance(value, str) else d.name("c"))
            if not isinstance(value, str):
                constants[names[-1]] = scalar(value)
        made.append(Node(op, tuple(names), (d.name("t"),), attributes))
        return made[-1].outputs[0]

    if kind == "silu":
        end = node("Mul", x, node("Sigmoid", x))
    elif kind == "gelu":
        error = node("Erf", node("Div", x, 2**0.5))
        end = node("Mul", node("Mul", x, node("Add", error, 1.0)), 0.5)
    elif kind == "hard swish":
        end = node("Mul", x, node("HardSigmoid", x, alpha=1 / 6, beta=0.5))
    else:
        end = node("Mul", x, node("Tanh", node("Softplus", x)))
    return Step(tuple(made), (x,), (end,), constants)


def clip(d: _Draw, x: str) -> Step:
    low, high = d.choice((-0.5, 1.0), (0.0, 6.0), (-1.0, None), (None, 0.7))
    name, output = d.name, d.name("t")
    constants = {name("c"): scalar(limit) for limit in (low, high) if limit is not None}
    names = iter(constants)
    inputs = tuple("" if limit is None else next(names) for limit in (low, high))
    if high is None:
        inputs = inputs[:1]
    return Step((Node("Clip", (x, *inputs), (output,)),), (x,), (output,), constants)


def prelu(d: _Draw, x: str) -> Step:
    shape = d.shape(x)
    channels = (shape[1], *(1,) * (len(shape) - 2)) if len(shape) > 1 else (1,)
    return d.one("PRelu", (x,), (d.floats(d.choice(channels, (1,), shape[-1:]), 0.0, 0.5),))


def power(d: _Draw, x: str) -> Step:
    return d.one("Pow", (x,), (scalar(d.choice(2, 3)),))


# ---- Element by element ----------------------------------------------------------------------------------


def arithmetic(d: _Draw, x: str) -> Step:
    """A tensor and a constant that is broadcast, or that broadcasts the tensor, either way round."""
    op = d.choice("Add", "Sub", "Mul", "Div", "Max", "Min")
    shape = list(d.shape(x))
    for axis in range(len(shape)):
        shape[axis] = shape[axis] if d.flag() else 1
    while shape and shape[0] == 1 and d.flag():
        shape = shape[1:]
    values = d.floats(tuple(shape), 0.5, 2.0) * (d.rng.choice([-1, 1], shape) if d.flag() else 1)
    values = values.astype(np.float32)
    name, output = d.name("c"), d.name("t")
    swapped = op != "Div" and d.flag()
    node = Node(op, (name, x) if swapped else (x, name), (output,))
    if d.flag():
        return Step((node,), (x,), (output,), {name: values})
    return Step((node,), (x,), (output,), weights={name: (values, None)})


def two_tensors(d: _Draw, x: str) -> Step | None:
    """Two tensors whose shapes can be broadcast."""

    def fits(other: str) -> bool:
        try:
            np.broadcast_shapes(d.shape(x), d.shape(other))
        except ValueError:
            return False
        return True

    other = d.choice(*(name for name in d.values if fits(name)))
    return d.one(d.choice("Add", "Sub", "Mul", "Max", "Min"), (x, other))


def gate(d: _Draw, x: str) -> Step | None:
    """Squeeze and excite: a map times the sigmoid of its averages."""
    if len(d.shape(x)) != 4:
        return None
    mean, gated, output = d.name("t"), d.name("t"), d.name("t")
    nodes = (
        Node("GlobalAveragePool", (x,), (mean,)),
        Node("Sigmoid", (mean,), (gated,)),
        Node("Mul", (x, gated), (output,)),
    )
    return Step(nodes, (x,), (output,))


# ---- Windows and products --------------------------------------------------------------------------------


def _window(d: _Draw, x: str, dilated: bool) -> dict[str, Any] | None:
    sizes = d.shape(x)[2:]
    if len(sizes) not in (1, 2):
        return None
    kernel = [d.integer(1, min(3, size)) for size in sizes]
    pads = [d.integer(0, k - 1) for k in kernel * 2]
    made: dict[str, Any] = {"kernel_shape": kernel, "strides": [d.integer(1, 2) for _ in sizes], "pads": pads}
    if dilated and all((k - 1) * 2 < size for k, size in zip(kernel, sizes, strict=True)) and d.flag():
        made["dilations"] = [2] * len(sizes)
    if d.integer(0, 4) == 0 and "dilations" not in made:
        made.pop("pads")
        made["auto_pad"] = d.choice("SAME_UPPER", "SAME_LOWER", "VALID")
    return made


def _weighted(d: _Draw, op: str, x: str, weights: Array, axis: int, **attributes: Any) -> Step:
    weight, bias, output = d.name("w"), d.name("b"), d.name("t")
    with_bias = d.flag()
    channels = weights.shape[axis]
    fan_in = max(1, weights.size // channels)
    weights = (weights / np.sqrt(fan_in)).astype(np.float32)
    node = Node(op, (x, weight, bias) if with_bias else (x, weight), (output,), attributes)
    constants = {bias: d.floats((channels,), -0.3, 0.3)} if with_bias else {}
    return Step((node,), (x,), (output,), constants, {weight: (weights, axis)})


def convolution(d: _Draw, x: str) -> Step | None:
    window = _window(d, x, dilated=True) if len(d.shape(x)) > 2 else None
    if window is None:
        return None
    inputs = d.shape(x)[1]
    groups = d.choice(*(n for n in {1, 2, inputs} if inputs % n == 0))
    channels = groups * d.integer(1, 6 if groups < inputs else 2)
    weights = d.floats((channels, inputs // groups, *window["kernel_shape"]))
    return _weighted(d, "Conv", x, weights, 0, group=groups, **window)


def transposed_convolution(d: _Draw, x: str) -> Step | None:
    shape = d.shape(x)
    if len(shape) not in (3, 4):
        return None
    axes = len(shape) - 2
    strides = [d.integer(1, 2)] * axes
    kernel = [strides[0] * d.integer(1, 2)] * axes
    pads = [d.integer(0, max(0, kernel[0] - strides[0]))] * (2 * axes)
    channels = d.integer(1, 5)
    weights = d.floats((shape[1], channels, *kernel))
    attributes = {"kernel_shape": kernel, "strides": strides, "pads": pads}
    return _weighted(d, "ConvTranspose", x, weights, 1, **attributes)


def pool(d: _Draw, x: str) -> Step | None:
    op = d.choice("MaxPool", "AveragePool")
    window = _window(d, x, dilated=op == "MaxPool") if len(d.shape(x)) > 2 else None
    if window is None:
        return None
    if "auto_pad" not in window and d.integer(0, 2) == 0:
        window["ceil_mode"] = 1
    if op == "AveragePool":
        window["count_include_pad"] = int(d.flag())
    return replace(d.one(op, (x,), **window), moves=True)


def global_pool(d: _Draw, x: str) -> Step | None:
    if len(d.shape(x)) not in (3, 4):
        return None
    return d.one(d.choice("GlobalAveragePool", "GlobalMaxPool"), (x,))


def gemm(d: _Draw, x: str) -> Step | None:
    if len(d.shape(x)) != 2:
        return None
    channels, transposed = d.integer(1, 8), int(d.flag())
    weights = d.floats((channels, d.shape(x)[1]) if transposed else (d.shape(x)[1], channels))
    return _weighted(d, "Gemm", x, weights, 1 - transposed, transB=transposed)


def product(d: _Draw, x: str) -> Step | None:
    """A tensor of any rank and constant weights."""
    shape = d.shape(x)
    if len(shape) < 2:
        return None
    channels, weight, output = d.integer(1, 8), d.name("w"), d.name("t")
    weights = d.floats((shape[-1], channels)) / np.sqrt(shape[-1]).astype(np.float32)
    return Step((Node("MatMul", (x, weight), (output,)),), (x,), (output,), {}, {weight: (weights, 1)})


def attention(d: _Draw, x: str) -> Step | None:
    """A tensor times itself transposed, or its softmax times itself."""
    rank = len(d.shape(x))
    if rank < 2:
        return None
    turned, output = d.name("t"), d.name("t")
    order = [*range(rank - 2), rank - 1, rank - 2]
    nodes = [Node("Transpose", (x,), (turned,), {"perm": order}), Node("MatMul", (x, turned), (output,))]
    if d.flag():
        weights, output = d.name("t"), d.name("t")
        nodes += [
            Node("Softmax", (nodes[-1].outputs[0],), (weights,), {"axis": -1}),
            Node("MatMul", (weights, x), (output,)),
        ]
    return Step(tuple(nodes), (x,), (output,))


# ---- Sums ------------------------------------------------------------------------------------------------


def reduction(d: _Draw, x: str) -> Step:
    op = d.choice("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceProd")
    axes = d.draw(st.lists(st.integers(0, len(d.shape(x)) - 1), min_size=1, unique=True))
    if d.flag():
        axes = [axis - len(d.shape(x)) for axis in axes]
    return d.axes(op, x, axes, 13 if op == "ReduceSum" else 18, keepdims=int(d.flag()))


def softmax(d: _Draw, x: str) -> Step:
    return d.one(d.choice("Softmax", "Softmax", "LogSoftmax"), (x,), axis=d.axis(x))


def layer_norm(d: _Draw, x: str) -> Step | None:
    shape = d.shape(x)
    if d.opset < SINCE["LayerNormalization"] or shape[-1] < 3:
        return None
    return d.one("LayerNormalization", (x,), (d.floats(shape[-1:], 0.5, 1.5), d.floats(shape[-1:])), axis=-1)


def instance_norm(d: _Draw, x: str) -> Step | None:
    shape = d.shape(x)
    if len(shape) != 4 or np.prod(shape[2:]) < 4:
        return None
    return d.one("InstanceNormalization", (x,), (d.floats(shape[1:2], 0.5, 1.5), d.floats(shape[1:2])))


def batch_norm(d: _Draw, x: str) -> Step | None:
    shape = d.shape(x)
    if len(shape) not in (2, 3, 4):
        return None
    channels = shape[1:2]
    mean, variance = d.floats(channels), d.floats(channels, 0.3, 2.0)
    return d.one("BatchNormalization", (x,), (d.floats(channels), d.floats(channels), mean, variance))


# ---- Moves -----------------------------------------------------------------------------------------------


def transpose(d: _Draw, x: str) -> Step:
    rank = len(d.shape(x))
    return replace(d.one("Transpose", (x,), perm=d.draw(st.permutations(range(rank)))), moves=True)


def _divisors(size: int) -> list[int]:
    return [n for n in range(1, size + 1) if size % n == 0]


def reshape(d: _Draw, x: str) -> Step:
    left = int(np.prod(d.shape(x)))
    sizes = [1] if d.flag() else []
    for _ in range(d.integer(0, 2)):
        sizes.append(d.choice(*_divisors(left)))
        left //= sizes[-1]
    sizes.append(d.choice(left, -1))
    return replace(d.one("Reshape", (x,), (ints(*sizes),)), moves=True)


def flatten(d: _Draw, x: str) -> Step:
    return replace(d.one("Flatten", (x,), axis=d.integer(0, len(d.shape(x)))), moves=True)


def squeeze(d: _Draw, x: str) -> Step | None:
    shape = d.shape(x)
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    if ones and len(shape) > 2 and d.flag():
        axes = d.draw(st.lists(st.sampled_from(ones), min_size=1, max_size=len(shape) - 1, unique=True))
        return replace(d.axes("Squeeze", x, axes, 13), moves=True)
    if len(shape) > 4:
        return None
    return replace(d.axes("Unsqueeze", x, [d.integer(-len(shape) - 1, len(shape))], 13), moves=True)


def part(d: _Draw, x: str) -> Step:
    """A slice with steps, backwards too."""
    axis, shape = d.axis(x), d.shape(x)
    size, step = shape[axis], d.choice(1, 2, 3, -1, -2)
    start, end = sorted(d.draw(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))))
    bounds = (start, end + 1) if step > 0 else (end, start - size - 1)
    return replace(d.one("Slice", (x,), (ints(bounds[0]), ints(bounds[1]), ints(axis), ints(step))), moves=True)


def split(d: _Draw, x: str) -> Step | None:
    axis = d.axis(x)
    size = d.shape(x)[axis]
    if size < 2:
        return None
    first = d.integer(1, size - 1)
    step = d.one("Split", (x,), (ints(first, size - first),), axis=axis)
    outputs = (step.outputs[0], d.name("t"))
    return replace(step, nodes=(replace(step.nodes[0], outputs=outputs),), outputs=outputs, moves=True)


def concat(d: _Draw, x: str) -> Step:
    axis = d.axis(x)

    def rest(name: str) -> list[int]:
        sizes = list(d.shape(name))
        return [len(sizes), *(size for index, size in enumerate(sizes) if index != axis % len(d.shape(x)))]

    fitting = [name for name in d.values if rest(name) == rest(x)]
    others = [d.choice(*fitting) for _ in range(d.integer(1, 2))]
    return d.one("Concat", (x, *others), axis=axis)


def pad(d: _Draw, x: str) -> Step:
    shape, mode = d.shape(x), d.choice("constant", "constant", "reflect", "edge")
    most = [min(2, size - 1) if mode == "reflect" else 2 for size in shape]
    widths = [d.integer(0, limit) if d.flag() else 0 for limit in most * 2]
    constants = (ints(*widths), scalar(d.choice(0.0, 0.5))) if mode == "constant" else (ints(*widths),)
    return d.one("Pad", (x,), constants, mode=mode)


def tile(d: _Draw, x: str) -> Step:
    return replace(d.one("Tile", (x,), (ints(*(d.integer(1, 2) for _ in d.shape(x))),)), moves=True)


def expand(d: _Draw, x: str) -> Step:
    shape = [d.integer(1, 3) if size == 1 else size for size in d.shape(x)]
    return replace(d.one("Expand", (x,), (ints(*shape),)), moves=True)


def gather(d: _Draw, x: str) -> Step:
    axis = d.axis(x)
    size = d.shape(x)[axis]
    index = st.integers(-size, size - 1)
    many = d.flag() or len(d.shape(x)) < 2
    indices = ints(*d.draw(st.lists(index, min_size=1, max_size=4))) if many else np.array(d.draw(index))
    return replace(d.one("Gather", (x,), (indices,), axis=axis), moves=True)


def depth_to_space(d: _Draw, x: str) -> Step | None:
    shape = d.shape(x)
    if len(shape) != 4:
        return None
    if shape[1] % 4 == 0 and d.flag():
        return replace(d.one("DepthToSpace", (x,), blocksize=2, mode=d.choice("DCR", "CRD")), moves=True)
    if shape[2] % 2 == 0 and shape[3] % 2 == 0:
        return replace(d.one("SpaceToDepth", (x,), blocksize=2), moves=True)
    return None


def resize(d: _Draw, x: str) -> Step | None:
    shape = d.shape(x)
    if len(shape) not in (3, 4):
        return None
    mode = d.choice("nearest", "nearest", "linear", "cubic")
    attributes: dict[str, Any] = {
        "mode": mode,
        "coordinate_transformation_mode": d.choice(
            "asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"
        ),
    }
    if mode == "nearest":
        attributes["nearest_mode"] = d.choice("floor", "round_prefer_floor", "round_prefer_ceil", "ceil")
    factors = [d.choice(1.0, 2.0, 3.0, 0.5, 1.5) for _ in shape[2:]]
    output, names = d.name("t"), (d.name("c"), d.name("c"))
    if d.flag():
        operand: Array = np.array([1, 1, *factors], np.float32)
        node = Node("Resize", (x, "", names[0]), (output,), attributes)
    else:
        operand = ints(*shape[:2], *(max(1, int(f * n)) for f, n in zip(factors, shape[2:], strict=True)))
        node = Node("Resize", (x, "", "", names[0]), (output,), attributes)
    return Step((node,), (x,), (output,), {names[0]: operand}, moves=True)


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        *(unary, composed, clip, prelu, power, arithmetic, two_tensors, gate, convolution, convolution),
        *(transposed_convolution, pool, global_pool, gemm, product, attention, reduction, softmax, layer_norm),
        *(instance_norm, batch_norm, transpose, reshape, flatten, squeeze, part, split, concat, pad, tile),
        *(expand, gather, depth_to_space, resize),
    )
}

# ---- Graphs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Graph:
    """Steps behind the input `x`, drawn evenly from -1 to 1.5; `values` of every tensor for one input."""

    steps: tuple[Step, ...]
    opset: int
    how: Quantization
    values: dict[str, Array]
    real: frozenset[str]

    def __repr__(self) -> str:
        nodes = [
            f"{node.op}({', '.join(node.inputs)}) -> {', '.join(node.outputs)} {node.attributes or ''}"
            for step in self.steps
            for node in step.nodes
        ]
        constants = {
            name: value.tolist() if value.size < 8 else value.shape
            for step in self.steps
            for name, value in step.constants.items()
        }
        shapes = {name: value.shape for name, value in self.values.items()}
        return "\n".join(
            [f"opset {self.opset} {self.how.dtype} real {set(self.real)}", *nodes, f"{constants}", f"{shapes}"]
        )

    def sample(self, seed: int) -> Array:
        shape = self.values["x"].shape
        return np.random.default_rng(seed).uniform(-1, 1.5, shape).astype(np.float32)

    @property
    def outputs(self) -> list[str]:
        """What no step reads."""
        read = {name for step in self.steps for name in step.inputs}
        return [name for step in self.steps for name in step.outputs if name not in read]

    def scale(self, tensor: str) -> float | None:
        """What a unit of an output is worth; None if it stays float."""
        return None if tensor in self.real else float(self._encoding(tensor).scale)

    def _encoding(self, tensor: str) -> Encoding:
        source = tensor
        for step in reversed(self.steps):
            if step.moves and source in step.outputs and step.inputs[0] not in self.real:
                source = step.inputs[0]
        value = self.values[source]
        return activation_encoding(float(value.min()), float(value.max()), self.how)

    def build(self) -> onnx.ModelProto:
        writer = _Quantizer(self)
        made = writer.run()
        onnx.checker.check_model(made, full_check=True)
        return made


class _Quantizer:
    """Writes the quantized graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.writer = Writer()
        self.dequantized: dict[str, str] = {}

    def run(self) -> onnx.ModelProto:
        graph, writer = self.graph, self.writer
        self._result("x")
        for step in graph.steps:
            names = {name: self.dequantized[name] for name in step.inputs}
            for name, value in step.constants.items():
                writer.constant(name, value)
            for name, (value, axis) in step.weights.items():
                names[name] = self._weights(name, value, axis)
            for node in step.nodes:
                inputs = [names.get(name, name) for name in node.inputs]
                writer.nodes.append(
                    helper.make_node(
                        node.op, inputs, node.outputs, name=f"{node.op}_{node.outputs[0]}", **node.attributes
                    )
                )
            for name in step.outputs:
                self._result(name)
        value_info = helper.make_tensor_value_info
        made = helper.make_graph(
            writer.nodes,
            "drawn",
            [value_info("x", TensorProto.FLOAT, graph.values["x"].shape)],
            [
                value_info(self.dequantized[name], TensorProto.FLOAT, graph.values[name].shape)
                for name in graph.outputs
            ],
            list(writer.initializers.values()),
        )
        opset = helper.make_opsetid("", graph.opset)
        return helper.make_model(made, opset_imports=[opset], ir_version=IR_VERSIONS[graph.opset])

    def _result(self, tensor: str) -> None:
        if tensor in self.graph.real:
            self.dequantized[tensor] = tensor
            return
        names = self.writer.encoding(tensor, self.graph._encoding(tensor))
        self.dequantized[tensor] = self.writer.quantize(tensor, tensor, names)

    def _weights(self, name: str, value: Array, axis: int | None) -> str:
        encoding = (
            activation_encoding(float(value.min()), float(value.max()), self.graph.how)
            if axis is None
            else weight_encoding(value, self.graph.how.weights, axis)
        )
        return self.writer.dequantized_constant(name, f"{name}_real", encoding.quantize(value), encoding)


def run_model(model: onnx.ModelProto, inputs: dict[str, Array]) -> list[Array]:
    """What onnxruntime computes without optimizations."""
    from onnxruntime import GraphOptimizationLevel

    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, inputs)]


def _computed(step: Step, values: dict[str, Array], opset: int) -> list[Array]:
    value_info = helper.make_tensor_value_info
    writer = Writer()
    for name, value in step.constants.items():
        writer.constant(name, value)
    for name, (value, _) in step.weights.items():
        writer.constant(name, value)
    nodes = [helper.make_node(n.op, n.inputs, n.outputs, **n.attributes) for n in step.nodes]
    graph = helper.make_graph(
        nodes,
        "step",
        [value_info(name, TensorProto.FLOAT, values[name].shape) for name in dict.fromkeys(step.inputs)],
        [value_info(name, TensorProto.FLOAT, None) for name in step.outputs],
        list(writer.initializers.values()),
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSIONS[opset]
    )
    return run_model(model, {name: values[name] for name in step.inputs})


def _is_usable(value: Array) -> bool:
    return (
        0 < value.size <= LARGEST
        and bool(np.isfinite(value).all())
        and float(np.abs(value).max()) < 1e4
        and value.ndim > 0
    )


@st.composite
def graphs(draw: st.DrawFn, least: int = 2, most: int = 6, rules: tuple[str, ...] = tuple(RULES)) -> Graph:
    """Draw a graph of `least` to `most` steps (fewer where a drawn operator can't follow)."""
    opset = draw(st.sampled_from(sorted(IR_VERSIONS)))
    how = Quantization(
        draw(st.sampled_from(["uint8", "int8"])),
        draw(st.booleans()),
        draw(st.sampled_from([WeightType.INT8_PER_CHANNEL, WeightType.INT8_PER_TENSOR, WeightType.UINT8])),
    )
    channels, size = draw(st.integers(1, 12)), st.integers(1, 9)
    shape = draw(
        st.one_of(
            st.tuples(st.just(1), st.just(channels), size, size),
            st.tuples(st.just(1), st.just(channels), size, size),
            st.tuples(st.just(1), st.just(channels), st.integers(1, 30)),
            st.tuples(st.just(1), st.integers(1, 40)),
        )
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = {"x": rng.uniform(-1, 1.5, shape).astype(np.float32)}
    last, steps = "x", list[Step]()
    real: set[str] = set()
    at_hand = _Draw(draw, opset, rng, _Names(), values)
    for _ in range(draw(st.integers(least, most))):
        step = RULES[draw(st.sampled_from(rules))](at_hand, last)
        if step is None:
            continue
        try:
            results = _computed(step, values, opset)
        except (InvalidArgument, Fail, RuntimeException):
            continue
        if not all(_is_usable(value) for value in results):
            continue
        steps.append(step)
        values.update(zip(step.outputs, results, strict=True))
        real.update(name for name in step.outputs if draw(st.integers(0, 9)) == 0)
        last = draw(st.sampled_from(step.outputs))
    if not steps:
        step = at_hand.one("Relu", ("x",))
        steps.append(step)
        values.update(zip(step.outputs, _computed(step, values, opset), strict=True))
    return Graph(tuple(steps), opset, how, values, frozenset(real))
