"""Compares compiled networks with other runtimes, in units of the output's last place.

    PULP_MODELS=<folder> python benchmarks/accuracy.py [--inputs 100] [--multiplier-error 0.01] [network …]

For each network: what TVM's build of the legalized module computes (generated C computes the same bytes, which
the tests show), against onnxruntime without optimizations, on random inputs that use every byte. Compared is
the last quantized tensor in front of a softmax. Integer networks are compared with their golden files, too,
every byte of every layer. What is found is kept in a folder, one file each, and not measured again;
`--document` makes docs/accuracy.md of it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import onnx
import tvm
from accuracy_doc import COLUMNS, render, row
from accuracy_models import (
    Array,
    fixed_batch,
    output_step,
    random_inputs,
    with_next_scales,
    without_softmax,
)
from accuracy_outcomes import FOLDER, GoldenOutcome, Outcome, compare, keep, kept, kept_golden
from cycles import source_revision
from golden_layers import LAYERS, golden_input, golden_layers, in_golden_order, with_outputs
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from tvm_pulp.console import console, new_table
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.partition import legalize, prepare
from tvm_pulp.passes.expressions import dtype_of
from tvm_pulp.reference import run_reference

ROOT = Path(__file__).resolve().parents[1]
MODELS = Path(os.environ.get("PULP_MODELS", ROOT.parent / "shared" / "models"))
FOLDERS = ("mlperf_tiny", "mobilenet", "mlperf_tiny/tf2onnx")
INTEGER_FOLDER = "dory"


@dataclass(frozen=True)
class Settings:
    """Inputs for each network and the target's option; where results are kept, and whether they are made
    `again`; the commit that compiles."""

    count: int
    multiplier_error: float | None
    folder: Path
    again: bool
    source: str


@dataclass(frozen=True)
class Network:
    """A network's name and file."""

    name: str
    path: Path

    @property
    def is_integer(self) -> bool:
        """Whether it is one with golden files for its layers."""
        return self.name in LAYERS

    def load(self) -> onnx.ModelProto:
        """Up to the last number that can be compared: in front of the softmax, or the last layer's."""
        model = onnx.load(self.path)
        if self.is_integer:
            return with_outputs(model, LAYERS[self.name][-1:])
        return without_softmax(fixed_batch(model))


def legalized(model: onnx.ModelProto, multiplier_error: float | None = None) -> tvm.IRModule:
    """The integer form of a network."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        return legalize(prepare(*load_onnx(path)), multiplier_error)


def our_outputs(model: onnx.ModelProto, inputs: Array, multiplier_error: float | None = None) -> Array:
    """What the legalized module computes."""
    mod = legalized(model, multiplier_error)
    parameter = mod["main"].params[0]
    name, dtype = str(parameter.name_hint), dtype_of(parameter)
    return np.stack([outputs[0] for outputs in run_reference(mod, [{name: x.astype(dtype)} for x in inputs])])


def onnxruntime_outputs(
    model: onnx.ModelProto,
    inputs: Array,
    level: GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL,
) -> Array:
    """What onnxruntime computes, as a rule without optimizations."""
    options = SessionOptions()
    options.graph_optimization_level = level
    session = InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.stack([np.asarray(session.run(None, {session.get_inputs()[0].name: x})[0]) for x in inputs])


def measure(network: Network, settings: Settings) -> Outcome:
    """One network against onnxruntime, and that against itself."""
    model = network.load()
    inputs, step = random_inputs(model, settings.count), output_step(model)
    theirs = onnxruntime_outputs(model, inputs)
    fused = onnxruntime_outputs(model, inputs, GraphOptimizationLevel.ORT_ENABLE_EXTENDED)
    return Outcome(
        network.name,
        settings.multiplier_error,
        ours=compare(our_outputs(model, inputs, settings.multiplier_error), theirs, step),
        stepped=compare(onnxruntime_outputs(with_next_scales(model), inputs), theirs, step),
        fused=compare(fused, theirs, step),
        source=settings.source,
    )


def measure_golden(network: Network, settings: Settings) -> GoldenOutcome:
    """Every layer of an integer network against its golden files."""
    folder, model = network.path.parent, onnx.load(network.path)
    mod = legalized(with_outputs(model, LAYERS[network.name]))
    (found,) = run_reference(mod, [{mod["main"].params[0].name_hint: golden_input(folder, model)}])
    layers = [in_golden_order(network.name, values) for values in found]
    golden = golden_layers(folder)
    return GoldenOutcome(
        network.name,
        tuple(values.size for values in layers),
        sum(int(np.count_nonzero(a != b)) for a, b in zip(layers, golden, strict=True)),
        settings.source,
    )


def networks(chosen: Sequence[str] = ()) -> Iterator[Network]:
    """Those of these names, or all."""
    paths = [path for folder in FOLDERS for path in sorted((MODELS / folder).glob("*.onnx"))]
    found = [Network(path.stem, path) for path in paths]
    found += [Network(path.parent.name, path) for path in sorted((MODELS / INTEGER_FOLDER).glob("*/*.onnx"))]
    return (network for network in found if not chosen or network.name in chosen)


def outcome_of(network: Network, settings: Settings) -> Outcome:
    """What is kept in the folder, or is measured and kept now."""
    known = None if settings.again else kept(settings.folder, network.name, settings.multiplier_error)
    if known is None or known.ours.inputs != settings.count:
        known = measure(network, settings)
        keep(settings.folder, known)
    return known


def golden_outcome_of(network: Network, settings: Settings) -> GoldenOutcome:
    """What is kept in the folder, or is measured and kept now."""
    known = None if settings.again else kept_golden(settings.folder, network.name)
    if known is None:
        known = measure_golden(network, settings)
        keep(settings.folder, known)
    return known


@click.command()
@click.argument("names", nargs=-1)
@click.option("--inputs", "count", default=100, show_default=True, help="Random inputs for each network.")
@click.option("--multiplier-error", type=float, help="The option of the target.")
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True, help="Results.")
@click.option("--again", is_flag=True, help="Also those whose results are there.")
@click.option("--document", type=click.Path(path_type=Path), help="Write the page to this file, too.")
def main(
    names: tuple[str, ...],
    count: int,
    multiplier_error: float | None,
    folder: Path,
    document: Path | None,
    *,
    again: bool,
) -> None:
    """Print how far compiled networks are from onnxruntime, and integer networks from their golden files."""
    logging.disable(logging.ERROR)  # TVM's, about schedules
    settings = Settings(count, multiplier_error, folder, again, source_revision())
    found, golden = [], []
    for network in networks(names):
        found.append(outcome_of(network, settings))
        if network.is_integer:
            golden.append(golden_outcome_of(network, settings))
    if not found:
        raise click.ClickException(f"no such networks in {MODELS} (set PULP_MODELS)")
    _print(found, golden)
    if document is not None:
        document.write_text(render(found, golden))


def _print(found: Sequence[Outcome], golden: Sequence[GoldenOutcome]) -> None:
    table = new_table(*COLUMNS, numbers=COLUMNS[1:7], title="Before the softmax, in units of the last place")
    for outcome in found:
        table.add_row(*row(outcome))
    console().print(table)
    for one in golden:
        numbers = f"{one.differing} of {sum(one.layer_sizes):,} golden numbers"
        console().print(f"{one.network}: {numbers} differ", soft_wrap=True)


if __name__ == "__main__":
    main()
