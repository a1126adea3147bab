"""`qnn` operators of TVM's TFLite importer become float operators between dequantize and quantize, in NCHW."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tvm
from tvm import relay

from .expressions import as_call, dtype_of, operator_name, shape_of, with_main
from .legalize.spans import named
from .relay_pass import RelayPass

_TO_NCHW, _TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass(frozen=True)
class _Limits:
    """A clip on the integers of a result."""

    low: float
    high: float


class _Rewriter(relay.ExprMutator):  # type: ignore[misc] # TVM has no types
    """Every result of an integer operator is what a quantize makes of a float operator."""

    def visit_call(self, call: relay.Call) -> relay.Expr:
        made = self._made(call, None)
        if made is None and as_call(call, "clip") is not None:
            limits = _Limits(float(call.attrs.a_min), float(call.attrs.a_max))
            source = call.args[0]
            made = self._made(source, limits) if isinstance(source, relay.Call) else None
        if made is None:
            return super().visit_call(call)
        return named(made, operator_name(call))

    def _made(self, call: relay.Call, limits: _Limits | None) -> relay.Expr | None:
        if as_call(call, "qnn.requantize") is not None:
            return self._requantize(call, limits)
        if as_call(call, "qnn.add", "qnn.subtract", "qnn.mul") is not None:
            return self._binary(call, limits)
        if as_call(call, "cast") is not None and as_call(call.args[0], "nn.avg_pool2d") is not None:
            return self._average(call, limits)
        if as_call(call, "nn.max_pool2d") is not None and call.attrs.layout == "NHWC":
            return self._maximum(call)
        return None

    # ---- Operators -------------------------------------------------------------------------------------

    def _requantize(self, call: relay.Call, limits: _Limits | None) -> relay.Expr | None:
        data, in_scale, in_zero, out_scale, out_zero = call.args
        biased = as_call(data, "nn.bias_add", "add")
        layer = as_call(biased.args[0] if biased is not None else data, "qnn.conv2d", "qnn.dense")
        if layer is None:
            if dtype_of(data) not in ("int8", "uint8"):
                return None
            real = relay.qnn.op.dequantize(self.visit(data), in_scale, in_zero)
            return _quantized(real, out_scale, out_zero, dtype_of(call), limits)
        bias = biased.args[1] if biased is not None else None
        real = self._convolution(layer, bias) if layer.op.name == "qnn.conv2d" else self._dense(layer, bias)
        return None if real is None else _quantized(real, out_scale, out_zero, dtype_of(call), limits)

    def _convolution(self, call: relay.Call, bias: relay.Expr | None) -> relay.Expr | None:
        attrs = call.attrs
        weights = _constant(call.args[1])
        if weights is None or attrs.data_layout != "NHWC" or attrs.kernel_layout not in ("HWIO", "HWOI"):
            return None
        if attrs.kernel_layout == "HWOI":
            height, width, inputs, multiplier = weights.shape
            stored = weights.transpose(2, 3, 0, 1).reshape(inputs * multiplier, 1, height, width)
        else:
            stored = weights.transpose(3, 2, 0, 1)
        data, padding = _padded(call)
        real = relay.transpose(self._dequantized(data, call.args[4], call.args[2]), _TO_NCHW)
        conv = relay.nn.conv2d(
            real,
            _weights(stored, call.args[5], call.args[3]),
            strides=attrs.strides,
            padding=padding,
            dilation=attrs.dilation,
            groups=attrs.groups,
            channels=stored.shape[0],
            kernel_size=stored.shape[2:],
        )
        return relay.transpose(_biased(conv, bias, call, 1), _TO_NHWC)

    def _dense(self, call: relay.Call, bias: relay.Expr | None) -> relay.Expr | None:
        weights = _constant(call.args[1])
        if weights is None:
            return None
        real = self._dequantized(call.args[0], call.args[4], call.args[2])
        dense = relay.nn.dense(real, _weights(weights, call.args[5], call.args[3]), units=weights.shape[0])
        return _biased(dense, bias, call, 1)

    def _binary(self, call: relay.Call, limits: _Limits | None) -> relay.Expr:
        a, b, a_scale, a_zero, b_scale, b_zero, out_scale, out_zero = call.args
        operator = {"qnn.add": relay.add, "qnn.subtract": relay.subtract, "qnn.mul": relay.multiply}[
            call.op.name
        ]
        real = operator(self._dequantized(a, a_scale, a_zero), self._dequantized(b, b_scale, b_zero))
        return _quantized(real, out_scale, out_zero, dtype_of(call), limits)

    def _average(self, call: relay.Call, limits: _Limits | None) -> relay.Expr | None:
        """An average of integers has their scale, whatever that is."""
        pool = call.args[0]
        widened = as_call(pool.args[0], "cast")
        if widened is None or dtype_of(widened.args[0]) != dtype_of(call) or pool.attrs.layout != "NHWC":
            return None
        one, zero = relay.const(1.0, "float32"), relay.const(0, "int32")
        attrs = pool.attrs
        average = relay.nn.avg_pool2d(
            relay.transpose(self._dequantized(widened.args[0], one, zero), _TO_NCHW),
            pool_size=attrs.pool_size,
            strides=attrs.strides,
            dilation=attrs.dilation,
            padding=attrs.padding,
            ceil_mode=attrs.ceil_mode,
            count_include_pad=attrs.count_include_pad,
        )
        return _quantized(relay.transpose(average, _TO_NHWC), one, zero, dtype_of(call), limits)

    def _maximum(self, call: relay.Call) -> relay.Expr | None:
        if dtype_of(call) not in ("int8", "uint8"):
            return None
        attrs = call.attrs
        pool = relay.nn.max_pool2d(
            relay.transpose(self.visit(call.args[0]), _TO_NCHW),
            pool_size=attrs.pool_size,
            strides=attrs.strides,
            dilation=attrs.dilation,
            padding=attrs.padding,
            ceil_mode=attrs.ceil_mode,
        )
        return relay.transpose(pool, _TO_NHWC)

    def _dequantized(self, data: relay.Expr, scale: relay.Expr, zero_point: relay.Expr) -> relay.Expr:
        return relay.qnn.op.dequantize(self.visit(data), scale, zero_point)


def _constant(expr: relay.Expr) -> npt.NDArray[np.generic] | None:
    return np.asarray(expr.data.numpy()) if isinstance(expr, relay.Constant) else None


def _weights(stored: npt.NDArray[np.generic], scale: relay.Expr, zero_point: relay.Expr) -> relay.Expr:
    values = np.broadcast_to(np.asarray(zero_point.data.numpy()), scale.data.shape)
    zero_points = relay.const(np.ascontiguousarray(values), "int32")
    return relay.qnn.op.dequantize(relay.const(np.ascontiguousarray(stored)), scale, zero_points, axis=0)


def _padded(call: relay.Call) -> tuple[relay.Expr, Sequence[int]]:
    """The convolution's input without a border of its zero point, which becomes a part of the padding."""
    padding = [int(size) for size in call.attrs.padding]
    border = as_call(call.args[0], "nn.pad")
    value, zero_point = (_constant(arg) for arg in (border.args[1] if border else call, call.args[2]))
    if border is None or value is None or zero_point is None or int(value) != int(zero_point):
        return call.args[0], padding
    widths = [[int(size) for size in axis] for axis in border.attrs.pad_width]
    batch, (top, bottom), (left, right), channels = widths
    if any(batch) or any(channels):
        return call.args[0], padding
    return border.args[0], [padding[0] + top, padding[1] + left, padding[2] + bottom, padding[3] + right]


