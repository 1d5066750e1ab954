"""Tables of other libraries, made of the rows of a table; each library is imported when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rustfits import FITSHeader, NotSupported, OutOfMemory, is_protected_key
from rustfits_tables.arrow import ArrowSource, ArrowTable
from rustfits_tables.columns import Cells
from rustfits_tables.facts import AnyCells

if TYPE_CHECKING:
    import astropy.table
    import pandas
    import polars
    import pyarrow

RowsArgument = slice | Sequence[int] | None

# What describes the columns, and no more when they are elsewhere.
_OF_COLUMNS = re.compile(
    r"(TUNIT|TDISP|TCOMM|TUCD|TUTYP|TDMIN|TDMAX|TLMIN|TLMAX|ZFORM|ZCTYP)\d+|ZTABLE|ZTILELEN|EXTVER"
)


class ColumnTable(ArrowTable, Protocol):
    """What tables of other libraries need of a table HDU."""

    @property
    def header(self) -> FITSHeader:
        """The header."""

    @property
    def _place(self) -> object:
        """What messages call the HDU."""

    def _read_columns(
        self, columns: Sequence[str] | None, rows: RowsArgument
    ) -> list[tuple[AnyCells, NDArray[Any], NDArray[np.bool_] | None]]:
        """Return the values of columns, and where nulls are in those that may have some."""


def library(name: str) -> Any:
    """Return a library.

    Raises
    ------
    NotSupported
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise NotSupported(
            f"this needs the package {package}, which is not installed or cannot be loaded; try: pip install {package}"
        ) from error


def to_arrow(hdu: ColumnTable, columns: Sequence[str] | None, rows: RowsArgument) -> pyarrow.Table:
    """Return a table of pyarrow; see `TableHDU.to_arrow`."""
    table: pyarrow.Table = _taken(library("pyarrow").table, hdu, ArrowSource(hdu, columns, rows))
    return table


def to_polars(hdu: ColumnTable, columns: Sequence[str] | None, rows: RowsArgument) -> polars.DataFrame:
    """Return a DataFrame of polars; see `TableHDU.to_polars`."""
    frame: polars.DataFrame = _taken(library("polars").DataFrame, hdu, ArrowSource(hdu, columns, rows))
    return frame


def _taken(take: Callable[[ArrowSource], Any], hdu: ColumnTable, source: ArrowSource) -> Any:
    """Return what a library makes of a stream; our own error if that fails."""
    try:
        return take(source)
    except Exception as error:
        if source.fault is not None:
            raise source.fault from error
        if isinstance(error, MemoryError):
            raise OutOfMemory(f"there is not enough memory for what was read of {hdu._place}: {error}") from error
        raise


def to_pandas(hdu: ColumnTable, columns: Sequence[str] | None, rows: RowsArgument) -> pandas.DataFrame:
    """Return a DataFrame of pandas; see `TableHDU.to_pandas`."""
    pandas_library = library("pandas")
    found = hdu._read_columns(columns, rows)
    series = {one.name: _series(pandas_library, values, mask) for one, values, mask in found}
    frame: pandas.DataFrame = pandas_library.DataFrame(series)
    said = {one.name: _said(hdu, one) for one, _, _ in found}
    for key, keyword in (("units", "TUNIT"), ("descriptions", "TCOMM")):
        texts = {name: words[keyword] for name, words in said.items() if words[keyword]}
        if texts:
            frame.attrs[key] = texts
    return frame


def _series(pandas_library: Any, values: NDArray[Any], mask: NDArray[np.bool_] | None) -> Any:
    if values.ndim > 1:
        cells = np.empty(len(values), dtype=object)
        for row, cell in enumerate(values if mask is None else np.ma.MaskedArray(values, mask)):
            cells[row] = cell
        return cells
    if mask is None:
        return values
    if values.dtype.kind in "iu":
        return pandas_library.arrays.IntegerArray(values, mask)
    if values.dtype.kind == "b":
        return pandas_library.arrays.BooleanArray(values, mask)
    if values.dtype.kind == "f":
        return np.where(mask, np.nan, values)
    texts = values.astype(object)
    texts[mask] = None
    return texts


def to_astropy(hdu: ColumnTable, columns: Sequence[str] | None, rows: RowsArgument) -> astropy.table.Table:
    """Return a Table of astropy; see `TableHDU.to_astropy`."""
    library("astropy.table")
    from astropy.table import Column, MaskedColumn, Table
    from astropy.units import Unit

    made = []
    for cells, values, mask in hdu._read_columns(columns, rows):
        said = _said(hdu, cells)
        unit = Unit(said["TUNIT"], format="fits", parse_strict="silent") if said["TUNIT"] else None
        given = {"name": cells.name, "unit": unit, "description": said["TCOMM"] or None}
        if said["TDISP"]:
            given["meta"] = {"TDISP": said["TDISP"]}
        made.append(Column(values, **given) if mask is None else MaskedColumn(values, mask=mask, **given))
    table: astropy.table.Table = Table(made, copy=False)
    for key, value in hdu.header.items():
        if key and not is_protected_key(key) and not _OF_COLUMNS.fullmatch(key) and key not in ("COMMENT", "HISTORY"):
            table.meta[key] = value
    return table


def _said(hdu: ColumnTable, cells: AnyCells) -> dict[str, str]:
    number = cells.column.number if isinstance(cells, Cells) else cells.number
    cards = hdu._facts.seen
    found = {keyword: cards.get(f"{keyword}{number}") for keyword in ("TUNIT", "TCOMM", "TDISP")}
    return {keyword: value.strip() if isinstance(value, str) else "" for keyword, value in found.items()}
