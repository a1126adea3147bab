"""SoC files: their schema, how they are read, and the machine that they describe.

A SoC is a TOML file in `compiler/targets` (or anywhere, by path). Every fault of a file is reported with its
line, the reason and what to do; `docs/add-a-soc.md` shows how to write one.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from tvm_pulp.codegen.engines.engine import Engine
from tvm_pulp.codegen.machine import ClusterModel, DmaModel, L3Model, Machine
from tvm_pulp.codegen.plan import CLUSTER_NAME

from . import targets
from .errors import TargetError
from .options import WHERE, PulpOptions
from .soc_engines import engines_beside
from .soc_errors import soc_file_errors
from .suggest import suggestion

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Bytes = Annotated[int, Field(ge=1, le=2**31 - 1)]
Cores = Literal[1, 2, 4, 8]  # PULP-NN's kernels share the work among a power of two of cores
Rate = Annotated[float, Field(gt=0, le=4096)]
Cycles = Annotated[float, Field(ge=0, le=1_000_000)]


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Memory(_Table):
    """A memory of the SoC; what generated code may use is the difference of the two."""

    size: Bytes = Field(description="bytes of the memory")
    reserved: int = Field(ge=0, description="bytes kept for stacks, the program and the SDK")

    @field_validator("reserved")
    @classmethod
    def _leaves_something(cls, reserved: int, info: ValidationInfo) -> int:
        size = info.data.get("size")
        if size is not None and reserved >= size:
            raise PydanticCustomError(
                "nothing_left",
                "leaves nothing of the memory's {size} bytes",
                {"size": size, "reserved": reserved},
            )
        return reserved

    @property
    def usable(self) -> int:
        """Bytes that generated code may use unless the user says otherwise."""
        return self.size - self.reserved


class L3Memory(_Table):
    """Memory that neither cores nor DMA reach; its transfers to and from L2, see `codegen.machine.L3Model`."""

    size: Bytes = Field(description="bytes of it that generated code may use")
    bytes_per_cycle: Rate = Field(description="bytes moved in a cycle of the cluster")
    setup_cycles: int = Field(ge=0, le=1_000_000, description="cycles to start a transfer")
    call_cycles: int = Field(
        default=0, ge=0, le=1_000_000, description="cycles in which core 0 is busy with a transfer"
    )


class Memories(_Table):
    """The two memories that every PULP cluster works with, and the one behind them that some SoCs have."""

    l1: Memory = Field(description="the cluster's scratchpad, a table [memory.l1]")
    l2: Memory = Field(description="the SoC's main memory, a table [memory.l2]")
    l3: L3Memory | None = Field(default=None, description="external memory, a table [memory.l3]")


class Dma(_Table):
    """Cost of a transfer between L2 and L1, see `codegen.machine.DmaModel`."""

    bytes_per_cycle: Rate = Field(description="bytes moved in a cycle")
    setup_cycles: int = Field(ge=0, le=1_000_000, description="cycles to start a transfer")
    row_cycles: Cycles = Field(description="additional cycles for each row of a 2-D transfer")
    gather_bytes_per_cycle: Rate = Field(description="bytes moved in a cycle when HWC is turned into CHW")
    gather_channel_cycles: Cycles = Field(description="additional cycles for each channel of such a transfer")
    end_cycles: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="cycles in which core 0 programs one of a layer's first loads or its last store",
    )


class ClusterEngine(_Table):
    """The RISC-V cores of the cluster; rates are those of one core, see `codegen.machine.ClusterModel`."""

    type: Literal["cluster"] = Field(description='the kind of engine, "cluster"')
    cores: Cores = Field(description="cores that compute: 1, 2, 4 or 8")
    block_pixels: int = Field(ge=1, le=64, description="pixels in a matrix product's register block")
    word_weights_cycles: Cycles = Field(description="inner loop: cycles for 4 channels' weights, 4 elements")
    word_pixel_cycles: Cycles = Field(description="inner loop: cycles for each pixel, 4 channels x 4 elements")
    im2col_word_cycles: Cycles = Field(description="cycles to build 4 elements of a window")
    output_cycles: Cycles = Field(description="cycles to requantize and store an output")
    split_output_cycles: Cycles = Field(description="the same with multipliers in two parts")
    wide_output_cycles: Cycles = Field(description="the same with 64-bit arithmetic")
    depthwise_macs_per_cycle: Rate = Field(description="depthwise convolution on HWC, MAC per cycle and core")
    depthwise_chw_macs_per_cycle: Rate = Field(description="the library's depthwise convolution on CHW")
    linear_macs_per_cycle: Rate = Field(description="fully connected layer, MAC per cycle and core")
    elements_per_cycle: Rate = Field(description="add and pools, elements per cycle and core")
    call_cycles: int = Field(ge=0, le=1_000_000, description="cycles that a kernel call costs beside its work")
    float_unit: bool = Field(default=False, description="the kernels compute with float32 where that is faster")
    measured_kernels: bool = Field(
        default=False, description="cycles measured of the XpulpV2 kernels stand for the rates"
    )


class Soc(_Table):
    """A SoC file. `beside` are the engines beside the cluster."""

    _beside: tuple[Engine, ...] = PrivateAttr(default=())

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="lower-case letters, digits and _")
    description: str = Field(min_length=1, max_length=120, description="one line for `tvm-pulp targets`")
    memory: Memories = Field(description="tables [memory.l1] and [memory.l2]")
    dma: Dma = Field(description="a table [dma]")
    engines: list[ClusterEngine] = Field(
        min_length=1, max_length=1, description='one table [[engines]] with type = "cluster"'
    )

    @property
    def cluster(self) -> ClusterEngine:
        """The cluster's cores."""
        return self.engines[0]

    @property
    def beside(self) -> tuple[Engine, ...]:
        """The engines beside the cluster."""
        return self._beside


