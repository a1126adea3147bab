"""Activations that stay in L1 from the layer that makes them to the last that reads them.

They are for the cores and for two engines that divide a layer; an engine alone, and two layers at the same
time, work on what is loaded. They are neither stored nor loaded, but take L1 from the tiles of all layers
meanwhile. One after the other is kept, in the order of the layers, as long as the layers concerned don't become
slower.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from tvm_pulp.codegen.align import align
from tvm_pulp.codegen.graph import Dtype, LayerGraph
from tvm_pulp.codegen.memory.ahead import in_use_at_last, loadable_ahead
from tvm_pulp.codegen.memory.l2_space import Rect, find_room
from tvm_pulp.codegen.memory.spill import Life, has_views, same_shape
from tvm_pulp.codegen.plan import L1Buffer, L1Tensor, LayerPlan, Operand

Search = Callable[[int, int, frozenset[str]], LayerPlan | None]
"""The best plan of the layer with this index in so many bytes of L1, beside which these of its operands lie."""

DESTROYS_INPUT = "pulp_nn_maxpool"

COMPACT_STEP = 64
"""How finely the least L1 is looked for, in bytes."""


@dataclass(frozen=True)
class L1Layout:
    """Layers and tensors with their places in L1."""

    layers: tuple[LayerPlan, ...]
    tensors: tuple[L1Tensor, ...] = ()


def keep_in_l1(
    graph: LayerGraph, best: Sequence[LayerPlan], lives: Sequence[Life], l1_bytes: int, search: Search
) -> L1Layout:
    """The layers with activations in L1 where that doesn't cost cycles, and with parameters loaded ahead."""
    kept: list[Life] = []
    plans = tuple(best)
    layout = place_l1(graph, plans, kept, l1_bytes) or L1Layout(plans)
    for life in sorted(lives, key=lambda one: (one.first, one.last)):
        if not _may_stay(graph, life, l1_bytes) or any(one.with_next for one in _during(plans, life)):
            continue
        changed = _with_tensor(graph, plans, [*kept, life], l1_bytes, search)
        if changed is None or _cycles(changed, life) > _cycles(plans, life):
            continue
        found = place_l1(graph, changed, [*kept, life], l1_bytes)
        if found is not None:
            plans, layout = changed, found
            kept.append(life)
    return _compact(layout, lambda limit: place_l1(graph, plans, kept, limit), l1_bytes) if kept else layout


def _compact(layout: L1Layout, place: Callable[[int], L1Layout | None], l1_bytes: int) -> L1Layout:
    """The same in as little of L1 as can be found, with the same loads ahead: tensors lie at the end, and would
    make the region take all of it."""
    ahead = [(plan.params_ahead, plan.x_ahead) for plan in layout.layers]
    low, high = _least_bytes(layout), l1_bytes
    while high - low > COMPACT_STEP:
        middle = (low + high) // 2
        found = place(middle)
        if found is not None and [(one.params_ahead, one.x_ahead) for one in found.layers] == ahead:
            layout, high = found, middle
        else:
            low = middle
    return layout


def _least_bytes(layout: L1Layout) -> int:
    """Bytes that some layer's buffers and the tensors then take together."""
    return max(
        _buffer_bytes(plan) + sum(align(one.size) for one in layout.tensors if one.first <= index <= one.last)
        for index, plan in enumerate(layout.layers)
    )


def _may_stay(graph: LayerGraph, life: Life, l1_bytes: int) -> bool:
    tensor = graph.tensors[life.tensor]
    readers = [layer for layer in graph.layers if life.tensor in layer.inputs]
    return (
        2 * tensor.size_bytes <= l1_bytes
        and tensor.dtype is Dtype.UINT8
        and not tensor.planar  # a part of planes isn't planes of a part
        and graph.layers[life.first].output == life.tensor
        and not has_views(graph, life.tensor)
        and all(same_shape(graph, layer.inputs[0], life.tensor) for layer in readers)
    )


def _during(plans: Sequence[LayerPlan], life: Life) -> Sequence[LayerPlan]:
    return plans[life.first : life.last + 1]


def _cycles(plans: Sequence[LayerPlan], life: Life) -> int:
    return sum(plan.cycles for plan in _during(plans, life))


def _with_tensor(
    graph: LayerGraph, plans: Sequence[LayerPlan], kept: Sequence[Life], l1_bytes: int, search: Search
) -> tuple[LayerPlan, ...] | None:
    """The plans with the last of `kept` in L1 too; None if a layer can't have it there."""
    changed = list(plans)
    for index in range(kept[-1].first, kept[-1].last + 1):
        layer = graph.layers[index]
        alive = {life.tensor for life in kept if life.first <= index <= life.last}
        budget = l1_bytes - sum(align(graph.tensors[name].size_bytes) for name in alive)
        mine = frozenset(alive & {*layer.inputs, layer.output})
        if mine == frozenset(plans[index].in_l1) and _buffer_bytes(plans[index]) <= budget:
            continue
        found = search(index, budget, mine) if budget > 0 else None
        if found is None or not _reads_in_place(graph, index, found):
            return None
        changed[index] = found
    return tuple(changed)


def _buffer_bytes(plan: LayerPlan) -> int:
    return sum(align(buffer.size) for buffer in plan.buffers)


def _reads_in_place(graph: LayerGraph, index: int, plan: LayerPlan) -> bool:
    """True if the kernel can read those of its inputs that stay in L1 where they lie, and leaves them whole."""
    if not set(graph.layers[index].inputs) & set(plan.in_l1):
        return True
    return not (plan.pad_in_l1 or plan.channels_first or plan.kernel == DESTROYS_INPUT)


# ---- Places --------------------------------------------------------------------------------------------------


