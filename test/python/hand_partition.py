"""A network divided by hand, so that build, package and run are tested without planner and emitter.

It computes `softmax(flatten(clip(round(image * 255), 0, 255) + 3 mod 256))`; the addition is the region.
"""

from __future__ import annotations

import json

import tvm
from tvm import relay

SHAPE = (1, 4, 4, 2)
_REGION_C = """\
#include <stdint.h>

int32_t {symbol}(uint8_t *in0, uint8_t *out0) {{
  for (unsigned i = 0; i < 32; ++i) out0[i] = (uint8_t)(in0[i] + {addend});
  return 0;
}}
"""


def legalized() -> tvm.IRModule:
    """The module before it was divided."""
    image = relay.var("image", shape=SHAPE, dtype="float32")
    output = _tail(_region_body(_head(image)))
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([image], output)))


def partitioned(name: str = "net", *, addend: int = 3) -> tvm.IRModule:
    """The divided module; an `addend` other than 3 makes its C wrong."""
    symbol = f"tvmgen_{name}_pulp_main_0"
    tensor = relay.var("tensor", shape=SHAPE, dtype="uint8")
    region = relay.Function([tensor], _region_body(tensor))
    attributes = {
        "Primitive": tvm.tir.IntImm("int32", 1),
        "Inline": tvm.tir.IntImm("int32", 1),
        "Compiler": "pulp",
        "global_symbol": symbol,
        "pulp_files": json.dumps({f"{symbol}.c": _REGION_C.format(symbol=symbol, addend=addend)}),
        "pulp_plan": json.dumps(_plan(symbol)),
    }
    for key, value in attributes.items():
        region = region.with_attr(key, value)
    variable = relay.GlobalVar(symbol)
    mod = relay.transform.InferType()(tvm.IRModule({variable: region}))
    image = relay.var("image", shape=SHAPE, dtype="float32")
    mod["main"] = relay.Function([image], _tail(relay.Call(variable, [_head(image)])))
    mod = relay.transform.InferType()(mod)
    mod = mod.with_attr("pulp_legalized", tvm.ir.save_json(legalized()))
    return mod.with_attr("pulp_refusals", json.dumps({"prob": "float operator"}))


def _head(image: relay.Expr) -> relay.Expr:
    scaled = relay.clip(relay.round(image * relay.const(255.0)), 0, 255)
    return relay.cast(scaled, "uint8")


def _region_body(tensor: relay.Expr) -> relay.Expr:
    return relay.add(tensor, relay.const(3, "uint8"))


def _tail(tensor: relay.Expr) -> relay.Expr:
    return relay.nn.softmax(relay.nn.batch_flatten(relay.cast(tensor, "float32")))


def _plan(symbol: str) -> dict[str, object]:
    return {
        "region": symbol,
        "soc": "gap8",
        "cores": 8,
        "l1_bytes": 38000,
        "l2_bytes": 380000,
        "l1_used": 0,
        "l2_used": 0,
        "l2_arena": 0,
        "layers": [],
        "l2_buffers": [],
    }
