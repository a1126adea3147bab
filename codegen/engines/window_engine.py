"""Engines whose job is a convolution of a tile in L1, as in `runtime/include/pulp_window_jobs.h`."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from tvm_pulp.codegen.cost.arrays import IntArray, Tiles
from tvm_pulp.codegen.emit.steps import StepTable
from tvm_pulp.codegen.emit.text import address
from tvm_pulp.codegen.engines.engine import Engine, Job
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Window
from tvm_pulp.codegen.kernels import KernelChoice
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.params import BlockLayout
from tvm_pulp.codegen.plan import Box, LayerPlan, TileStep
from tvm_pulp.errors import PlanError

CONVOLUTIONS = (LayerKind.CONV2D, LayerKind.POINTWISE, LayerKind.LINEAR)
MOST_SHIFT = 31
_PADS = ("pad_top", "pad_bottom", "pad_left", "pad_right")


@dataclass(frozen=True)
class Output:
    """What an engine does with a sum: `clip((k * acc + bias) >> shift, 0, largest)`; `k` is None where it
    counts as 1."""

    k: npt.NDArray[np.int64] | None
    bias: npt.NDArray[np.int64]
    shift: int
    largest: int


@dataclass(frozen=True)
class WindowEngine(Engine):
    """A parameter block is `[k][bias][weights]`, weights in the layer's own order, int32 the others."""

    headers: ClassVar[tuple[str, ...]] = ("pulp_window_jobs.h",)
    largest_outputs: ClassVar[tuple[int, ...]] = (255,)

    start_cycles: Annotated[int, Field(ge=0, le=1_000_000, description="cycles to program a tile")]

    @abstractmethod
    def output(self, layer: Layer) -> Output | None:
        """How the engine requantizes, None if it can't, for a layer with weights."""

    @abstractmethod
    def layer_refusal(self, graph: LayerGraph, layer: Layer) -> str | None:
        """What else speaks against a layer."""

    @abstractmethod
    def work_cycles(self, layer: Layer, tiles: Tiles) -> IntArray:
        """Cycles of each tile in the engine."""

    def cycles(self, machine: Machine, layer: Layer, kernel: str, tiles: Tiles) -> IntArray:
        return self.start_cycles + self.work_cycles(layer, tiles)

    def program_cycles(self) -> int:
        return self.start_cycles

    def refusal(self, graph: LayerGraph, layer: Layer) -> str | None:
        if layer.weights is None or layer.requant is None:
            return f"{self.name} computes convolutions"
        window = layer.window
        pads = (window.pad_top, window.pad_bottom, window.pad_left, window.pad_right)
        if max(pads) > 0 and graph.tensors[layer.inputs[0]].zero_point != 0:
            return f"{self.name} pads with 0, which isn't the input's zero point"
        reason = self.layer_refusal(graph, layer)
        if reason is None and not (layer.requant.lo == 0 and layer.requant.hi in self.largest_outputs):
            return f"{self.name} clips to {self._bounds} only"
        return reason

    def violations(self, graph: LayerGraph, layer: Layer, plan: LayerPlan, step: TileStep) -> list[str]:
        if plan.channels_first or plan.pad_in_l1 or plan.clip:
            return [f"{self.name} pads itself, reads HWC and clips to {self._bounds}"]
        return []

    @property
    def _bounds(self) -> str:
        return " or ".join(f"0..{largest}" for largest in self.largest_outputs)

    def choose_kernel(self, graph: LayerGraph, layer: Layer, tile: Box | None, cores: int) -> KernelChoice:
        return KernelChoice(self.name)

    def block_layout(self, layer: Layer, channels: int) -> BlockLayout:
        weights = _weights(layer)
        entries = 4 * channels
        k = 0 if self._output(layer).k is None else entries
        end = k + entries + channels * weights[0].size
        return BlockLayout(0, k, k + entries, end + -end % 4)

    def pack_block(self, layer: Layer, c0: int, channels: int) -> bytes:
        part, output = slice(c0, c0 + channels), self._output(layer)
        k = b"" if output.k is None else output.k[part].astype("<i4").tobytes()
        block = k + output.bias[part].astype("<i4").tobytes() + _weights(layer)[part].tobytes()
        return block.ljust(self.block_layout(layer, channels).size, b"\0")

    def job(self, graph: LayerGraph, layer: Layer, plan: LayerPlan, table: StepTable) -> Job:
        output, window = self._output(layer), _window(layer)
        common = {
            "shift": output.shift,
            "largest": output.largest,
            "depthwise": int(layer.kind is LayerKind.DEPTHWISE),
            "window.k_x": window.kernel_w,
            "window.k_y": window.kernel_h,
            "window.stride_x": window.stride_w,
            "window.stride_y": window.stride_h,
        }
        return Job(
            state="pulp_window_job_t",
            setup=[f"  job->{member} = {value};" for member, value in common.items()],
            start=[
                f"  job->x = {address('l1', table.expression('x_l1'))};",
                f"  job->y = {address('l1', table.expression('y_l1'))};",
                *self._params(layer, output, table),
                *(f"  job->window.{member} = {value};" for member, value in _sizes(layer, table).items()),
                f"  {self.name}_start(job);",
            ],
            wait=f"{self.name}_wait({{job}})",
        )

    def _output(self, layer: Layer) -> Output:
        found = self.output(layer)
        if found is None:
            raise PlanError(f"{self.name} can't requantize it", where=layer.name)
        return found

    def _params(self, layer: Layer, output: Output, table: StepTable) -> list[str]:
        block = address("l1", table.expression("params_l1"))
        lines = [f"  const int32_t *const entries = (const int32_t *)({block});"]
        channels = table.expression("y_c")
        if output.k is None:
            return [
                *lines,
                "  job->k = NULL;",
                "  job->bias = entries;",
                f"  job->weights = (const int8_t *)(entries + {channels});",
            ]
        return [
            *lines,
            "  job->k = entries;",
            f"  job->bias = entries + {channels};",
            f"  job->weights = (const int8_t *)(entries + 2 * {channels});",
        ]


