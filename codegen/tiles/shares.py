"""Layers that two engines compute together: what each of them does alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tvm_pulp.codegen.fusion.groups import largest_box
from tvm_pulp.codegen.plan import LayerPlan, Share


def share_plans(plan: LayerPlan) -> tuple[LayerPlan, ...]:
    """Each engine's part of a layer as if it were a layer, on what lies in the layer's buffers. Its blocks of
    parameters count from the begin of the step's block."""
    return tuple(_share_plan(plan, share) for share in plan.shares)


def _share_plan(plan: LayerPlan, share: Share) -> LayerPlan:
    steps = tuple(
        replace(
            step,
            y=own.y,
            x=own.x,
            padding=own.padding,
            params_offset=own.params_offset,
            params_size=own.params_size,
        )
        for step, own in zip(plan.steps, share.steps, strict=True)
    )
    return replace(
        plan,
        engine=share.engine,
        kernel=share.kernel,
        clip=share.clip,
        tile=largest_box([step.y for step in steps]),
        steps=steps,
        shares=(),
    )


def share_rows(plan: LayerPlan) -> tuple[tuple[str, int], ...]:
    """Each engine's name and how many rows of the map it computes; nothing if one engine computes them all.
    Rows of a tile that is narrower than the map count as the part of a row that they are.
    """
    areas = [sum(step.y.size_bytes for step in share.steps) for share in plan.shares]
    height = max(step.y.h0 + step.y.h for step in plan.steps)
    counts = [round(height * area / sum(areas)) for area in areas]
    return tuple((share.engine, count) for share, count in zip(plan.shares, counts, strict=True))


def rows_words(rows: Sequence[tuple[str, int]]) -> str:
    """How a layer's rows are divided: `darkside_depthwise 11 rows + cluster 5 rows`."""
    return " + ".join(f"{engine} {count} row{'s' if count != 1 else ''}" for engine, count in rows)
