"""Small layer graphs for tests: builders with seeded weights, and a hypothesis strategy over all kinds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from tvm_pulp.codegen.graph import Dtype, Layer, LayerGraph, LayerKind, Requant, Tensor, Window

INT32_LIMIT = 2**31 - 1
TWO_INPUTS = (LayerKind.ADD, LayerKind.MUL)
TABLES = (LayerKind.TABLE, LayerKind.QUANTIZE, LayerKind.DEQUANTIZE, LayerKind.SOFTMAX)
WITHOUT_WEIGHTS = (
    *TWO_INPUTS,
    LayerKind.AVGPOOL,
    LayerKind.MAXPOOL,
    *TABLES,
    LayerKind.COPY,
    LayerKind.TRANSPOSE,
    LayerKind.IM2COL,
)
SUMMED = (LayerKind.CONV_DIRECT, LayerKind.LINEAR)
FLOATS = (LayerKind.DEQUANTIZE, LayerKind.SOFTMAX)
ENDS = (LayerKind.QUANTIZE, *FLOATS, LayerKind.TRANSPOSE)
SINGLE = tuple(kind for kind in LayerKind if kind not in (LayerKind.FUSED, LayerKind.IM2COL))
BETWEEN = tuple(kind for kind in SINGLE if kind not in ENDS)
ORDERS = {
    LayerKind.TRANSPOSE: ((True, False), (False, True)),
    LayerKind.QUANTIZE: ((False, False), (True, True), (True, False)),
}
"""Whether input and output are planar."""


@dataclass(frozen=True)
class Shape:
    """What a one-layer graph is made from; sizes in elements."""

    kind: LayerKind
    height: int = 8
    width: int = 8
    channels: int = 8
    out_channels: int = 8
    window: Window = field(default_factory=Window)
    zero_point: int = 0
    wide: bool = False
    split: bool = False  # wide, with multipliers in two parts
    lo: int = 0
    hi: int = 255
    seed: int = 0
    groups: int = 1  # CONV_DIRECT
    one_pixel: bool = False  # second operand of a MUL
    skips_padding: bool = False  # AVGPOOL
    weight_offset: int = 0  # CONV_DIRECT
    planar: tuple[bool, bool] = (False, False)  # input and output of a TRANSPOSE or QUANTIZE
    sums: bool = False  # CONV_DIRECT and LINEAR without requantization


def output_size(size: int, kernel: int, stride: int, before: int, after: int) -> int:
    """Outputs of a sliding window on one axis (the last window that fits)."""
    return (size + before + after - kernel) // stride + 1


def single_layer(shape: Shape) -> LayerGraph:
    """A graph `net` of one layer `layer` with inputs `x` (and `x2` for an add) and output `y`."""
    rng = np.random.default_rng(shape.seed)
    inputs = {"x": Tensor("x", shape.height, shape.width, shape.channels, shape.zero_point, "x")}
    if shape.kind in TWO_INPUTS:
        size = (1, 1) if shape.one_pixel else (shape.height, shape.width)
        inputs["x2"] = Tensor("x2", *size, shape.channels, 3, "x2")
    layer = Layer(
        name="layer",
        kind=shape.kind,
        inputs=tuple(inputs),
        output="y",
        window=Window() if shape.kind is LayerKind.LINEAR else shape.window,
        weights=_weights(shape, rng),
        requant=_requant(shape, rng),
        sources=("user/operator",),
        groups=shape.groups,
        table=_table(shape.kind, rng),
        weight_offset=shape.weight_offset,
        bias=_bias(shape, rng),
    )
    inputs["x"] = replace(
        inputs["x"],
        planar=shape.planar[0],
        dtype=Dtype.FLOAT32 if shape.kind is LayerKind.QUANTIZE else Dtype.UINT8,
    )
    tensors = {**inputs, "y": _output(shape)}
    return LayerGraph("net", tensors, tuple(inputs), ("y",), (layer,))


def _output(shape: Shape) -> Tensor:
    if shape.kind is LayerKind.LINEAR:
        return Tensor("y", 1, 1, shape.out_channels, 0, "y", dtype=Dtype.INT32 if shape.sums else Dtype.UINT8)
    window = shape.window
    height = output_size(shape.height, window.extent_h, window.stride_h, window.pad_top, window.pad_bottom)
    width = output_size(shape.width, window.extent_w, window.stride_w, window.pad_left, window.pad_right)
    same = shape.kind in (LayerKind.DEPTHWISE, *WITHOUT_WEIGHTS)
    dtype = Dtype.FLOAT32 if shape.kind in FLOATS else Dtype.UINT8
    dtype = Dtype.INT32 if shape.sums else dtype
    channels = shape.channels if same else shape.out_channels
    if shape.kind is LayerKind.IM2COL:
        channels = window.kernel_h * window.kernel_w * shape.channels
    return Tensor("y", height, width, channels, 0, "y", dtype=dtype, planar=shape.planar[1])


def _table(kind: LayerKind, rng: np.random.Generator) -> npt.NDArray[np.uint8] | npt.NDArray[np.float32] | None:
    """A permutation, any floats, exponentials, or bounds: evenly spread, or so that the kernel has to search
    them."""
    if kind is LayerKind.SOFTMAX:
        return np.asarray((np.exp(-rng.uniform(0.001, 0.5) * np.arange(256)) * 2**30).astype(np.float32))
    if kind is LayerKind.TABLE:
        return np.asarray(rng.permutation(256).astype(np.uint8))
    if kind is LayerKind.DEQUANTIZE:
        return rng.normal(size=256).astype(np.float32)
    if kind is not LayerKind.QUANTIZE:
        return None
    if rng.integers(3) == 0:
        return np.sort(rng.normal(size=255)).astype(np.float32)
    zero_point, scale = rng.integers(0, 256), np.exp2(rng.uniform(-10, 3))
    return np.asarray(((np.arange(1, 256) - 0.5 - zero_point) * scale).astype(np.float32))


def _weights(shape: Shape, rng: np.random.Generator) -> npt.NDArray[np.int8] | None:
    window = shape.window
    sizes: dict[LayerKind, tuple[int, ...]] = {
        LayerKind.CONV2D: (shape.out_channels, window.kernel_h, window.kernel_w, shape.channels),
        LayerKind.POINTWISE: (shape.out_channels, 1, 1, shape.channels),
        LayerKind.DEPTHWISE: (shape.channels, window.kernel_h, window.kernel_w),
        LayerKind.CONV_DIRECT: (
            *(shape.out_channels, window.kernel_h, window.kernel_w),
            shape.channels // shape.groups,
        ),
        LayerKind.LINEAR: (shape.out_channels, shape.height * shape.width * shape.channels),
    }
    if shape.kind not in sizes:
        return None
    return rng.integers(-127, 128, sizes[shape.kind], dtype=np.int8)


def _requant(shape: Shape, rng: np.random.Generator) -> Requant | None:
    """Multipliers and offsets that spread the outputs over 0..255, as large as the proven range allows."""
    if shape.sums or shape.kind in (
        LayerKind.MAXPOOL,
        *TABLES,
        LayerKind.COPY,
        LayerKind.TRANSPOSE,
        LayerKind.IM2COL,
    ):
        return None
    if shape.kind is LayerKind.MUL:
        k = rng.integers(-8000, 8000, 1, dtype=np.int64)
        return Requant(k, rng.integers(0, 1 << 24, 1, dtype=np.int64), 16, False, shape.lo, shape.hi)
    if shape.kind is LayerKind.ADD:
        k = rng.integers(2000, 8000, 2, dtype=np.int64)
        return Requant(k, rng.integers(-200_000, 200_000, 1, dtype=np.int64), 14, False, shape.lo, shape.hi)
    if shape.kind is LayerKind.AVGPOOL:
        elements = np.array([shape.window.kernel_h * shape.window.kernel_w], np.int64)
        if shape.skips_padding:
            elements = np.arange(1, elements[0] + 1)
        k = (1 << 16) // elements
        return Requant(k, np.full(k.size, 1 << 15, np.int64), 16, False, shape.lo, shape.hi)
    weights = _weights(shape, np.random.default_rng(shape.seed))
    if weights is None:
        return None
    whole = weights.reshape(weights.shape[0], -1).astype(np.int64) + shape.weight_offset
    reach = 255 * np.abs(whole).sum(axis=1)
    limit = 2**45 if shape.wide else INT32_LIMIT // 2
    k = np.maximum(1, (limit // np.maximum(reach, 1) * rng.uniform(0.5, 1, reach.size)).astype(np.int64))
    shift = max(0, int(np.max(k * reach)).bit_length() - 10)
    mean = 128 * whole.sum(axis=1)
    bound = (2**50 if shape.wide else INT32_LIMIT) - int(np.max(k * reach))
    offset = np.clip((128 << shift) - k * mean, -bound, bound)
    requant = Requant(k, offset, shift, shape.wide or shape.split, shape.lo, shape.hi)
    return _in_two_parts(requant, reach, rng) if shape.split else requant


def _bias(shape: Shape, rng: np.random.Generator) -> npt.NDArray[np.int32] | None:
    if not shape.sums:
        return None
    return rng.integers(-(2**30), 2**30, shape.out_channels).astype(np.int32)


def _in_two_parts(requant: Requant, reach: npt.NDArray[np.int64], rng: np.random.Generator) -> Requant:
    """Multipliers with as many random bits behind those of 32-bit arithmetic as may be; they are int32."""
    low_bits = min(12, *(31 - int(np.max(values)).bit_length() for values in (reach, requant.multiplier)))
    k = (requant.multiplier << low_bits) + rng.integers(0, 1 << low_bits, requant.multiplier.size)
    room = INT32_LIMIT - int(np.max((requant.multiplier + 1) * reach))
    offset = np.clip(requant.offset, -room, room) << low_bits
    return replace(requant, multiplier=k, offset=offset, shift=requant.shift + low_bits, low_bits=low_bits)


_WINDOWED = (
    LayerKind.CONV2D,
    LayerKind.DEPTHWISE,
    LayerKind.CONV_DIRECT,
    LayerKind.AVGPOOL,
    LayerKind.MAXPOOL,
    LayerKind.IM2COL,
)


@st.composite
def windows(draw: st.DrawFn, height: int, width: int) -> Window:
    """Kernels up to 5x5, strides up to 3, any padding smaller than the kernel, at least one output."""

    def axis(size: int) -> tuple[int, int, int, int]:
        kernel = draw(st.integers(1, 5))
        pads = st.integers(0, kernel - 1)
        before, after = draw(pads), draw(pads)
        missing = max(0, kernel - size - before - after)
        return kernel - missing, draw(st.integers(1, 3)), min(before, kernel - missing - 1), after

    kernel_h, stride_h, top, bottom = axis(height)
    kernel_w, stride_w, left, right = axis(width)
    bottom, right = min(bottom, kernel_h - 1), min(right, kernel_w - 1)
    kernel_h = min(kernel_h, height + top + bottom)
    kernel_w = min(kernel_w, width + left + right)
    return Window(
        kernel_h, kernel_w, stride_h, stride_w,
        min(top, kernel_h - 1), min(bottom, kernel_h - 1), min(left, kernel_w - 1), min(right, kernel_w - 1),
    )  # fmt: skip


@st.composite
def shapes(draw: st.DrawFn, kinds: tuple[LayerKind, ...] = SINGLE) -> Shape:
    """One layer of any kind with odd sizes, 1 to 40 channels, of a softmax also more than a byte counts."""
    kind = draw(st.sampled_from(kinds))
    height, width = draw(st.integers(1, 17)), draw(st.integers(1, 17))
    window = Window()
    if kind in _WINDOWED:
        window = draw(windows(height, width))
    if kind is LayerKind.CONV2D and window == Window():
        window = Window(stride_h=2)
    bounds = draw(st.sampled_from([(0, 255), (0, 255), (3, 200)]))
    weighted = kind not in WITHOUT_WEIGHTS
    groups = draw(st.integers(1, 5)) if kind is LayerKind.CONV_DIRECT else 1
    if kind is LayerKind.CONV_DIRECT:
        window = draw(dilated(window, height, width))
    forms: list[dict[str, bool]] = [{}, {}, {}, {"wide": True}, {"split": True}] if weighted else [{}]
    if kind in SUMMED:
        forms += [{"sums": True}, {"sums": True}]
    most = 700 if kind is LayerKind.SOFTMAX and draw(st.booleans()) else 40
    return Shape(
        kind=kind,
        height=height,
        width=width,
        channels=groups * draw(st.integers(1, most // groups)),
        out_channels=groups * draw(st.integers(1, 40 // groups)),
        window=window,
        zero_point=draw(st.sampled_from([0, 0, 7, 128])),
        **draw(st.sampled_from(forms)),
        lo=bounds[0],
        hi=bounds[1],
        seed=draw(st.integers(0, 999)),
        groups=groups,
        one_pixel=kind is LayerKind.MUL and draw(st.booleans()),
        skips_padding=kind is LayerKind.AVGPOOL and window != Window() and draw(st.booleans()),
        weight_offset=draw(st.sampled_from([0, -100, 7])) if kind is LayerKind.CONV_DIRECT else 0,
        planar=draw(st.sampled_from(ORDERS.get(kind, ((False, False),)))),
    )


@st.composite
def dilated(draw: st.DrawFn, window: Window, height: int, width: int) -> Window:
    """The window with dilations with which it still fits the padded map."""

    def most(size: int, kernel: int) -> int:
        return min(3, (size - 1) // (kernel - 1)) if kernel > 1 else 1

    rows = height + window.pad_top + window.pad_bottom
    columns = width + window.pad_left + window.pad_right
    return replace(
        window,
        dilation_h=draw(st.integers(1, most(rows, window.kernel_h))),
        dilation_w=draw(st.integers(1, most(columns, window.kernel_w))),
    )


@st.composite
def layer_graphs(draw: st.DrawFn, kinds: tuple[LayerKind, ...] = SINGLE) -> LayerGraph:
    """Graphs of one layer."""
    return single_layer(draw(shapes(kinds)))


class NetworkBuilder:
    """Adds layers one after the other; each reads the last one's output unless told otherwise.

    Tensors are named `x`, `t0`, `t1` ..., layers `l0`, `l1` ..., the user's operators `op0`, `op1` ...
    """

    def __init__(self, height: int, width: int, channels: int, zero_point: int = 0) -> None:
        self.tensors = {"x": Tensor("x", height, width, channels, zero_point, "x")}
        self.layers: list[Layer] = []
        self.last = "x"

    def add(
        self,
        kind: LayerKind,
        out_channels: int = 0,
        window: Window | None = None,
        inputs: tuple[str, ...] = (),
        *,
        wide: bool = False,
    ) -> str:
        """The name of the new layer's output."""
        index = len(self.layers)
        names = inputs or (self.last,)
        source = self.tensors[names[0]]
        shape = Shape(
            kind, source.height, source.width, source.channels, out_channels, window or Window(),
            source.zero_point, seed=index, wide=wide,
        )  # fmt: skip
        single = single_layer(shape)
        self.last = f"t{index}"
        self.tensors[self.last] = replace(single.tensors["y"], name=self.last, source=f"op{index}_out")
        layer = replace(
            single.layers[0], name=f"l{index}", inputs=names, output=self.last, sources=(f"op{index}",)
        )
        self.layers.append(layer)
        return self.last

    def graph(self, *extra_outputs: str) -> LayerGraph:
        """The network; the last layer's output and `extra_outputs` are its outputs."""
        return LayerGraph("net", self.tensors, ("x",), (self.last, *extra_outputs), tuple(self.layers))


