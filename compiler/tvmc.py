"""`tvmc`: TVM's own driver with the target `pulp` added. Other targets take TVM's way, untouched."""

from __future__ import annotations

from tvm.driver.tvmc import main as stock

from .tvmc_plugin import register


def main() -> None:
    """Run TVM's driver on the process's arguments."""
    register()
    stock.main()
