"""lit: the tests of what the command line tools print, each beginning with its own command."""

import os
import sys
from pathlib import Path

import lit.formats
import llvm

# Tools are those of the environment that runs lit: its scripts, and LLVM's from the wheel that brings libLLVM.
SCRIPTS = Path(sys.executable).parent
LLVM = Path(llvm.__path__[0]) / "bin"
ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("PULP_MODELS", ROOT.parent / "shared" / "models"))

config.name = "tvm-pulp"  # noqa: F821 (lit provides `config` and `lit_config`)
config.test_format = lit.formats.ShTest()  # noqa: F821
config.suffixes = [".relay", ".test"]  # noqa: F821
config.excludes = ["Inputs"]  # noqa: F821
config.test_exec_root = str(ROOT / "build" / "lit")  # noqa: F821

path = os.pathsep.join([str(SCRIPTS), str(LLVM), os.environ["PATH"]])
config.environment["PATH"] = path  # noqa: F821
config.environment["TOPHUB_LOCATION"] = "NONE"  # noqa: F821 (TVM would look for schedules on the net)
config.environment["TVM_PULP_CACHE"] = "off"  # noqa: F821 (an earlier version's plans must not decide tests)
config.substitutions.append(("%python", sys.executable))  # noqa: F821
config.substitutions.append(("%scripts", str(SCRIPTS)))  # noqa: F821 (for tests that empty PATH)
config.substitutions.append(("%root", str(ROOT)))  # noqa: F821
config.substitutions.append(("%models", str(MODELS)))  # noqa: F821

if MODELS.is_dir():
    config.available_features.add("models")  # noqa: F821
else:
    lit_config.note(f"no trained networks in {MODELS} (set PULP_MODELS): their tests are skipped")  # noqa: F821
