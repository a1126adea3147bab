"""Measured cycles as tables for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from .console import new_table
from .cycles import NetworkCycles


def cycle_tables(cycles: NetworkCycles) -> RenderableType:
    """Return the cycles of each layer and of the whole network, for one inference."""
    has_l3 = any(layer.l3_wait for layer in cycles.layers)
    waits = ("DMA wait", "L3 wait") if has_l3 else ("DMA wait",)
    numbers = ("cycles", "compute", *waits, "MAC/cycle", "predicted", "error")
    table = new_table("layer", *numbers, numbers=numbers, title="cycles, for one inference")
    for layer in (*cycles.layers, cycles.all_layers):
        table.add_row(
            layer.name,
            f"{layer.total:,}",
            f"{layer.compute:,}",
            f"{layer.dma_wait:,}",
            *([f"{layer.l3_wait:,}"] if has_l3 else []),
            "" if layer.macs_per_cycle is None else f"{layer.macs_per_cycle:.2f}",
            "" if layer.predicted is None else f"{layer.predicted:,}",
            "" if layer.prediction_error is None else f"{100 * layer.prediction_error:+.0f} %",
        )
    return Group(
        table, Text(f"cycles of the regions: {cycles.cluster:,}; of the network: {cycles.inference:,}")
    )
