"""Writes the package of a built network, in the shape of TVM's Model Library Format.

metadata.json               what TVM's format says, and a section "pulp"
CMakeLists.txt, README.md   build it: cmake -S . -B build && cmake --build build
Makefile                    the same as a project for PMSIS (gap_sdk, pulp-sdk)
codegen/host/src/           TVM's C; in pulp/ the C of our regions and the table of inputs and outputs
codegen/host/include/       tvmgen_<name>.h, the interface for the application
parameters/, plan/, src/    constants that TVM's C reads, plans, timelines, Relay before and after partitioning
report.html, report.json    what was compiled, for people and for programs
golden.npz                  golden numbers that lay beside an integer network, if there were any
runtime/                    kernels, platforms and headers that the C needs
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib import metadata as distributions
from pathlib import Path
from typing import Any

import tvm
import tvm_pulp.runtime
from tvm import relay
from tvm_pulp.codegen.emit.io import emit_io, emit_quantization
from tvm_pulp.codegen.timeline_json import timeline_from_json
from tvm_pulp.passes.attributes import attribute
from tvm_pulp.passes.integer_io import integer_tensors
from tvm_pulp.passes.numerics import Quantization
from tvm_pulp.passes.refusals import refusals_of

from .archive import write_archive
from .golden import GOLDEN_ATTR, GOLDEN_FILE, text_to_bytes
from .html_report import about_from_metadata, html_report
from .options import PulpOptions
from .package import (
    HTML_REPORT_FILE,
    LEGALIZED_FILE,
    METADATA_FILE,
    REPORT_FILE,
    Package,
    TensorInfo,
    package_from_metadata,
    plan_file,
    timeline_file,
)
from .relay_ext import (
    LEGALIZED_ATTR,
    PARTITIONED_ATTR,
    PLAN_ATTR,
    REPORT_ATTR,
    TIMELINE_ATTR,
    is_region,
    region_files,
    region_source,
)
from .report import report_from_json

_MLF_VERSION = 7
_RUNTIME = Path(tvm_pulp.runtime.__file__).parent
_SOURCES = "codegen/host/src"
_INCLUDES = "codegen/host/include"
# Declarations whose order means nothing: a tensor's place in the workspace, the size of an input or output.
_POINTER = r"^ *void\* \w+ = \(&\(\w+\[\d+\]\)\);\n"
_SIZE = r"^/\*!\n \* \\brief .*\n \*/\n#define \w+ \d+\n"
_TVM_HEADERS = {
    "tvm/runtime/c_runtime_api.h": "include/tvm/runtime/c_runtime_api.h",
    "tvm/runtime/c_backend_api.h": "include/tvm/runtime/c_backend_api.h",
    "dlpack/dlpack.h": "3rdparty/dlpack/include/dlpack/dlpack.h",
}


def write_package(factory: Any, path: Path, options: PulpOptions) -> Package:
    """Write the package of an AOTExecutorFactoryModule to `path` (`.tar`, or a folder); whole or not at all."""
    files = package_files(factory, options)
    write_archive(files, path, marker=METADATA_FILE)
    return package_from_metadata(path, json.loads(files[METADATA_FILE]))


def package_files(factory: Any, options: PulpOptions) -> dict[str, bytes]:
    """Every file of the package: path inside it -> content."""
    name, mod = str(factory.libmod_name), factory.ir_mod
    inputs, outputs = interface_tensors(factory)
    regions = dict(_regions(mod))
    metadata = _metadata(factory, options, regions)
    texts = {
        METADATA_FILE: _json(metadata),
        "CMakeLists.txt": _template("CMakeLists.txt", name),
        "Makefile": _template("Makefile", name),
        "README.md": _template("README.md", name),
        f"{_INCLUDES}/tvmgen_{name}.h": _interface_header(factory, inputs, outputs),
        **_quantization_header(name, [*inputs, *outputs]),
        f"{_SOURCES}/pulp/{name}_io.c": emit_io(name, inputs, outputs),
        f"src/{name}.relay": attribute(mod, PARTITIONED_ATTR) or mod.astext(show_meta_data=False),
        **_legalized(mod),
        **_report(mod, regions, metadata["pulp"]),
        **{f"{_SOURCES}/{file}": text for file, text in _tvm_sources(factory, regions)},
        **{f"{_SOURCES}/pulp/{file}": text for file, text in _generated_files(regions)},
        **{plan_file(symbol): str(region.attrs[PLAN_ATTR]) for symbol, region in regions.items()},
    }
    files = {member: text.encode() for member, text in texts.items()}
    files[f"parameters/{name}.params"] = relay.save_param_dict(_tvm_parameters(factory, set(regions)))
    golden = attribute(mod, GOLDEN_ATTR)
    if golden is not None:
        files[GOLDEN_FILE] = text_to_bytes(golden)
    files.update(("runtime/" + member, content) for member, content in _runtime_files())
    return files


def interface_tensors(factory: Any) -> tuple[list[TensorInfo], list[TensorInfo]]:
    """Inputs and outputs of the network, as the C interface orders and names them."""
    made = factory.executor_codegen_metadata
    integer = integer_tensors(factory.ir_mod)
    inputs = [var.name for var in made.inputs]
    return (
        _tensor_infos(inputs, made.input_tensor_types, integer.inputs),
        _tensor_infos(made.outputs, made.output_tensor_types, integer.outputs),
    )


def _tensor_infos(
    names: Sequence[Any], kinds: Sequence[Any], meanings: Sequence[Quantization | None]
) -> list[TensorInfo]:
    return [
        TensorInfo(
            str(name),
            tuple(int(n) for n in kind.shape),
            str(kind.dtype),
            meaning.scale if meaning else None,
            meaning.zero_point if meaning else None,
        )
        for name, kind, meaning in zip(names, kinds, meanings or [None] * len(names), strict=True)
    ]


def _interface_header(factory: Any, inputs: list[TensorInfo], outputs: list[TensorInfo]) -> str:
    made = factory.executor_codegen_metadata
    create = tvm.get_global_func("runtime.InterfaceCCreate")
    header = create(
        str(factory.libmod_name),
        [tensor.name for tensor in inputs],
        [tensor.name for tensor in outputs],
        list(dict(made.pool_inputs).values()),
        made.io_pool_allocations,
        made.devices,
        _workspace_bytes(factory),
        {tensor.name: tensor.size_bytes for tensor in inputs},
        {tensor.name: tensor.size_bytes for tensor in outputs},
    )
    return _sorted_runs(_SIZE, header.get_source())


def _quantization_header(name: str, tensors: Sequence[TensorInfo]) -> dict[str, str]:
    """What bytes stand for; nothing where the network takes and gives none."""
    header = emit_quantization(name, tensors)
    return {} if header is None else {f"{_INCLUDES}/tvmgen_{name}_quantization.h": header}


def _workspace_bytes(factory: Any) -> int:
    """Bytes of the static arrays in which TVM's C keeps tensors between operators."""
    pools = dict(factory.executor_codegen_metadata.pool_inputs).values()
    return sum(int(pool.allocated_size) for pool in pools)


