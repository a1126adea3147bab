"""Networks shaped like the four of MLPerf Tiny, and larger ones, with seeded weights; in float, and quantized
by onnxruntime.

| name | network | input | MAC |
|---|---|---|---|
| kws | DS-CNN keyword spotting | 1x49x10 | 2.66 M |
| vww | MobileNetV1 0.25, visual wake words | 3x96x96 | 7.49 M |
| ic | ResNet-8 image classification | 3x32x32 | 12.5 M |
| ad | fully connected autoencoder, anomaly detection | 640 | 0.264 M |
| v1_25 | MobileNetV1 0.25-128, 1000 classes | 3x128x128 | 13.6 M |
| v1_100 | MobileNetV1 1.0-128, 1000 classes | 3x128x128 | 186 M |
| v1_224 | MobileNetV1 1.0-224, 1000 classes | 3x224x224 | 569 M |
| v2_224 | MobileNetV2 1.0-224, 1000 classes | 3x224x224 | 301 M |
| resnet18 | ResNet-18, 1000 classes | 3x224x224 | 1,814 M |
| resnet20 | ResNet-20 for CIFAR | 3x32x32 | 40.8 M |
| inception | two Inception modules | 3x32x32 | 12.2 M |

The first four are `NETWORKS`; the next two are for where there is time, and `v1_100` has 4 MB of weights. The
three behind them are for planning: their feature maps are larger than the L2 of these chips. `resnet20` is for
the engines of DIANA, `inception` has branches that engines may compute at the same time.

NCHW, batch 1, opset 13; "same" padding as TensorFlow has it (the odd element at the bottom and the right). The
weights are He-initialized and stand for those with BatchNorm folded in: the networks compute nothing useful,
but have the shapes, the layers and realistic ranges. Same seed, same bytes.

As a command: `python benchmarks/networks.py kws -o kws.onnx [--float] [--activations uint8]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper, shape_inference
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

OPSET = 13
IR_VERSION = 8
WEIGHT_SEED = 2024
CALIBRATION_SEED = 1
CALIBRATION_INPUTS = 16
BIAS_SPREAD = 0.1

FloatArray = npt.NDArray[np.float32]


class _Builder:
    """Appends layers to a chain; `tensor` is its end and `shape` that tensor's shape without the batch."""

    def __init__(self, name: str, input_shape: tuple[int, ...]) -> None:
        self._name = name
        self._input_shape = input_shape
        self._rng = np.random.default_rng(WEIGHT_SEED)
        self._nodes: list[NodeProto] = []
        self._initializers: list[TensorProto] = []
        self.tensor = "input"
        self.shape = input_shape

    def op(self, op_type: str, name: str, *inputs: str, **attributes: object) -> None:
        """Append an operator that keeps the shape; it reads `inputs`, or the chain's end if there are none."""
        sources = inputs or (self.tensor,)
        self._nodes.append(helper.make_node(op_type, list(sources), [name], name=name, **attributes))
        self.tensor = name

    def go_to(self, tensor: str, shape: tuple[int, ...]) -> None:
        """Continue from an earlier tensor."""
        self.tensor, self.shape = tensor, shape

    def conv(
        self,
        name: str,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        stride: int = 1,
        *,
        depthwise: bool = False,
        relu: bool = True,
    ) -> None:
        """Append a convolution with "same" padding."""
        channels_in, *size = self.shape
        groups = channels_in if depthwise else 1
        before, after = zip(
            *(_same_padding(n, k, stride) for n, k in zip(size, kernel, strict=True)), strict=True
        )
        parameters = self._parameters(name, (channels, channels_in // groups, *kernel), relu=relu)
        self.op(
            "Conv",
            name,
            self.tensor,
            *parameters,
            kernel_shape=kernel,
            strides=[stride] * 2,
            pads=[*before, *after],
            group=groups,
        )
        self.shape = (channels, *(-(-n // stride) for n in size))
        if relu:
            self.op("Relu", f"{name}_relu")

    def max_pool(self, name: str, kernel: int, stride: int) -> None:
        """Append a maximum over `kernel` x `kernel` windows with "same" padding."""
        channels, *size = self.shape
        before, after = zip(*(_same_padding(n, kernel, stride) for n in size), strict=True)
        pads = [*before, *after]
        self.op("MaxPool", name, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads)
        self.shape = (channels, *(-(-n // stride) for n in size))

    def gemm(self, name: str, channels: int, *, relu: bool = False) -> None:
        """Append a linear layer."""
        parameters = self._parameters(name, (channels, self.shape[0]), relu=relu)
        self.op("Gemm", name, self.tensor, *parameters, transB=1)
        self.shape = (channels,)
        if relu:
            self.op("Relu", f"{name}_relu")

    def classifier(self, classes: int) -> None:
        """Append global average pooling, a linear layer and a softmax."""
        self.op("GlobalAveragePool", "gap")
        self.op("Flatten", "flatten")
        self.shape = self.shape[:1]
        self.gemm("head", classes)
        self.op("Softmax", "softmax", axis=1)

    def _parameters(self, name: str, shape: tuple[int, ...], *, relu: bool) -> tuple[str, str]:
        fan_in = np.prod(shape[1:])
        gain = 2 if relu else 1  # a Relu halves the variance
        values = {
            f"{name}_weight": self._rng.normal(scale=np.sqrt(gain / fan_in), size=shape),
            f"{name}_bias": self._rng.normal(scale=BIAS_SPREAD, size=shape[0]),
        }
        self._initializers += [numpy_helper.from_array(v.astype(np.float32), n) for n, v in values.items()]
        weight, bias = values
        return weight, bias

    def model(self) -> ModelProto:
        """Return the checked model; its output is called `output`."""
        self._nodes[-1].output[0] = "output"
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, (1, *self._input_shape))],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, (1, *self.shape))],
            self._initializers,
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="networks")
        checker.check_model(model, full_check=True)
        return shape_inference.infer_shapes(model)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _ds_cnn() -> ModelProto:
    b = _Builder("kws", (1, 49, 10))
    b.conv("stem", 64, (10, 4), 2)
    for block in range(1, 5):
        b.conv(f"dw{block}", 64, depthwise=True)
        b.conv(f"pw{block}", 64, (1, 1))
    b.classifier(12)
    return b.model()


def _mobilenet(name: str, size: int, stem: int, classes: int) -> ModelProto:
    """MobileNetV1 on images of `size` x `size`; its first layer has `stem` channels, 32 at full width."""
    b = _Builder(name, (3, size, size))
    b.conv("stem", stem, stride=2)
    widths = (2, 4, 4, 8, 8, 16, 16, 16, 16, 16, 16, 32, 32)
    halving = (2, 4, 6, 12)  # blocks with stride 2
    for block, width in enumerate(widths, start=1):
        b.conv(f"dw{block}", b.shape[0], stride=2 if block in halving else 1, depthwise=True)
        b.conv(f"pw{block}", width * stem, (1, 1))
    b.classifier(classes)
    return b.model()


# Expansion, channels, blocks, stride of the first block.
_V2_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _mobilenet_v2() -> ModelProto:
    """MobileNetV2 1.0 on 224 x 224 pixels: inverted residuals."""
    b = _Builder("v2_224", (3, 224, 224))
    b.conv("stem", 32, stride=2)
    for stage, (expansion, channels, blocks, stride) in enumerate(_V2_STAGES, start=1):
        for block in range(1, blocks + 1):
            _inverted_residual(b, f"block{stage}_{block}", expansion, channels, stride if block == 1 else 1)
    b.conv("last", 1280, (1, 1))
    b.classifier(1000)
    return b.model()


def _inverted_residual(b: _Builder, name: str, expansion: int, channels: int, stride: int) -> None:
    start, shape = b.tensor, b.shape
    if expansion > 1:
        b.conv(f"{name}_expand", expansion * shape[0], (1, 1))
    b.conv(f"{name}_dw", b.shape[0], stride=stride, depthwise=True)
    b.conv(f"{name}_project", channels, (1, 1), relu=False)
    if b.shape == shape:
        b.op("Add", f"{name}_add", start, b.tensor)


def _resnet8() -> ModelProto:
    b = _Builder("ic", (3, 32, 32))
    b.conv("stem", 16)
    for block, (channels, stride) in enumerate(((16, 1), (32, 2), (64, 2)), start=1):
        _residual(b, f"block{block}", channels, stride)
    b.classifier(10)
    return b.model()


def _resnet20() -> ModelProto:
    b = _Builder("resnet20", (3, 32, 32))
    b.conv("stem", 16)
    for stage, channels in enumerate((16, 32, 64), start=1):
        for block in (1, 2, 3):
            _residual(b, f"block{stage}_{block}", channels, 2 if block == 1 and stage > 1 else 1)
    b.classifier(10)
    return b.model()


def _resnet18() -> ModelProto:
    b = _Builder("resnet18", (3, 224, 224))
    b.conv("stem", 64, (7, 7), 2)
    b.max_pool("pool", 3, 2)
    for stage, channels in enumerate((64, 128, 256, 512), start=1):
        for block in (1, 2):
            _residual(b, f"block{stage}_{block}", channels, 2 if block == 1 and stage > 1 else 1)
    b.classifier(1000)
    return b.model()


def _residual(b: _Builder, name: str, channels: int, stride: int) -> None:
    start, shape = b.tensor, b.shape
    b.conv(f"{name}_conv1", channels, stride=stride)
    b.conv(f"{name}_conv2", channels, relu=False)
    end, shortcut = b.tensor, start
    if stride != 1:
        b.go_to(start, shape)
        b.conv(f"{name}_shortcut", channels, (1, 1), stride, relu=False)
        shortcut = b.tensor
    b.op("Add", f"{name}_add", shortcut, end)
    b.op("Relu", f"{name}_relu")


def _inception() -> ModelProto:
    b = _Builder("inception", (3, 32, 32))
    b.conv("stem", 32, stride=2)
    for module, channels in enumerate((32, 48), start=1):
        _inception_module(b, f"module{module}", channels)
    b.classifier(10)
    return b.model()


def _inception_module(b: _Builder, name: str, channels: int) -> None:
    """1x1, 1x1 and 3x3, maximum and 1x1: the channels of each behind those of the one before."""
    start, shape = b.tensor, b.shape
    b.conv(f"{name}_1x1", channels, (1, 1))
    ends = [b.tensor]
    b.go_to(start, shape)
    b.conv(f"{name}_reduce", channels, (1, 1))
    b.conv(f"{name}_3x3", channels)
    ends.append(b.tensor)
    b.go_to(start, shape)
    b.max_pool(f"{name}_pool", 3, 1)
    b.conv(f"{name}_project", channels, (1, 1))
    b.op("Concat", f"{name}_concat", *ends, b.tensor, axis=1)
    b.shape = (3 * channels, *shape[1:])


def _autoencoder() -> ModelProto:
    b = _Builder("ad", (640,))
    for layer, channels in enumerate((128, 128, 128, 128, 8, 128, 128, 128, 128), start=1):
        b.gemm(f"fc{layer}", channels, relu=True)
    b.gemm("fc10", 640)
    return b.model()


_BUILDERS: dict[str, Callable[[], ModelProto]] = {
    "kws": _ds_cnn,
    "vww": partial(_mobilenet, "vww", 96, 8, 2),
    "ic": _resnet8,
    "ad": _autoencoder,
    "v1_25": partial(_mobilenet, "v1_25", 128, 8, 1000),
    "v1_100": partial(_mobilenet, "v1_100", 128, 32, 1000),
    "v1_224": partial(_mobilenet, "v1_224", 224, 32, 1000),
    "v2_224": _mobilenet_v2,
    "resnet18": _resnet18,
    "resnet20": _resnet20,
    "inception": _inception,
}
ALL_NETWORKS: tuple[str, ...] = tuple(_BUILDERS)
NETWORKS = ALL_NETWORKS[:4]
MEASURED_NETWORKS = ALL_NETWORKS[:6]
LARGE_NETWORKS = ALL_NETWORKS[5:9]
_SIGNALS = ("kws", "ad")


def build(name: str) -> ModelProto:
    """Return the float network: `input` [1, C, H, W] or [1, 640] to `output` [1, N]; KeyError if unknown."""
    return _BUILDERS[name]()


def input_shape(model: ModelProto) -> tuple[int, ...]:
    """Return the shape of the only input, batch included."""
    return tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)


def sample_inputs(name: str, n: int, seed: int) -> FloatArray:
    """Return `n` inputs [n, 1, …], float32: images in 0..1, other signals with mean 0 and variance 1."""
    rng = np.random.default_rng(seed)
    shape = (n, *input_shape(build(name)))
    return (rng.normal(size=shape) if name in _SIGNALS else rng.random(shape)).astype(np.float32)


class _Samples(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is untyped
    def __init__(self, inputs: FloatArray) -> None:
        self._feeds: Iterator[dict[str, FloatArray]] = ({"input": x} for x in inputs)

    def get_next(self) -> dict[str, FloatArray] | None:
        return next(self._feeds, None)


def quantized(name: str, *, activations: str = "int8", per_channel: bool = True) -> ModelProto:
    """Return the QDQ network that onnxruntime makes of `build(name)`; `activations` is int8 or uint8.

    Nothing is cached: a caller that needs it often keeps it.
    """
    kinds = {"int8": QuantType.QInt8, "uint8": QuantType.QUInt8}
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        quantize_static(
            build(name),
            path,
            _Samples(sample_inputs(name, CALIBRATION_INPUTS, CALIBRATION_SEED)),
            quant_format=QuantFormat.QDQ,
            per_channel=per_channel,
            activation_type=kinds[activations],
            weight_type=QuantType.QInt8,
        )
        return onnx.load(path)


def weight_bytes(model: ModelProto) -> int:
    """Return the bytes of all constants of a float network, a byte for each element: what no form of it goes
    below."""
    return sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)


def macs(model: ModelProto) -> int:
    """Return the multiply-accumulates of all Conv and Gemm of a float network."""
    inferred = shape_inference.infer_shapes(model).graph
    values = [*inferred.value_info, *inferred.output]
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
    shapes |= {i.name: list(i.dims) for i in inferred.initializer}
    total = 0
    for node in inferred.node:
        if node.op_type in ("Conv", "Gemm"):
            per_output = np.prod(shapes[node.input[1]][1:])
            total += int(np.prod(shapes[node.output[0]]) * per_output)
    return total


@click.command()
@click.argument("name", type=click.Choice(ALL_NETWORKS))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="ONNX file to write.")
@click.option("--float", "as_float", is_flag=True, help="Write the float network.")
@click.option("--activations", type=click.Choice(["int8", "uint8"]), default="int8", show_default=True)
@click.option("--per-tensor", is_flag=True, help="One scale for all weights of a layer.")
def main(name: str, output: Path, *, as_float: bool, activations: str, per_tensor: bool) -> None:
    """Write the network NAME as ONNX."""
    model = build(name) if as_float else quantized(name, activations=activations, per_channel=not per_tensor)
    onnx.save(model, output)


if __name__ == "__main__":
    main()
