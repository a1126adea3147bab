"""TVM's ONNX importer, but quick: what it computes for every node anew is computed once, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

from tvm.relay.frontend import common
from tvm.relay.frontend import onnx as importer
from tvm_pulp.replaced import replaced

from .quick_fold import folding_less
from .quick_types import inferring_once


@contextmanager
def quick_import() -> Iterator[None]:
    """While it lasts, the importer folds constants and infers types quickly, and makes its table of converters
    once. The same Relay comes out."""
    infer_type = inferring_once(common.infer_type)
    with ExitStack() as changes:
        for module, name, function in (
            (importer, "fold_constant", folding_less(importer.fold_constant)),
            (importer, "infer_type", infer_type),
            (common, "infer_type", infer_type),
            (importer, "_get_convert_map", cache(importer._get_convert_map)),
        ):
            changes.enter_context(replaced(module, name, function))
        yield
