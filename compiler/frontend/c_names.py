"""The names of inputs and outputs in C, where they are members of structures and parts of macros."""

from __future__ import annotations

import re
from collections.abc import Iterable

import onnx

_KEYWORD = re.compile(
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|inline|int|long"
    "|register|restrict|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile"
    "|while|bool|true|false|class|new|delete|this|template|operator|private|public|namespace|using"
)
"""Of C, and the C++ ones that tensors may be called."""


def _in_c(name: str) -> str:
    """What TVM writes for a name."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def c_identifiers(names: Iterable[str], prefix: str, taken: Iterable[str] = ()) -> list[str]:
    """C identifiers, each once among them and `taken` whatever the case, as macros are in capitals.

    `prefix` stands before what is no name in C otherwise.
    """
    used = {name.lower() for name in taken}
    found = []
    for name in names:
        wanted = _in_c(name)
        wanted = f"{prefix}{wanted}" if not wanted or wanted[0].isdigit() else wanted
        while wanted.lower() in used or _KEYWORD.fullmatch(wanted):
            wanted += "_"
        used.add(wanted.lower())
        found.append(wanted)
    return found


def input_identifiers(graph: onnx.GraphProto) -> dict[str, str]:
    """What the inputs are called in C; constants that older files list among them are none."""
    constants = {initializer.name for initializer in graph.initializer}
    names = [value.name for value in graph.input if value.name not in constants]
    return dict(zip(names, c_identifiers(names, "input_"), strict=True))


def output_identifiers(graph: onnx.GraphProto) -> list[str]:
    """What the outputs are called in C."""
    taken = input_identifiers(graph).values()
    return c_identifiers([value.name for value in graph.output], "output_", taken)


def rename_inputs(graph: onnx.GraphProto) -> dict[str, str]:
    """Give inputs other names where TVM's own way to a C identifier would end at a keyword or at a name that
    another has; old name -> new name of all."""
    identifiers = input_identifiers(graph)
    new = {old: name for old, name in identifiers.items() if _in_c(old) != name}
    tensors = {name for node in graph.node for name in (*node.input, *node.output)}
    for name in tensors & set(new.values()):  # it is another tensor's
        new[name] = f"{name}_"
        while new[name] in tensors | set(identifiers.values()):
            new[name] += "_"
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for tensor in (*graph.input, *graph.output, *graph.initializer):
        tensor.name = new.get(tensor.name, tensor.name)
    return {old: new.get(old, old) for old in identifiers}
