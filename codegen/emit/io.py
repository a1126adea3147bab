"""A whole network as a table over TVM's C interface, so that one runner program serves every network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from tvm_pulp.codegen.emit.environment import template_environment
from tvm_pulp.codegen.emit.text import comment_text


class IoTensor(Protocol):
    """An input or output of the network: its name, its bytes in memory, and what each of them stands for, if
    the caller has to know."""

    @property
    def name(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...

    @property
    def scale(self) -> float | None: ...

    @property
    def zero_point(self) -> int | None: ...


def emit_io(name: str, inputs: Sequence[IoTensor], outputs: Sequence[IoTensor]) -> str:
    """`<name>_io.c`, which defines `pulp_network` (runtime/include/pulp_network.h).

    `name` is the network's name in TVM's C interface: its header `tvmgen_<name>.h` declares
    `int32_t tvmgen_<name>_run(struct tvmgen_<name>_inputs*, struct tvmgen_<name>_outputs*)`. `inputs` and
    `outputs` are in the order of the fields of those structs.
    """
    return (
        template_environment()
        .get_template("io.c.j2")
        .render(
            name=name,
            inputs=_table(inputs),
            outputs=_table(outputs),
            n_inputs=len(inputs),
            n_outputs=len(outputs),
            in_pointers=", ".join(f"inputs[{index}]" for index in range(len(inputs))),
            out_pointers=", ".join(f"outputs[{index}]" for index in range(len(outputs))),
        )
    )


def emit_quantization(name: str, tensors: Sequence[IoTensor]) -> str | None:
    """`tvmgen_<name>_quantization.h`: scales and zero points for the application, under names like those
    that TVM gives the tensors' sizes. None if no tensor has them."""
    quantized = [
        {"name": tensor.name.upper(), "scale": f"{np.float32(tensor.scale)}f", "zero_point": tensor.zero_point}
        for tensor in tensors
        if tensor.scale is not None
    ]
    if not quantized:
        return None
    template = template_environment().get_template("quantization.h.j2")
    return template.render(name=name, prefix=f"TVMGEN_{name.upper()}_", tensors=quantized)


def _table(tensors: Sequence[IoTensor]) -> str:
    return "\n".join(f'    {{"{comment_text(tensor.name)}", {tensor.size_bytes}}},' for tensor in tensors)
