"""How many bytes the DMA moves between L2 and L1, as a plan says."""

from __future__ import annotations

from dataclasses import dataclass

from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.plan import LayerPlan, Plan
from tvm_pulp.codegen.tiles.input_parts import finishing


@dataclass(frozen=True)
class Traffic:
    """Bytes that go into L1 (activations, packed parameters) and out of it."""

    inputs: int = 0
    params: int = 0
    outputs: int = 0

    @property
    def bytes_in(self) -> int:
        """Bytes from L2 to L1."""
        return self.inputs + self.params

    @property
    def bytes_out(self) -> int:
        """Bytes from L1 to L2."""
        return self.outputs

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.inputs + other.inputs, self.params + other.params, self.outputs + other.outputs)


def layer_traffic(graph: LayerGraph, layer: Layer, plan: LayerPlan) -> Traffic:
    """Return the bytes of all transfers of a layer; what stays in a slot is not counted again."""
    x_size, y_size = (graph.tensors[name].dtype.size for name in (layer.inputs[0], layer.output))
    loaded = 1 if layer.parts else sum(name not in plan.in_l1 for name in layer.inputs)
    second = sum(step.y.size_bytes for step in plan.steps) if layer.parts and len(layer.inputs) > 1 else 0
    made = sum(step.y.size_bytes for step, last in zip(plan.steps, finishing(plan.steps), strict=True) if last)
    stored = made if layer.output not in plan.in_l1 else 0
    return Traffic(
        inputs=loaded * x_size * sum(step.x.size_bytes for step in plan.steps if step.load_x) + second,
        params=sum(step.params_size for step in plan.steps if step.load_params),
        outputs=y_size * stored,
    )


def region_traffic(graph: LayerGraph, plan: Plan) -> Traffic:
    """Return the bytes of all transfers of a region."""
    graph = as_planned(graph, plan)
    layers = {layer.name: layer for layer in graph.layers}
    total = Traffic()
    for layer_plan in plan.layers:
        total += layer_traffic(graph, layers[layer_plan.layer], layer_plan)
    return total