def _regions(mod: tvm.IRModule) -> Iterator[tuple[str, Any]]:
    """The external functions of pulp: C symbol, function."""
    for variable, function in sorted(mod.functions.items(), key=lambda item: item[0].name_hint):
        if is_region(function):
            yield variable.name_hint, function


def _generated_files(regions: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for region in regions.values():
        yield from region_files(region).items()


def _tvm_sources(factory: Any, regions: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """TVM's own C files; the modules that hold our regions' C are left out."""
    name = str(factory.libmod_name)
    ours = {region_source(region) for region in regions.values()}
    sources = (module.get_source() for module in _module_tree(factory.lib))
    for index, source in enumerate(source for source in sources if source not in ours):
        yield f"{name}_lib{index}.c", _sorted_runs(_POINTER, source)


def _sorted_runs(unit: str, text: str) -> str:
    """The text with every run of such units sorted; TVM takes them from hash maps, in any order."""
    run = re.compile(f"(?:{unit})+", re.MULTILINE)
    return run.sub(lambda match: "".join(sorted(re.findall(unit, match[0], re.MULTILINE))), text)


def _module_tree(module: Any) -> Iterator[Any]:
    yield module
    for imported in module.imported_modules:
        yield from _module_tree(imported)


def _legalized(mod: tvm.IRModule) -> dict[str, str]:
    legalized = attribute(mod, LEGALIZED_ATTR)
    if legalized is None:
        return {}
    readable = tvm.ir.load_json(legalized).astext(show_meta_data=False)
    return {LEGALIZED_FILE: legalized, "src/legalized.relay": readable}


def _report(mod: tvm.IRModule, regions: dict[str, Any], about: dict[str, Any]) -> dict[str, str]:
    """The report as data and as a page, and the regions' timelines; `about` is the metadata's section."""
    text = attribute(mod, REPORT_ATTR)
    if text is None:
        return {}
    timelines = {symbol: str(region.attrs[TIMELINE_ATTR]) for symbol, region in regions.items()}
    page = html_report(
        report_from_json(text, file=REPORT_FILE),
        {symbol: timeline_from_json(timeline) for symbol, timeline in timelines.items()},
        about_from_metadata(about),
    )
    files = {timeline_file(symbol): timeline for symbol, timeline in timelines.items()}
    return {REPORT_FILE: text, HTML_REPORT_FILE: page, **files}


def _tvm_parameters(factory: Any, regions: set[str]) -> dict[str, Any]:
    """The constants of TVM's part; those of our regions are in their C."""
    return {
        name: value
        for name, value in factory.get_params().items()
        if not any(name.startswith(f"{symbol}_const") for symbol in regions)
    }


def _runtime_files() -> Iterator[tuple[str, bytes]]:
    """Kernels, platforms, headers and CMake files of ours, and the TVM headers that TVM's C includes."""
    for file in sorted(_RUNTIME.rglob("*")):
        if file.is_file() and file.suffix not in (".py", ".pyc"):
            yield file.relative_to(_RUNTIME).as_posix(), file.read_bytes()
    tvm_root = Path(tvm.__path__[0])
    for target, source in _TVM_HEADERS.items():
        yield f"include/{target}", (tvm_root / source).read_bytes()


def _metadata(factory: Any, options: PulpOptions, regions: dict[str, Any]) -> dict[str, Any]:
    name = str(factory.libmod_name)
    inputs, outputs = interface_tensors(factory)
    module = {
        "model_name": name,
        "executors": ["aot"],
        "style": "full-model",
        "target": [str(factory.target[0]) if factory.target else "c"],
        "memory": {"functions": {"main": [_main_memory(factory, inputs, outputs)], "operator_functions": []}},
    }
    return {
        "version": _MLF_VERSION,
        "modules": {name: module},
        "pulp": {
            "name": name,
            "versions": {"tvm-pulp": distributions.version("tvm-pulp"), "tvm": tvm.__version__},
            "options": asdict(options),
            "inputs": [_tensor_metadata(tensor) for tensor in inputs],
            "outputs": [_tensor_metadata(tensor) for tensor in outputs],
            "regions": [_region_metadata(symbol, region) for symbol, region in regions.items()],
            "refusals": refusals_of(factory.ir_mod),
            "tvm_workspace_bytes": _workspace_bytes(factory),
        },
    }


def _tensor_metadata(tensor: TensorInfo) -> dict[str, Any]:
    return {key: value for key, value in asdict(tensor).items() if value is not None}


def _main_memory(factory: Any, inputs: list[TensorInfo], outputs: list[TensorInfo]) -> dict[str, Any]:
    def sizes(tensors: list[TensorInfo]) -> dict[str, Any]:
        return {tensor.name: {"size": tensor.size_bytes, "dtype": tensor.dtype} for tensor in tensors}

    return {
        "device": 1,  # DLPack's kDLCPU
        "workspace_size_bytes": _workspace_bytes(factory),
        "io_size_bytes": sum(tensor.size_bytes for tensor in [*inputs, *outputs]),
        "inputs": sizes(inputs),
        "outputs": sizes(outputs),
    }


def _region_metadata(symbol: str, region: Any) -> dict[str, Any]:
    plan = json.loads(str(region.attrs[PLAN_ATTR]))
    memory = {key: plan[key] for key in ("soc", "cores", "l1_bytes", "l2_bytes", "l1_used", "l2_used")}
    files = {"symbol": symbol, "files": sorted(region_files(region)), "plan": plan_file(symbol)}
    return {**files, **memory, "uses_l3": bool(plan.get("transfers") or plan.get("l3_buffers"))}


def _template(file: str, name: str) -> str:
    return (Path(__file__).parent / "templates" / file).read_text().replace("@NAME@", name)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
