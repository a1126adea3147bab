"""Inputs and outputs of a network as the bytes that its layers read and write instead of float32."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import tvm
from tvm import relay
from tvm_pulp.errors import ModelError

from .attributes import attribute
from .expressions import as_call, dtype_of, operator_name, post_order, shape_of, with_main
from .legalize import build
from .legalize.read import activation_quantization, operands_of
from .legalize.spans import named
from .numerics import Quantization
from .relay_pass import RelayPass

ATTRIBUTE = "pulp_integer_io"
_MOVES = ("transpose", "reshape")
_FROM_NHWC, _TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass(frozen=True)
class IntegerTensors:
    """What the bytes of each input and output mean, in their order; None for those that are as they were, no
    entries if all are."""

    inputs: tuple[Quantization | None, ...] = ()
    outputs: tuple[Quantization | None, ...] = ()


def integer_tensors(mod: tvm.IRModule) -> IntegerTensors:
    """What `IntegerIo` wrote down, if it ran."""
    text = attribute(mod, ATTRIBUTE)
    if text is None:
        return IntegerTensors()
    stored = json.loads(text)
    return IntegerTensors(*(tuple(_read(one) for one in stored[side]) for side in ("inputs", "outputs")))


def _read(stored: dict[str, float] | None) -> Quantization | None:
    return None if stored is None else Quantization(float(stored["scale"]), int(stored["zero_point"]))


@dataclass(frozen=True)
class _Input:
    """An input as bytes: its new variable, what the bytes mean, and `expr`, them in the shape of before."""

    variable: relay.Var
    meaning: Quantization
    expr: relay.Expr


class _Rewriter(relay.ExprMutator):  # type: ignore[misc] # TVM has no types
    """Reads bytes where `main` quantized a float32 input, and returns them where it dequantized its result."""

    def __init__(self, *, channels_last: bool) -> None:
        super().__init__()
        self._channels_last = channels_last
        self._inputs: dict[relay.Var, _Input] = {}

    def function(self, func: relay.Function) -> tuple[relay.Function, IntegerTensors]:
        """The new function, and what its bytes mean. Raises ModelError if an input stays float32."""
        for expr in post_order(func.body):  # operands first, so that no recursion is deep
            self.visit(expr)
        returns_many = isinstance(func.body, relay.Tuple)
        results = [self._result(one) for one in (func.body.fields if returns_many else [func.body])]
        body = relay.Tuple([expr for expr, _ in results]) if returns_many else results[0][0]
        _check_no_float(body)
        inputs = [self._inputs.get(var) for var in func.params]
        params = [new.variable if new else var for new, var in zip(inputs, func.params, strict=True)]
        tensors = IntegerTensors(
            tuple(new.meaning if new else None for new in inputs), tuple(meaning for _, meaning in results)
        )
        return relay.Function(params, body, None, func.type_params, func.attrs), tensors

    def visit_call(self, call: relay.Call) -> relay.Expr:
        """Quantizations of inputs are gone, and permutations that cancel with those of bytes."""
        quantized = self._quantized_input(call)
        if quantized is not None:
            return quantized
        args = [self.visit(arg) for arg in call.args]
        if as_call(call, "transpose") is not None and call.attrs.axes is not None:
            return _transposed(args[0], [int(axis) for axis in call.attrs.axes], call)
        return relay.Call(call.op, args, call.attrs, call.type_args, call.span)

    def _quantized_input(self, call: relay.Call) -> relay.Expr | None:
        """What `call` makes of an input, if it quantizes one, perhaps moved before; else None."""
        meaning = _meaning(call, call) if as_call(call, "qnn.quantize") is not None else None
        if meaning is None:
            return None
        moves, source = _moves_of(call.args[0])
        if not isinstance(source, relay.Var) or dtype_of(source) != "float32":
            return None
        if source not in self._inputs:
            turned = self._channels_last and not (moves and as_call(moves[0], "transpose") is not None)
            self._inputs[source] = _as_bytes(source, meaning, call, turned=turned)
        known = self._inputs[source]
        if known.meaning != meaning:
            return None
        expr = known.expr
        for move in moves:
            expr = relay.Call(move.op, [expr], move.attrs, move.type_args, move.span)
        return expr

    def _result(self, expr: relay.Expr) -> tuple[relay.Expr, Quantization | None]:
        """An output, and what its bytes mean; None if it isn't dequantized, and so stays as it is."""
        call = as_call(expr, "qnn.dequantize")
        meaning = None if call is None else _meaning(call, call.args[0])
        if meaning is None:
            return self.visit(expr), None
        data = self.visit(expr.args[0])
        turned = self._channels_last and len(shape_of(expr)) == 4
        return _turned(data, shape_of(expr), _TO_NHWC, expr) if turned else data, meaning


