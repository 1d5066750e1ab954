"""Conditions on the rows of a table: comparisons of a column with a value, joined by ``and``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rustfits

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
NAME = r"`(?P<quoted>[^`]+)`|(?P<name>[^\W\d]\w*)"
TEXT = r"'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\""
NUMBER = r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?!\w)"
COMPARISON = re.compile(
    rf"\s*(?:{NAME})\s*(?P<operator>==|!=|<=|>=|=|<|>)\s*(?:{TEXT}|{NUMBER}|(?P<flag>true|false)\b)\s*", re.IGNORECASE
)
AND = re.compile(r"and\b", re.IGNORECASE)
EXAMPLE = (
    "write it as: mag < 12.5 and name == 'M 31' and ok == true; a name with other characters stands in `backticks`"
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison.

    Attributes
    ----------
    column : str
    sign : str
        A key of `OPERATORS`.
    value : bool, int, float or str
    """

    column: str
    sign: str
    value: bool | int | float | str

    def holds(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return for which rows it holds; never where a value is missing.

        Raises
        ------
        TableError
            If the column cannot be compared with the value.
        """
        kinds = "US" if isinstance(self.value, str) else "b" if isinstance(self.value, bool) else "iuf"
        if values.ndim != 1 or values.dtype.kind not in kinds:
            what = "cells of several elements" if values.ndim != 1 else f"values of the type {values.dtype}"
            raise rustfits.TableError(f"column {self.column!r} has {what}, which {self.value!r} is not compared with")
        found: NDArray[np.bool_] = np.asarray(OPERATORS[self.sign](np.ma.getdata(values), self._fitting(values.dtype)))
        return found & ~np.ma.getmaskarray(values)

    def _fitting(self, dtype: np.dtype[Any]) -> Any:
        """Return the value as what it is compared as: 32-bit floats with the nearest of them, so that 0.1 is 0.1."""
        return np.float32(self.value) if dtype == np.float32 else self.value


def parse(text: str) -> list[Comparison]:
    """Return the comparisons that a condition consists of.

    Raises
    ------
    TableError
        If it is not understood; the message shows one.
    """
    found, at = [], 0
    while True:
        one = COMPARISON.match(text, at)
        if one is None:
            raise rustfits.TableError(f"the condition {text!r} is not understood at {text[at:].strip()!r}; {EXAMPLE}")
        found.append(Comparison(one["quoted"] or one["name"], one["operator"], _value(one)))
        at = one.end()
        if at == len(text):
            return found
        joint = AND.match(text, at)
        if joint is None:
            raise rustfits.TableError(f"the condition {text!r} is not understood at {text[at:].strip()!r}; {EXAMPLE}")
        at = joint.end()


def _value(found: re.Match[str]) -> bool | int | float | str:
    if found["flag"]:
        return found["flag"].lower() == "true"
    if found["number"]:
        number = found["number"]
        return int(number) if number.lstrip("+-").isdecimal() else float(number)
    return str(found["single"] if found["single"] is not None else found["double"])


def select(comparisons: list[Comparison], columns: Mapping[str, NDArray[Any]], nrows: int) -> NDArray[np.bool_]:
    """Return which rows fulfil all comparisons; ``columns`` are known by the names in them."""
    chosen = np.ones(nrows, np.bool_)
    for one in comparisons:
        chosen &= one.holds(columns[one.column])
    return chosen
