"""`tvmc`: TVM's own driver with the target `pulp` added. Other targets take TVM's way, untouched."""

from __future__ import annotations

import os
import sys

from .tvmc_again import again


def main() -> None:
    """Run TVM's driver on the process's arguments."""
    known = again(sys.argv[1:], os.environ)
    if known is not None and known.fetch():
        sys.exit()
    status = _stock()
    if known is not None and not status:
        known.keep()
    sys.exit(status)


def _stock() -> int | None:
    """The exit status of TVM's driver."""
    from tvm.driver.tvmc import main as stock  # noqa: PLC0415 (TVM takes seconds to load)

    from .tvmc_plugin import register  # noqa: PLC0415

    register()
    try:
        stock.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int | None) else 1
    return 0
