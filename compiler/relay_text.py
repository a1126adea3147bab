"""Relay as text: reading with errors of one line, printing with the values of small constants."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tvm
from tvm import relay
from tvm.ir import IRModule
from tvm.ir.diagnostics import override_renderer

from .errors import ModelError

VERSION = '#[version = "0.0.5"]'
FIX = "correct the Relay text"
SHOWN_VALUES = 16  # constants of more elements are printed as their range

Fault = tuple[str, int, int]  # message, line, column


def parse_relay(text: str, *, file: str) -> IRModule:
    """Parse a Relay program and infer its types; the version header may be missing. `file` is the name used in
    errors.

    Calls of operators get names, as the operators of a network have them: `nn.conv2d`, then `nn.conv2d_1`.
    Raises ModelError with the line and the column where TVM's parser says so.
    """
    header = "" if re.search(r"^#\[version", text, re.MULTILINE) else VERSION + " "
    with _collect_faults() as faults:
        try:
            mod = relay.transform.InferType()(relay.parse(header + text, file))
        except (tvm.error.TVMError, AttributeError, ValueError, TypeError, KeyError) as error:
            raise _model_error(faults, error, file, len(header)) from error
    if not mod.get_global_vars():
        raise ModelError("this Relay text has no function", where=file, fix="define @main")
    for variable, function in mod.functions.items():
        mod.update_func(variable, _Namer().visit(function))
    return relay.transform.InferType()(mod)


class _Namer(relay.ExprMutator):  # type: ignore[misc] # TVM has no types
    """Names the calls of operators, in the order of their execution: passes tell a user where by these names.

    The parser's own spans are no help: what they call a line isn't the line of the call.
    """

    def __init__(self) -> None:
        super().__init__()
        self._calls: Counter[str] = Counter()

    def visit_call(self, call: relay.Call) -> relay.Call:
        visited = super().visit_call(call)
        operator = visited.op.name if isinstance(visited.op, tvm.ir.Op) else "call"
        number = self._calls[operator]
        self._calls[operator] += 1
        name = f"{operator}_{number}" if number else operator
        span = relay.Span(relay.SourceName(name), 0, 0, 0, 0)
        return relay.Call(visited.op, visited.args, visited.attrs, visited.type_args, span)


def print_relay(mod: IRModule, *, metadata: bool = False) -> str:
    """Return the text of a module, with types and the values of constants as comments.

    With `metadata` the whole contents of constants follow, so that the text can be parsed again.
    """
    text: str = mod.astext(show_meta_data=metadata, annotate=_annotation)
    # TVM closes a text without constants' contents with a hint that names its own Python function
    return text if metadata else text.split("\n/* For debugging purposes", maxsplit=1)[0].rstrip() + "\n"


def bind_constant(mod: IRModule, name: str, value: int | float | np.random.Generator) -> IRModule:
    """Turn the argument `name` of @main into a constant of its type, filled with a value or random integers.

    Raises ModelError if @main has no such argument.
    """
    main = mod["main"]
    arguments = {argument.name_hint: argument for argument in main.params}
    if name not in arguments:
        fix = f"its arguments: {', '.join(arguments)}"
        raise ModelError(f"@main has no argument `%{name}`", where=f"--constant {name}", fix=fix)
    tensor = arguments[name].type_annotation
    shape = [int(extent) for extent in tensor.shape]
    data = (
        _random(value, shape, tensor.dtype) if isinstance(value, np.random.Generator) else np.full(shape, value)
    )
    bound = relay.build_module.bind_params_by_name(main, {name: tvm.nd.array(data.astype(tensor.dtype))})
    result = IRModule(dict(mod.functions.items()), mod.type_definitions)
    result["main"] = bound
    return relay.transform.InferType()(result)


def _random(generator: np.random.Generator, shape: list[int], dtype: str) -> np.ndarray[Any, Any]:
    """Return random integers: the whole range of 8-bit types, else -1000..1000 (0..1000 if unsigned)."""
    low, high = (0, 1000) if dtype.startswith("u") else (-1000, 1000)
    if dtype in ("int8", "uint8"):
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    return generator.integers(low, high, shape, endpoint=True)


@contextmanager
def _collect_faults() -> Iterator[list[Fault]]:
    """Keep what TVM's parser would write to stderr."""
    faults: list[Fault] = []

    def collect(context: Any) -> None:
        for diagnostic in context.diagnostics:
            span = diagnostic.span
            faults.append((str(diagnostic.message), span.line if span else 0, span.column if span else 0))

    override_renderer(collect)
    try:
        yield faults
    finally:
        override_renderer(None)


def _model_error(faults: list[Fault], error: Exception, file: str, header: int) -> ModelError:
    if faults:
        message, line, column = faults[0]
        where = f"{file}:{line}:{column - header if line == 1 else column}" if line else file
        return ModelError(" ".join(message.split()), where=where, fix=FIX)
    reason = str(error).strip().splitlines()[-1]
    reason = re.sub(r"^\w*Error: |Check failed: \(.*?\) is false: ", "", reason)
    return ModelError(f"TVM cannot parse this: {reason.rstrip('. ')}", where=file, fix=FIX)


def _annotation(node: Any) -> str:
    """Return the comment that follows an expression in the printed text."""
    if not isinstance(node, relay.Expr) or isinstance(node, tvm.ir.Op):
        return ""
    try:
        kind = f"ty={node.checked_type}"
    except ValueError:  # types are not inferred yet
        return ""
    if isinstance(node, relay.Constant):
        kind += f" {_values(node.data.numpy())}"
    return f" /* {kind} */"


def _values(data: np.ndarray[Any, Any]) -> str:
    if data.size <= SHOWN_VALUES:
        return f"values={data.ravel().tolist()}"
    return f"range={data.min()}..{data.max()}"
