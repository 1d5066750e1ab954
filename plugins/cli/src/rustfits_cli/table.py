"""The rows of a table: which HDU, which rows and columns, in pieces of bounded size."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rustfits
from rustfits_cli.conditions import Comparison, select
from rustfits_cli.formats import Columns

PIECE_NBYTES = 4 << 20
OBJECT_NROWS = 1000  # of a piece with cells of any length
PARQUET_NBYTES = 64 << 20

_WITH_HDU = re.compile(r"(?P<file>.+)\[(?P<hdu>[^\[\]]+)\]")
_ROWS = re.compile(r"\s*(-?\d+)?\s*(?:(:)\s*(-?\d+)?\s*(?::\s*(-?\d+)?)?)?\s*")


def split_name(text: str) -> tuple[str, str | None]:
    """Return the file and the HDU of ``FILE[HDU]``; a file that has that very name is meant as it is."""
    found = _WITH_HDU.fullmatch(text)
    if found is None or Path(text).exists():
        return text, None
    return found["file"], found["hdu"].strip()


def pick_table(fits: rustfits.FITS, key: str | None) -> Any:
    """Return the table that ``key`` names: an index, EXTNAME, "EXTNAME,EXTVER", or None for the first table.

    Raises
    ------
    HDUNotFound
        If there is no such HDU.
    TableError
        If it is not a table.
    """
    if key is None:
        for hdu in fits:
            if is_table(hdu):
                return hdu
        raise rustfits.HDUNotFound(f"no table in {fits.filename}; see: rustfits info")
    hdu = fits[int(key)] if key.lstrip("-").isdecimal() else fits[key]
    if not is_table(hdu):
        raise rustfits.TableError(f"HDU {key} of {fits.filename} is not a table; see: rustfits info")
    return hdu


def is_table(hdu: rustfits.HDU) -> bool:
    """Return whether an HDU has columns, whoever reads their rows."""
    return hdu.label in ("BINARY_TBL", "ASCII_TBL") and not isinstance(hdu, rustfits.ImageHDU)


def parse_rows(text: str) -> slice:
    """Return the rows that ``A:B``, ``A:B:STEP`` or one number ask for.

    Raises
    ------
    TableError
        If the text is something else.
    """
    found = _ROWS.fullmatch(text)
    if found is None or not text.strip() or (found[4] is not None and int(found[4]) == 0):
        raise rustfits.TableError(f"rows {text!r} are not understood; write them as 0:100, -20: or ::10")
    start, colon, stop, step = found.groups()
    if colon is None:
        return slice(int(start), None if int(start) == -1 else int(start) + 1)
    return slice(start and int(start), stop and int(stop), step and int(step))


class Rows:
    """Rows and columns that were asked for.

    Parameters
    ----------
    hdu : table HDU
    columns : list of str
        All if there are none.
    rows : str or None
    comparisons : list of Comparison
        Which all rows fulfil.

    Raises
    ------
    TableError
        If a column is unknown.
    """

    def __init__(self, hdu: Any, columns: Sequence[str], rows: str | None, comparisons: list[Comparison]) -> None:
        self._hdu, self._comparisons = hdu, comparisons
        twice = sorted({name for name in hdu.colnames if list(hdu.colnames).count(name) > 1})
        if twice and not columns:
            raise rustfits.TableError(
                f"several columns are named {', '.join(map(repr, twice))}; --columns picks columns, of those the first"
            )
        self._picks_all = not columns
        self._rows = range(hdu.nrows)[parse_rows(rows) if rows is not None else slice(None)]
        if rows is not None and ":" not in rows and not self._rows:
            raise rustfits.RowIndexError(f"row {rows.strip()} is out of range: the table has {hdu.nrows} rows")
        self._names = list(columns) or list(hdu.colnames)
        known = {name.upper() for name in self._names}
        others = dict.fromkeys(one.column for one in comparisons if one.column.upper() not in known)
        self._read_names = [*self._names, *others]
        some = slice(0, 1) if hdu.nrows else None
        with self._advising():
            self._dtype = hdu.read(columns=self._read_names, rows=some).dtype
        self._nulls = _nulls(hdu)

    @property
    def nrows(self) -> int | None:
        """How many there are; None if a condition decides."""
        return None if self._comparisons else len(self._rows)

    def pieces(self) -> Iterator[Columns]:
        """Return the columns of some rows after the other; those of no rows if there are none."""
        step = self._step(PIECE_NBYTES)
        for first in range(0, max(len(self._rows), 1), step):
            rows = self._rows[first : first + step]
            with self._advising():
                columns = self._read(rows)
            chosen = self._chosen(columns, len(rows))
            shown = list(columns)[: len(self._names)]
            yield {name: columns[name] if chosen is None else columns[name][chosen] for name in shown}

    @contextmanager
    def _advising(self) -> Iterator[None]:
        """Return a context in which an odd column is no reason to give up the others."""
        try:
            yield
        except (rustfits.TableError, rustfits.HeaderError) as error:
            if not self._picks_all or not any(map(self._is_readable, self._hdu.colnames)):
                raise
            raise rustfits.TableError(f"{error}; --columns picks others") from error

    def _is_readable(self, name: str) -> bool:
        try:
            self._hdu.read_column(name, rows=[0])
        except rustfits.FitsError:
            return False
        return True

    def _step(self, nbytes: int) -> int:
        if any(self._dtype[name].hasobject for name in self._dtype.names or ()):
            return OBJECT_NROWS
        return max(nbytes // max(int(self._dtype.itemsize), 1), 1)

    def _chosen(self, columns: Columns, nrows: int) -> NDArray[np.bool_] | None:
        if not self._comparisons:
            return None
        folded = {name.upper(): values for name, values in columns.items()}
        return select(self._comparisons, {one.column: folded[one.column.upper()] for one in self._comparisons}, nrows)

    def _read(self, rows: range) -> dict[str, NDArray[Any]]:
        if not rows:
            return {name: np.zeros((0, *self._dtype[name].shape), self._dtype[name].base) for name in self._dtype.names}
        which = _slice(rows)
        if self._hdu.label == "ASCII_TBL":
            found = self._hdu.read(rows=which, columns=self._read_names, mask_null=True)
        else:
            found = self._hdu.read(rows=which, columns=self._read_names)
        columns = {name: found[name] for name in found.dtype.names}
        masked = {name: null for name, null in self._nulls.items() if name in columns and columns[name].dtype != object}
        if not isinstance(self._hdu, rustfits.CompressedTableHDU):
            flags = [name for name in columns if columns[name].dtype == bool]  # some may be neither true nor false
            wanted = [*masked, *flags]
            found = self._hdu.read(rows=which, columns=wanted, mask_null=True) if wanted else {}
            return columns | {name: found[name] for name in wanted}
        if masked:
            stored = self._hdu.read(rows=which, columns=list(masked), scale=False)
            for name, null in masked.items():
                columns[name] = np.ma.MaskedArray(columns[name], stored[name] == null)
        return columns

    def write_parquet(self, output: Path) -> int:
        """Write the rows to a Parquet file, which is there as a whole or not at all; return how many they are.

        Raises
        ------
        NotSupported
            If pyarrow is not installed.
        """
        some = slice(0, 1) if self._hdu.nrows else None
        schema = self._hdu.to_arrow(columns=self._names, rows=some).schema
        parquet: Any = import_module("pyarrow.parquet")
        output, nrows, step = output.resolve(), 0, self._step(PARQUET_NBYTES)
        with tempfile.TemporaryDirectory(prefix=".rustfits-", dir=output.parent) as folder:
            made = Path(folder) / output.name
            with parquet.ParquetWriter(made, schema) as writer:
                for first in range(0, len(self._rows), step):
                    rows = self._selected(self._rows[first : first + step])
                    if rows != []:
                        table = self._hdu.to_arrow(columns=self._names, rows=rows)
                        writer.write_table(table)
                        nrows += table.num_rows
            os.replace(made, output)
        return nrows

    def _selected(self, rows: range) -> slice | list[int]:
        if not self._comparisons:
            return _slice(rows)
        chosen = self._chosen(self._read(rows), len(rows))
        found: list[int] = np.asarray(rows)[chosen].tolist()
        return found


def _slice(rows: range) -> slice:
    return slice(rows.start, rows.stop if rows.stop >= 0 else None, rows.step)


def _nulls(hdu: Any) -> dict[str, Any]:
    """Return TNULLn of the columns of integers of a binary table; those of others stand for nothing."""
    found = {}
    for number, name in enumerate(hdu.colnames, start=1):
        null = hdu.header.get(f"TNULL{number}")
        form = str(hdu.header.get(f"ZFORM{number}", hdu.header.get(f"TFORM{number}", "")))
        if hdu.label != "BINARY_TBL" or not re.match(r"\s*\d*\s*[BIJK]", form):
            continue
        if isinstance(null, int) and not isinstance(null, bool):
            found[name] = null
    return found


def describe_columns(hdu: Any) -> list[tuple[str, ...]]:
    """Return a line for each column, from the header alone: number, name, format, shape, unit, null, description."""
    header, lines = hdu.header, []
    for number, name in enumerate(hdu.colnames, start=1):
        form = header.get(f"ZFORM{number}", header.get(f"TFORM{number}", ""))
        said = [header.get(f"{key}{number}", "") for key in ("TDIM", "TUNIT", "TNULL", "ZCTYP", "TCOMM")]
        lines.append((str(number), name, str(form), *map(str, said)))
    return lines
