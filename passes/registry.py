"""The passes that have a name: what `tvm-pulp opt` offers, and where a pipeline finds them."""

from __future__ import annotations

from tvm_pulp.errors import TargetError
from tvm_pulp.suggest import suggestion

from .infer_type import InferType
from .integer_io import IntegerIo
from .legalize_qdq import LegalizeQdq
from .lower_leftovers import LowerLeftovers
from .lower_quantize import LowerQuantize
from .merge_patterns import MergePatterns
from .partition_regions import PartitionRegions
from .portable_math import PortableMath
from .qnn_to_qdq import QnnToQdq
from .relay_pass import RelayPass
from .simplify_inference import SimplifyInference


def all_passes() -> tuple[RelayPass, ...]:
    """Return every pass, sorted by name."""
    passes: tuple[RelayPass, ...] = (
        InferType(),
        IntegerIo(),
        LegalizeQdq(),
        LowerLeftovers(),
        LowerQuantize(),
        MergePatterns(),
        PartitionRegions(),
        PortableMath(),
        QnnToQdq(),
        SimplifyInference(),
    )
    return tuple(sorted(passes, key=lambda relay_pass: relay_pass.name))


def find_pass(name: str) -> RelayPass:
    """Return the pass of this name; raises TargetError, which lists the names, if there is none."""
    passes = {relay_pass.name: relay_pass for relay_pass in all_passes()}
    if name not in passes:
        fix = suggestion(name, passes, what="passes")
        raise TargetError(f"unknown pass `{name}`", where="--passes", fix=fix)
    return passes[name]
