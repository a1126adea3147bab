"""The engines of a fused group's layers: one beside the cores may compute the last layer, while the cores are
at the layers before it for the next tile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.tiling import PER_CHANNEL_KINDS


def engines_of_last(graph: LayerGraph, parts: Sequence[Layer], engines: Iterable[Engine]) -> tuple[Engine, ...]:
    """Those of `engines` that can compute the last of these layers while core 0 does something else. The layer
    has to be one that mixes channels, so that a tile has all of them and parameters are loaded once, and to
    make a map of several rows, for tiles are rows."""
    last = parts[-1]
    if last.kind in PER_CHANNEL_KINDS or graph.tensors[last.output].height == 1:
        return ()
    return tuple(one for one in engines if one.refusal(graph, last) is None and not one.occupies_core_0(last))


def engines_of_parts(layer: Layer, last: Engine) -> tuple[Engine, ...]:
    """Those of a group's layers, the last of which runs on `last`: all others are the cores'."""
    return (*[CLUSTER] * (len(layer.parts) - 1), last)