def plain_shift(layer: Layer) -> Output | None:
    """The requantization without multipliers, for an engine that only shifts: where all are the same power of
    two, and offsets multiples of it, nothing is lost. None otherwise."""
    requant = layer.requant
    if requant is None or requant.wide:
        return None
    k = int(requant.multiplier[0])
    if k <= 0 or k & (k - 1) or np.any(requant.multiplier != k) or np.any(requant.offset % k):
        return None
    shift = requant.shift - (k.bit_length() - 1)
    return Output(None, requant.offset // k, shift, requant.hi) if 0 <= shift <= MOST_SHIFT else None


def _weights(layer: Layer) -> npt.NDArray[np.int8]:
    if layer.weights is None:
        raise PlanError("the layer has no weights", where=layer.name)
    return np.ascontiguousarray(layer.weights)


def _window(layer: Layer) -> Window:
    """Of a linear layer that of a 1x1 convolution of one pixel."""
    return Window() if layer.kind is LayerKind.LINEAR else layer.window


def _sizes(layer: Layer, table: StepTable) -> dict[str, str]:
    """The members of the job's window that may differ from tile to tile."""
    names = {"in_x": "in_w", "in_y": "in_h", "ch_in": "x_c", "out_x": "y_w", "out_y": "y_h", "ch_out": "y_c"}
    sizes = {member: table.expression(name) for member, name in names.items()}
    if layer.kind is LayerKind.LINEAR:
        sizes |= {"in_x": "1", "in_y": "1", "ch_in": str(_weights(layer)[0].size)}
    return sizes | {name: "0" if layer.kind is LayerKind.LINEAR else table.expression(name) for name in _PADS}
