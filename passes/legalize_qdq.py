"""Quantized islands of an imported QDQ network become canonical integer arithmetic on NHWC bytes."""

from __future__ import annotations

import tvm
from tvm import relay

from .legalize.add import legalize_add
from .legalize.build import flip_to_uint8
from .legalize.conv2d import legalize_conv2d
from .legalize.dense import legalize_dense
from .legalize.island import Island, Refusal, Rule, strip_activations
from .legalize.pool import legalize_average_pool, legalize_global_average_pool, legalize_max_pool
from .legalize.read import activation_quantization, as_call, dtype_of, operator_name, shape_of
from .legalize.requantize import legalize_requantize
from .legalize.reshape import legalize_reshape
from .legalize.spans import with_span
from .legalize.values import Quantized, from_user_layout, in_user_form, in_user_layout
from .legalize.weighted import peel_bias
from .refusals import add_refusals
from .relay_pass import RelayPass

RULES: dict[str, Rule] = {
    "nn.conv2d": legalize_conv2d,
    "nn.dense": legalize_dense,
    "nn.matmul": legalize_dense,
    "add": legalize_add,
    "nn.max_pool2d": legalize_max_pool,
    "nn.avg_pool2d": legalize_average_pool,
    "nn.global_avg_pool2d": legalize_global_average_pool,
    "reshape": legalize_reshape,
    "nn.batch_flatten": legalize_reshape,
    "squeeze": legalize_reshape,
    "expand_dims": legalize_reshape,
    "qnn.dequantize": legalize_requantize,  # nothing between dequantize and quantize, or only a clip
}


class _Rewriter:
    """Rewrites bottom-up; `values` holds what every quantized expression became, `exprs` all the others."""

    def __init__(self) -> None:
        self.refusals: dict[str, str] = {}
        self._values: dict[relay.Expr, Quantized] = {}
        self._exprs: dict[relay.Expr, relay.Expr] = {}

    def function(self, func: relay.Function) -> relay.Function:
        order: list[relay.Expr] = []
        relay.analysis.post_order_visit(func.body, order.append)
        for expr in order:  # operands first, so that no recursion is deeper than an island
            if as_call(expr, "qnn.quantize") is not None:
                self._quantized(expr)
        body = self._rewritten(func.body)
        return relay.Function(func.params, body, None, func.type_params, func.attrs)

    def _quantized(self, quantize: relay.Call) -> Quantized | None:
        """The canonical value of a `qnn.quantize`; None if it is not per tensor and 8 bit."""
        if quantize in self._values:
            return self._values[quantize]
        dtype, shape = dtype_of(quantize), shape_of(quantize)
        out = activation_quantization(quantize, dtype)
        if out is None:
            return None
        value = self._island(quantize, out) or self._quantized_float(quantize, out, shape, dtype)
        self._values[quantize] = value
        return value

    def _island(self, quantize: relay.Call, out: relay.Expr) -> Quantized | None:
        core, bounds, activations = strip_activations(quantize.args[0], out)
        main = peel_bias(core)[0]
        rule = RULES.get(main.op.name) if as_call(main, *RULES) is not None else None
        if rule is None or not self._reads_quantized(main):
            return None
        operators = (main, *activations) if main.op.name != "qnn.dequantize" else activations
        island = Island(
            core, out, bounds, shape_of(quantize), dtype_of(quantize), operators, self._behind_dequantize
        )
        result = rule(island)
        if isinstance(result, Refusal):
            self.refusals[operator_name(main)] = result.reason
            return None
        read = (main, *main.args)
        leaves = [value.expr for arg in read if (value := self._behind_dequantize(arg)) is not None]
        return result.with_expr(with_span(result.expr, operators, leaves))

    def _reads_quantized(self, core: relay.Call) -> bool:
        source = core if core.op.name == "qnn.dequantize" else core.args[0]
        return self._behind_dequantize(source) is not None

    def _behind_dequantize(self, expr: relay.Expr) -> Quantized | None:
        """The canonical value that a `qnn.dequantize` reads."""
        call = as_call(expr, "qnn.dequantize")
        if call is None or isinstance(call.args[0], relay.Constant):
            return None
        if call not in self._values:
            value = self._dequantized(call)
            if value is None:
                return None
            self._values[call] = value
        return self._values[call]

    def _dequantized(self, call: relay.Call) -> Quantized | None:
        source = call.args[0]
        dtype = dtype_of(source)
        meaning = activation_quantization(call, dtype)
        if meaning is None:
            return None
        if as_call(source, "qnn.quantize") is not None:
            value = self._quantized(source)
            return value if value is None or value.quantization == meaning else None
        expr = self._rewritten(source)
        expr = flip_to_uint8(expr) if dtype == "int8" else expr
        return from_user_layout(expr, meaning, shape_of(source), dtype)

    def _quantized_float(
        self, quantize: relay.Call, out: relay.Expr, shape: tuple[int, ...], dtype: str
    ) -> Quantized:
        """A float tensor that is quantized straight to canonical bytes, in the user's layout first."""
        data = self._rewritten(quantize.args[0])
        scale = quantize.args[1]
        expr = relay.qnn.op.quantize(
            data, scale, relay.const(out.zero_point, "int32"), axis=quantize.attrs.axis, out_dtype="uint8"
        )
        return from_user_layout(with_span(expr, (quantize,), [data]), out, shape, dtype)

    def _rewritten(self, expr: relay.Expr) -> relay.Expr:
        """`expr` in the user's form, of the same type as before."""
        if expr not in self._exprs:
            self._exprs[expr] = self._rewrite(expr)
        return self._exprs[expr]

    def _rewrite(self, expr: relay.Expr) -> relay.Expr:
        if as_call(expr, "qnn.quantize") is not None and (value := self._quantized(expr)) is not None:
            return in_user_form(value)
        if (value := self._behind_dequantize(expr)) is not None:
            zero_point = relay.const(value.quantization.zero_point, "int32")
            data = in_user_layout(value)
            expr_out = relay.qnn.op.dequantize(data, expr.args[1], zero_point, axis=expr.attrs.axis)
            return with_span(expr_out, (expr,), [value.expr])
        if isinstance(expr, relay.Call):
            args = [self._rewritten(arg) for arg in expr.args]
            return relay.Call(expr.op, args, expr.attrs, expr.type_args, expr.span)
        if isinstance(expr, relay.Tuple):
            return relay.Tuple([self._rewritten(field) for field in expr.fields], expr.span)
        if isinstance(expr, relay.TupleGetItem):
            return relay.TupleGetItem(self._rewritten(expr.tuple_value), expr.index, expr.span)
        return expr


class LegalizeQdq(RelayPass):
    """Where an operator stands between dequantize and quantize, computes it in the canonical integer form.

    Expects a type-inferred module with inlined constants. What is not legalized stays in the importer's form,
    and the reason is added to the module's refusals.
    """

    name = "legalize-qdq"
    description = "write quantized operators in the canonical integer form on NHWC bytes"

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        rewriter = _Rewriter()
        main = rewriter.function(mod["main"])
        mod = tvm.IRModule({**dict(mod.functions.items()), mod.get_global_var("main"): main}, attrs=mod.attrs)
        return add_refusals(relay.transform.InferType()(mod), rewriter.refusals)
