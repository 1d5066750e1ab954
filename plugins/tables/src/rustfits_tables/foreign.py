"""Tables of other libraries as columns that can be written: those of Arrow, pandas and astropy."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError
from rustfits.plugin import AnyTableHDU
from rustfits_tables.columns import same_numbers
from rustfits_tables.nulls import free_null

WIDER = {"i1": "i2", "f2": "f4", "f16": "f8", "c32": "c16"}  # types that FITS has not, and what holds their values
SIGNED = {"u2": "i4", "u4": "i8"}  # the same of arrays in the heap
INNER = {"b1": "?", **{name: name for name in ("u1", "i2", "i4", "i8", "f4", "f8", "c8", "c16")}}


@dataclass(slots=True)
class ForeignTable:
    """Columns, and what is known of them beside their values.

    Attributes
    ----------
    columns : dict of str to array
        Perhaps masked.
    units, comments, displays : dict of str to str
        Of the columns that have such: TUNITn, TCOMMn, TDISPn.
    var_dtypes : dict of str to str
        What the arrays of object columns hold.
    header : dict
        Keywords of the whole table.
    nulls : dict of str to int
        What stands for missing integers in the arrays of object columns.
    """

    columns: dict[str, NDArray[Any]]
    units: Mapping[str, str] = field(default_factory=dict)
    comments: Mapping[str, str] = field(default_factory=dict)
    displays: Mapping[str, str] = field(default_factory=dict)
    var_dtypes: dict[str, str] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=dict)

    def wishes(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a user says of a new table, and what is known here where nothing is said."""
        known: dict[str, Mapping[str, Any]] = {
            "units": self.units,
            "comments": self.comments,
            "displays": self.displays,
        }
        known |= {"var_dtypes": self.var_dtypes, "nulls": self.nulls}
        mixed = {key: {**words, **(given.get(key) or {})} or None for key, words in known.items()}
        return {**given, **mixed, "nulls": self.nulls}

    def __post_init__(self) -> None:
        for name, values in self.columns.items():
            self.columns[name] = self._fitting(name, values)

    def _fitting(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Return a column in a type that FITS has."""
        if values.dtype.kind == "O":
            return self._objects(name, values)
        wider = WIDER.get(values.dtype.str[1:])
        return values.astype(wider) if wider else values

    def _objects(self, name: str, cells: NDArray[Any]) -> NDArray[Any]:
        """Return strings, arrays of one shape as cells of it, or arrays of variable length."""
        known = [cell for cell in cells if not _is_missing(cell)]
        if all(isinstance(cell, str | bytes) for cell in known) and known:
            nulls = np.array([_is_missing(cell) for cell in cells])
            kind = bytes if isinstance(known[0], bytes) else str
            if not all(isinstance(cell, kind) for cell in known):
                raise TableError(f"column {name!r} mixes str and bytes")
            texts = np.array([kind() if null else cell for cell, null in zip(cells, nulls, strict=True)])
            texts = texts if texts.dtype.itemsize else texts.astype(f"{texts.dtype.kind}1")
            return np.ma.MaskedArray(texts, nulls) if nulls.any() else texts
        arrays = [np.ma.asanyarray(cell) if isinstance(cell, np.ma.MaskedArray) else np.asarray(cell) for cell in known]
        odd = next((cell for cell in arrays if cell.ndim == 0 or cell.dtype.kind not in "biufc"), None)
        if odd is not None or not known:
            found = (
                f"{odd.item()!r}"[:40]
                if odd is not None and odd.ndim == 0
                else "no values"
                if odd is None
                else odd.dtype
            )
            raise TableError(f"column {name!r} is of objects, neither strings nor arrays of numbers: {found}")
        dtype = np.result_type(*(cell.dtype for cell in arrays))
        for cell in arrays:
            numbers = np.ma.MaskedArray(cell).compressed()
            if (
                cell.dtype.kind in "iu"
                and dtype.kind in "fc"
                and not same_numbers(numbers, numbers.astype(dtype)).all()
            ):
                raise TableError(
                    f"column {name!r} has arrays of {cell.dtype} with integers that {dtype}, the type for all of its "
                    "arrays, does not hold: cast them to one type"
                )
        if len(known) == len(cells) and len({cell.shape for cell in arrays}) == 1 and arrays[0].ndim > 1:
            return self._fitting(name, np.ma.stack(arrays) if _any_masked(arrays) else np.stack(arrays))
        return self._arrays(name, cells, dtype)

    def _arrays(self, name: str, cells: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        text = dtype.newbyteorder("=").str[1:]
        text = SIGNED.get(WIDER.get(text, text), WIDER.get(text, text))
        if text not in INNER:
            raise TableError(f"column {name!r} has arrays of {dtype}, which the heap of a FITS table cannot hold")
        self.var_dtypes[name] = INNER[text]
        there = [cell for cell in cells if not _is_missing(cell)]
        if any(np.ma.is_masked(cell) for cell in there):
            null = self._null(name, there, np.dtype(text))
            cells = [cell.filled(null) if isinstance(cell, np.ma.MaskedArray) else cell for cell in cells]  # type: ignore[assignment]
        out = np.empty(len(cells), dtype=object)
        for row, cell in enumerate(cells):
            out[row] = np.zeros(0, text) if _is_missing(cell) else np.asarray(cell).astype(text)
            if out[row].ndim != 1:
                raise TableError(f"column {name!r}, row {row}: arrays of different shapes must have one axis")
        return out

    def _null(self, name: str, cells: list[Any], dtype: np.dtype[Any]) -> Any:
        """Return what stands for missing values in arrays of variable length."""
        if dtype.kind in "fc":
            return np.nan
        if dtype.kind == "b":
            raise TableError(
                f"column {name!r} has bools that are missing, for which FITS tables have nothing; fill them"
            )
        self.nulls[name] = free_null(name, _joined(cells).astype(dtype))
        return self.nulls[name]


def is_foreign(data: object) -> bool:
    """Return whether `foreign_table` takes ``data``: whatever speaks Arrow, pandas' and astropy's tables."""
    return not isinstance(data, np.ndarray | Mapping) and (
        _is_pandas(data) or _is_astropy(data) or hasattr(data, "__arrow_c_stream__")
    )


def foreign_table(data: Any) -> ForeignTable:
    """Return the columns of a table of another library.

    Raises
    ------
    TableError
        If a column is of a type that FITS has none for.
    NotSupported
        If it speaks Arrow, and the compiled part of rustfits-tables is absent.
    """
    if isinstance(data, AnyTableHDU):
        raise TableError("append(hdu) of the file copies a table of another file as it is; write takes hdu.read()")
    if _is_pandas(data):
        return _of_pandas(data)
    if _is_astropy(data):
        return _of_astropy(data)
    from rustfits_tables.arrowin import field_words, read_stream

    found = read_stream(data)
    units, comments, displays = field_words(found.metadata, ("unit", "TCOMM", "TDISP"))
    return ForeignTable(found.columns, units, comments, displays)


def _is_pandas(data: object) -> bool:
    pandas = sys.modules.get("pandas")  # nobody has a table of a library that is not loaded
    return pandas is not None and isinstance(data, pandas.DataFrame)


def _is_astropy(data: object) -> bool:
    table = sys.modules.get("astropy.table")
    return table is not None and isinstance(data, table.Table)


def _is_missing(cell: object) -> bool:
    return (
        cell is None
        or cell is np.ma.masked
        or type(cell).__name__ == "NAType"
        or (isinstance(cell, float) and np.isnan(cell))
    )


def _joined(cells: list[Any]) -> Any:
    join: Any = np.ma.concatenate
    return join(cells)


def _any_masked(arrays: list[Any]) -> bool:
    return any(isinstance(array, np.ma.MaskedArray) for array in arrays)


# -- pandas ------------------------------------------------------------------------------------------------------------


def _of_pandas(frame: Any) -> ForeignTable:
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()  # an index that has a name is a column
    names = list(frame.columns)
    if len(set(names)) != len(names):
        raise TableError(f"columns of one name cannot be columns of a table: {names}")
    columns = {name: _of_series(name, frame[name]) for name in names}
    return ForeignTable(columns, frame.attrs.get("units", {}), frame.attrs.get("descriptions", {}))


def _of_series(name: object, series: Any) -> NDArray[Any]:
    dtype = series.dtype
    if type(dtype).__name__ == "CategoricalDtype":
        series = series.astype(dtype.categories.dtype)
        dtype = series.dtype
    if isinstance(dtype, np.dtype):
        values: NDArray[Any] = series.to_numpy()
    else:
        kind = getattr(dtype, "numpy_dtype", None)
        if kind is None or kind.kind not in "biuf":
            values = series.to_numpy(dtype=object)
        else:
            nulls = series.isna().to_numpy()
            values = series.to_numpy(dtype=kind, na_value=np.nan if kind.kind == "f" else kind.type(0))
            if nulls.any() and kind.kind != "f":
                values = np.ma.MaskedArray(values, nulls)
    if values.dtype.kind in "mM":
        raise TableError(f"column {name!r} is of times, which FITS tables do not have: cast them to strings or numbers")
    if (
        values.dtype.kind == "O"
        and not any(not _is_missing(cell) for cell in values)
        and str(dtype) in ("str", "string")
    ):
        return np.zeros(len(values), "U1")
    return values


# -- astropy -----------------------------------------------------------------------------------------------------------


def _of_astropy(table: Any) -> ForeignTable:
    columns: dict[str, NDArray[Any]] = {}
    units, comments, displays = {}, {}, {}
    for name, column in table.columns.items():
        unit = getattr(column, "unit", None)
        values = column.value if unit is not None and hasattr(column, "to_value") else column
        if not isinstance(values, np.ndarray):
            raise TableError(
                f"column {name!r} is a {type(column).__name__}, which FITS tables do not have; replace it by columns "
                "of numbers or strings"
            )
        mask = getattr(values, "mask", None)
        plain = np.asarray(getattr(values, "unmasked", getattr(values, "data", values)) if mask is not None else values)
        values = plain if mask is None else np.ma.MaskedArray(plain, mask)
        columns[name] = values
        if unit is not None and str(unit):
            units[name] = _unit_text(unit)
        if column.info.description:
            comments[name] = str(column.info.description)
        display = (column.info.meta or {}).get("TDISP")
        if isinstance(display, str):
            displays[name] = display
    return ForeignTable(columns, units, comments, displays, header=_header_of(table.meta))


def _unit_text(unit: Any) -> str:
    try:
        return str(unit.to_string("fits"))
    except ValueError:  # one that the standard does not know is better than none
        return str(unit)


def _header_of(meta: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what of the metadata a header can hold."""
    found = {}
    for key, value in meta.items():
        if isinstance(key, str) and key.isascii() and key.replace("_", "").replace("-", "").isalnum() and len(key) <= 8:
            is_text = isinstance(value, str) and value.isascii() and value.isprintable()
            if is_text or isinstance(value, bool | int | float | np.integer | np.floating | np.bool_):
                found[key.upper()] = value.item() if isinstance(value, np.generic) else value
    return found
