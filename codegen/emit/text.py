"""Pieces of C text, laid out as clang-format lays them out (Google style, 110 columns)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LINE = 110
INT32_MIN = -(2**31)


def fill(head: str, items: Sequence[str], tail: str) -> str:
    """`head` + comma-separated `items` + `tail`, with lines broken to align behind `head`'s last character."""
    lines = [head]
    margin = " " * len(head)
    for index, item in enumerate(items):
        last = index == len(items) - 1
        word = item + (tail if last else ",")
        space = "" if lines[-1] in (head, margin) else " "
        if space and len(lines[-1]) + len(space) + len(word) > LINE:
            lines.append(margin + word)
        else:
            lines[-1] += space + word
    if not items:
        lines[-1] += tail
    return "\n".join(lines)


def call(function: str, arguments: Sequence[str], indent: int = 2) -> str:
    """A call as a statement."""
    return fill(f"{' ' * indent}{function}(", arguments, ");")


def signature(result: str, function: str, parameters: Sequence[str]) -> str:
    """The first line or lines of a static function's definition, up to the opening brace."""
    return fill(f"static {result}{function}(", parameters, ") {")


def designated(declaration: str, fields: Iterable[tuple[str, str]], indent: int = 2) -> str:
    """A local aggregate with designated initializers, one a line."""
    pad = " " * indent
    body = "".join(f"{pad}    .{name} = {value},\n" for name, value in fields)
    return f"{pad}{declaration} = {{\n{body}{pad}}};"


def address(base: str, offset: str) -> str:
    """C for a pointer and an offset to it."""
    return base if offset == "0" else f"{base} + {offset}"


def scaled(expression: str, factor: int) -> str:
    """C for a product with a literal."""
    if factor == 1:
        return expression
    return str(int(expression) * factor) if expression.isdigit() else f"{factor} * {expression}"


def integer(value: int) -> str:
    """An int32 literal; the smallest one has no literal of its own in C."""
    return f"(-{2**31 - 1} - 1)" if value == INT32_MIN else str(value)


def comment_text(text: str) -> str:
    """User text that is harmless inside a C comment or string: printable ASCII without comment marks,
    quotes, backslashes or trigraphs."""
    plain = "".join(char if char.isascii() and char.isprintable() else "_" for char in text)
    for mark, harmless in (("*/", "*_/"), ("/*", "/_*"), ("??", "?_?"), ("\\", "_"), ('"', "'")):
        plain = plain.replace(mark, harmless)
    return plain


def labelled(label: str, words: Sequence[str]) -> list[str]:
    """Comment lines of comma-separated words behind a label, broken at the line's end."""
    lines = fill(f" *   {label:<9} ", words, "").split("\n")
    return [lines[0], *(" * " + line[3:] for line in lines[1:])]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of comma-separated cells in columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [", ".join(f"{text:>{width}}" for text, width in zip(row, widths, strict=True)) for row in rows]
