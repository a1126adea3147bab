"""NE16, the convolution accelerator of GAP9, through the API of pulp-nnx (pulp-platform/pulp-nnx)."""

from tvm_pulp.codegen.engines.ne16.engine import Ne16

__all__ = ["ENGINE", "Ne16"]

ENGINE = Ne16
