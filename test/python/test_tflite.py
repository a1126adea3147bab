"""TFLite through TVM's importer: one region, the MACs all offloaded, close to the TFLite interpreter."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tvm_pulp.api import compile_model
from tvm_pulp.errors import ModelError
from tvm_pulp.package import REPORT_FILE
from tvm_pulp.report import report_from_json
from tvm_pulp.runner import run_package

pytest.importorskip("tflite", reason="the extra tvm-pulp[tflite] is not installed")

from tvm_pulp.frontend.tflite import load_tflite  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("PULP_MODELS", ROOT.parent / "shared" / "models")) / "mlperf_tiny"
needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason=f"no TFLite files in {MODELS} (set PULP_MODELS)")

# The largest difference from LiteRT's reference kernels in units of the output: they round at other places, and
# the residual network's softmax amplifies it.
LARGEST = {"ad_autoencoder": 2, "ic_resnet8": 128, "kws_dscnn": 24, "vww_mobilenet": 24}


@needs_models
@pytest.mark.parametrize("name", LARGEST)
def test_network_is_offloaded_exact_and_near_litert(name, tmp_path):
    package = compile_model(MODELS / f"{name}.tflite", tmp_path / "net.tar")
    report = report_from_json(package.read(REPORT_FILE).decode(), file="report")
    assert sum(region.macs > 1000 for region in report.regions) == 1
    assert {operator.op_type for operator in report.refused} <= {"SOFTMAX", "RESHAPE"}
    golden = np.load(MODELS / f"{name.split('_')[0]}_golden.npz")
    x, wanted = golden["x_nhwc"][:8], golden["y_tflite_ref0"][:8].astype(int)
    result = run_package(package, {package.inputs[0].name: x}, check=True)
    assert result.mismatched_bytes == 0
    (found,) = result.outputs.values()
    found = found.reshape(wanted.shape).astype(int)
    assert np.abs(found - wanted).max() <= LARGEST[name]
    if name != "ad_autoencoder":
        assert np.array_equal(found.argmax(axis=1), wanted.argmax(axis=1))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "model.tflite"
    with pytest.raises(ModelError, match="no such file"):
        load_tflite(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match="is not a TFLite file"):
        load_tflite(path)
