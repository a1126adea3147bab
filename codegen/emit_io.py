"""Stand-in until the emitter's branch is merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def emit_io(name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> str:
    def table(kind: str, tensors: Sequence[Any]) -> str:
        rows = "\n".join(f'    {{"{t.name}", {t.size_bytes}u}},' for t in tensors)
        return f"static const pulp_io_t {kind}[] = {{\n{rows}\n}};\n"

    ins = ", ".join(f"inputs[{i}]" for i in range(len(inputs)))
    outs = ", ".join(f"outputs[{i}]" for i in range(len(outputs)))
    return (
        f'#include "pulp_network.h"\n#include "tvmgen_{name}.h"\n\n'
        + table("net_inputs", inputs)
        + table("net_outputs", outputs)
        + f"static int32_t run(void *const *inputs, void *const *outputs) {{\n"
        f"  struct tvmgen_{name}_inputs in = {{{ins}}};\n  struct tvmgen_{name}_outputs out = {{{outs}}};\n"
        f"  return tvmgen_{name}_run(&in, &out);\n}}\n\n"
        f'const pulp_network_t pulp_network = {{"{name}", net_inputs, {len(inputs)}, net_outputs, {len(outputs)}, run}};\n'
    )
