"""What a compilation did, as plain data: `report.json` of a package, shown by `tvm-pulp inspect`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from json import dumps

from pydantic import TypeAdapter, ValidationError
from tvm_pulp.codegen.cost.cluster import BLOCK_CHANNELS, WORD
from tvm_pulp.codegen.fusion.groups import as_planned
from tvm_pulp.codegen.graph import Layer, LayerGraph, Tensor, macs
from tvm_pulp.codegen.machine import Machine
from tvm_pulp.codegen.memory.l3_places import streams_params
from tvm_pulp.codegen.params import pack_size
from tvm_pulp.codegen.plan import L1Buffer, L1Tensor, L2Buffer, LayerPlan, Plan
from tvm_pulp.codegen.tiles.shares import rows_words, share_rows
from tvm_pulp.codegen.timeline import Lane, Timeline
from tvm_pulp.codegen.traffic import layer_traffic

from .errors import InputError
from .package import REPORT_FILE, Package

Shape = tuple[int, int, int]  # height, width, channels


@dataclass(frozen=True)
class OperatorReport:
    """One operator of the user's network.

    `name` and `op_type` are the user's (`op_type` as in ONNX); `layer` is the layer that it became a part
    of, or None, also where it is offloaded at no cost, since layers read and write where it would move
    bytes; `reason` says why it is not offloaded, or None. `macs` are those of the operator.
    """

    name: str
    op_type: str
    offloaded: bool
    layer: str | None = None
    reason: str | None = None
    macs: int = 0


class Bound(Enum):
    """What a layer's predicted time is mostly made of."""

    COMPUTE = "compute"
    DMA = "DMA"
    L3 = "L3"


@dataclass(frozen=True)
class LayerReport:
    """How one layer runs; `sources` are the user's operators that it does.

    `inputs` and `output` are shapes (height, width, channels), `tile` is the largest output tile. `cycles` are
    the cost model's prediction: of the layer, of its kernel calls and of its transfers. `dma_in` and `dma_out`
    are bytes between L2 and L1, `params_bytes` those of the packed parameters in L2, `l1_bytes` the sum of the
    layer's buffers. `l3_waits` are cycles beside `cycles` in which L3 is waited for, `l3_bytes` those that move
    between L3 and L2 for the layer. `wide` says that the requantization uses 64 bits; `shift` is None for a max
    pool. `fused` are the layers that this one is made of, where it is a group of fused ones; `rows` says how
    many of its rows each engine computes, where two divide them; `c_in` of how many input channels at a time a
    tile is computed, if not of all that it reads. `beside` is the layer that runs at the same time, if any; the
    first of the two has the cycles of both.
    """

    name: str
    kind: str
    sources: tuple[str, ...]
    inputs: tuple[Shape, ...]
    output: Shape
    kernel: str
    tile: Shape
    steps: int
    macs: int
    cycles: int
    l1_bytes: int
    dma_in: int
    dma_out: int
    wide: bool = False
    shift: int | None = None
    engine: str = "cluster"
    compute_cycles: int = 0
    dma_cycles: int = 0
    params_bytes: int = 0
    buffers: tuple[L1Buffer, ...] = ()
    l3_waits: int = 0
    l3_bytes: int = 0
    fused: tuple[str, ...] = ()
    rows: tuple[tuple[str, int], ...] = ()
    beside: str = ""
    c_in: int = 0

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that compute it."""
        return tuple(engine for engine, _ in self.rows) or (self.engine,)

    @property
    def where(self) -> str:
        """The engine, or what each of two computes, and beside what."""
        words = rows_words(self.rows) if self.rows else self.engine
        return f"{words}, beside {self.beside}" if self.beside else words

    @property
    def bound(self) -> Bound:
        """What takes longest: the layer's kernel calls, its transfers, or waiting for L3."""
        if self.l3_waits > max(self.compute_cycles, self.dma_cycles):
            return Bound.L3
        return Bound.DMA if self.dma_cycles > self.compute_cycles else Bound.COMPUTE

    @property
    def waiting_cycles(self) -> int:
        """Cycles in which the cores wait for transfers, from and to L3 too."""
        return max(0, self.cycles + self.l3_waits - self.compute_cycles)


