"""Small QDQ ONNX models, shaped like those of onnxruntime's `quantize_static`, made from a list of layers.

The float network is run once on random inputs to find the range of every tensor; the quantized model is then
written directly, which takes milliseconds. Tensors are NCHW with batch 1, tensor and node names follow
onnxruntime's: `X_QuantizeLinear_Output`, `X_scale`, `W_quantized` …

As a command it writes a single layer or a chain:

    python test/python/onnx_layers.py conv --kernel 5 -o conv.onnx
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto
from onnx_writer import (
    ActivationForm,
    Encoding,
    FloatArray,
    Quantization,
    Shape,
    WeightType,
    Writer,
    activation_encoding,
    weight_encoding,
)
from onnxruntime import InferenceSession

CALIBRATION_INPUTS = 8
INT32_LIMIT = 2**31 - 1


class Kind(Enum):
    """The operator of a layer."""

    CONV = "conv"
    DEPTHWISE = "depthwise"
    POINTWISE = "pointwise"
    GEMM = "gemm"
    MATMUL = "matmul"
    ADD = "add"
    MAXPOOL = "maxpool"
    AVGPOOL = "avgpool"
    GLOBAL_AVGPOOL = "gap"
    FLATTEN = "flatten"
    RESHAPE = "reshape"
    GROUPED = "grouped"
    SUB = "sub"
    MUL = "mul"
    CONCAT = "concat"
    SLICE = "slice"
    RESIZE = "resize"
    UNARY = "unary"
    SOFTMAX = "softmax"


CONVOLUTIONS = (Kind.CONV, Kind.DEPTHWISE, Kind.POINTWISE, Kind.GROUPED)
TWO_TENSORS = {Kind.ADD: "Add", Kind.SUB: "Sub", Kind.MUL: "Mul", Kind.CONCAT: "Concat"}
# onnxruntime reuses the input's scale
SAME_SCALE = (Kind.MAXPOOL, Kind.AVGPOOL, Kind.FLATTEN, Kind.RESHAPE, Kind.SLICE, Kind.RESIZE)
FUNCTIONS = ("LeakyRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh")


class Activation(Enum):
    """What follows a convolution, Gemm, MatMul or Add."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    CLIP = "clip"


@dataclass(frozen=True)
class QdqLayer:
    """One operator and its parameters; those that the operator has no use for are ignored.

    `channels` are the output channels (convolutions except depthwise, Gemm, MatMul). `pads` are top, left,
    bottom, right as in ONNX. `skip` names the second operand of an Add, Sub, Mul, Concat: 0 its own input,
    n the tensor n layers earlier. `clip` bounds Activation.CLIP. `shared_scale` False gives a pool a scale
    of its own. `groups` of a grouped convolution divide input and output channels. A slice takes channels
    `start` to `end`, a resize repeats pixels `strides` times, `function` is the ONNX operator of a unary
    one.
    """

    kind: Kind
    channels: int = 8
    kernel: tuple[int, int] = (3, 3)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    bias: bool = True
    activation: Activation = Activation.NONE
    clip: tuple[float, float] = (-0.5, 1.0)
    count_include_pad: bool = False
    shared_scale: bool = True
    skip: int = 0
    name: str = ""
    groups: int = 1
    dilations: tuple[int, int] = (1, 1)
    ceil_mode: bool = False
    start: int = 0
    end: int = 1
    function: str = "Sigmoid"


@dataclass
class _FloatLayer:
    """A layer of the float network: `op` reads `inputs`, then the parameters, and writes `output`."""

    layer: QdqLayer
    name: str
    op: str
    inputs: list[str]
    output: str
    attributes: dict[str, object] = field(default_factory=dict)
    weight: FloatArray | None = None
    bias: FloatArray | None = None
    constants: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)

    @property
    def weight_axis(self) -> int:
        """The axis of the weights' output channels."""
        return 1 if self.layer.kind is Kind.MATMUL else 0

    @property
    def bounds(self) -> tuple[float, float]:
        """What the activation clips to."""
        limits = {
            Activation.NONE: (-np.inf, np.inf),
            Activation.RELU: (0.0, np.inf),
            Activation.RELU6: (0.0, 6.0),
            Activation.CLIP: self.layer.clip,
        }
        return limits[self.layer.activation]

    def write(
        self, writer: Writer, inputs: list[str], parameters: list[str], output: str, *, activation: bool
    ) -> None:
        """Write the operator (a MatMul's bias is an Add) and, if wanted, the activation, ending in `output`."""
        activation = activation and self.layer.activation is not Activation.NONE
        end = f"{self.name}_linear" if activation else output
        constants = [writer.constant(name, value) for name, value in self.constants.items()]
        if self.op == "MatMul" and len(parameters) == 2:
            product = writer.node("MatMul", self.name, [*inputs, parameters[0]], matmul_product(self.name))
            writer.node("Add", f"{self.name}_add", [product, parameters[1]], end)
        else:
            operands = [*inputs, *parameters, *constants]
            writer.node(self.op, self.name, operands, end, **self.attributes)
        if activation:
            self.write_activation(writer, end, output)

    def write_activation(self, writer: Writer, source: str, output: str) -> None:
        """Write a Relu or a Clip."""
        name = f"{self.name}_{self.layer.activation.value}"
        if self.layer.activation is Activation.RELU:
            writer.node("Relu", name, [source], output)
            return
        low, high = (np.array(bound, np.float32) for bound in self.bounds)
        limits = [writer.constant(f"{name}_min", low), writer.constant(f"{name}_max", high)]
        writer.node("Clip", name, [source, *limits], output)


