"""What the text of one layer depends on, and the C names of its tensors."""

from __future__ import annotations

from dataclasses import dataclass

from tvm_pulp.codegen.emit.params import params_symbol
from tvm_pulp.codegen.emit.steps import StepTable
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.memory.l3_places import streams_params, transfers_of
from tvm_pulp.codegen.plan import L3Kind, L3Transfer, LayerPlan, Plan


@dataclass(frozen=True)
class LayerContext:
    """What the text of a layer depends on."""

    graph: LayerGraph
    region: Plan
    index: int
    table: StepTable

    @property
    def layer(self) -> Layer:
        return self.graph.layers[self.index]

    @property
    def plan(self) -> LayerPlan:
        return self.region.layers[self.index]

    @property
    def is_second(self) -> bool:
        """True for the second of two layers that run at the same time."""
        return self.index > 0 and self.region.layers[self.index - 1].with_next

    @property
    def table_transfer(self) -> L3Transfer | None:
        """The transfer that brings the step table from L3, if it lies there."""
        return next(iter(transfers_of(self.region, self.index, L3Kind.STEPS)), None)

    @property
    def params(self) -> str:
        """C for the array in which the parameter blocks lie when the DMA fetches them."""
        in_arena = streams_params(self.region, self.index)
        return "l2_arena" if in_arena else params_symbol(self.graph, self.layer)


def next_inputs(context: LayerContext) -> tuple[str, ...]:
    """C names of the next layer's inputs that are loaded ahead."""
    following = context.index + 1
    if following == len(context.region.layers) or not context.region.layers[following].x_ahead:
        return ()
    return loaded_names(context.graph.layers[following], context.region.layers[following])


def loaded_names(layer: Layer, plan: LayerPlan) -> tuple[str, ...]:
    """C names of the inputs that are loaded."""
    names = zip(layer.inputs, ("in", "in2"), strict=False)
    return tuple(name for tensor, name in names if tensor not in plan.in_l1)


def in_l2(graph: LayerGraph, plan: Plan, index: int) -> tuple[str, ...]:
    """The inputs and the output that a layer finds, or puts, in L2, and the next layer's inputs that it loads,
    in the order of `run_<layer>`'s arguments."""
    layer, mine, following = graph.layers[index], plan.layers[index], index + 1
    names = [name for name in (*layer.inputs, layer.output) if name not in mine.in_l1]
    if following < len(plan.layers) and plan.layers[following].x_ahead:
        later = plan.layers[following].in_l1
        names += [name for name in graph.layers[following].inputs if name not in later]
    return tuple(names)
