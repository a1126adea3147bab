"""Cycles that a run measured, layer by layer, beside what the cost model had predicted."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .report import CompilationReport, LayerReport


@dataclass(frozen=True)
class LayerCycles:
    """One layer's cycles for one inference.

    `dma_wait` and `l3_wait` are those in which core 0 had nothing to do but wait for the DMA or for a transfer
    between L3 and L2. `macs` (multiply-accumulates) and `predicted` (cycles, waits for L3 left out) come from
    the compilation's report; None without one.
    """

    name: str
    total: int
    dma_wait: int
    l3_wait: int = 0
    macs: int | None = None
    predicted: int | None = None

    @property
    def compute(self) -> int:
        """Cycles in which no transfer was waited for: kernels, barriers, programming DMA and uDMA."""
        return self.total - self.dma_wait - self.l3_wait

    @property
    def macs_per_cycle(self) -> float | None:
        """Multiply-accumulates per cycle, all cores together."""
        return None if self.macs is None else self.macs / max(self.total, 1)

    @property
    def prediction_error(self) -> float | None:
        """(predicted - measured) / measured, waits for L3 left out."""
        measured = self.total - self.l3_wait
        return None if self.predicted is None else (self.predicted - measured) / max(measured, 1)


@dataclass(frozen=True)
class NetworkCycles:
    """One inference: its layers; `cluster` are the regions from call to return, `inference` the whole network
    with what the fabric controller computes."""

    layers: tuple[LayerCycles, ...]
    cluster: int
    inference: int

    @property
    def all_layers(self) -> LayerCycles:
        """The sum of the layers."""
        macs = [layer.macs for layer in self.layers]
        predicted = [layer.predicted for layer in self.layers]
        return LayerCycles(
            name="total",
            total=sum(layer.total for layer in self.layers),
            dma_wait=sum(layer.dma_wait for layer in self.layers),
            l3_wait=sum(layer.l3_wait for layer in self.layers),
            macs=None if None in macs else sum(filter(None, macs)),
            predicted=None if None in predicted else sum(filter(None, predicted)),
        )


def measured_cycles(stats: Mapping[str, Any], report: CompilationReport | None = None) -> NetworkCycles | None:
    """The cycles among a run's counters (runtime/platform/common/stats.h), for one inference.

    None where the platform doesn't count cycles.
    """
    if "inference_cycles" not in stats:
        return None
    inferences = stats["inferences"]
    reported = _layers_by_name(report)
    return NetworkCycles(
        layers=tuple(_layer(entry, inferences, reported[entry["name"]]) for entry in stats["layers"]),
        cluster=stats["cluster_cycles"] // inferences,
        inference=stats["inference_cycles"] // inferences,
    )


def _layers_by_name(report: CompilationReport | None) -> defaultdict[str, deque[LayerReport]]:
    """The report's layers; regions may have layers of the same name, which then run in the report's order. What
    two at the same time take is counted for the first, and so are here the second's products."""
    layers: defaultdict[str, deque[LayerReport]] = defaultdict(deque)
    for region in report.regions if report else ():
        macs = {layer.name: layer.macs for layer in region.layers}
        for layer in region.layers:
            layers[layer.name].append(replace(layer, macs=layer.macs + macs.get(layer.beside, 0)))
    return layers


def _layer(entry: Mapping[str, Any], inferences: int, reported: deque[LayerReport]) -> LayerCycles:
    layer = reported.popleft() if reported else None
    return LayerCycles(
        name=entry["name"],
        total=entry["cycles"] // inferences,
        dma_wait=entry["dma_wait_cycles"] // inferences,
        l3_wait=entry["l3_wait_cycles"] // inferences,
        macs=layer.macs if layer else None,
        predicted=layer.cycles if layer else None,
    )
