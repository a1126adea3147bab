"""The step table of a layer: what differs between the iterations of its tile loop.

A value that is the same in all steps becomes a literal in the code; one that varies becomes a column of the
table, and the code reads it from there. A long table is divided (`step_groups`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tvm_pulp.codegen.emit.shares import SHARE_COLUMNS, ShareColumns
from tvm_pulp.codegen.emit.stages import MID_COLUMNS, StageColumns
from tvm_pulp.codegen.emit.step_groups import (
    LEAST_SAVED,
    StepGroups,
    group_steps,
    narrowest,
    table_bytes,
    unit,
)
from tvm_pulp.codegen.emit.text import scaled
from tvm_pulp.codegen.fusion.groups import stage_plans
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Tensor
from tvm_pulp.codegen.memory.l3_places import StepPlaces
from tvm_pulp.codegen.params import has_params
from tvm_pulp.codegen.plan import Box, LayerPlan, Operand, TileStep
from tvm_pulp.codegen.tiles.input_parts import finishing
from tvm_pulp.codegen.tiles.shares import share_plans

# Their meaning. In a table wide columns come first, so that a row has no holes.
COLUMNS: dict[str, str] = {
    "x": "input box: offset in the tensor",
    "x2": "second input's box: offset in the tensor",
    "x_l1": "input buffer, offset in L1",
    "x2_l1": "second input's buffer, offset in L1",
    "x_data": "where the input box goes inside its padded buffer, offset in L1",
    "params": "parameter block: offset in the layer's parameters, or in L2",
    "params_l1": "parameter buffer, offset in L1",
    "params_size": "bytes of the parameter block",
    "y": "output box: offset in the tensor",
    "y_l1": "output buffer, offset in L1",
    "sums_l1": "buffer of sums, offset in L1",
    "x_h": "rows of the input box",
    "x_w": "columns of the input box",
    "x_c": "channels of the input box",
    "y_h": "rows of the output box",
    "y_w": "columns of the output box",
    "y_c": "channels of the output box",
    "y_c0": "first channel of the output box",
    "pad_top": "padding above the input box",
    "pad_bottom": "below",
    "pad_left": "on the left",
    "pad_right": "on the right",
    "load_x": "the input box has to be loaded",
    "load_x2": "the second input's box has to be loaded",
    "load_params": "the parameter block has to be loaded",
    "y_slot": "which output buffer",
    "first_part": "the first input channels of the output box",
    "last_part": "the last input channels of the output box",
    **MID_COLUMNS,
    **SHARE_COLUMNS,
}


@dataclass
class StepTable:
    """Values of each column, and of sizes derived from columns, in each step; `used` grows as code refers to
    columns that vary. With `groups` the columns are divided among several tables."""

    layer: Layer
    plan: LayerPlan
    values: dict[str, tuple[int, ...]]
    x_tensor: Tensor
    y_tensor: Tensor
    groups: StepGroups | None = None
    used: set[str] = field(default_factory=set)

    def varies(self, name: str) -> bool:
        """True if the steps don't agree."""
        return len(set(self.values[name])) > 1

    def constant(self, name: str) -> int:
        """The value that all steps share."""
        return self.values[name][0]

    def expression(self, name: str) -> str:
        """C for a value of the current step: a literal, a column of the table, or what is derived from some."""
        if not self.varies(name):
            return str(self.constant(name))
        if name in COLUMNS:
            return self.cell(name)
        if name in ("in_h", "in_w"):
            return " + ".join(self.expression(term) for term in self._terms(name) if self.any(term))
        factors = [self.expression(factor) for factor in self._factors(name)]
        factors.append(str(self._element_bytes(name)))
        return " * ".join(f"({factor})" if " + " in factor else factor for factor in factors if factor != "1")

    def cell(self, name: str) -> str:
        """C for the value of a column that varies."""
        self.used.add(name)
        if self.groups is None:
            return scaled(f"step->{name}", unit(self.values[name]))
        return self._of_group(name, self.groups)

    def _element_bytes(self, name: str) -> int:
        """What turns a number of elements into bytes, where bytes are asked for."""
        tensors = {"x_row": self.x_tensor, "y_row": self.y_tensor}
        return tensors[name].dtype.size if name in tensors else 1

    def _of_group(self, name: str, groups: StepGroups) -> str:
        """C for a column of one of several tables."""
        group = next(group for group, rows in groups.rows.items() if name in rows)
        constant = len(set(groups.rows[group][name])) == 1
        cell = scaled(f"step->{group}.{name}", unit(groups.rows[group][name]))
        if name not in groups.beyond:
            return cell
        channel = self.expression("y_c0")
        return f"{groups.rows[group][name][0]} + {channel}" if constant else f"{cell} + {channel}"

    def group_columns(self, group: str) -> list[str]:
        """The columns that the table of a group needs."""
        assert self.groups is not None
        rows = self.groups.rows.get(group, {})
        return [name for name in self.columns() if name in rows and (len(set(rows[name])) > 1)]

    @property
    def size_bytes(self) -> int:
        """Bytes of the tables, where code refers to every column that it may refer to."""
        if self.groups is not None:
            return self.groups.size_bytes
        varying = varying_columns(self.layer, self.plan, self.values)
        return table_bytes([narrowest(values) for values in varying.values()], varying, in_words=True)

    def _terms(self, name: str) -> tuple[str, ...]:
        """What the size of the input buffer on one axis is the sum of."""
        if name == "in_h":
            return ("pad_top", "x_h", "pad_bottom") if self.plan.pad_in_l1 else ("x_h",)
        return ("pad_left", "x_w", "pad_right") if self.plan.pad_in_l1 else ("x_w",)

    def _factors(self, name: str) -> tuple[str, ...]:
        """What a number of bytes is the product of."""
        if name == "x_row":  # from a row of the input buffer to the next, or a channel if it's planar
            other = "in_h" if self.x_tensor.planar else "x_c"
            return ("in_w",) if self.plan.channels_first else ("in_w", other)
        if name == "x_plane":  # from a channel of the input buffer to the next
            return ("in_h", "in_w")
        if name == "y_row":
            return ("y_w", "y_h" if self.y_tensor.planar else "y_c")
        return ("y_h", "y_w") if name == "y_pixels" else ("y_h", "y_w", "y_c")

    def any(self, *names: str) -> bool:
        """True if one of the columns is not 0 in some step."""
        return any(value != 0 for name in names for value in self.values[name])

    def columns(self) -> list[str]:
        """The columns that the table needs."""
        return [name for name in COLUMNS if name in self.used]


