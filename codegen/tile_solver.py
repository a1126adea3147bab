"""The tile of one layer, as a CP-SAT model: tables of sizes, the L1 limit, an objective."""

from __future__ import annotations

from dataclasses import dataclass

from ortools.sat.python import cp_model
from tvm_pulp.codegen.graph import Layer
from tvm_pulp.codegen.tile_candidates import ALIGNMENT, Candidates, SizedTile
from tvm_pulp.codegen.tile_objective import TileObjective, TileVariables

DETERMINISTIC_SECONDS = 0.3  # the solver's own unit of work: the same result on a slow machine
SEED = 1
TRAFFIC_ROOM = 4


@dataclass(frozen=True)
class TileSize:
    """Output rows, columns and channels of the largest tile."""

    h: int
    w: int
    c: int


def solve_tile(
    layer: Layer, options: Candidates, start: SizedTile, l1_bytes: int, objective: TileObjective
) -> TileSize:
    """The best tile that fits `l1_bytes` and moves at most TRAFFIC_ROOM times the bytes of `start`, the tile
    with the least traffic, where the search begins and which is the answer if the solver runs out of time."""
    model = cp_model.CpModel()
    tile = _variables(model, options, l1_bytes)
    most_traffic = TRAFFIC_ROOM * start.traffic_bytes
    model.add(tile.traffic_bytes <= most_traffic)
    reward = objective.reward(model, layer, tile)
    model.maximize(reward * (most_traffic + 1) - tile.traffic_bytes)
    for variable, value in (
        (tile.h, start.space.h),
        (tile.w, start.space.w),
        (tile.c, start.channel.c),
    ):
        model.add_hint(variable, value)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = SEED
    solver.parameters.max_deterministic_time = DETERMINISTIC_SECONDS
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return TileSize(start.space.h, start.space.w, start.channel.c)
    return TileSize(solver.value(tile.h), solver.value(tile.w), solver.value(tile.c))


def _traffic_bound(options: Candidates) -> int:
    """No order of any tile moves more bytes than this."""
    in_channels = options.in_channels or 1
    ranges, tiles = max(row.ranges for row in options.channels), max(row.tiles for row in options.space)
    x_once = max(row.x_once for row in options.space) * max(in_channels, options.channels[-1].c)
    params = max(row.params_once for row in options.channels)
    return options.inputs * x_once * ranges + params * tiles


def _variables(model: cp_model.CpModel, options: Candidates, l1_limit: int) -> TileVariables:
    space = _Table(model, "space", options.space)
    channel = _Table(model, "channel", options.channels)
    several = model.new_bool_var("several_steps")
    tiled, ranged = _more_than_one(model, space["tiles"]), _more_than_one(model, channel["ranges"])
    model.add_max_equality(several, [tiled, ranged])
    own_channels = options.in_channels is None

    area = _product(model, "area", space["h"], space["w"])
    y = _product(model, "y", area, channel["c"])
    x_of_area: cp_model.LinearExprT = (
        _product(model, "x", space["x_area"], channel["c"])
        if options.in_channels is None
        else options.in_channels * space["x_area"]
    )
    memory = (
        options.inputs * _slots(model, x_of_area + space["slack"], several if own_channels else tiled, l1_limit)
        + _slots(model, channel["block"], ranged, l1_limit)
        + _slots(model, y, several, l1_limit)
        + _slots(model, space["scratch"], None, l1_limit)
    )
    used = model.new_int_var(0, l1_limit, "l1_bytes")
    model.add(used == memory)
    return TileVariables(
        space["h"], space["w"], channel["c"], space["tiles"], channel["ranges"], used,
        _traffic(model, options, space, channel),
    )  # fmt: skip


class _Table:
    """Variables bound to one row of a table of data class instances with int fields."""

    def __init__(self, model: cp_model.CpModel, name: str, table: tuple[object, ...]) -> None:
        fields = list(vars(table[0]))
        values = {field: [int(getattr(row, field)) for row in table] for field in fields}
        self._variables = {
            field: model.new_int_var_from_domain(cp_model.Domain.from_values(values[field]), f"{name}_{field}")
            for field in fields
        }
        model.add_allowed_assignments(list(self._variables.values()), list(zip(*values.values(), strict=True)))

    def __getitem__(self, field: str) -> cp_model.IntVar:
        return self._variables[field]


def _product(model: cp_model.CpModel, name: str, a: cp_model.IntVar, b: cp_model.IntVar) -> cp_model.IntVar:
    product = model.new_int_var(0, _largest(a) * _largest(b), name)
    model.add_multiplication_equality(product, [a, b])
    return product


def _largest(variable: cp_model.IntVar) -> int:
    return int(variable.domain.max())


def _more_than_one(model: cp_model.CpModel, count: cp_model.IntVar) -> cp_model.IntVar:
    several = model.new_bool_var(f"several_{count.name}")
    model.add(count >= 2).only_enforce_if(several)
    model.add(count == 1).only_enforce_if(~several)
    return several


def _slots(
    model: cp_model.CpModel, size: cp_model.LinearExprT, double: cp_model.IntVar | None, l1_limit: int
) -> cp_model.LinearExprT:
    """Bytes of an aligned buffer of `size`, twice if `double`."""
    units = model.new_int_var(0, l1_limit // ALIGNMENT, "units")
    model.add(ALIGNMENT * units >= size)
    model.add(ALIGNMENT * units <= size + ALIGNMENT - 1)
    if double is None:
        return ALIGNMENT * units
    second = model.new_int_var(0, l1_limit // ALIGNMENT, "second_units")
    model.add(second == units).only_enforce_if(double)
    model.add(second == 0).only_enforce_if(~double)
    return ALIGNMENT * (units + second)


def _traffic(model: cp_model.CpModel, options: Candidates, space: _Table, channel: _Table) -> cp_model.IntVar:
    """Bytes from L2 to L1 in the better loop order."""
    bound = _traffic_bound(options)
    traffic = model.new_int_var(0, bound, "traffic")
    if options.in_channels is None:
        all_channels = max(row.c for row in options.channels)
        model.add(traffic == options.inputs * all_channels * space["x_once"] + channel["params_once"])
        return traffic
    once = options.in_channels * space["x_once"] + channel["params_once"]
    x_again, params_again = model.new_int_var(0, bound, "x_again"), model.new_int_var(0, bound, "params_again")
    model.add_multiplication_equality(x_again, [space["x_again"], channel["ranges"] - 1])
    model.add_multiplication_equality(params_again, [channel["params_again"], space["tiles"] - 1])
    again = model.new_int_var(0, bound, "again")
    model.add_min_equality(again, [options.in_channels * x_again, params_again])
    model.add(traffic == once + again)
    return traffic