def window3(stride: int = 1) -> Window:
    """3x3 with padding 1."""
    return Window(3, 3, stride, stride, 1, 1, 1, 1)


def residual_network(zero_point: int = 0) -> LayerGraph:
    """conv -> (depthwise -> pointwise) + itself -> max pool -> average pool -> linear, on 19x14 pixels."""
    net = NetworkBuilder(19, 14, 3, zero_point)
    stem = net.add(LayerKind.CONV2D, 12, window3())
    net.add(LayerKind.DEPTHWISE, window=window3())
    branch = net.add(LayerKind.POINTWISE, 12)
    net.add(LayerKind.ADD, inputs=(branch, stem))
    net.add(LayerKind.MAXPOOL, window=Window(2, 2, 2, 2))
    net.add(LayerKind.AVGPOOL, window=Window(9, 7))
    net.add(LayerKind.LINEAR, 10)
    return net.graph()


def resnet8() -> LayerGraph:
    """The shape of MLPerf Tiny's image classification network."""
    net = NetworkBuilder(32, 32, 3)
    net.add(LayerKind.CONV2D, 16, window3())
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        shortcut = net.last
        net.add(LayerKind.CONV2D, channels, window3(stride))
        branch = net.add(LayerKind.CONV2D, channels, window3())
        if stride == 2:
            shortcut = net.add(LayerKind.CONV2D, channels, Window(1, 1, 2, 2), inputs=(shortcut,))
        net.add(LayerKind.ADD, inputs=(branch, shortcut))
    net.add(LayerKind.AVGPOOL, window=Window(8, 8))
    net.add(LayerKind.LINEAR, 10)
    return net.graph()


def wide_network() -> LayerGraph:
    """Depthwise separable layers on a map of 16x16x32, and a residual sum around two of them."""
    net = NetworkBuilder(16, 16, 8)
    start = net.add(LayerKind.POINTWISE, 32)
    net.add(LayerKind.DEPTHWISE, window=window3())
    branch = net.add(LayerKind.POINTWISE, 32)
    net.add(LayerKind.ADD, inputs=(branch, start))
    net.add(LayerKind.DEPTHWISE, window=window3(2))
    net.add(LayerKind.POINTWISE, 64)
    net.add(LayerKind.AVGPOOL, window=Window(8, 8))
    net.add(LayerKind.LINEAR, 10)
    return net.graph()


def heavy_network() -> LayerGraph:
    """Pointwise layers whose parameters take as much as their maps of 8x8x128."""
    net = NetworkBuilder(8, 8, 64)
    for channels in (128, 128, 128, 64):
        net.add(LayerKind.POINTWISE, channels)
    return net.graph()
