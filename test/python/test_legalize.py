"""The legalized module, built by TVM's llvm back end, computes the numerics contract byte for byte."""

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from onnx_layers import Kind, QdqLayer, QdqModel, chain
from onnx_strategies import qdq_models
from onnx_writer import Quantization, WeightType
from qdq_model import UnsupportedError, evaluate
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.partition import legalize, prepare
from tvm_pulp.passes.merge_patterns import MergePatterns
from tvm_pulp.passes.partition_regions import PartitionRegions
from tvm_pulp.passes.refusals import refusals_of
from tvm_pulp.reference import run_reference
from tvm_pulp.relay_ext import is_region

logging.getLogger("te_compiler").setLevel(logging.ERROR)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def imported(model: onnx.ModelProto, folder: Path):
    path = folder / "model.onnx"
    onnx.save(model, path)
    mod, params = load_onnx(path)
    return prepare(mod, params)


def legalized(spec: QdqModel, folder: Path):
    return legalize(imported(spec.build(), folder))


def partitioned(mod):
    return PartitionRegions("net")(MergePatterns()(mod))


def regions(mod) -> int:
    return sum(is_region(func) for func in mod.functions.values())


def outputs_of(spec: QdqModel, mod, count: int = 2):
    """Outputs of the legalized module and of the contract, for each sample."""
    samples = spec.sample_inputs(count)
    found = run_reference(mod, [{"input": sample} for sample in samples])
    model = spec.build()
    wanted = [evaluate(model, {"input": sample}).outputs["output"] for sample in samples]
    return [outputs[0] for outputs in found], wanted


def test_multipliers_of_more_bits_can_be_asked_for(folder):
    """32 bits do for this layer unless they may not be off at all; the kernels take it all the same."""
    spec = QdqModel((QdqLayer(Kind.GEMM, 4, name="fc"),), (40,))
    mod = imported(spec.build(), folder)
    assert 'out_dtype="int64"' not in str(legalize(mod))
    exact = legalize(mod, multiplier_error=0.0)
    assert 'out_dtype="int64"' in str(exact)
    assert regions(partitioned(exact)) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=qdq_models())
def test_legalized_module_is_the_contract(spec, folder):
    mod = legalized(spec, folder)
    after = partitioned(mod)
    if any("too far apart" in reason for reason in refusals_of(after).values()):
        return  # such as x - x: an output scale of next to nothing, which 32 bits can't requantize to
    assert refusals_of(after) == {}
    assert regions(after) == 1
    try:
        found, wanted = outputs_of(spec, mod)
    except UnsupportedError:
        return
    for ours, contract in zip(found, wanted, strict=True):
        assert np.array_equal(ours, contract)


@pytest.mark.parametrize("name", ["conv-conv", "residual", "classifier"])
def test_chain_becomes_one_region(name, folder):
    after = partitioned(legalized(QdqModel(chain(name)), folder))
    assert (regions(after), refusals_of(after)) == (1, {})


def test_asymmetric_weights_are_offloaded(folder):
    spec = QdqModel((QdqLayer(Kind.CONV, 4),), quantization=Quantization(weights=WeightType.UINT8))
    after = partitioned(legalized(spec, folder))
    assert (regions(after), refusals_of(after)) == (1, {})