def place_l1(
    graph: LayerGraph, plans: Sequence[LayerPlan], kept: Sequence[Life], l1_bytes: int
) -> L1Layout | None:
    """Places in L1: the tensors from its end, the buffers of each layer from its start, parameters where the
    layer before has nothing if possible. None if something has no place."""
    limit = l1_bytes - l1_bytes % 8
    tensors = _place_tensors(graph, kept, limit)
    if tensors is None:
        return None
    layers = place_layers(graph, plans, tensors, limit)
    return None if layers is None else L1Layout(layers, tensors)


def place_layers(
    graph: LayerGraph,
    plans: Sequence[LayerPlan],
    tensors: Sequence[L1Tensor],
    limit: int,
    forbidden: Collection[tuple[int, Operand]] = (),
) -> tuple[LayerPlan, ...] | None:
    """The layers with places for their buffers beside tensors in L1; None if one has none. `forbidden` are
    layers (indices) and operands that are not loaded ahead."""
    layers: list[LayerPlan] = []
    for index, plan in enumerate(plans):
        obstacles = _alive(tensors, index)
        if layers and layers[-1].with_next:
            obstacles += _rects(layers[-1].buffers)
        before = [] if index == 0 else [*_alive(tensors, index - 1), *_rects(in_use_at_last(layers[-1]))]
        loadable = [
            one for one in loadable_ahead(graph, [*layers, plan], index) if (index, one) not in forbidden
        ]
        placed = _place_ahead(plan, loadable, (obstacles, before), limit)
        if placed is None:
            return None
        layers.append(placed)
    return tuple(layers)


def _place_tensors(graph: LayerGraph, kept: Sequence[Life], limit: int) -> tuple[L1Tensor, ...] | None:
    rects: list[Rect] = []
    for life in kept:
        size = graph.tensors[life.tensor].size_bytes
        at = find_room(rects, life.first, life.last + 1, size, limit)
        if at is None:
            return None
        rects.append(Rect(life.tensor, life.first, life.last + 1, at, size))
    return tuple(L1Tensor(rect.name, limit - rect.top, rect.size, rect.start, rect.end - 1) for rect in rects)


def _alive(tensors: Sequence[L1Tensor], index: int) -> list[Rect]:
    return [Rect(one.tensor, 0, 1, one.offset, one.size) for one in tensors if one.first <= index <= one.last]


def _rects(buffers: Sequence[L1Buffer]) -> list[Rect]:
    return [Rect(one.operand.value, 0, 1, one.offset, one.size) for one in buffers]


_Slot = tuple[Operand, int]


def _place_ahead(
    plan: LayerPlan,
    loadable: Sequence[Operand],
    taken: tuple[Sequence[Rect], Sequence[Rect]],
    limit: int,
) -> LayerPlan | None:
    """The plan with as much of its first step's operands as possible at places that the layer before doesn't
    use, to be loaded ahead; None if it has no place at all. `taken` is by tensors, and by the layer before."""
    obstacles, before = taken
    for chosen in _choices(plan, loadable):
        fixed: dict[_Slot, int] = {}
        used = [*obstacles, *before]
        for one in _first_buffers(plan, chosen):
            at = find_room(used, 0, 1, one.size, limit)
            if at is None:
                break
            fixed[_slot(one)] = at
            used.append(Rect("", 0, 1, at, one.size))
        else:
            placed = _place_buffers(plan, obstacles, fixed, limit)
            if placed is not None:
                params, x = (operand in chosen for operand in (Operand.PARAMS, Operand.X))
                return replace(placed, params_ahead=params, x_ahead=x)
    return None


def _choices(plan: LayerPlan, loadable: Sequence[Operand]) -> list[tuple[Operand, ...]]:
    """What to load ahead: all of it, the operand of more bytes, the other, nothing."""
    sizes = {one: sum(buffer.size for buffer in _first_buffers(plan, (one,))) for one in loadable}
    alone = sorted(loadable, key=lambda one: -sizes[one])
    return [*([tuple(loadable)] if len(loadable) > 1 else []), *((one,) for one in alone), ()]


def _first_buffers(plan: LayerPlan, operands: Sequence[Operand]) -> list[L1Buffer]:
    """The buffers of these operands of the first step."""
    first = plan.steps[0]
    slots = {Operand.X: first.x_slot, Operand.X2: plan.second_slot(first), Operand.PARAMS: first.params_slot}
    wanted = {*operands, *([Operand.X2] if Operand.X in operands else [])}
    return [one for one in plan.buffers if one.operand in wanted and slots[one.operand] == one.slot]


def _place_buffers(
    plan: LayerPlan, obstacles: Sequence[Rect], fixed: Mapping[_Slot, int], limit: int
) -> LayerPlan | None:
    """The plan with buffers at the lowest free places, those of `fixed` at theirs; None if one has none."""
    taken = list(obstacles)
    places: dict[_Slot, int] = dict(fixed)
    taken += [Rect("", 0, 1, fixed[slot], one.size) for one in plan.buffers if (slot := _slot(one)) in fixed]
    for one in _placing_order(plan, obstacles or fixed):
        if _slot(one) in fixed:
            continue
        at = find_room(taken, 0, 1, one.size, limit)
        if at is None:
            return None
        places[_slot(one)] = at
        taken.append(Rect("", 0, 1, at, one.size))
    return replace(plan, buffers=tuple(replace(one, offset=places[_slot(one)]) for one in plan.buffers))


def _placing_order(plan: LayerPlan, scattered: object) -> list[L1Buffer]:
    """Large buffers first where others are in the way."""
    return sorted(plan.buffers, key=lambda one: -one.size) if scattered else list(plan.buffers)


def _slot(buffer: L1Buffer) -> _Slot:
    return (buffer.operand, buffer.slot)