@dataclass(frozen=True)
class RegionReport:
    """One region (a function of generated C) and its memory in bytes.

    `l1_limit` and `l2_limit` are what the plan might use, `l1_used` and `l2_used` what it does; of the latter
    `l2_arena` are activations and what comes from L3, `l2_params` packed parameters, `l2_tables` step tables
    and the like. No plan with these tiles takes fewer than `bound_cycles`. `l3_transfers` move data between L3
    and L2.
    """

    name: str
    layers: tuple[LayerReport, ...]
    l1_used: int
    l1_limit: int
    l2_used: int
    l2_limit: int
    l2_arena: int
    l2_params: int
    l2_buffers: tuple[L2Buffer, ...] = ()
    bound_cycles: int = 0
    l3_transfers: int = 0
    l2_tables: int = 0
    l1_tensors: tuple[L1Tensor, ...] = ()

    @property
    def l2_arena_holds(self) -> str:
        """What is in the arena, in words."""
        return "activations and what comes from L3" if self.l3_transfers else "activations between layers"

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers."""
        return sum(layer.macs for layer in self.layers)

    @property
    def cycles(self) -> int:
        """Predicted cycles of all layers, and those of waiting for L3."""
        return sum(layer.cycles for layer in self.layers) + self.l3_waits

    @property
    def l3_waits(self) -> int:
        """Predicted cycles of waiting for L3."""
        return sum(layer.l3_waits for layer in self.layers)

    @property
    def l3_bytes(self) -> int:
        """Bytes between L3 and L2."""
        return sum(layer.l3_bytes for layer in self.layers)

    @property
    def gap(self) -> float:
        """The share of the cycles that the bound doesn't prove to be needed."""
        return 1 - self.bound_cycles / self.cycles if self.cycles else 0.0

    @property
    def dma_in(self) -> int:
        """Bytes from L2 to L1."""
        return sum(layer.dma_in for layer in self.layers)

    @property
    def dma_out(self) -> int:
        """Bytes from L1 to L2."""
        return sum(layer.dma_out for layer in self.layers)


