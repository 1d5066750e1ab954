"""Decimal numbers in characters (FITS 4.0, section 7.2.5): one at a time, where that is no work for a kernel."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits_tables.fields import Bytes, Fault, Field, Kind, Reason

_INTEGER = re.compile(rb"[+-]?\d+")
_REAL = re.compile(rb"([+-]?)(\d*)(?:(\.)(\d*))?(?:[EeDd]?([+-]\d+)|[EeDd](\d+))?")
_SPECIAL = re.compile(rb"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)  # some writers have no other way to say it
_I8 = np.iinfo(np.int64)
_PIECE = 1 << 16  # numbers that are formatted together


class UnreadableError(Exception):
    """Characters that are no number of the type asked for; the argument is a `Reason`."""


def read(text: bytes, field: Field) -> int | float:
    """Return the number that the characters of a field stand for.

    Parameters
    ----------
    text : bytes
        All of the field.
    field : Field
        Of kind INTEGER, REAL_32 or REAL_64.

    Raises
    ------
    UnreadableError
        If it is none, or beyond the range of its type.
    """
    text = text.strip(b" ")
    if not text or text == field.null_text:
        return 0
    if field.kind == Kind.INTEGER:
        if not _INTEGER.fullmatch(text):
            raise UnreadableError(Reason.UNREADABLE)
        number = int(text) if len(text) < 1000 else int(text.lstrip(b"+-0")[:1000] or b"0")
        if not _I8.min <= number <= _I8.max:
            raise UnreadableError(Reason.RANGE)
        return number
    return _read_real(text, field.decimals, field.kind == Kind.REAL_32)


def _read_real(text: bytes, decimals: int, single: bool) -> float:
    if _SPECIAL.fullmatch(text):
        return float(text)
    found = _REAL.fullmatch(text)
    if found is None or not (found[2] or found[4]):
        raise UnreadableError(Reason.UNREADABLE)
    sign, whole, point, fraction = (part or b"" for part in found.groups()[:4])
    exponent = found[5] or found[6] or b"0"
    if len(exponent) > 1000:
        raise UnreadableError(Reason.RANGE)
    power = int(exponent) - (len(fraction) if point else decimals)
    # Python rounds correctly.
    value = float(b"%b%b%bE%d" % (sign, whole, fraction, power))
    if single and math.isfinite(value):
        value = _nearest_single(value, (sign, whole + fraction, power))
    if math.isinf(value):
        raise UnreadableError(Reason.RANGE)
    return value


def _nearest_single(value: float, exact: tuple[bytes, bytes, int]) -> float:
    """Round once more, to 32 bits; what lies in the middle then may have been next to it before."""
    with np.errstate(all="ignore"):
        single = np.float32(value)
        back = float(single)
        if back == value or math.isinf(back):
            return back
        other = float(np.nextafter(single, np.float32(math.copysign(math.inf, value - back))))
    if (back + other) / 2 != value:
        return back
    sign, digits, power = exact
    number = Fraction(int(sign + digits)) * Fraction(10) ** power
    if number == Fraction(value):
        return back
    return max(back, other) if number > Fraction(value) else min(back, other)


def read_column(texts: list[bytes], field: Field, out: NDArray[Any]) -> tuple[Reason, int] | None:
    """Fill ``out`` with the numbers of all fields; return the reason and the row of the first that cannot be read."""
    fault = None
    for row, text in enumerate(texts):
        try:
            out[row] = read(text, field)
        except UnreadableError as error:
            fault = fault or (error.args[0], row)
    return fault


def format_column(values: NDArray[Any], letter: str, width: int, decimals: int) -> tuple[Bytes, Fault | None]:
    """Return numbers in the characters of a column of an ASCII table.

    Parameters
    ----------
    values : (n,) array of integers or floats
    letter : {'I', 'F', 'E', 'D'}
        Of TFORMn.
    width, decimals : int
        Of TFORMn; ``decimals`` is not used for integers.

    Returns
    -------
    characters : (n, width) uint8 array
    fault : Fault or None
        The first number that does not fit (RANGE), or is none (NOT_FINITE): a field holds digits (FITS 4.0, section
        7.2.5), though other programs write NAN there. Its field is 0.
    """
    each = {"I": f"%{width}d", "F": f"%{width}.{decimals}f"}.get(letter, f"%{width}.{decimals}E")
    out = np.empty((len(values), width), dtype=np.uint8)
    if letter != "I" and not np.isfinite(values).all():
        return out, Fault(0, Reason.NOT_FINITE, int(np.flatnonzero(~np.isfinite(values))[0]))
    for begin in range(0, len(values), _PIECE):
        numbers = values[begin : begin + _PIECE].tolist()
        text = (each * len(numbers)) % tuple(numbers)
        if len(text) != width * len(numbers):
            wide = next(row for row, number in enumerate(numbers) if len(each % number) > width)
            return out, Fault(0, Reason.RANGE, begin + wide)
        if letter == "D":
            text = text.replace("E", "D")
        out[begin : begin + len(numbers)] = np.frombuffer(text.encode(), dtype=np.uint8).reshape(-1, width)
    return out, None


def powers_of_five() -> NDArray[np.uint64]:
    """Return the table that the kernels need to round; see ``c/rows.h``."""
    rows = []
    for exponent in range(-342, 309):
        power = 5 ** abs(exponent)
        bits = power.bit_length()
        if exponent >= 0:
            scaled = power << (128 - bits) if bits <= 128 else power >> (bits - 128)
        else:
            scaled = (1 << (bits + 127)) // power + 1
            if scaled >> 128:  # the power is one of two as well: 5 ** 0 alone, which is not here
                scaled >>= 1
        rows.append((scaled >> 64, scaled & (1 << 64) - 1))
    return np.array(rows, dtype=np.uint64).reshape(-1)
