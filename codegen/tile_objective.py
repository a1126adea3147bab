"""What makes one tile better than another: objectives for the tile solver.

An objective adds the variables that it needs to the solver's model and returns what is to be maximised; the
solver breaks ties by L2 -> L1 traffic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ortools.sat.python import cp_model
from tvm_pulp.codegen.graph import Layer, LayerKind


@dataclass(frozen=True)
class TileVariables:
    """The solver's variables of one layer: tile height, width and output channels; number of tiles in space
    and of channel ranges; bytes of L1 in use; bytes brought from L2 to L1 during the whole layer."""

    h: cp_model.IntVar
    w: cp_model.IntVar
    c: cp_model.IntVar
    tiles: cp_model.IntVar
    ranges: cp_model.IntVar
    l1_bytes: cp_model.IntVar
    traffic_bytes: cp_model.IntVar


class TileObjective(Protocol):
    """A measure of tiles; larger is better."""

    def reward(self, model: cp_model.CpModel, layer: Layer, tile: TileVariables) -> cp_model.LinearExprT:
        """The expression to maximise, below 2^32 in size; may add variables and constraints to `model`."""
        ...


class DoryHeuristic:
    """The weights DORY publishes for its L2 -> L1 tiler (Burrello et al., DORY, IEEE TC 2021): utilisation of
    cores and of the matmul's 4 x 2 block first, then L1 use."""

    def reward(self, model: cp_model.CpModel, layer: Layer, tile: TileVariables) -> cp_model.LinearExprT:
        if layer.kind is LayerKind.DEPTHWISE:
            return (
                10_000 * _at_least(model, tile.c, 8)
                + 20_000 * _modulo(model, tile.c - 1, 16)
                + 10_000 * _is_zero(model, _modulo(model, tile.h, 4))
                + tile.l1_bytes
                + 1000 * (tile.w + tile.h)
            )
        if layer.weights is None:
            return 100 * tile.l1_bytes + 10_000 * tile.c + tile.w
        area = model.new_int_var(1, _largest(tile.h) * _largest(tile.w), "area")
        model.add_multiplication_equality(area, [tile.h, tile.w])
        return (
            2_000_000 * _modulo(model, tile.h - 1, 8)
            + 3_000_000 * _modulo(model, tile.w - 1, 2)
            + 1_000_000 * _modulo(model, tile.c - 1, 4)
            + 1_000_000 * _at_least(model, area, 16)
            + tile.l1_bytes
            + 100_000 * tile.c
        )


class LeastTraffic:
    """The fewest bytes from L2 to L1, where a step's overhead counts as STEP_BYTES."""

    STEP_BYTES = 240  # what the DMA moves while a transfer is set up

    def reward(self, model: cp_model.CpModel, layer: Layer, tile: TileVariables) -> cp_model.LinearExprT:
        steps = model.new_int_var(1, _largest(tile.tiles) * _largest(tile.ranges), "steps")
        model.add_multiplication_equality(steps, [tile.tiles, tile.ranges])
        return -(tile.traffic_bytes + self.STEP_BYTES * steps)


def _largest(variable: cp_model.IntVar) -> int:
    return int(variable.domain.max())


def _modulo(model: cp_model.CpModel, value: cp_model.LinearExprT, by: int) -> cp_model.IntVar:
    rest = model.new_int_var(0, by - 1, "rest")
    model.add_modulo_equality(rest, value, by)
    return rest


def _at_least(model: cp_model.CpModel, value: cp_model.IntVar, bound: int) -> cp_model.IntVar:
    reached = model.new_bool_var("reached")
    model.add(value >= bound).only_enforce_if(reached)
    model.add(value < bound).only_enforce_if(~reached)
    return reached


def _is_zero(model: cp_model.CpModel, value: cp_model.IntVar) -> cp_model.IntVar:
    zero = model.new_bool_var("zero")
    model.add(value == 0).only_enforce_if(zero)
    model.add(value != 0).only_enforce_if(~zero)
    return zero