def _as_bytes(var: relay.Var, meaning: Quantization, quantize: relay.Call, *, turned: bool) -> _Input:
    """A float32 input as bytes; `turned` maps are NHWC."""
    shape = shape_of(var)
    if not turned or len(shape) != 4:
        new = relay.var(var.name_hint, shape=shape, dtype="uint8")
        return _Input(new, meaning, new)
    stored = tuple(shape[axis] for axis in _TO_NHWC)
    new = relay.var(var.name_hint, shape=stored, dtype="uint8")
    return _Input(new, meaning, _turned(new, stored, _FROM_NHWC, quantize))


def _turned(expr: relay.Expr, shape: Sequence[int], axes: Sequence[int], named_after: relay.Call) -> relay.Expr:
    """A tensor of this shape with its axes permuted; bytes that stay in their order are reshaped, which is what
    legalization has made of such maps."""
    long = [axis for axis in axes if shape[axis] > 1]
    if long != sorted(long):
        return _transposed(expr, axes, named_after)
    return named(build.reshape(expr, [shape[axis] for axis in axes]), operator_name(named_after), [expr])


def _transposed(expr: relay.Expr, axes: Sequence[int], named_after: relay.Call) -> relay.Expr:
    return named(build.transpose(expr, axes), operator_name(named_after), [expr])


def _meaning(call: relay.Call, data: relay.Expr) -> Quantization | None:
    """How `call` quantizes or dequantizes the tensor `data` as a whole; None if that isn't one of bytes."""
    return activation_quantization(call, "uint8") if dtype_of(data) == "uint8" else None


def _moves_of(expr: relay.Expr) -> tuple[list[relay.Call], relay.Expr]:
    """The operators that only move elements, in their order, and what they move."""
    moves: list[relay.Call] = []
    while as_call(expr, *_MOVES) is not None:
        moves.append(expr)
        expr = expr.args[0]
    return moves[::-1], expr


def _check_no_float(body: relay.Expr) -> None:
    """ModelError if an input is still read as float32."""
    for var in relay.analysis.free_vars(body):
        if var.type_annotation.dtype == "float32":
            raise ModelError(
                f"{_reader(body, var)} reads it as float32",
                where=f"input {var.name_hint}",
                fix="compile without -io=, or quantize the input once, before all that reads it",
            )


def _reader(body: relay.Expr, var: relay.Var) -> str:
    """The first operator that reads an input."""
    for expr in post_order(body):
        if isinstance(expr, relay.Call) and any(var.same_as(arg) for arg in operands_of(expr)):
            return f"operator {operator_name(expr) or expr.op.name}"
    return "the network's output"


class IntegerIo(RelayPass):
    """A float32 input that is only quantized becomes a uint8 one, an output that was dequantized a uint8 one.

    Expects a type-inferred module in the canonical form, before its leftovers are lowered. What the bytes mean
    is written down (`integer_tensors`). With `channels_last`, maps NCHW become NHWC, but where the network
    itself permutes its input first. Raises ModelError if something else reads a float32 input.
    """

    name = "integer-io"
    description = "take quantized inputs and give quantized outputs, as uint8"

    def __init__(self, *, channels_last: bool = False) -> None:
        self._channels_last = channels_last

    def __call__(self, mod: tvm.IRModule) -> tvm.IRModule:
        main, tensors = _Rewriter(channels_last=self._channels_last).function(mod["main"])
        integer = relay.transform.InferType()(with_main(mod, main))
        return integer.with_attr(ATTRIBUTE, json.dumps(asdict(tensors)))
