"""The benchmark of the cost model without a simulator: its page."""

from __future__ import annotations

from layer_cycles import Layer, Measurement, page

SMALL = Layer("l1_softmax", "pulp_softmax", "cluster", 1, 9, 18)
LARGE = Layer("l0_conv", "pulp_conv_split", "cluster", 4, 991, 1_022)


def test_the_error_is_that_of_the_prediction() -> None:
    assert Measurement("net", (LARGE, SMALL)).whole.error == 0.04


def test_small_layers_count_in_the_whole_and_are_left_out_of_the_page() -> None:
    lines = page([Measurement("net on soc", (LARGE, SMALL))]).splitlines()
    assert lines[-7:] == [
        "| net on soc | 1,000 | 1,040 | +4.0% | +3.1% |",
        "",
        "## net on soc",
        "",
        "| layer | kernel | engine | steps | cycles | model | error |",
        "|---|---|---|--:|--:|--:|--:|",
        "| l0_conv | `pulp_conv_split` | cluster | 4 | 991 | 1,022 | +3.1% |",
    ]
