"""Rows of a table as text: aligned, as CSV, as JSON lines."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

import rustfits

Columns = Mapping[str, NDArray[Any]]  # of some rows; masked where values are missing


def python_values(values: NDArray[Any]) -> list[Any]:
    """Return the values of a column as Python has them: None where one is missing, 32-bit floats with few digits."""
    if values.dtype.kind == "f" and values.dtype.itemsize < 8:
        exact = np.array([float(str(number)) for number in np.ma.getdata(values).reshape(-1)]).reshape(values.shape)
        values = np.ma.MaskedArray(exact, values.mask) if isinstance(values, np.ma.MaskedArray) else exact
    if values.dtype.kind == "c":
        pairs = np.stack([np.ma.getdata(values).real, np.ma.getdata(values).imag], axis=-1)
        return python_values(pairs)
    if values.dtype == object:
        return [cell if isinstance(cell, str) else python_values(cell) for cell in values]
    found: list[Any] = values.tolist()
    return found


def records(columns: Columns) -> Iterator[tuple[Any, ...]]:
    """Return the rows."""
    return zip(*(python_values(values) for values in columns.values()), strict=True)


def plain(value: Any) -> str:
    """Return a value as text; nothing for one that is missing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(plain(one) or 'null' for one in value)}]"
    return str(value)


def finite(value: Any) -> Any:
    """Return a value that JSON can say: numbers that are none become null."""
    if isinstance(value, list):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_csv(chunks: Iterable[Columns], out: IO[str], *, shown: bool = False) -> None:
    """Write a line of names, then one for each row; if it is ``shown`` by a terminal, without what that would obey."""
    text = _printable if shown else plain
    writer = csv.writer(out, lineterminator="\n")
    for number, columns in enumerate(chunks):
        if not number:
            writer.writerow(map(text, columns))
        writer.writerows([text(value) for value in record] for record in records(columns))


def write_json_lines(chunks: Iterable[Columns], out: IO[str]) -> None:
    """Write an object for each row, one in a line."""
    for columns in chunks:
        for record in records(columns):
            out.write(json.dumps(dict(zip(columns, map(finite, record), strict=True)), allow_nan=False) + "\n")


def write_text(
    chunks: Iterable[Columns], out: IO[str], width: int | None = None, most: int | None = None, nrows: int | None = None
) -> str:
    """Write aligned columns.

    Parameters
    ----------
    chunks : iterable
    out : text file
    width : int or None
        Of a line: columns that do not fit are left out. None: all are there, and no cell is cut.
    most : int or None
        Rows to write at most.
    nrows : int or None
        How many there are, if that is known.

    Returns
    -------
    str
        What was left out; empty if nothing.
    """
    widths: list[int] = []
    names: list[str] = []
    right: list[bool] = []
    left, said = most, []
    for columns in chunks:
        there = len(next(iter(columns.values()), ()))
        shown = there if left is None else min(there, left)
        rows = [[_cell(value, width) for value in record] for record in records(_first(columns, shown))]
        if not names:
            names = [_cell(name, width) for name in columns]
            right = [values.ndim == 1 and values.dtype.kind in "iuf" for values in columns.values()]
            widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
            fitting = len(names) if width is None else _fitting(widths, width)
            out.write(_line(names[:fitting], widths, right) + "\n")
        out.writelines(_line(row[:fitting], widths, right) + "\n" for row in rows)
        if left is not None:
            left -= shown
            if shown < there or (not left and nrows is not None and nrows > (most or 0)):
                more = "" if nrows is None else f"{nrows - (most or 0)} "
                said.append(f"{more}more rows; --all shows them")
                break
    if names and fitting < len(names):
        head, tail = f"{len(names) - fitting} more columns", "; --columns picks some"
        said.append(f"{head}: {_as_fits(names[fitting:], (width or 0) - len(head) - len(tail) - 2)}{tail}")
    return "\n".join(said)


def _as_fits(names: list[str], width: int) -> str:
    """Return names with commas between them; the last are left out if they do not fit."""
    text = ", ".join(names)
    if len(text) <= width:
        return text
    count = 1
    while count < len(names) and len(", ".join(names[: count + 1])) + 5 <= width:
        count += 1
    return f"{', '.join(names[:count])}, ..."


def _first(columns: Columns, nrows: int) -> Columns:
    return {name: values[:nrows] for name, values in columns.items()}


def _printable(value: Any) -> str:
    return rustfits.printable(plain(value))


def _cell(value: Any, width: int | None) -> str:
    text = _printable(value)
    return text if width is None or len(text) <= max(width // 2, 8) else text[: max(width // 2, 8) - 3] + "..."


def _fitting(widths: list[int], width: int) -> int:
    """Return how many columns fit a line, one at least."""
    used = np.cumsum(np.array(widths) + 2) - 2
    return max(int(np.count_nonzero(used <= width)), 1)


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = [
        cell.rjust(size) if is_number else cell.ljust(size)
        for cell, size, is_number in zip(cells, widths, right, strict=False)
    ]
    return "  ".join(padded).rstrip()