def _biased(layer: relay.Call, bias: relay.Expr | None, call: relay.Call, axis: int) -> relay.Expr:
    """The layer with its int32 bias, whose units are the product of the scales of input and weights."""
    if bias is None:
        return layer
    scales = [np.asarray(arg.data.numpy(), np.float64).ravel() for arg in (call.args[4], call.args[5])]
    channels = shape_of(bias)[-1]
    scale = np.broadcast_to(scales[0] * scales[1], (channels,)).astype(np.float32)
    zero_points = relay.const(np.zeros(channels, np.int32))
    real = relay.qnn.op.dequantize(bias, relay.const(np.ascontiguousarray(scale)), zero_points, axis=0)
    return relay.nn.bias_add(layer, real, axis=axis)


def _quantized(
    real: relay.Expr, scale: relay.Expr, zero_point: relay.Expr, dtype: str, limits: _Limits | None
) -> relay.Expr:
    """The result; a clip on its integers becomes one on real numbers where it does anything."""
    range_ = np.iinfo(dtype)
    if limits is not None and (limits.low > range_.min or limits.high < range_.max):
        step, zero = float(scale.data.numpy()), int(zero_point.data.numpy())
        real = relay.clip(real, (limits.low - zero) * step, (limits.high - zero) * step)
    return relay.qnn.op.quantize(real, scale, zero_point, out_dtype=dtype)


class QnnToQdq(RelayPass):
    """What TVM's TFLite importer makes, in the form that `legalize-qdq` takes.

    Expects a type-inferred module with inlined constants. Transpositions between NHWC and NCHW stand around
    every operator; legalization cancels them.
    """

    name = "qnn-to-qdq"
    description = "write qnn operators as float operators between dequantize and quantize"

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        return relay.transform.InferType()(with_main(mod, _Rewriter().visit(mod["main"])))