def step_table(
    graph: LayerGraph,
    layer: Layer,
    plan: LayerPlan,
    places: StepPlaces | None = None,
    homes: Mapping[str, int] | None = None,
) -> StepTable:
    """The table of a layer, with every column that its operands have. Offsets of what lies in L3 are replaced
    by `places` in the L2 arena; `homes` are the offsets of tensors that lie in L1."""
    tensors = tuple(graph.tensors[name] for name in (layer.inputs[0], layer.inputs[-1], layer.output))
    rows = [_row(_L1Places(plan, homes or {}), step, *tensors) for step in plan.steps]
    for row, last in zip(rows, finishing(plan.steps), strict=True):
        row["last_part"] = int(last)
    for row, before in zip(rows[1:], rows, strict=False):
        row["first_part"] = before["last_part"]
    if plan.params_ahead:
        rows[0]["load_params"] = 0
    if plan.x_ahead:
        rows[0]["load_x"] = rows[0]["load_x2"] = 0
    in_arena = {} if places is None else _in_arena(places)
    for column, offsets in in_arena.items():
        for row, offset in zip(rows, offsets, strict=True):
            row[column] = offset
    values = {name: tuple(row[name] for row in rows) for name in rows[0]}
    for index in range(len(layer.parts)):
        values |= _new_columns(graph, layer, plan, index)
    for index in range(len(plan.shares)):
        values |= _columns_of_share(plan, values, tensors, index)
    table = StepTable(layer, plan, values, tensors[0], tensors[2])
    groups = group_steps(varying_columns(layer, plan, values))
    if groups.size_bytes + LEAST_SAVED > table.size_bytes:
        return table
    return replace(table, groups=groups)


@dataclass
class PartTable(StepTable):
    """The values for one layer of a fused group, or for one of two engines, which C finds in the table of the
    whole, `owner`, in the columns that `column` names."""

    owner: StepTable | None = None
    column: Callable[[str], str] = str

    def cell(self, name: str) -> str:
        """C for the value of a column that varies."""
        assert self.owner is not None
        return self.owner.expression(self.column(name))


