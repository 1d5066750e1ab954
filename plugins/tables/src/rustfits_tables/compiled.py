"""Compiled kernels, with the values of those in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rustfits_tables import _kernel
from rustfits_tables.characters import UnreadableError, powers_of_five, read
from rustfits_tables.fields import Bytes, Fault, FieldArray, Kind, Reason
from rustfits_tables.kernels import Int64s, RowDecoder, RowEncoder, TableKernels


class CompiledTableKernels(TableKernels):
    """Kernels in C, which do not hold the GIL."""

    name: ClassVar[str] = "compiled"

    def decoder(self, row_nbytes: int, fields: Sequence[FieldArray]) -> RowDecoder:
        """Return what turns rows into elements of arrays; as in `TableKernels`."""
        return CompiledRowDecoder(row_nbytes, fields)

    def encoder(self, row_nbytes: int, fields: Sequence[FieldArray]) -> RowEncoder:
        """Return what turns elements of arrays into rows; as in `TableKernels`."""
        return CompiledRowEncoder(row_nbytes, fields)


class CompiledRowDecoder(RowDecoder):
    """As `RowDecoder`."""

    def __init__(self, row_nbytes: int, fields: Sequence[FieldArray]) -> None:
        super().__init__(row_nbytes, fields)
        rounds = any(each.field.kind in (Kind.REAL_32, Kind.REAL_64) for each in fields)
        self._kernel = _kernel.Rows(row_nbytes, fields, True, _powers() if rounds else None)

    def decode(self, raw: Bytes, first: int, rows: Int64s | None = None) -> list[Fault]:
        """Fill the arrays from some row on; as in `RowDecoder`."""
        said, left = self._kernel.decode(self._flat(raw), first, rows)
        faults = [Fault(number, Reason(reason), *place) for number, reason, *place in said]
        for number, unread in left:
            fault = self._read_left(number, unread, raw, first, rows)
            if fault is not None:
                faults.append(fault)
        return sorted(faults, key=lambda fault: fault.field) if left else faults

    def _read_left(self, number: int, unread: Int64s, raw: Bytes, first: int, rows: Int64s | None) -> Fault | None:
        """Read the numbers that the kernel has left; return the first that is none."""
        field, array = self.fields[number].field, self.fields[number].array
        dtype = {Kind.INTEGER: np.int64, Kind.REAL_32: np.float32}.get(field.kind, np.float64)
        flat, fault = raw.reshape(-1), None
        for row in unread.tolist():
            begin = self.row_nbytes * (row if rows is None else int(rows[row])) + field.offset
            try:
                value = read(flat[begin : begin + field.size].tobytes(), field)
            except UnreadableError as error:
                value, fault = 0, fault or Fault(number, error.args[0], row)
            array[first + row, ..., None].view(dtype)[...] = value
        return fault


class CompiledRowEncoder(RowEncoder):
    """As `RowEncoder`."""

    def __init__(self, row_nbytes: int, fields: Sequence[FieldArray]) -> None:
        super().__init__(row_nbytes, fields)
        self._kernel = _kernel.Rows(row_nbytes, fields, False, None)

    def encode(self, raw: Bytes, first: int, rows: Int64s | None = None) -> list[Fault]:
        """Fill the fields of rows; as in `RowEncoder`."""
        said = self._kernel.encode(self._flat(raw), first, rows)
        return [Fault(number, Reason(reason), *place) for number, reason, *place in said]

    def check_text(self, first: int, nrows: int) -> list[Fault]:
        """Look at strings only; as in `RowEncoder`."""
        said = self._kernel.check_text(first, nrows)
        return [Fault(number, Reason(reason), *place) for number, reason, *place in said]


@cache
def _powers() -> NDArray[np.uint64]:
    return powers_of_five()
