"""The normalizations in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx

from .axes import axes_as_attributes, axes_counted_from_the_front, pads_of_every_axis
from .batch_norms import fold_batch_norms
from .clips import constant_limits
from .constants import drop_empty_operands, inline_constants
from .control_flow import check_control_flow
from .gemms import fold_gemm_factors
from .graph import Graph
from .integer_tails import expand_integer_operators
from .paddings import explicit_paddings
from .parameters import complete_parameters
from .pools import pools_without_ceil_mode, pools_without_indices
from .qoperators import expand_qoperators
from .resizes import standard_resizes
from .shapes import TensorShapes
from .weights import quantize_constants

Normalization = Callable[[Graph], None]
SizedNormalization = Callable[[Graph, TensorShapes], None]

NORMALIZATIONS: tuple[Normalization, ...] = (
    drop_empty_operands,
    inline_constants,
    expand_qoperators,
    expand_integer_operators,
    complete_parameters,
    quantize_constants,
    inline_constants,  # what `quantize_constants` made
    constant_limits,
    check_control_flow,
    axes_as_attributes,
    pools_without_indices,
    fold_gemm_factors,
    fold_batch_norms,
)

SIZED_NORMALIZATIONS: tuple[SizedNormalization, ...] = (
    explicit_paddings,
    pools_without_ceil_mode,
    axes_counted_from_the_front,
    pads_of_every_axis,
    standard_resizes,
)


def normalize(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """A copy of the model in which every quantized operator stands between DQ and Q as TVM imports them.

    `shapes` are those of the inputs. Raises ModelError for quantization that no rewrite can express.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = Graph(copy)
    for normalization in NORMALIZATIONS:
        normalization(graph)
    graph.write()
    inferred = TensorShapes(copy, shapes)
    for sized in SIZED_NORMALIZATIONS:
        sized(graph, inferred)
    inline_constants(graph)  # Identities that these have left
    graph.write()
    return copy
