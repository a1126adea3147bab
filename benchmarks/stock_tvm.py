"""TVM as it is, without this project's passes and regions, at its best on a 32-bit core without an FPU.

The network is made integer by TVM's own FakeQuantizationToInteger first; without it every layer computes in
soft floats. `target c`, the ahead-of-time executor with the C runtime, memory planned at compile time. The
package has the form of ours, so that the same runner builds and runs it.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

import numpy.typing as npt
import tvm
from tvm import relay
from tvm.contrib import graph_executor
from tvm_pulp.build import missing_config, pulp_executor, pulp_runtime, quiet_offline_build
from tvm_pulp.frontend.onnx import load_onnx
from tvm_pulp.options import PulpOptions
from tvm_pulp.package import Package
from tvm_pulp.packaging import write_package
from tvm_pulp.partition import prepare

Array = npt.NDArray[Any]


class Layout(Enum):
    """Layout of activations in TVM's convolutions.

    NHWC isn't among them: TVM has only naive schedules for it, 29 times as slow on keyword spotting.
    """

    NCHW = "nchw"
    PACKED = "nchwc"

    @property
    def title(self) -> str:
        """What tables call it."""
        return {"nchw": "NCHW as imported", "nchwc": "NCHWc (its default)"}[self.value]

    @property
    def disabled_passes(self) -> list[str]:
        """Passes that TVM must go without for this layout."""
        return ["AlterOpLayout"] if self is Layout.NCHW else []


def compile_stock(model: Path, folder: Path, layout: Layout, *, name: str) -> Package:
    """Compile a QDQ network for the fabric controller; the package goes to `folder`."""
    mod = integer_module(model)
    context = tvm.transform.PassContext(
        opt_level=3, config=missing_config({}), disabled_pass=layout.disabled_passes
    )
    with quiet_offline_build(), context:
        factory = relay.build(mod, target="c", executor=pulp_executor(), runtime=pulp_runtime(), mod_name=name)
    return write_package(factory, folder, PulpOptions(soc="pulp_open"))


def integer_module(model: Path) -> tvm.IRModule:
    """The network as TVM imports it and makes it integer; it is its own reference for the output."""
    mod = prepare(*load_onnx(model))
    return relay.transform.InferType()(relay.transform.FakeQuantizationToInteger()(mod))


def stock_output(model: Path, sample: Array) -> Array:
    """What the integer network computes on this computer, built by TVM for llvm."""
    with quiet_offline_build(), tvm.transform.PassContext(opt_level=3):
        library = relay.build(integer_module(model), target="llvm")
    executor = graph_executor.GraphModule(library["default"](tvm.cpu()))
    executor.set_input(0, sample)
    executor.run()
    output: Array = executor.get_output(0).numpy()
    return output