@dataclass(frozen=True)
class CompilationReport:
    """A whole network: its operators in the order of the graph, and the regions that were generated.

    `peak_macs_per_cycle` is the best rate of all cores together, `dma_bytes_per_cycle` that of a long transfer
    between L2 and L1; 0 where nobody said. `l2_outside` are bytes of L2 beside the regions: tensors and
    constants of the parts that TVM compiles, among them the regions' inputs and outputs.
    """

    soc: str
    cores: int
    operators: tuple[OperatorReport, ...]
    regions: tuple[RegionReport, ...]
    peak_macs_per_cycle: float = 0.0
    dma_bytes_per_cycle: float = 0.0
    l2_outside: int = 0

    @property
    def offloaded(self) -> tuple[OperatorReport, ...]:
        """The operators that our C computes."""
        return tuple(operator for operator in self.operators if operator.offloaded)

    @property
    def refused(self) -> tuple[OperatorReport, ...]:
        """The operators that are left to TVM's C."""
        return tuple(operator for operator in self.operators if not operator.offloaded)

    @property
    def cycles(self) -> int:
        """Predicted cycles of all regions."""
        return sum(region.cycles for region in self.regions)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all operators."""
        return sum(operator.macs for operator in self.operators)

    @property
    def offloaded_macs(self) -> int:
        """Multiply-accumulates of the offloaded operators."""
        return sum(operator.macs for operator in self.offloaded)

    def to_json(self) -> str:
        """Return the text of `report.json`."""
        return dumps(asdict(self), indent=1, ensure_ascii=False, default=_enum_value) + "\n"


def _enum_value(value: object) -> object:
    """What `json` is to write for an enum. Raises TypeError, as `json` expects, for anything else."""
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} in a report")


def report_from_json(text: str, *, file: str) -> CompilationReport:
    """Read what `to_json` wrote, else raise InputError; `file` is the name used in errors."""
    try:
        return TypeAdapter(CompilationReport).validate_json(text)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        path = ".".join(map(str, fault["loc"])) or "the file"
        raise InputError(
            f"{path}: {fault['msg'].lower()}", where=file, fix="make the package again with this version"
        ) from error


def read_report(package: Package) -> CompilationReport:
    """The report of a package. Raises InputError if it holds none, or a bad one."""
    try:
        text = package.read(REPORT_FILE).decode()
    except KeyError as error:
        fix = "compile the network again with this version"
        raise InputError(f"this package has no {REPORT_FILE}", where=str(package.path), fix=fix) from error
    return report_from_json(text, file=f"{package.path}:{REPORT_FILE}")


def peak_macs_per_cycle(machine: Machine) -> float:
    """Return the rate of the fastest engine: of NE16 and the like, or of all cores with the fastest kernel."""
    cluster = machine.cluster
    block = cluster.word_weights_cycles + cluster.block_pixels * cluster.word_pixel_cycles
    product = BLOCK_CHANNELS * WORD * cluster.block_pixels / block
    cores = machine.cores * max(product, cluster.depthwise_macs_per_cycle, cluster.linear_macs_per_cycle)
    return max([cores, *(engine.peak_macs_per_cycle for engine in machine.engines)])


def region_report(graph: LayerGraph, plan: Plan, timeline: Timeline) -> RegionReport:
    """Return what there is to say of a planned region; `timeline` is that of the plan."""
    graph = as_planned(graph, plan)
    layers = {layer.name: layer for layer in graph.layers}
    busy = timeline.busy_cycles()
    return RegionReport(
        name=plan.region,
        layers=tuple(
            replace(
                _layer_report(graph, layers[layer_plan.layer], layer_plan, busy[index]),
                l3_waits=timeline.layers[index].l3_waits,
                l3_bytes=sum(one.size for one in plan.transfers if one.layer == index),
                params_bytes=0 if streams_params(plan, index) else pack_size(layer_plan),
                beside=_beside(plan, index),
            )
            for index, layer_plan in enumerate(plan.layers)
        ),
        l1_used=plan.l1_used,
        l1_limit=plan.l1_bytes,
        l2_used=plan.l2_used,
        l2_limit=plan.l2_bytes,
        l2_arena=plan.l2_arena,
        l2_params=plan.l2_used - plan.l2_arena - plan.l2_tables,
        l2_tables=plan.l2_tables,
        l1_tensors=plan.l1_tensors,
        l2_buffers=plan.l2_buffers,
        bound_cycles=plan.prediction.bound,
        l3_transfers=len(plan.transfers),
    )


def _beside(plan: Plan, index: int) -> str:
    """The layer that runs at the same time as this one."""
    if plan.layers[index].with_next:
        return plan.layers[index + 1].layer
    return plan.layers[index - 1].layer if index and plan.layers[index - 1].with_next else ""


def _layer_report(graph: LayerGraph, layer: Layer, plan: LayerPlan, busy: Mapping[Lane, int]) -> LayerReport:
    traffic = layer_traffic(graph, layer, plan)
    return LayerReport(
        name=layer.name,
        kind=" + ".join(part.kind.value for part in layer.parts or (layer,)),
        sources=layer.sources,
        inputs=tuple(_shape(graph.tensors[name]) for name in layer.inputs),
        output=_shape(graph.tensors[layer.output]),
        kernel=plan.kernel,
        tile=(plan.tile.h, plan.tile.w, plan.tile.c),
        c_in=plan.c_in,
        steps=len(plan.steps),
        macs=macs(graph, layer),
        cycles=plan.cycles,
        l1_bytes=sum(buffer.size for buffer in plan.buffers),
        dma_in=traffic.bytes_in,
        dma_out=traffic.bytes_out,
        wide=layer.requant is not None and layer.requant.wide and not layer.requant.split,
        shift=None if layer.requant is None else layer.requant.shift,
        compute_cycles=busy[Lane.CORES] + busy[Lane.ENGINE],
        dma_cycles=busy[Lane.DMA_IN] + busy[Lane.DMA_OUT],
        buffers=plan.buffers,
        engine=plan.engine,
        fused=tuple(part.name for part in layer.parts),
        rows=share_rows(plan),
    )


def _shape(tensor: Tensor) -> Shape:
    return (tensor.height, tensor.width, tensor.channels)