class _FloatNetwork:
    """Turns layers into ONNX operators with random parameters and follows the shapes."""

    def __init__(self, shape: Shape, layers: Iterable[QdqLayer], rng: np.random.Generator) -> None:
        self.shape = shape
        self.rng = rng
        self.tensors = ["input"]
        self.shapes = [shape]
        self.layers: list[_FloatLayer] = []
        layers = tuple(layers)
        for index, layer in enumerate(layers):
            output = "output" if index == len(layers) - 1 else f"{self._name(layer)}_out"
            self.layers.append(self._make(layer, self._name(layer), output))
            self.tensors.append(output)
            self.shapes.append(self.shape)

    def _name(self, layer: QdqLayer) -> str:
        return layer.name or f"{layer.kind.value}{len(self.layers)}"

    def _make(self, layer: QdqLayer, name: str, output: str) -> _FloatLayer:
        source = self.tensors[-1]
        made = _FloatLayer(layer, name, "", [source], output)
        if layer.kind in CONVOLUTIONS:
            self._convolution(made)
        elif layer.kind in (Kind.GEMM, Kind.MATMUL):
            self._linear(made)
        elif layer.kind in (Kind.MAXPOOL, Kind.AVGPOOL):
            self._pool(made)
        elif layer.kind in TWO_TENSORS:
            self._two_tensors(made)
        elif layer.kind is Kind.SLICE:
            self._slice(made)
        elif layer.kind is Kind.RESIZE:
            self._resize(made)
        elif layer.kind is Kind.UNARY:
            made.op = layer.function
        elif layer.kind is Kind.GLOBAL_AVGPOOL:
            made.op = "GlobalAveragePool"
            self.shape = (self.shape[0], 1, 1)
        elif layer.kind is Kind.SOFTMAX:
            made.op, made.attributes = "Softmax", {"axis": 1}
        else:
            made.op = "Flatten" if layer.kind is Kind.FLATTEN else "Reshape"
            self.shape = (int(np.prod(self.shape)),)
            if layer.kind is Kind.RESHAPE:
                made.constants[f"{name}_shape"] = np.array([1, *self.shape], np.int64)
        return made

    def _two_tensors(self, made: _FloatLayer) -> None:
        layer, other = made.layer, self.shapes[-1 - made.layer.skip]
        made.op = TWO_TENSORS[layer.kind]
        made.inputs.append(self.tensors[-1 - layer.skip])
        if layer.kind is Kind.CONCAT:
            made.attributes = {"axis": 1}
            self.shape = (self.shape[0] + other[0], *self.shape[1:])
        else:
            self.shape = tuple(max(sizes) for sizes in zip(self.shape, other, strict=True))

    def _slice(self, made: _FloatLayer) -> None:
        layer = made.layer
        made.op = "Slice"
        for name, value in (("starts", layer.start), ("ends", layer.end), ("axes", 1)):
            made.constants[f"{made.name}_{name}"] = np.array([value], np.int64)
        self.shape = (layer.end - layer.start, *self.shape[1:])

    def _resize(self, made: _FloatLayer) -> None:
        factors = made.layer.strides
        made.op = "Resize"
        made.attributes = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        made.constants[f"{made.name}_roi"] = np.array([], np.float32)
        made.constants[f"{made.name}_scales"] = np.array([1, 1, *factors], np.float32)
        self.shape = (self.shape[0], self.shape[1] * factors[0], self.shape[2] * factors[1])

    def _slide(self, made: _FloatLayer, kernel: tuple[int, int], channels: int) -> None:
        layer = made.layer
        made.attributes = {"kernel_shape": kernel, "strides": layer.strides, "pads": layer.pads}
        top, left, bottom, right = layer.pads
        padded = self.shape[1] + top + bottom, self.shape[2] + left + right
        dilations = layer.dilations if layer.kind in CONVOLUTIONS else (1, 1)
        if layer.kind in CONVOLUTIONS:
            made.attributes["dilations"] = dilations
        extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        ceil = layer.ceil_mode and layer.kind in (Kind.MAXPOOL, Kind.AVGPOOL)
        more = [s - 1 if ceil else 0 for s in layer.strides]
        sizes = [(p + m - e) // s + 1 for p, m, e, s in zip(padded, more, extents, layer.strides, strict=True)]
        self.shape = (channels, *sizes)

    def _convolution(self, made: _FloatLayer) -> None:
        layer, channels_in = made.layer, self.shape[0]
        kernel = (1, 1) if layer.kind is Kind.POINTWISE else layer.kernel
        groups = {Kind.DEPTHWISE: channels_in, Kind.GROUPED: layer.groups}.get(layer.kind, 1)
        channels = channels_in if layer.kind is Kind.DEPTHWISE else layer.channels
        made.op = "Conv"
        self._slide(made, kernel, channels)
        made.attributes["group"] = groups
        self._parameters(made, (channels, channels_in // groups, *kernel), channels)

    def _linear(self, made: _FloatLayer) -> None:
        (size,), channels = self.shape, made.layer.channels
        if made.layer.kind is Kind.GEMM:
            made.op, made.attributes = "Gemm", {"transB": 1}
            self._parameters(made, (channels, size), channels)
        else:
            made.op = "MatMul"
            self._parameters(made, (size, channels), channels)
        self.shape = (channels,)

    def _parameters(self, made: _FloatLayer, shape: Shape, channels: int) -> None:
        """Draw weights of unequal channels, scaled so that the outputs are about as large as the inputs."""
        fan_in = int(np.prod(shape)) / channels
        spread = np.ones(len(shape), int)
        spread[made.weight_axis] = channels
        gain = self.rng.uniform(0.5, 1.5, channels).reshape(spread)
        made.weight = (self.rng.normal(size=shape) * gain / np.sqrt(fan_in)).astype(np.float32)
        if made.layer.bias:
            made.bias = self.rng.normal(scale=0.3, size=channels).astype(np.float32)

    def _pool(self, made: _FloatLayer) -> None:
        self._slide(made, made.layer.kernel, self.shape[0])
        made.op = "MaxPool" if made.layer.kind is Kind.MAXPOOL else "AveragePool"
        if made.layer.kind is Kind.AVGPOOL:
            made.attributes["count_include_pad"] = int(made.layer.count_include_pad)
        made.attributes["ceil_mode"] = int(made.layer.ceil_mode)

    def model(self, input_shape: Shape) -> ModelProto:
        """Return the float network with every tensor that needs a scale as an output."""
        writer = Writer()
        for made in self.layers:
            parameters = []
            if made.weight is not None:
                parameters.append(writer.constant(f"{made.name}_weight", made.weight))
            if made.bias is not None:
                parameters.append(writer.constant(f"{made.name}_bias", made.bias))
            made.write(writer, made.inputs, parameters, made.output, activation=True)
        outputs = [t for node in writer.nodes for t in node.output]
        return writer.model(input_shape, dict.fromkeys(outputs))


def matmul_product(name: str) -> str:
    """Return the name of the tensor between a MatMul and the Add of its bias."""
    return f"{name}_product"


class _Quantizer:
    """Writes the quantized graph of a float network, layer by layer."""

    def __init__(self, net: _FloatNetwork, ranges: dict[str, tuple[float, float]], how: Quantization) -> None:
        self.net, self.ranges, self.how = net, ranges, how
        self.writer = Writer()
        self.encodings: dict[str, Encoding] = {}
        self.scales: dict[str, list[str]] = {}  # tensor → names of its scale and zero point
        self.dequantized: dict[str, str] = {}

    def run(self) -> None:
        self._encode("input")
        self.dequantized["input"] = self.writer.quantize("input", "input", self.scales["input"])
        for made in self.net.layers:
            self._layer(made)

    def _encode(self, tensor: str) -> list[str]:
        self.encodings[tensor] = activation_encoding(*self.ranges[tensor], self.how)
        self.scales[tensor] = self.writer.encoding(tensor, self.encodings[tensor])
        return self.scales[tensor]

    def _encode_output(self, made: _FloatLayer) -> list[str]:
        if made.layer.kind in SAME_SCALE and made.layer.shared_scale:
            self.encodings[made.output] = self.encodings[made.inputs[0]]
            self.scales[made.output] = self.scales[made.inputs[0]]
            return self.scales[made.output]
        return self._encode(made.output)

    def _layer(self, made: _FloatLayer) -> None:
        encoding = self._encode_output(made)
        inputs = [self.dequantized[name] for name in made.inputs]
        source = f"{made.output}_QuantizeLinear_Input" if made.output == "output" else made.output
        has_activation = made.layer.activation is not Activation.NONE
        form = self.how.activation_form
        separate = has_activation and form is ActivationForm.SEPARATE
        end = f"{made.name}_linear" if separate else source
        if made.op == "MatMul" and made.bias is not None:
            self._matmul(made, inputs, end, activation=form is ActivationForm.KEPT)
        else:
            parameters = self._parameters(made)
            made.write(self.writer, inputs, parameters, end, activation=form is ActivationForm.KEPT)
        if separate:
            again = self.writer.encoding(end, self.encodings[made.output])
            made.write_activation(self.writer, self.writer.quantize(end, end, again), source)
        result = "output" if made.output == "output" else ""
        self.dequantized[made.output] = self.writer.quantize(made.output, source, encoding, result)

    def _parameters(self, made: _FloatLayer) -> list[str]:
        if made.weight is None:
            return []
        weight, encoding = self._weight(made)
        if made.bias is None:
            return [weight]
        scale = (self.encodings[made.inputs[0]].scale * encoding.scale).astype(np.float32)
        bias_encoding = Encoding(scale, np.zeros(scale.shape, np.int32), encoding.axis)
        quantized = np.clip(np.rint(made.bias / scale.astype(np.float64)), -INT32_LIMIT, INT32_LIMIT)
        bias = f"{made.name}_bias"
        self.writer.dequantized_constant(bias, bias, quantized.astype(np.int32), bias_encoding)
        return [weight, bias]

    def _weight(self, made: _FloatLayer) -> tuple[str, Encoding]:
        assert made.weight is not None
        encoding = weight_encoding(made.weight, self.how.weights, made.weight_axis)
        name = f"{made.name}_weight"
        output = f"{name}_DequantizeLinear_Output"
        values = encoding.quantize(made.weight)
        return self.writer.dequantized_constant(name, output, values, encoding), encoding

    def _matmul(self, made: _FloatLayer, inputs: list[str], output: str, *, activation: bool) -> None:
        """Quantize the product, then add a bias that is quantized like an activation, as onnxruntime does."""
        assert made.bias is not None
        weight, _ = self._weight(made)
        product = matmul_product(made.name)
        self.writer.node("MatMul", made.name, [*inputs, weight], product)
        operand = self.writer.quantize(product, product, self._encode(product))
        encoding = activation_encoding(float(made.bias.min()), float(made.bias.max()), self.how)
        name = f"{made.name}_bias"
        values = encoding.quantize(made.bias)
        bias = self.writer.dequantized_constant(name, f"{name}_DequantizeLinear_Output", values, encoding)
        activation = activation and made.layer.activation is not Activation.NONE
        end = f"{made.name}_linear" if activation else output
        self.writer.node("Add", f"{made.name}_add", [operand, bias], end)
        if activation:
            made.write_activation(self.writer, end, output)


@dataclass(frozen=True)
class QdqModel:
    """A model to build: input `[1, *input_shape]` drawn evenly from `input_range`, layers in a chain."""

    layers: tuple[QdqLayer, ...]
    input_shape: Shape = (8, 9, 9)
    quantization: Quantization = field(default_factory=Quantization)
    input_range: tuple[float, float] = (-1.0, 1.5)
    seed: int = 0

    def sample_inputs(self, count: int, seed: int = 1) -> FloatArray:
        """Return `count` inputs, `[count, 1, *input_shape]`."""
        shape = (count, 1, *self.input_shape)
        return np.random.default_rng(seed).uniform(*self.input_range, shape).astype(np.float32)

    def build(self) -> ModelProto:
        """Return the checked model: float `input`, QDQ in between, float `output`."""
        net = _FloatNetwork(self.input_shape, self.layers, np.random.default_rng(self.seed))
        quantizer = _Quantizer(net, self._calibrate(net), self.quantization)
        quantizer.run()
        model = quantizer.writer.model(self.input_shape, {"output": (1, *net.shape)})
        onnx.checker.check_model(model, full_check=True)
        return model

    def _calibrate(self, net: _FloatNetwork) -> dict[str, tuple[float, float]]:
        """Return the least and the largest value of each tensor over a few inputs."""
        model = net.model(self.input_shape)
        session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        runs = [session.run(names, {"input": x}) for x in self.sample_inputs(CALIBRATION_INPUTS, self.seed + 1)]
        values = {name: np.stack(v) for name, v in zip(names, zip(*runs, strict=True), strict=True)}
        ranges = {name: (float(v.min()), float(v.max())) for name, v in values.items()}
        return {"input": self.input_range, **ranges}


def chain(name: str, channels: int = 8) -> tuple[QdqLayer, ...]:
    """Return the layers of a chain: `conv-conv`, `residual` or `classifier`."""
    conv = QdqLayer(Kind.CONV, channels, pads=(1, 1, 1, 1), activation=Activation.RELU)
    if name == "conv-conv":
        return conv, QdqLayer(Kind.CONV, channels, pads=(1, 1, 1, 1))
    if name == "residual":
        plain = QdqLayer(Kind.CONV, channels, pads=(1, 1, 1, 1))
        return conv, plain, QdqLayer(Kind.ADD, skip=1, activation=Activation.RELU)
    return (
        conv,
        QdqLayer(Kind.MAXPOOL, kernel=(2, 2), strides=(2, 2)),
        QdqLayer(Kind.DEPTHWISE, pads=(1, 1, 1, 1), activation=Activation.RELU6),
        QdqLayer(Kind.POINTWISE, 2 * channels, activation=Activation.RELU),
        QdqLayer(Kind.GLOBAL_AVGPOOL),
        QdqLayer(Kind.FLATTEN),
        QdqLayer(Kind.GEMM, 10),
    )


CHAINS = ("conv-conv", "residual", "classifier")
KINDS = tuple(kind.value for kind in Kind)
FLAT_KINDS = (Kind.GEMM.value, Kind.MATMUL.value, Kind.SOFTMAX.value)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _pair(text: str) -> tuple[int, int]:
    numbers = _numbers(text)
    return numbers[0], numbers[-1]


def _pads(text: str) -> tuple[int, int, int, int]:
    numbers = _numbers(text)
    top, left, bottom, right = numbers if len(numbers) == 4 else numbers * 4
    return top, left, bottom, right


@click.command()
@click.argument("kind", type=click.Choice([*KINDS, *CHAINS]))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="ONNX file to write.")
@click.option(
    "--input", "input_shape", help="Input shape without the batch: C,H,W or K; 8,9,9 or 24 by default."
)
@click.option(
    "--low", default=-1.0, help="Least input value, the largest is 1.5; 0 gives an input zero point of 0."
)
@click.option("--channels", default=8, help="Output channels.")
@click.option("--kernel", default="3", help="Kernel: N or H,W.")
@click.option("--stride", default="1", help="Stride: N or H,W.")
@click.option("--pads", default="0", help="Padding: N or top,left,bottom,right.")
@click.option("--no-bias", is_flag=True)
@click.option("--activation", type=click.Choice([a.value for a in Activation]), default="none")
@click.option("--form", type=click.Choice([f.value for f in ActivationForm]))
@click.option("--count-include-pad", is_flag=True)
@click.option("--own-scale", is_flag=True, help="Give a pool a scale of its own.")
@click.option("--type", "dtype", type=click.Choice(["uint8", "int8"]), default="uint8")
@click.option("--symmetric", is_flag=True, help="Zero point 128 (uint8) or 0 (int8).")
@click.option("--weights", type=click.Choice([w.value for w in WeightType]), default="int8")
@click.option("--seed", default=0)
def main(kind: str, output: Path, **options: Any) -> None:
    """Write a QDQ model of one layer of KIND, or one of the chains."""
    layers = chain(kind, options["channels"]) if kind in CHAINS else (_layer(kind, options),)
    form = options["form"]
    how = Quantization(
        options["dtype"],
        options["symmetric"],
        WeightType(options["weights"]),
        ActivationForm(form) if form else None,
    )
    shape = options["input_shape"] or ("24" if kind in FLAT_KINDS else "8,9,9")
    model = QdqModel(layers, _numbers(shape), how, (options["low"], 1.5), options["seed"])
    onnx.save(model.build(), output)


def _layer(kind: str, options: dict[str, Any]) -> QdqLayer:
    return QdqLayer(
        Kind(kind),
        options["channels"],
        kernel=_pair(options["kernel"]),
        strides=_pair(options["stride"]),
        pads=_pads(options["pads"]),
        bias=not options["no_bias"],
        activation=Activation(options["activation"]),
        count_include_pad=options["count_include_pad"],
        shared_scale=not options["own_scale"],
    )


if __name__ == "__main__":
    main()
