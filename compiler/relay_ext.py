"""TVM's hook for external functions: hands over the C that was generated at partition time.

Planning and emission happen in `partition_for_pulp`; a region carries its files as the attribute `pulp_files`.
"""

from __future__ import annotations

import json
from typing import Any

import tvm
from tvm import relay
from tvm_pulp.passes.attributes import attribute

from .errors import ModelError

FILES_ATTR = "pulp_files"  # on a region: JSON object, file name -> C text
PLAN_ATTR = "pulp_plan"  # on a region: JSON of its plan
TIMELINE_ATTR = "pulp_timeline"  # on a region: JSON of its predicted timeline
LEGALIZED_ATTR = "pulp_legalized"  # on the module: the legalized module before partitioning, tvm.ir.save_json
PARTITIONED_ATTR = "pulp_partitioned"  # on the module: its text before the regions' bodies went
REPORT_ATTR = "pulp_report"  # on the module: text of report.json


def is_region(function: relay.Function) -> bool:
    """Whether a function of a partitioned module is one of ours."""
    return attribute(function, "Compiler") == "pulp"


def declared(function: relay.Function) -> relay.Function:
    """An external function with its types and attributes, and zeros for a body.

    TVM's build takes nothing else of it, but infers all types of every body some sixty times.
    """
    result = function.ret_type
    return relay.Function(function.params, _zeros(result), result, function.type_params, function.attrs)


def _zeros(kind: tvm.ir.Type) -> relay.Expr:
    if isinstance(kind, tvm.ir.TupleType):
        return relay.Tuple([_zeros(field) for field in kind.fields])
    return relay.zeros(kind.shape, kind.dtype)


def region_files(function: relay.Function) -> dict[str, str]:
    """The generated files of an external function: file name -> text."""
    text = attribute(function, FILES_ATTR)
    if text is None:
        raise ModelError(
            "a function annotated for pulp has no generated code",
            fix="partition the module with tvm_pulp.partition_for_pulp",
        )
    files: dict[str, str] = json.loads(text)
    return files


def region_source(function: relay.Function) -> str:
    """The text that TVM gets to hold for a region: every `.c` file of it."""
    files = region_files(function)
    return "\n".join(text for name, text in sorted(files.items()) if name.endswith(".c"))


def _external_codegen(function: relay.Function) -> Any:
    """A C source module that exports the region's symbol."""
    create = tvm.get_global_func("runtime.CSourceModuleCreate")
    return create(region_source(function), "c", [str(function.attrs["global_symbol"])], [])


tvm.register_func("relay.ext.pulp", _external_codegen, override=True)