def list_socs() -> tuple[str, ...]:
    """Return the names of the SoCs that come with tvm-pulp, sorted."""
    files = (entry.name for entry in resources.files(targets).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml")))


def soc_path(name_or_path: str) -> Path:
    """Return the file of a SoC: a path if it has a `/` or ends in `.toml`, else the name of one of ours."""
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return Path(name_or_path)
    if name_or_path not in list_socs():
        fix = suggestion(name_or_path, list_socs(), what="known SoCs") + ", or the path of a .toml file"
        raise TargetError(f"unknown SoC `{name_or_path}`", where=WHERE, fix=fix)
    return Path(str(resources.files(targets) / f"{name_or_path}.toml"))


def parse_soc(text: str, *, file: str) -> Soc | tuple[TargetError, ...]:
    """Return the SoC that `text` describes, or every fault of it; `file` is the name used in errors."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return (_syntax_error(text, file, error),)
    beside = engines_beside(text, file, tables)
    faults = tuple(fault for one in beside if isinstance(one, tuple) for fault in one)
    try:
        soc = Soc.model_validate(tables)
    except ValidationError as error:
        return (*soc_file_errors(text, file, error, Soc), *faults)
    if faults:
        return faults
    soc._beside = tuple(one for one in beside if isinstance(one, Engine))
    return soc


def check_soc(path: Path) -> tuple[TargetError, ...]:
    """Return every fault of a SoC file; empty if it is right. Raises TargetError if it can't be read."""
    result = parse_soc(_read(path), file=str(path))
    return () if isinstance(result, Soc) else result


def load_soc(name_or_path: str) -> Soc:
    """Read a SoC by its name or its file; raises TargetError with the first fault of the file."""
    path = soc_path(name_or_path)
    result = parse_soc(_read(path), file=str(path))
    if isinstance(result, Soc):
        return result
    raise result[0]


def load_machine(options: PulpOptions) -> Machine:
    """Return what code generation knows of the SoC, with the user's `l1`, `l2` and `cores` in place.

    Raises TargetError for an unknown SoC, a bad file, and an option beyond what the SoC has.
    """
    soc = load_soc(options.soc)
    machine = Machine(
        soc=soc.name,
        cores=soc.cluster.cores,
        l1_bytes=soc.memory.l1.usable,
        l2_bytes=soc.memory.l2.usable,
        dma=DmaModel(**soc.dma.model_dump()),
        cluster=ClusterModel(**soc.cluster.model_dump(exclude={"type", "cores"})),
        l3=None if soc.memory.l3 is None else L3Model(**soc.memory.l3.model_dump()),
        engines=soc.beside if options.engines is None else _engines(soc, options.engines),
    )
    if options.l1 is not None:
        machine = replace(machine, l1_bytes=_within(soc, "l1", options.l1, soc.memory.l1))
    if options.l2 is not None:
        machine = replace(machine, l2_bytes=_within(soc, "l2", options.l2, soc.memory.l2))
    if options.cores is not None:
        machine = replace(machine, cores=_cores(soc, options.cores))
    return machine


def _within(soc: Soc, option: str, value: int, memory: Memory) -> int:
    if not 0 < value <= memory.size:
        raise TargetError(
            f"option -{option}={value} is beyond the {option.upper()} of {soc.name}, {memory.size} bytes",
            where=WHERE,
            fix=f"give 1 to {memory.size}, or leave it out for {memory.usable}",
        )
    return value


def _cores(soc: Soc, value: int) -> int:
    allowed = [count for count in (1, 2, 4, 8) if count <= soc.cluster.cores]
    if value not in allowed:
        choice = ", ".join(map(str, allowed))
        raise TargetError(
            f"option -cores={value} is not possible on {soc.name}, which has {soc.cluster.cores}",
            where=WHERE,
            fix=f"give one of {choice}" if len(allowed) > 1 else "give 1",
        )
    return value


def _engines(soc: Soc, value: str) -> tuple[Engine, ...]:
    known = (CLUSTER_NAME, *(engine.name for engine in soc.beside))
    wanted = value.split(",")
    for name in wanted:
        if name not in known:
            raise TargetError(
                f"option -engines={value}: {soc.name} has no engine `{name}`",
                where=WHERE,
                fix=f"its engines: {', '.join(known)}",
            )
    if CLUSTER_NAME not in wanted:
        raise TargetError(
            f"option -engines={value} leaves out the cluster, which runs what no other engine can",
            where=WHERE,
            fix=f"give -engines={CLUSTER_NAME},{value}",
        )
    return tuple(engine for engine in soc.beside if engine.name in wanted)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise TargetError(reason, where=str(path), fix="give the path of a SoC file (TOML)") from error
    except UnicodeDecodeError as error:
        raise TargetError(
            "this is no text file", where=str(path), fix="give a SoC file (TOML, UTF-8)"
        ) from error


def _syntax_error(text: str, file: str, error: Any) -> TargetError:
    """Move the line from the parser's "... (at line 3, column 5)" to the front."""
    found = re.search(r"\(at (?:line (\d+), column \d+|end of document)\)", str(error))
    line = int(found[1]) if found and found[1] else max(1, len(text.splitlines()))
    reason = re.sub(r"\s*\(at .*\)$", "", str(error))
    return TargetError(
        f"this is no valid TOML: {reason[:1].lower()}{reason[1:]}",
        where=f"{file}:{line}",
        fix="correct this line",
    )
