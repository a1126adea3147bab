"""The engines of a fused group's layers: one beside the cores may compute one of them, while the cores are at
the layers before it for the next tile, and at those behind it for the tile before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tvm_pulp.codegen.engines.cluster import CLUSTER
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.graph import Layer, LayerGraph
from tvm_pulp.codegen.plan import CLUSTER_NAME, LayerPlan
from tvm_pulp.codegen.tiles.geometry import PER_CHANNEL_KINDS


def engine_stage(parts: Sequence[Layer]) -> int:
    """The number of the layer that an engine may compute: the last one that mixes channels. What doesn't has
    little work for an engine, depthwise convolutions too."""
    mixing = [index for index, part in enumerate(parts) if part.kind not in PER_CHANNEL_KINDS]
    return mixing[-1] if mixing else 0


def engines_beside(graph: LayerGraph, parts: Sequence[Layer], engines: Iterable[Engine]) -> tuple[Engine, ...]:
    """Those of `engines` that can compute their layer of a group while core 0 does something else. The layer
    has to be one that mixes channels, and the group has to make a map of several rows, for tiles are rows."""
    own = parts[engine_stage(parts)]
    if own.kind in PER_CHANNEL_KINDS or graph.tensors[parts[-1].output].height == 1:
        return ()
    return tuple(one for one in engines if one.refusal(graph, own) is None and not one.occupies_core_0(own))


def engines_of_parts(parts: Sequence[Layer], engine: Engine) -> tuple[Engine, ...]:
    """Those of a group's layers, if `engine` takes part: all others are the cores'."""
    own = engine_stage(parts)
    return tuple(engine if index == own else CLUSTER for index in range(len(parts)))


def engines_of_stages(plan: LayerPlan, engine: Engine) -> tuple[Engine, ...]:
    """The same as a group's plan says; `engine` is the plan's."""
    return tuple(CLUSTER if stage.engine == CLUSTER_NAME else engine for stage in plan.stages)
