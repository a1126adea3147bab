"""Adds the target `pulp` to tvmc: its options in `tvmc compile --help`, its way through the compilation.

What a pulp build needs (AOT executor, C runtime, C code, memory planned at compile time) is set where the user
did not choose; what the user chose is kept, or refused with a reason.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import traceback
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from tvm.driver.tvmc import TVMCException, compiler, composite_target, frontends
from tvm.driver.tvmc import main as driver
from tvm.driver.tvmc.model import TVMCModel
from tvm.ir.transform import PassContext

from .archive import check_writable, write_whole
from .errors import ModelError, PulpError, TargetError
from .failure import exit_status, one_line
from .names import check_name
from .options import PulpOptions, option_name
from .package import REPORT_FILE, Package
from .replaced import replaced
from .tvmc_target import NAME, PulpTarget, names_pulp, parse_target

FORMAT = "pulp"
_OPTION_HELP = {
    "soc": "name of the SoC (see `tvm-pulp targets`), or the path of its file; default gap8",
    "l1": "bytes of L1 that generated code may use",
    "l2": "bytes of L2 that generated code may use",
    "cores": "cluster cores that work",
    "engines": "engines that may be used, with commas; all by default",
    "multiplier_error": "units of the last place that 32-bit multipliers may be off, 0.5 at most; "
    "default: what the network's result needs, 0.5 beside an accelerator",
    "plan_time": "seconds that making a plan may take, as the solver counts work; default 20",
    "fusion": "auto: layers are fused tile by tile where that is faster (default); off: they are not",
    "split": "auto: two engines divide a layer's rows, or compute two layers at once, where that is faster "
    "(default); rows: the former only; off: neither",
    "io": "inputs and outputs that the network quantizes are float: float32 (default); integer: uint8; "
    "integer-hwc: uint8, channels last",
    "plan": "plan (JSON) to take instead of making one, or a folder of them, such as plan/ of a package",
}
_Handler = Callable[[argparse.Namespace], Any]


class _Default(str):
    """The value of an option that the user did not give."""

    __slots__ = ()


def register() -> None:
    """Make tvmc know the target. Its parsers are made later, by tvmc's main function."""
    composite_target.REGISTERED_CODEGEN[NAME] = {
        "config_key": None,
        "pass_default": False,
        "default_target": None,
        "pass_pipeline": _partition,
    }
    if _extend_parsers not in driver.REGISTERED_PARSER:
        driver.register_parser(_extend_parsers)


def _partition(mod: Any, params: Any, mod_name: str = "default", **options: Any) -> Any:
    """tvmc's hook for a target: Relay module -> module with external functions."""
    from .partition import partition_for_pulp  # noqa: PLC0415 (start-up time of `tvmc --help`)

    text = " ".join(shlex.quote(f"-{option_name(name)}={value}") for name, value in options.items())
    with PassContext(opt_level=3, instruments=list(PassContext.current().instruments or [])):
        return partition_for_pulp(mod, params, options=PulpOptions.parse(text), mod_name=mod_name)


# ---- Command line ----------------------------------------------------------------------------------------


def _extend_parsers(subparsers: Any, _parser: Any, _config: Any) -> None:
    _extend_compile(subparsers.choices["compile"])
    run = subparsers.choices["run"]
    run.set_defaults(func=partial(_run, stock=run.get_default("func")))


