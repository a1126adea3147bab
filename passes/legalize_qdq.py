"""Quantized islands of an imported QDQ network become canonical integer arithmetic on NHWC bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import tvm
from tvm import relay

from .expressions import as_call, dtype_of, operator_name, post_order, shape_of, with_main
from .legalize.add import legalize_add, legalize_subtract
from .legalize.build import flip_to_uint8
from .legalize.concatenate import legalize_concatenate, legalize_slice, legalize_split
from .legalize.conv2d import legalize_conv2d, read_convolution
from .legalize.dense import legalize_dense, read_linear
from .legalize.island import Island, Refusal, Rule, Values, strip_activations
from .legalize.multiply import legalize_multiply
from .legalize.pad import legalize_pad
from .legalize.pool import (
    legalize_average_pool,
    legalize_global_average_pool,
    legalize_max_pool,
    legalize_mean,
)
from .legalize.read import activation_quantization, behind_item, operands_of
from .legalize.requantize import legalize_requantize
from .legalize.reshape import legalize_reshape
from .legalize.resize import legalize_resize
from .legalize.softmax import quantized_softmax
from .legalize.spans import with_span
from .legalize.table import legalize_table
from .legalize.transpose import legalize_transpose
from .legalize.values import Quantized, from_user_layout, in_user_form, in_user_layout
from .legalize.weighted import WeightedLayer, peel_bias, real_sums
from .numerics import LARGEST_ERROR, Quantization, Range
from .refusals import add_refusals
from .relay_pass import RelayPass

# What only moves or selects bytes: it commutes with quantization, so it may stand on either side of it.
MOVES: dict[str, Rule] = {
    "reshape": legalize_reshape,
    "nn.batch_flatten": legalize_reshape,
    "squeeze": legalize_reshape,
    "expand_dims": legalize_reshape,
    "transpose": legalize_transpose,
    "nn.max_pool2d": legalize_max_pool,
    "nn.max_pool1d": legalize_max_pool,
    "strided_slice": legalize_slice,
    "image.resize2d": legalize_resize,
    "nn.upsampling": legalize_resize,
    "nn.pad": legalize_pad,
}

RULES: dict[str, Rule] = {
    **MOVES,
    "nn.conv2d": legalize_conv2d,
    "nn.conv1d": legalize_conv2d,
    "nn.dense": legalize_dense,
    "nn.matmul": legalize_dense,
    "add": legalize_add,
    "subtract": legalize_subtract,
    "multiply": legalize_multiply,
    "concatenate": legalize_concatenate,
    "split": legalize_split,
    "mean": legalize_mean,
    "nn.avg_pool2d": legalize_average_pool,
    "nn.avg_pool1d": legalize_average_pool,
    "nn.global_avg_pool2d": legalize_global_average_pool,
    "qnn.dequantize": legalize_requantize,  # nothing between dequantize and quantize, or only a clip
}

WEIGHTED: dict[str, Callable[[relay.Expr, Values], WeightedLayer | Refusal]] = {
    "nn.conv2d": read_convolution,
    "nn.conv1d": read_convolution,
    "nn.dense": read_linear,
    "nn.matmul": read_linear,
}


class _Rewriter:
    """Rewrites bottom-up.

    `values` holds what every quantized or dequantized expression became, `stores` the 8-bit tensors behind
    them by what they are read as, `exprs` all the others.
    """

    def __init__(self, narrow_error: float) -> None:
        self._narrow_error = narrow_error
        self.refusals: dict[str, str] = {}
        self._values: dict[relay.Expr, Quantized] = {}
        self._stores: dict[tuple[relay.Expr, Quantization], Quantized] = {}
        self._exprs: dict[relay.Expr, relay.Expr] = {}

    def function(self, func: relay.Function) -> relay.Function:
        for expr in post_order(func.body):  # operands first, so that no recursion is deeper than an island
            if as_call(expr, "qnn.quantize") is not None:
                self._quantized(expr)
        body = self._rewritten(func.body)
        return relay.Function(func.params, body, None, func.type_params, func.attrs)

    # ---- Islands ---------------------------------------------------------------------------------------

    def _quantized(self, quantize: relay.Call) -> Quantized | None:
        """The canonical value of a `qnn.quantize`; None if it is not per tensor and 8 bit."""
        if quantize in self._values:
            return self._values[quantize]
        dtype, shape = dtype_of(quantize), shape_of(quantize)
        out = activation_quantization(quantize, dtype)
        if out is None:
            return None
        value = self._island(quantize.args[0], out, dtype)
        value = value or self._quantized_float(quantize, out, shape, dtype)
        self._values[quantize] = value
        return value

    def _island(self, result: relay.Expr, out: Quantization, dtype: str) -> Quantized | None:
        """The float expression `result`, quantized as `out`; None if there is no rule for what computes it."""
        return self._by_rule(result, out, dtype) or self._by_table(result, out, dtype)

    def _by_rule(self, result: relay.Expr, out: Quantization, dtype: str) -> Quantized | None:
        core, bounds, activations = strip_activations(result, out)
        main = behind_item(peel_bias(core)[0])
        rule = RULES.get(main.op.name) if as_call(main, *RULES) is not None else None
        if rule is None:
            return None
        values: Values = self._dequantized_value
        if not self._reads_quantized(main):
            inner = self._island(main.args[0], out, dtype) if as_call(main, *MOVES) is not None else None
            if inner is None:
                return None
            values = {main.args[0]: inner}.get
        operators = (main, *activations) if main.op.name != "qnn.dequantize" else activations
        return self._legalized(
            rule, Island(core, out, bounds, shape_of(result), dtype, operators, values, self._narrow_error)
        )

    def _by_table(self, result: relay.Expr, out: Quantization, dtype: str) -> Quantized | None:
        """The value of a function of one tensor, element by element."""
        island = Island(
            result, out, Range(), shape_of(result), dtype, (), self._dequantized_value, self._narrow_error
        )
        found = legalize_table(island)
        if found is None:
            return None
        for operator in found.operators:
            self.refusals.pop(operator_name(operator), None)
        value = found.value
        return value.with_expr(with_span(value.expr, found.operators, [found.source]))

    def _legalized(self, rule: Rule, island: Island) -> Quantized | None:
        """What the rule makes of an island; a refusal is written down."""
        main = behind_item(peel_bias(island.core)[0])
        result = rule(island)
        if isinstance(result, Refusal):
            self.refusals[operator_name(main)] = result.reason
            return None
        read = (main, *operands_of(main))
        leaves = [value.expr for arg in read if (value := island.value(arg)) is not None]
        return result.with_expr(with_span(result.expr, island.operators, leaves))

    def _reads_quantized(self, core: relay.Call) -> bool:
        sources = [core] if core.op.name == "qnn.dequantize" else operands_of(core)
        return any(self._dequantized_value(source) is not None for source in sources)

    def _quantized_float(
        self, quantize: relay.Call, out: Quantization, shape: tuple[int, ...], dtype: str
    ) -> Quantized:
        """A float tensor that is quantized straight to canonical bytes, in the user's layout first."""
        data = self._rewritten(quantize.args[0])
        scale = quantize.args[1]
        expr = relay.qnn.op.quantize(
            data, scale, relay.const(out.zero_point, "int32"), axis=quantize.attrs.axis, out_dtype="uint8"
        )
        return from_user_layout(with_span(expr, (quantize,), [data]), out, shape, dtype)

    # ---- Values ----------------------------------------------------------------------------------------

    def _dequantized_value(self, expr: relay.Expr) -> Quantized | None:
        """The canonical value of a float expression that has one: a `qnn.dequantize`, also moved afterwards."""
        if expr not in self._values:
            value = self._dequantized(expr) or self._moved(expr, self._dequantized_value)
            if value is None:
                return None
            self._values[expr] = value
        return self._values[expr]

    def _dequantized(self, expr: relay.Expr) -> Quantized | None:
        call = as_call(expr, "qnn.dequantize")
        if call is None or isinstance(call.args[0], relay.Constant):
            return None
        meaning = activation_quantization(call, dtype_of(call.args[0]))
        return None if meaning is None else self._stored(call.args[0], meaning)

    def _stored(self, expr: relay.Expr, meaning: Quantization) -> Quantized | None:
        """The canonical value of an 8-bit tensor of the user's; whatever it was quantized with, it is read as
        `meaning`."""
        if as_call(expr, "qnn.quantize") is not None:
            value = self._quantized(expr)
            return None if value is None else replace(value, quantization=meaning)
        if (expr, meaning) not in self._stores:
            self._stores[expr, meaning] = self._read_as(expr, meaning)
        return self._stores[expr, meaning]

    def _read_as(self, expr: relay.Expr, meaning: Quantization) -> Quantized:
        moved = self._moved(expr, lambda source: self._stored(source, meaning))
        if moved is not None:
            return moved
        dtype = dtype_of(expr)
        rewritten = self._rewritten(expr)
        bytes_ = flip_to_uint8(rewritten) if dtype == "int8" else rewritten
        return from_user_layout(with_span(bytes_, (), [rewritten]), meaning, shape_of(expr), dtype)

    def _moved(self, expr: relay.Expr, values: Values) -> Quantized | None:
        """The value of an operator that only moves the bytes of one of `values`."""
        call = as_call(expr, *MOVES)
        source = values(call.args[0]) if call is not None else None
        if call is None or source is None:
            return None
        known = {call.args[0]: source}
        island = Island(
            call,
            source.quantization,
            Range(),
            shape_of(call),
            source.dtype,
            (call,),
            known.get,
            self._narrow_error,
        )
        return self._legalized(MOVES[call.op.name], island)

    def _moved_output(self, expr: relay.Expr) -> Quantized | None:
        """The value of an 8-bit tensor that was moved after it was quantized; None if a move on the way has no
        canonical form."""
        quantize = as_call(expr, "qnn.quantize")
        if quantize is not None:
            return self._quantized(quantize)
        call = as_call(expr, *MOVES)
        source = self._moved_output(call.args[0]) if call is not None else None
        if call is None or source is None:
            return None
        key = (expr, source.quantization)
        moved = self._stores.get(key) or self._moved(expr, {call.args[0]: source}.get)
        if moved is not None:
            self._stores[key] = moved
        return moved

    # ---- Everything else -------------------------------------------------------------------------------

    def _rewritten(self, expr: relay.Expr) -> relay.Expr:
        """`expr` in the user's form, of the same type as before."""
        if expr not in self._exprs:
            self._exprs[expr] = self._rewrite(expr)
        return self._exprs[expr]

    def _rewrite(self, expr: relay.Expr) -> relay.Expr:
        if (value := self._moved_output(expr)) is not None:
            return in_user_form(value)
        if (value := self._dequantized_value(expr)) is not None:
            meaning = value.quantization
            scale, zero_point = relay.const(meaning.scale, "float32"), relay.const(meaning.zero_point, "int32")
            expr_out = relay.qnn.op.dequantize(in_user_layout(value), scale, zero_point)
            return with_span(expr_out, (expr,), [value.expr])
        return (
            self._real_sums(expr)
            or self._softmax(expr)
            or self._argument(expr)
            or self._with_rewritten_operands(expr)
        )

    def _with_rewritten_operands(self, expr: relay.Expr) -> relay.Expr:
        if isinstance(expr, relay.Call):
            args = [self._rewritten(arg) for arg in expr.args]
            return relay.Call(expr.op, args, expr.attrs, expr.type_args, expr.span)
        if isinstance(expr, relay.Tuple):
            return relay.Tuple([self._rewritten(field) for field in expr.fields], expr.span)
        if isinstance(expr, relay.TupleGetItem):
            return relay.TupleGetItem(self._rewritten(expr.tuple_value), expr.index, expr.span)
        return expr

    def _real_sums(self, expr: relay.Expr) -> relay.Expr | None:
        """A layer with weights whose result stays float; None if it is none, or does not read 8 bits."""
        core = peel_bias(expr)[0]
        if as_call(core, *WEIGHTED) is None or not self._reads_quantized(core):
            return None
        layer = WEIGHTED[core.op.name](expr, self._dequantized_value)
        real = layer if isinstance(layer, Refusal) else real_sums(layer, shape_of(expr))
        if isinstance(layer, Refusal) or isinstance(real, Refusal):
            self.refusals.setdefault(operator_name(core), real.reason)
            return None
        return with_span(real, (core,), [layer.x.expr])

    def _softmax(self, expr: relay.Expr) -> relay.Expr | None:
        """A softmax of a quantized tensor; its result stays float."""
        call = as_call(expr, "nn.softmax")
        x = self._dequantized_value(call.args[0]) if call is not None else None
        if call is None or x is None:
            return None
        real = quantized_softmax(call, x)
        if isinstance(real, Refusal):
            self.refusals.setdefault(operator_name(call), real.reason)
            return None
        return with_span(real, (call,), [x.expr])

    def _argument(self, expr: relay.Expr) -> relay.Expr | None:
        """Where a quantized tensor's largest or smallest element is: bytes are ordered as what they mean."""
        call = as_call(expr, "argmax", "argmin")
        x = self._dequantized_value(call.args[0]) if call is not None else None
        if call is None or x is None:
            return None
        return with_span(relay.Call(call.op, [in_user_layout(x)], call.attrs), (call,), [x.expr])


class LegalizeQdq(RelayPass):
    """Where an operator stands between dequantize and quantize, computes it in the canonical integer form.

    Expects a type-inferred module with inlined constants. What is not legalized stays in the importer's form,
    and the reason is added to the module's refusals. Multipliers of convolutions and linear layers have 32 bits
    where that costs at most `narrow_error` units of the result, else more.
    """

    name = "legalize-qdq"
    description = "write quantized operators in the canonical integer form on NHWC bytes"

    def __init__(self, narrow_error: float = LARGEST_ERROR) -> None:
        self._narrow_error = narrow_error

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        rewriter = _Rewriter(self._narrow_error)
        legalized = with_main(mod, rewriter.function(mod["main"]))
        return add_refusals(relay.transform.InferType()(legalized), rewriter.refusals)