def stage_table(graph: LayerGraph, layer: Layer, plan: LayerPlan, owner: StepTable, index: int) -> PartTable:
    """The table of a fused group's layer number `index`; `owner` is the group's."""
    part, stage = layer.parts[index], stage_plans(plan)[index]
    values = _stage_values(graph, part, stage)
    names = StageColumns(index, len(layer.parts), doubles=_doubles(part))
    tensors = (graph.tensors[part.inputs[0]], graph.tensors[part.output])
    return PartTable(part, stage, values, *tensors, owner=owner, column=names.of)


def _stage_values(graph: LayerGraph, part: Layer, stage: LayerPlan) -> dict[str, tuple[int, ...]]:
    source, out = graph.tensors[part.inputs[0]], graph.tensors[part.output]
    rows = [_row(_L1Places(stage, {}), step, source, source, out) for step in stage.steps]
    second = _L1Places(stage, {})
    for row, step in zip(rows, stage.steps, strict=True):
        row["params_l1"] += step.params_offset
        row["x2_l1"] = row["x_l1"] if _doubles(part) else second.slot(Operand.X2, step.x2_slot)
    return {name: tuple(row[name] for row in rows) for name in rows[0]}


def _doubles(part: Layer) -> bool:
    """True for a layer whose two inputs are the same."""
    return len(part.inputs) > len(set(part.inputs))


def _new_columns(graph: LayerGraph, layer: Layer, plan: LayerPlan, index: int) -> dict[str, tuple[int, ...]]:
    """The columns that a layer of a group brings to the group's table."""
    part, stage = layer.parts[index], stage_plans(plan)[index]
    values, names = _stage_values(graph, part, stage), StageColumns(index, len(layer.parts))
    unused = set() if has_params(part) else {"params_l1"}
    unused |= set() if part.kind is LayerKind.CONV_DIRECT else {"y_c0"}
    found = {names.of(name): column for name, column in values.items() if name not in unused}
    return {name: column for name, column in found.items() if name in MID_COLUMNS}


def share_table(plan: LayerPlan, owner: StepTable, index: int) -> PartTable:
    """The table of engine number `index` of the two that compute a layer; `owner` is the layer's."""
    share, tensors = share_plans(plan)[index], (owner.x_tensor, owner.y_tensor)
    values = _share_values(plan, owner.values, tensors, index)
    return PartTable(owner.layer, share, values, *tensors, owner=owner, column=ShareColumns(index).of)


def _share_values(
    plan: LayerPlan, whole: Mapping[str, tuple[int, ...]], tensors: tuple[Tensor, Tensor], index: int
) -> dict[str, tuple[int, ...]]:
    """The layer's values with those of an engine's rows in their places. Its operands begin in L1 as many rows
    behind those of the layer's tiles as they do in the tensors."""
    x_tensor, y_tensor = tensors
    share, places = share_plans(plan)[index], _L1Places(plan, {})
    rows = [_row(places, step, x_tensor, x_tensor, y_tensor) for step in share.steps]
    for number, (row, own, step) in enumerate(zip(rows, share.steps, plan.steps, strict=True)):
        row["x_l1"] = whole["x_l1"][number] + (own.x.h0 - step.x.h0) * row["x_row"]
        row["y_l1"] = whole["y_l1"][number] + (own.y.h0 - step.y.h0) * row["y_row"]
        row["params_l1"] = whole["params_l1"][number] + own.params_offset
    return {name: tuple(row[name] for row in rows) for name in rows[0]}


def _columns_of_share(
    plan: LayerPlan, whole: Mapping[str, tuple[int, ...]], tensors: tuple[Tensor, ...], index: int
) -> dict[str, tuple[int, ...]]:
    """The columns that an engine brings to the layer's table."""
    values, names = _share_values(plan, whole, (tensors[0], tensors[2]), index), ShareColumns(index)
    return {names.of(name): column for name, column in values.items() if names.of(name) in SHARE_COLUMNS}


