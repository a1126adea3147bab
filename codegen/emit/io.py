"""A whole network as a table over TVM's C interface, so that one runner program serves every network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tvm_pulp.codegen.emit.environment import template_environment
from tvm_pulp.codegen.emit.text import comment_text


class IoTensor(Protocol):
    """An input or output of the network: its name and its bytes in memory."""

    @property
    def name(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...


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


def _table(tensors: Sequence[IoTensor]) -> str:
    return "\n".join(f'    {{"{comment_text(tensor.name)}", {tensor.size_bytes}}},' for tensor in tensors)
