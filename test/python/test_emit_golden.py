"""The text of generated C: key passages for each kind of layer, its format, and its warnings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from harness import INCLUDES, STRICT, c_compiler
from layers import Shape, single_layer
from naive_plan import Wish, naive_plan
from tvm_pulp.codegen.emit.io import emit_io
from tvm_pulp.codegen.emit.region import emit_region
from tvm_pulp.codegen.graph import LayerGraph, LayerKind, Window
from tvm_pulp.codegen.plan import Plan
from tvm_pulp.errors import PlanError

REPOSITORY = Path(__file__).resolve().parents[2]
SAME = Window(3, 3, 1, 1, 1, 1, 1, 1)
CASES = {
    "conv2d": (Shape(LayerKind.CONV2D, 9, 9, 5, 12, SAME), Wish(3, 4, 8)),
    "conv2d_padded_in_l1": (
        Shape(LayerKind.CONV2D, 9, 9, 5, 12, SAME, zero_point=7, lo=3, hi=200),
        Wish(3, 4, 8),
    ),
    "conv2d_wide": (Shape(LayerKind.CONV2D, 8, 8, 4, 8, SAME, wide=True), Wish(4, 8, 8)),
    "conv2d_split": (Shape(LayerKind.CONV2D, 8, 8, 4, 8, SAME, split=True), Wish(4, 8, 8)),
    "pointwise": (Shape(LayerKind.POINTWISE, 8, 8, 16, 32), Wish(4, 8, 32)),
    "depthwise": (Shape(LayerKind.DEPTHWISE, 8, 8, 8, 8, SAME, zero_point=7), Wish(4, 8, 8)),
    "depthwise_wide": (Shape(LayerKind.DEPTHWISE, 8, 8, 8, 8, SAME, wide=True), Wish(4, 8, 8)),
    "linear": (Shape(LayerKind.LINEAR, 2, 2, 8, 10), Wish(1, 1, 4)),
    "linear_wide": (Shape(LayerKind.LINEAR, 2, 2, 8, 10, wide=True), Wish(1, 1, 16)),
    "add": (Shape(LayerKind.ADD, 8, 8, 8), Wish(4, 8, 8)),
    "avgpool": (Shape(LayerKind.AVGPOOL, 8, 8, 8, window=Window(8, 8)), Wish(1, 1, 8)),
    "maxpool": (Shape(LayerKind.MAXPOOL, 8, 8, 8, window=Window(2, 2, 2, 2)), Wish(2, 4, 8)),
}


@dataclass(frozen=True)
class Io:
    name: str
    size_bytes: int


def region(case: str, cores: int = 8) -> tuple[LayerGraph, Plan]:
    shape, wish = CASES[case]
    graph = single_layer(shape)
    return graph, naive_plan(graph, [wish], cores)


def source(case: str) -> str:
    return emit_region(*region(case))["net.c"]


def assert_in_order(text: str, *passages: str) -> None:
    at = 0
    for passage in passages:
        found = text.find(passage, at)
        assert found >= 0, f"not found, or too early:\n{passage}\n--- in\n{text[at:]}"
        at = found + len(passage)


def test_conv2d_is_a_loop_over_its_step_table() -> None:
    assert_in_order(
        source("conv2d"),
        "/* Layer 1 of 1: layer (conv2d)\n",
        " *   from      user/operator\n",
        " *   shape     9 x 9 x 5 -> 9 x 9 x 12 (h x w x c)\n",
        " *   window    3 x 3, stride 1 x 1, padding 1 1 1 1 (top bottom left right)\n",
        " *   kernel    pulp_nn_conv_HoWo_parallel on 8 cores\n",
        " *   tile      3 x 4 x 8, 18 steps, the whole map for each range of channels\n",
        " *   requant   y = clip((k[c] * acc + lambda[c]) >> 20, 0, 255)\n",
        " *   work      43,740 MAC, about 0 cycles\n",
        "  uint8_t pad_top;      /* padding above the input box */\n",
        '    {"params[1]", ',
        "static void load_layer(const step_layer_t *step, const uint8_t *in, uint8_t *l1, loads_t *loads) {\n"
        "  if (step->load_x) {\n"
        "    const pulp_box_t box = {\n"
        "        .rows = step->x_h,\n"
        "        .cols = step->x_w,\n"
        "        .channels = 5,\n"
        "        .l2_row = 45,\n"
        "        .l2_pixel = 5,\n"
        "        .l1_row = step->x_w * 5,\n"
        "    };\n"
        "    loads->x = pulp_dma_box_in(l1 + step->x_l1, in + step->x, &box);\n"
        "  }\n",
        "  pulp_nn_conv_HoWo_parallel(x, scratch, NULL, y, weights, k, lambda, OUT_MULT, shift, in_x, in_y,",
        "  enum { STEPS = 18 };\n",
        "    const step_layer_t row = next, *const step = &row;\n"
        "    if (t + 1 < STEPS) next = steps_layer[t + 1];\n"
        "    if (core == 0) {\n"
        "      pulp_dma_wait(loads.x);\n"
        "      pulp_dma_wait(loads.params);\n"
        "      pulp_dma_wait(stores[step->y_slot]); /* of the step that used this output buffer before */\n"
        "      if (t + 1 < STEPS) load_layer(&next, in, l1, &loads);\n"
        "    }\n"
        "    pulp_barrier();\n"
        "    compute_layer(step, l1);\n"
        "    if (core == 0) stores[step->y_slot] = store_layer(step, l1, out);\n",
        "int32_t net(uint8_t *in_x, uint8_t *out_y) {\n"
        "  region_args_t args = {pulp_l1_arena(L1_BYTES), in_x, out_y};\n"
        "  if (args.l1 == NULL) return -1;\n"
        "  return pulp_cluster_run(region_worker, &args, CORES);\n}\n",
    )


def test_padding_in_l1_fills_the_border_of_freshly_loaded_tiles() -> None:
    assert_in_order(
        source("conv2d_padded_in_l1"),
        "    loads->x = pulp_dma_box_in(l1 + step->x_data, in + step->x, &box);\n",
        "  const uint16_t in_x = step->pad_left + step->x_w + step->pad_right, in_y = 5, ch_in = 5;\n",
        "  const uint16_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;\n",
        "  const uint8_t zero_point = 7; /* the byte that stands for 0 */\n"
        "  if (step->load_x) pulp_pad(x, &border, zero_point);\n  pulp_nn_conv_",
        "  pulp_clip(y, 3 * step->y_w * step->y_c, 3, 200);\n",
    )


@pytest.mark.parametrize(
    ("case", "passages"),
    [
        (
            "conv2d_wide",
            (" in 64 bits\n", "  int64_t *const k = params;\n", "  pulp_conv_wide(x, y, weights, k, lambda,"),
        ),
        (
            "conv2d_split",
            (
                " k in two parts, 11 bits in the lower\n",
                "  int32_t *const k = params;\n",
                "  const uint16_t low_bits = 11, shift = 20;\n",
                "  pulp_conv_split(x, y, weights, k, lambda, low_bits, shift, &window);\n",
            ),
        ),
        ("pointwise", ("  pulp_nn_pointwise_HoWo_parallel(x, NULL, NULL, y, weights, k, lambda,",)),
        (
            "depthwise",
            (
                "  loads->x = pulp_dma_box_in(l1 + step->x_data, in + step->x, &box);\n",
                "  pulp_pad(x, &border, zero_point);\n",
                "  pulp_depthwise(x, y, weights, k, lambda, shift, &window);\n",
            ),
        ),
        ("depthwise_wide", ("  pulp_depthwise_wide(x, y, weights, k, lambda, shift, &window);\n",)),
        (
            "linear",
            (
                "  if (step->load_x) {\n",
                "  const uint16_t dim_vec = 32, num_out = step->y_c;\n",
                "  pulp_nn_linear(x, NULL, y, weights, k, lambda, OUT_MULT, shift, dim_vec, num_out, RELU,",
            ),
        ),
        ("linear_wide", ("  pulp_linear_wide(x, y, weights, k, lambda, shift, dim_vec, num_out);\n",)),
        (
            "add",
            (
                "  loads->x2 = pulp_dma_box_in(l1 + step->x2_l1, in2 + step->x, &box);\n",
                "  pulp_add(x, x2, y, k1, k2, lambda, shift, elements);\n",
            ),
        ),
        ("avgpool", ("  pulp_avgpool(x, y, k, lambda, shift, &window);\n",)),
        ("maxpool", ("  pulp_nn_maxpool(x, y, in_x, in_y, ch_in, out_x, out_y, k_x, k_y, pad_top,",)),
    ],
)  # fmt: skip
def test_kernel_calls(case: str, passages: tuple[str, ...]) -> None:
    assert_in_order(source(case), *passages)


def test_a_layer_of_one_tile_has_no_loop_and_no_table() -> None:
    text = source("avgpool")
    assert "steps_layer" not in text
    assert_in_order(
        text,
        "    load_layer(in, l1, &loads);\n    pulp_dma_wait(loads.x);\n  }\n"
        "  pulp_barrier();\n  compute_layer(l1);\n"
        "  if (core == 0) {\n    pulp_dma_wait(store_layer(l1, out));\n    pulp_layer_end();\n  }\n}\n",
    )


def test_parameters_say_what_each_block_holds() -> None:
    text = emit_region(*region("conv2d"))["net_params.c"]
    assert_in_order(
        text,
        "PULP_L2 const uint8_t net_params_layer[644] = {\n",
        "    /* block 0: output channels 0 to 7, k at 0, lambda at 32, weights at 64 */\n",
        "    /* block 1: output channels 8 to 11, k at 428, lambda at 444, weights at 460 */\n",
    )


@pytest.mark.parametrize("case", CASES)
def test_output_is_deterministic(case: str) -> None:
    assert emit_region(*region(case)) == emit_region(*region(case))


def test_a_plan_of_another_graph_is_refused() -> None:
    graph, _ = region("conv2d")
    other = LayerGraph("other", graph.tensors, graph.inputs, graph.outputs, graph.layers)
    with pytest.raises(PlanError, match="other: the plan of region net does not belong to it"):
        emit_region(other, region("conv2d")[1])


def test_user_names_are_harmless_in_comments() -> None:
    graph, plan = region("add")
    layer = graph.layers[0]
    odd = type(layer)(
        layer.name,
        layer.kind,
        layer.inputs,
        layer.output,
        layer.window,
        None,
        layer.requant,
        ("a*/b/*c??/é\\",),
    )
    text = emit_region(LayerGraph("net", graph.tensors, graph.inputs, graph.outputs, (odd,)), plan)["net.c"]
    assert " *   from      a*_/b/_*c?_?/__\n" in text


def test_network_table() -> None:
    text = emit_io("kws", [Io("image", 490)], [Io("scores", 12)])
    assert_in_order(
        text,
        '#include "tvmgen_kws.h"\n',
        '    {"image", 490},\n',
        '    {"scores", 12},\n',
        "  struct tvmgen_kws_inputs in = {inputs[0]};\n"
        "  struct tvmgen_kws_outputs out = {outputs[0]};\n"
        "  return tvmgen_kws_run(&in, &out);\n",
    )


def _clang_format() -> str | None:
    beside = Path(sys.executable).with_name("clang-format")
    return str(beside) if beside.exists() else shutil.which("clang-format")


def renamed(graph: LayerGraph, plan: Plan, name: str, layer_name: str) -> tuple[LayerGraph, Plan]:
    """The same region and plan under other names."""
    layers = tuple(replace(layer, name=layer_name) for layer in graph.layers)
    plans = tuple(replace(layer, layer=layer_name) for layer in plan.layers)
    return replace(graph, name=name, layers=layers), replace(plan, region=name, layers=plans)


@pytest.mark.skipif(_clang_format() is None, reason="no clang-format on PATH")
@pytest.mark.parametrize(
    ("name", "layer"), [("net", "layer"), ("tvmgen_default_pulp_main_0", "l12_block3_expand_conv_160")]
)
@pytest.mark.parametrize("case", CASES)
def test_code_is_formatted_like_the_runtime(case: str, name: str, layer: str, tmp_path: Path) -> None:
    files = emit_region(*renamed(*region(case), name, layer)) | {
        "net_io.c": emit_io("net", [Io("x", 1)], [Io("y", 1)])
    }
    files.pop(f"{name}_params.c", None)
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    style = f"--style=file:{REPOSITORY / '.clang-format'}"
    command = [str(_clang_format()), style, "--dry-run", "-Werror", *files]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""


TVM_HEADER = """#include <stdint.h>
struct tvmgen_net_inputs { void *x; };
struct tvmgen_net_outputs { void *y; };
int32_t tvmgen_net_run(struct tvmgen_net_inputs *inputs, struct tvmgen_net_outputs *outputs);
"""


@pytest.mark.skipif(c_compiler() is None, reason="no C compiler on PATH")
@pytest.mark.parametrize("case", CASES)
def test_code_compiles_without_warnings(case: str, tmp_path: Path) -> None:
    table = {"net_io.c": emit_io("net", [Io("x", 1)], [Io("y", 1)]), "tvmgen_net.h": TVM_HEADER}
    files = emit_region(*region(case, cores=2)) | table
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    sources = [name for name in files if name.endswith(".c")]
    command = [str(c_compiler()), *STRICT, *INCLUDES, "-O1", "-fsyntax-only", *sources]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
