"""Predicted cycles of kernel calls on the cluster's cores."""

from __future__ import annotations

from math import ceil

from tvm_pulp.codegen.graph import Layer, LayerKind
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.plan import Box


def kernel_cycles(machine: Machine, layer: Layer, y: Box) -> int:
    """One call that computes the output box `y`: its work at the kernel's rate on all cores, and the call.

    Rates are per core; a layer whose rows, pixels and channels are all fewer than the cores leaves some idle.
    """
    busy = min(machine.cores, max(y.h * y.w, y.c))
    return machine.cluster.call_cycles + ceil(_work(layer, y) / (_rate(machine, layer) * busy))


def _work(layer: Layer, y: Box) -> int:
    """Multiply-accumulates, or elements read for what has no weights."""
    window = layer.window
    if layer.weights is not None:
        return y.h * y.w * y.c * (int(layer.weights.size) // int(layer.weights.shape[0]))
    return y.size_bytes * len(layer.inputs) * window.kernel_h * window.kernel_w


def _rate(machine: Machine, layer: Layer) -> float:
    cluster = machine.cluster
    if layer.kind in (LayerKind.CONV2D, LayerKind.POINTWISE):
        return cluster.conv_macs_per_cycle
    if layer.kind in (LayerKind.DEPTHWISE, LayerKind.CONV_DIRECT):
        return cluster.depthwise_macs_per_cycle
    if layer.kind is LayerKind.LINEAR:
        return cluster.linear_macs_per_cycle
    return cluster.elements_per_cycle
