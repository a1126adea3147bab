"""The options of the `pulp` target, and how they are read from a target string."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, fields

from .errors import TargetError
from .suggest import suggestion

WHERE = "target pulp"
AUTO, OFF, ROWS = "auto", "off", "rows"
FLOAT, INTEGER, INTEGER_HWC = "float", "integer", "integer-hwc"
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?(e-[0-9]+)?")


@dataclass(frozen=True)
class PulpOptions:
    """What a user may choose about the target; `None` means what the SoC's file says.

    `soc` is a SoC's name or the path of its file; `l1` and `l2` are the bytes that generated code may use of
    the cluster's L1 and of L2; `cores` is how many cluster cores work; `engines` are the names of the engines
    that may be used, with commas. `plan` is the path of a plan (JSON) to take instead of making one, or of a
    folder with a plan for each region; `plan_time` is how many seconds making one may take, as the solver
    counts work. `fusion` says whether layers are fused where that is faster (`auto`), or not (`off`).
    `split` says whether two engines work at the same time where that is faster (`auto`): on the rows of a
    layer, or on two layers; `rows` allows the former only, `off` neither. `multiplier_error` is how many units
    of the last place the 32-bit multipliers of a convolution or linear layer may be off; a layer of which
    they are more gets longer ones. Without it that is half a unit, or next to nothing in a network whose result
    would differ by more than half a unit (`codegen/rounding_noise.py`) and that has the cores alone.
    `io` says what inputs and outputs are that the network quantizes and dequantizes: `float` (float32, as in
    the model), `integer` (uint8, quantized), or `integer-hwc` (uint8, and maps NCHW are NHWC).
    """

    soc: str = "gap8"
    l1: int | None = None
    l2: int | None = None
    cores: int | None = None
    engines: str | None = None
    plan: str | None = None
    plan_time: int | None = None
    fusion: str | None = None
    split: str | None = None
    multiplier_error: float | None = None
    io: str | None = None

    @property
    def fuses(self) -> bool:
        """True if layers may be fused."""
        return self.fusion != OFF

    @property
    def shares(self) -> bool:
        """True if two engines may compute a layer together."""
        return self.split != OFF

    @property
    def integer_io(self) -> bool:
        """True if quantized inputs and outputs are bytes."""
        return self.io in (INTEGER, INTEGER_HWC)

    @property
    def pairs(self) -> bool:
        """True if two layers may run at the same time."""
        return self.split in (None, AUTO)

    @classmethod
    def parse(cls, text: str) -> PulpOptions:
        """Read options written like `-soc=gap8 -l1=38000 -l2=380000 -cores=8`.

        Raises TargetError for an option that is unknown, given twice, without a value or with a bad one. SoC
        and ranges are not looked up here, see `tvm_pulp.soc.load_machine`.
        """
        values: dict[str, str] = {}
        for word in _split(text):
            name, value = _option(word)
            if name in values:
                raise TargetError(f"option -{name} is given twice", where=WHERE, fix="give it once")
            values[name] = value
        return cls(
            soc=values.get("soc", cls.soc),
            l1=_positive(values, "l1", "bytes"),
            l2=_positive(values, "l2", "bytes"),
            cores=_positive(values, "cores", "cores"),
            engines=values.get("engines"),
            plan=values.get("plan"),
            plan_time=_positive(values, "plan-time", "seconds"),
            fusion=_one_of(values, "fusion", (AUTO, OFF)),
            split=_one_of(values, "split", (AUTO, ROWS, OFF)),
            multiplier_error=_fraction(values, "multiplier-error"),
            io=_one_of(values, "io", (FLOAT, INTEGER, INTEGER_HWC)),
        )

    def __str__(self) -> str:
        """Write the options the way `parse` reads them."""
        given = ((option_name(field.name), getattr(self, field.name)) for field in fields(self))
        return " ".join(shlex.quote(f"-{name}={value}") for name, value in given if value is not None)


def option_name(field: str) -> str:
    """How a field of PulpOptions is written as an option."""
    return field.replace("_", "-")


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise TargetError(
            f"cannot split the options `{text}`: {str(error).lower()}",
            where=WHERE,
            fix="close the quotation mark",
        ) from error


def _option(word: str) -> tuple[str, str]:
    """Split `-name=value`."""
    if not word.startswith("-"):
        raise TargetError(
            f"`{word}` is not an option", where=WHERE, fix="options look like -soc=gap8 -l1=38000"
        )
    name, _, value = word.lstrip("-").partition("=")
    known = [option_name(field.name) for field in fields(PulpOptions)]
    if name not in known:
        fix = suggestion(f"-{name}", [f"-{option}" for option in known], what="options")
        raise TargetError(f"unknown option -{name}", where=WHERE, fix=fix)
    if not value:
        raise TargetError(f"option -{name} has no value", where=WHERE, fix=f"write -{name}=<value>")
    return name, value


def _one_of(values: dict[str, str], name: str, words: tuple[str, ...]) -> str | None:
    """Read an option that is one of some words; None when it is not given."""
    if name in values and values[name] not in words:
        raise TargetError(
            f"option -{name} is not one of {', '.join(words)}: `{values[name]}`",
            where=WHERE,
            fix=f"write -{name}={words[0]}",
        )
    return values.get(name)


def _positive(values: dict[str, str], name: str, unit: str) -> int | None:
    """Read an option that counts `unit`; None when it is not given."""
    if name not in values:
        return None
    text = values[name]
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        fix = f"give a whole number of {unit} above 0, without a unit"
        raise TargetError(f"option -{name} is not a number of {unit}: `{text}`", where=WHERE, fix=fix)
    return int(text)


def _fraction(values: dict[str, str], name: str) -> float | None:
    """Read an option that is a number from 0 to 1/2; None when it is not given."""
    if name not in values:
        return None
    text = values[name]
    if _DECIMAL.fullmatch(text) is None or float(text) > 0.5:
        fix = "give a number of units from 0 to 0.5"
        raise TargetError(f"option -{name} is not a number of units: `{text}`", where=WHERE, fix=fix)
    return float(text)
