"""What rounding differences become on their way through a network."""

from __future__ import annotations

import numpy as np
import pytest
from machines import machine, with_ne16
from tvm_pulp.codegen.graph import Layer, LayerGraph, LayerKind, Requant, Tensor, View, Window
from tvm_pulp.codegen.rounding_noise import MEAN_SIZE, expected_difference
from tvm_pulp.options import PulpOptions
from tvm_pulp.partition import multiplier_error_on
from tvm_pulp.passes.numerics import LARGEST_ERROR


def weighted(
    source: str, output: str, weights: list[list[int]], multiplier: int, shift: int, **requant
) -> Layer:
    values = np.array(weights, np.int8)
    channels = len(values)
    return Layer(
        output,
        LayerKind.LINEAR,
        (source,),
        output,
        weights=values,
        requant=Requant(np.full(channels, multiplier), np.zeros(channels, np.int64), shift, **requant),
    )


def graph_of(*layers: Layer, views: dict[str, View] | None = None) -> LayerGraph:
    names = {"x", *(layer.output for layer in layers), *(views or {})}
    tensors = {name: Tensor(name, 1, 1, 2, view=(views or {}).get(name)) for name in names}
    return LayerGraph("net", tensors, ("x",), (layers[-1].output,), layers)


def test_one_layer_differs_by_what_its_multipliers_are_off():
    assert expected_difference(graph_of(weighted("x", "a", [[1, 2]], 1000, 12))) == pytest.approx(0.016)
    assert expected_difference(graph_of(weighted("x", "a", [[1, 2]], 1000, 12, wide=True))) == 0


def test_differences_grow_with_the_weights_behind_them():
    """The share of a is 0.016; b weighs it with 3 and 4 halves."""
    a = weighted("x", "a", [[1, 2]], 1000, 12)
    b = weighted("a", "b", [[3, 4]], 2048, 12, wide=True)
    assert expected_difference(graph_of(a, b)) == pytest.approx(MEAN_SIZE * np.sqrt(0.016 * 25 / 4))


def test_no_more_than_half_of_the_numbers_differ():
    """From then on only the last layer matters."""
    layers = [weighted("x", "l0", [[1]], 1, 0)]
    layers += [weighted(f"l{i}", f"l{i + 1}", [[127]], 4096, 12, wide=True) for i in range(5)]
    last = weighted("l5", "end", [[2]], 4096, 12, wide=True)
    assert expected_difference(graph_of(*layers, last)) == pytest.approx(MEAN_SIZE * np.sqrt(0.5 * 4))


def test_averages_make_it_smaller_and_sums_of_two_add_up():
    start = weighted("x", "a", [[1]], 1, 0)
    ones = np.array([1024]), np.zeros(1, np.int64)
    average = Layer("b", LayerKind.AVGPOOL, ("a",), "b", Window(4, 4), requant=Requant(*ones, 14))
    assert expected_difference(graph_of(start, average)) == pytest.approx(MEAN_SIZE * np.sqrt(0.5 / 16))
    both = Requant(np.array([4096, 8192]), np.zeros(1, np.int64), 12)
    added = Layer("b", LayerKind.ADD, ("a", "a"), "b", requant=both)
    assert expected_difference(graph_of(start, added)) == pytest.approx(MEAN_SIZE * np.sqrt(0.5 * (1 + 4)))


def test_operators_without_multipliers_hand_differences_on_also_through_views():
    start = weighted("x", "a", [[1, 2]], 1000, 12)
    pool = Layer("b", LayerKind.MAXPOOL, ("part",), "b", Window(2, 2))
    graph = graph_of(start, pool, views={"part": View("a", 0, 2, 2)})
    assert expected_difference(graph) == pytest.approx(0.016)


def test_engines_that_multiply_in_32_bits_are_not_taken_from_a_network():
    assert multiplier_error_on(machine(), PulpOptions()) is None
    assert multiplier_error_on(with_ne16(), PulpOptions()) == LARGEST_ERROR
    assert multiplier_error_on(with_ne16(), PulpOptions(multiplier_error=0.02)) == 0.02
