"""What TVM's ONNX importer can't take, told with the name of the user's operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tvm.relay.frontend import onnx as importer
from tvm_pulp.errors import ModelError
from tvm_pulp.replaced import replaced

_FIX = "write it with other operators, or leave it out of the network"


def first_line(error: Exception) -> str:
    """The line that says what is wrong: the first, or the last behind a traceback of TVM's."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip() if lines[0].startswith("Traceback") else lines[0]


def cannot_import(reason: str, where: str) -> ModelError:
    """The error for one operator, or for a file."""
    return ModelError(f"TVM 0.19 can't import it ({reason})", where=where, fix=_FIX)


@contextmanager
def named_failures() -> Iterator[None]:
    """While it lasts, what the importer raises about a node is a ModelError that names the node."""
    stock = importer.GraphProto._convert_operator

    def convert(self: Any, op_name: str, inputs: Any, attrs: dict[str, Any], opset: int) -> Any:
        name = str(attrs["tvm_custom"]["name"])
        try:
            return stock(self, op_name, inputs, attrs, opset)
        except Exception as error:  # its helpers raise whatever they raise
            raise cannot_import(first_line(error), name) from error

    with replaced(importer.GraphProto, "_convert_operator", convert):
        yield
