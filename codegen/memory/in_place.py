"""Outputs that may overwrite their layer's input in L2, because the input's bytes are in L1 by then."""

from __future__ import annotations

import numpy as np
from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.graph import Layer, LayerGraph, Tensor
from tvm_pulp.codegen.plan import Box, LayerPlan


def input_distance(graph: LayerGraph, layer: Layer, plan: LayerPlan) -> int:
    """How far behind its output's begin a layer's input must begin in L2, if the two may share bytes.

    The store of a step is under way while the loads of later steps are, so it must end before the first byte
    that these read. At most the output's size.
    """
    source, out = graph.tensors[layer.inputs[0]], graph.tensors[layer.output]
    stored = np.array([_end(out, step.y) for step in plan.steps])
    never = source.size_bytes + out.size_bytes
    read = np.array([_begin(source, step.x) if step.load_x else never for step in plan.steps])
    still_read = np.minimum.accumulate(read[::-1])[::-1]
    ahead = (stored[:-1] - still_read[1:])[still_read[1:] < never]
    return min(align(max(0, int(ahead.max(initial=0)))), align(out.size_bytes))


def _begin(tensor: Tensor, box: Box) -> int:
    return (box.h0 * tensor.width + box.w0) * tensor.channels + box.c0


def _end(tensor: Tensor, box: Box) -> int:
    last = (box.h0 + box.h - 1) * tensor.width + box.w0 + box.w - 1
    return last * tensor.channels + box.c0 + box.c
