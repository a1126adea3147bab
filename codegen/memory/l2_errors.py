"""What to say when a region fits neither L2 nor L3."""

from __future__ import annotations

from collections.abc import Sequence

from tvm_pulp.codegen.graph import LayerGraph
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.memory.spill import Life
from tvm_pulp.errors import PlanError

LARGEST_NAMED = 3


def l2_error(
    graph: LayerGraph, lives: Sequence[Life], params: Sequence[int], arena: int, machine: Machine
) -> PlanError:
    """Activations and tables of `arena` bytes and the packed parameters of all layers are too large."""
    used = arena + sum(params)
    parts = [_tensor_words(graph, life.tensor) for life in lives]
    for layer, size in zip(graph.layers, params, strict=True):
        parts.append((size, f"parameters of {', '.join(layer.sources) or layer.name}"))
    return PlanError(
        f"activations, parameters and step tables need {used} bytes of L2 memory, there are {machine.l2_bytes}"
        f"{beside(machine)} (largest: {_largest(parts)})",
        where=f"region {graph.name}",
        fix=_choose(used + machine.l2_outside),
    )


class L2ShortageError(PlanError):
    """Not even bands of the activations, and chunks of the parameters, are found to fit beside `tables`."""

    def __init__(self, graph: LayerGraph, lives: Sequence[Life], machine: Machine, tables: int) -> None:
        parts = [_tensor_words(graph, life.tensor) for life in lives]
        super().__init__(
            f"no choice of activations in L3 lets the rest, and what passes through, fit the {machine.l2_bytes}"
            f" bytes of L2 memory less {tables} of step tables{beside(machine)} (largest: {_largest(parts)})",
            where=f"region {graph.name}",
            fix="choose a SoC or -l2= with more",
        )

    def with_enough(self, least: int) -> PlanError:
        """The same with a size of L2 that is enough."""
        return PlanError(self.what, where=self.where, fix=_choose(least))


def beside(machine: Machine) -> str:
    """Words on what else is in L2."""
    return f" beside {machine.l2_outside} of the network's other parts" if machine.l2_outside else ""


def _choose(least: int) -> str:
    return f"choose a SoC or -l2= with at least {least} bytes"


def l3_error(graph: LayerGraph, used: int, machine: Machine) -> PlanError:
    """What doesn't fit L2 doesn't fit L3 either."""
    size = 0 if machine.l3 is None else machine.l3.size
    return PlanError(
        f"{used} bytes are to lie in L3 memory, there are {size}",
        where=f"region {graph.name}",
        fix="choose a SoC with more",
    )


def _tensor_words(graph: LayerGraph, name: str) -> tuple[int, str]:
    return graph.tensors[name].size_bytes, f"tensor {graph.tensors[name].source or name}"


def _largest(parts: list[tuple[int, str]]) -> str:
    parts = sorted(parts, key=lambda part: -part[0])
    return "; ".join(f"{name} {size} bytes" for size, name in parts[:LARGEST_NAMED])