def _extend_compile(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(f"target {NAME}")
    for option in fields(PulpOptions):
        group.add_argument(f"--target-{NAME}-{option_name(option.name)}", help=_OPTION_HELP[option.name])
    group.add_argument(
        "--onnx-dialect",
        choices=["auto", "qdq", "dory"],
        default="auto",
        help="what the integers of an ONNX file mean: Q and DQ, or DORY's integers in float tensors; "
        "default: what the file looks like",
    )
    actions = {action.dest: action for action in parser._actions}
    formats = actions["output_format"]
    formats.choices = [*(formats.choices or ()), FORMAT]
    formats.help = f"{formats.help} Use '{FORMAT}' for a package of C sources, the default for --target {NAME}."
    target = actions["target"]
    target.help = f"{target.help}; '{NAME} -soc=<name>' compiles to C for PULP microcontrollers"
    for name in ("executor", "runtime", "output_format"):
        actions[name].default = _Default(actions[name].default)
    parser.set_defaults(func=partial(_compile, stock=parser.get_default("func")))


def _compile(args: argparse.Namespace, stock: _Handler) -> Any:
    try:
        if names_pulp(args.target):
            return _compile_for_pulp(args)
        _refuse_pulp_options(args)
    except TVMCException:
        raise  # tvmc prints these on its own
    except Exception as error:
        return _fail(error, verbose=args.verbose > 0)
    return stock(args)


def _run(args: argparse.Namespace, stock: _Handler) -> Any:
    """`tvmc run` with a package of ours: point to the command that runs it."""
    try:
        Package.open(args.PATH)
    except PulpError:
        return stock(args)
    error = PulpError(
        "is a package of C sources",
        where=args.PATH,
        fix=f"run it with `tvm-pulp run {args.PATH} --inputs x.npz`",
    )
    return _fail(error, verbose=False)


def _fail(error: Exception, *, verbose: bool) -> int:
    if verbose:
        traceback.print_exception(error)
    sys.stderr.write(f"tvmc: error: {one_line(error)}\n")
    return exit_status(error)


# ---- What the user chose ---------------------------------------------------------------------------------


def _refuse_pulp_options(args: argparse.Namespace) -> None:
    """TargetError if the target isn't pulp and an option belongs to pulp."""
    if args.output_format == FORMAT:
        raise TargetError(
            f"only --target {NAME} makes such a package", where=f"-f {FORMAT}", fix="leave it out"
        )
    given = _options_text(args)
    if given:
        option = given[1:].partition("=")[0]
        raise TargetError(
            f"the target is {args.target}", where=f"--target-{NAME}-{option}", fix=f"add --target {NAME}"
        )


def _options_text(args: argparse.Namespace) -> str:
    """The options given as `--target-pulp-…`, written as in a target string."""
    values = (
        (option_name(field.name), getattr(args, f"target_{NAME}_{field.name}")) for field in fields(PulpOptions)
    )
    return " ".join(shlex.quote(f"-{name}={value}") for name, value in values if value is not None)


def _settle_settings(args: argparse.Namespace) -> None:
    """Set executor, runtime and format where the user left them open; TargetError where they can't be kept."""
    needed = (
        ("executor", "aot", "the ahead-of-time executor: there is no graph executor on the microcontroller"),
        ("runtime", "crt", "TVM's C runtime: there is no C++ runtime on the microcontroller"),
        ("output_format", FORMAT, "the package of C sources: TVM's other formats are made by a C++ compiler"),
    )
    for name, value, reason in needed:
        chosen = getattr(args, name)
        if not isinstance(chosen, _Default) and chosen != value:
            option = name.replace("_", "-")
            raise TargetError(f"{NAME} needs {reason}", where=f"--{option} {chosen}", fix="leave it out")
        setattr(args, name, value)
    refused = (
        ("cross_compiler", "CMake builds the package; give CMake a toolchain file"),
        ("cross_compiler_options", "CMake builds the package; set CFLAGS there"),
        ("workspace_pools", "the package keeps TVM's tensors in static arrays"),
        ("runtime_crt_system_lib", "the package has no registry of functions"),
    )
    for name, reason in refused:
        if getattr(args, name, None):
            raise TargetError(reason, where=f"--{name.replace('_', '-')}", fix="leave it out")


def _pass_config(args: argparse.Namespace) -> list[str]:
    """`--pass-config` of the user and what a pulp build needs, as tvmc takes it."""
    from .build import EXACT_FLOATS_PHASE, missing_config  # noqa: PLC0415 (start-up time of `tvmc --help`)
    from .exact_floats import exact_floats  # noqa: PLC0415

    given = list(args.pass_config or [])
    added = missing_config(compiler.parse_configs(given))
    passes = f"tir.add_lower_pass={EXACT_FLOATS_PHASE},{exact_floats.__module__}.{exact_floats.__name__}"
    return [*given, passes, *(f"{key}={int(v) if isinstance(v, bool) else v}" for key, v in added.items())]


# ---- The compilation -------------------------------------------------------------------------------------


class _Model(TVMCModel):  # type: ignore[misc] # TVM has no types
    """A model whose package is ours."""

    def __init__(self, mod: Any, params: Any, options: PulpOptions) -> None:
        super().__init__(mod, params)
        self._options = options

    def export_package(self, executor_factory: Any, package_path: str | None = None, *_: Any) -> str:
        """Write the package; tvmc calls this with what it built."""
        from .packaging import write_package  # noqa: PLC0415 (start-up time of `tvmc --help`)

        path = Path(package_path or self.default_package_path())
        return str(write_package(executor_factory, path, self._options).path)


def _compile_for_pulp(args: argparse.Namespace) -> int:
    target = parse_target(args.target, _options_text(args))
    if not Path(args.FILE).is_file():
        raise ModelError("no such file", where=args.FILE, fix="give the path of a network")
    check_writable(Path(args.output))
    check_name(args.module_name)
    _settle_settings(args)
    package = _compiled(args, target)
    if args.dump_offloads:
        _dump_offloads(package, args.dump_offloads)
    return 0


def _compiled(args: argparse.Namespace, target: PulpTarget) -> Package:
    """The package of a network's file, made by tvmc."""
    from .build import DISABLED_PASSES, pulp_executor, pulp_runtime, quiet_offline_build  # noqa: PLC0415

    pass_config = _pass_config(args)
    executor = pulp_executor(_registry_options(args, compiler.Executor))
    runtime = pulp_runtime(_registry_options(args, compiler.Runtime))
    model = _load(args, target.options)
    # It ends by opening what it wrote as a package of its own: let it open one of ours.
    with quiet_offline_build(), replaced(compiler, "TVMCPackage", Package.open):
        package: Package = compiler.compile_model(
            model,
            f"{NAME}, {target.tvm_target}",
            opt_level=args.opt_level,
            executor=executor,
            runtime=runtime,
            tuning_records=args.tuning_records,
            package_path=args.output,
            output_format=args.output_format,
            dump_code=[kind.strip() for kind in args.dump_code.split(",")] if args.dump_code else None,
            disabled_pass=[*(args.disabled_pass or ()), *DISABLED_PASSES],
            pass_context_configs=pass_config,
            mod_name=args.module_name,
            additional_target_options=_target_options(args, target),
            print_pass_times=args.print_pass_times,
            print_ir_before=args.print_ir_before,
            print_ir_after=args.print_ir_after,
            **compiler.parse_graph_transform_args(args),
        )
    return package


def _dump_offloads(package: Package, target: str) -> None:
    """tvmc's own dump follows each operator by its name through the passes, which here join operators."""
    from .offloads import offloads_text  # noqa: PLC0415 (start-up time of `tvmc --help`)
    from .report import report_from_json  # noqa: PLC0415

    report = report_from_json(package.read(REPORT_FILE).decode(), file=REPORT_FILE)
    text = offloads_text(report)
    if target == "-":
        sys.stdout.write(text)
    else:
        write_whole(Path(target), lambda stream: stream.write(text.encode()))


def _registry_options(args: argparse.Namespace, registry: Any) -> dict[str, Any]:
    """Options of executor or runtime that the user gave, e.g. `--executor-aot-workspace-byte-alignment`."""
    compiler.reconstruct_registry_entity(args, registry)  # refuses options of executors that are not chosen
    chosen = getattr(args, registry.flag_registry_name)
    prefix = f"{registry.flag_registry_name}_{chosen}_"
    names = registry.list_registered_options(chosen).keys()
    given = {name: getattr(args, prefix + name.replace("-", "_"), None) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def _target_options(args: argparse.Namespace, target: PulpTarget) -> dict[str, dict[str, Any]]:
    """Options of all targets by target, as tvmc takes them."""
    ours = {field.name: getattr(target.options, field.name) for field in fields(PulpOptions)}
    options: dict[str, dict[str, Any]] = compiler.reconstruct_target_args(args)
    options[NAME] = {name: value for name, value in ours.items() if value is not None}
    return options


def _load(args: argparse.Namespace, options: PulpOptions) -> _Model:
    """The network: ONNX and TFLite by our own front ends, other formats by TVM's."""
    path = Path(args.FILE)
    if args.model_format == "onnx" or (args.model_format is None and path.suffix == ".onnx"):
        from .frontend.onnx import Dialect, load_onnx  # noqa: PLC0415 (start-up time of `tvmc --help`)

        dialect = Dialect(args.onnx_dialect)
        return _Model(*load_onnx(path, args.input_shapes, dialect), options)
    if args.model_format == "tflite" or (args.model_format is None and path.suffix == ".tflite"):
        from .frontend.tflite import load_tflite  # noqa: PLC0415

        return _Model(*load_tflite(path), options)
    loaded = frontends.load_model(args.FILE, args.model_format, args.input_shapes)
    return _Model(loaded.mod, loaded.params, options)