def varying_columns(
    layer: Layer, plan: LayerPlan, values: dict[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """The columns that a layer's code may refer to and that aren't the same in all steps."""
    unused = set() if len(layer.inputs) > 1 else {"x2", "x2_l1"}
    unused |= set() if layer.parts and len(layer.inputs) > 1 else {"load_x2"}
    unused |= set() if plan.pad_in_l1 else {"x_data"}
    unused |= set() if has_params(layer) else {"params", "params_l1", "params_size", "load_params"}
    possible = [name for name in COLUMNS if name in values and name not in unused]
    return {name: values[name] for name in possible if len(set(values[name])) > 1}


def _in_arena(places: StepPlaces) -> dict[str, tuple[int, ...]]:
    columns = {"params": places.params, "y": places.output}
    columns |= dict(zip(("x", "x2"), places.inputs, strict=False))
    return {column: offsets for column, offsets in columns.items() if offsets is not None}


class _L1Places:
    """Where a layer's operands are in L1."""

    def __init__(self, plan: LayerPlan, homes: Mapping[str, int]) -> None:
        self.plan = plan
        self._slots = {(buffer.operand, buffer.slot): buffer.offset for buffer in plan.buffers}
        self._homes = homes

    def slot(self, operand: Operand, slot: int) -> int:
        """The offset of a buffer; 0 if there is none."""
        return self._slots.get((operand, slot), 0)

    def box(self, tensor: Tensor, box: Box, operand: Operand, slot: int) -> int:
        """The offset of a box of a tensor that lies in L1, else that of the buffer which holds the box."""
        if tensor.name in self.plan.in_l1:
            return self._homes.get(tensor.name, 0) + _box_offset(tensor, box)
        return self.slot(operand, slot)


def _row(
    l1: _L1Places, step: TileStep, x_tensor: Tensor, x2_tensor: Tensor, y_tensor: Tensor
) -> dict[str, int]:
    x, y, padding = step.x, step.y, step.padding
    x2 = y if l1.plan.stages else _second_box(x_tensor, x2_tensor, x)
    row = {
        "x": _box_offset(x_tensor, x),
        "x2": _box_offset(x2_tensor, x2),
        "x_l1": l1.box(x_tensor, x, Operand.X, step.x_slot),
        "x2_l1": l1.box(x2_tensor, x2, Operand.X2, l1.plan.second_slot(step)),
        "params": step.params_offset,
        "params_l1": l1.slot(Operand.PARAMS, step.params_slot),
        "params_size": step.params_size,
        "y": _box_offset(y_tensor, y),
        "y_l1": l1.box(y_tensor, y, Operand.Y, step.y_slot),
        "sums_l1": l1.slot(Operand.SUMS, 0 if l1.plan.c_in else step.y_slot),
        "y_row": y.w * (y.h if y_tensor.planar else y.c) * y_tensor.dtype.size,
        "y_size": y.h * y.w * y.c,
        "y_pixels": y.h * y.w,
        "x_h": x.h,
        "x_w": x.w,
        "x_c": x.c,
        "y_h": y.h,
        "y_w": y.w,
        "y_c": y.c,
        "y_c0": y.c0,
        "pad_top": padding.top,
        "pad_bottom": padding.bottom,
        "pad_left": padding.left,
        "pad_right": padding.right,
        "load_x": int(step.load_x),
        "load_x2": 1,
        "load_params": int(step.load_params),
        "y_slot": step.y_slot,
        "first_part": 1,
        "last_part": 1,
    }
    return row | _input_buffer(l1.plan, step, x_tensor, row["x_l1"])


def _input_buffer(plan: LayerPlan, step: TileStep, x_tensor: Tensor, x_l1: int) -> dict[str, int]:
    """Geometry of the input buffer, which includes the padding if the plan pads in L1."""
    x, padding = step.x, step.padding
    top, left = (padding.top, padding.left) if plan.pad_in_l1 else (0, 0)
    in_h = top + x.h + (padding.bottom if plan.pad_in_l1 else 0)
    in_w = left + x.w + (padding.right if plan.pad_in_l1 else 0)
    pixel = 1 if plan.channels_first else in_h if x_tensor.planar else x.c
    return {
        "in_h": in_h,
        "in_w": in_w,
        "x_row": in_w * pixel * x_tensor.dtype.size,
        "x_plane": in_h * in_w,
        "x_data": x_l1 + (top * in_w + left) * pixel,
    }


def _box_offset(tensor: Tensor, box: Box) -> int:
    size = tensor.dtype.size
    plane = tensor.height * tensor.width * size if tensor.planar else size  # from a channel to the next
    return box.h0 * tensor.row_bytes + box.w0 * tensor.pixel_bytes + box.c0 * plane


def _second_box(x_tensor: Tensor, x2_tensor: Tensor, x: Box) -> Box:
    """What is read of the second input: the same box, unless it is one pixel for all."""
    one_pixel = (x_tensor.height, x_tensor.width) != (x2_tensor.height, x2_tensor.width)
    return Box(0, 1, 0, 1, x.c0, x.c) if one_pixel else x
