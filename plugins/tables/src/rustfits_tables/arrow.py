"""Rows of a table as batches of Arrow: what the columns become, and how the buffers are filled."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rustfits import NotSupported, TableError, get_num_threads
from rustfits.plugin import Cards, reads, run
from rustfits_tables.access import RowTable
from rustfits_tables.choice import active
from rustfits_tables.columns import CONVENTIONS, Cells, as_float
from rustfits_tables.facts import AnyCells, ColumnFacts
from rustfits_tables.fields import Field, FieldArray, Kind
from rustfits_tables.iteration import Pieces
from rustfits_tables.rows import Rows, error_of

if TYPE_CHECKING:
    from rustfits_tables._arrow import Arena, ArraySaid, Block, SchemaSaid

BATCH_NBYTES = 32 << 20  # with strings as text of numpy; large enough that nobody minds their number
SLICE_NBYTES = 4 << 20  # of rows that are filled in one go: their strings are looked at again while they are near
MAX_BATCHES = 4  # that are made side by side, and wait for the reader

NULLABLE = 2
FORMATS = {"i1": "c", "u1": "C", "i2": "s", "u2": "S", "i4": "i", "u4": "I", "i8": "l", "u8": "L", "f4": "f", "f8": "g"}
METADATA = {"unit": "TUNIT", "TDISP": "TDISP", "TCOMM": "TCOMM"}  # key of a field, and keyword

Part = tuple[AnyCells, NDArray[Any], "NDArray[np.bool_] | None"]


class ArrowTable(RowTable, Protocol):
    """What batches need of a table HDU."""

    @property
    def _reading(self) -> Any:
        """The context of everything that reads."""

    @property
    def _facts(self) -> ColumnFacts:
        """What the cards say now."""

    def _wanted(self, rows: object, cells: Sequence[AnyCells], mask_null: bool) -> Rows:
        """Return the rows to read, which are there."""

    def _fill(self, rows: Rows, parts: Sequence[Part], *, scale: bool, as_bytes: bool = False) -> None:
        """Fill arrays with the values of columns."""

    def _fill_fields(self, rows: Rows, fields: Sequence[FieldArray], owners: Sequence[AnyCells]) -> bool:
        """Have the kernels fill what belongs to columns; return False if that cannot be."""


class ArrowSource:
    """Some rows and columns of a table, for whoever takes what has ``__arrow_c_stream__``.

    Parameters
    ----------
    hdu : ArrowTable
    columns : sequence of str, optional
    rows : slice or sequence of int, optional
    """

    def __init__(self, hdu: ArrowTable, columns: Sequence[str] | None = None, rows: object = None) -> None:
        self._hdu, self._columns, self._rows = hdu, columns, rows
        self._batches: Batches | None = None

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return a capsule of a stream of batches."""
        self._batches = Batches(self._hdu, self._columns, self._rows)
        return compiled().stream_capsule(self._batches)

    @property
    def fault(self) -> Exception | None:
        """What the last stream failed of; whoever reads it is told no more than the words."""
        return None if self._batches is None else self._batches.fault

    def __arrow_c_schema__(self) -> object:
        """Return a capsule of the schema."""
        return compiled().schema_capsule(Batches(self._hdu, self._columns, None).schema())


def compiled() -> Any:
    """Return the module that knows the interfaces in C.

    Raises
    ------
    NotSupported
        If it was not compiled.
    """
    try:
        from rustfits_tables import _arrow
    except ImportError as error:
        raise NotSupported(
            "the compiled part of rustfits-tables, which speaks Arrow, is not there; install it where there is a C "
            "compiler, or as a wheel; read(), to_pandas() and to_astropy() work without"
        ) from error
    return _arrow


class Batches:
    """The batches of a stream.

    Raises
    ------
    TableError
        If a column is unknown, named twice or cannot be read, or no row is selected.
    RowIndexError
        If a row number is out of range.
    FitsIOError
        If the rows are not in the file.
    """

    def __init__(self, hdu: ArrowTable, columns: Sequence[str] | None, rows: object) -> None:
        self._hdu = hdu
        self._ready: list[ArraySaid] = []
        self.fault: Exception | None = None
        self._facts: ColumnFacts | None = None
        self._columns = self._plan(columns)
        self._names = [one.name for one in self._columns]
        pieces = Pieces(hdu, self._names or None, nbytes=BATCH_NBYTES, rows=self._select(rows))
        self._selections = pieces.selections()

    @property
    def _reading(self) -> Any:
        return self._hdu._reading

    @reads
    def _plan(self, columns: Sequence[str] | None) -> list[ArrowColumn]:
        facts = self._hdu._facts
        if facts is self._facts:
            return self._columns
        cells = facts.chosen(columns)
        facts.dtype(cells)  # refuses names that occur twice, and cells that are too large
        found = [column_of(one, facts.seen) for one in cells]
        self._facts = facts
        return found

    @reads
    def _select(self, rows: object) -> Rows:
        return self._hdu._wanted(rows, [], False)

    def schema(self) -> SchemaSaid:
        """Return what the columns are."""
        return b"+s", b"", None, 0, [one.schema() for one in self._columns]

    def next(self) -> ArraySaid | None:
        """Return the next batch, None after the last; errors as the class."""
        try:
            if not self._ready:
                chosen = list(islice(self._selections, min(get_num_threads(), MAX_BATCHES)))
                self._ready = self._made(chosen)[::-1] if chosen else []
        except Exception as error:
            self.fault = error
            raise
        return self._ready.pop() if self._ready else None

    @reads
    def _made(self, chosen: list[Rows]) -> list[ArraySaid]:
        now = self._plan(self._names or None)
        if now is not self._columns and [one.schema() for one in now] != [one.schema() for one in self._columns]:
            raise TableError("the columns of the table were changed while it was read; begin again")
        self._columns = now
        made: dict[int, ArraySaid] = {}

        def make(number: int) -> None:
            made[number] = self._batch(chosen[number], now)

        run(make, range(len(chosen)), npixels=sum(one.nbytes(sum(map(len, chosen))) for one in now))
        return [made[number] for number in range(len(chosen))]

    def _batch(self, rows: Rows, columns: Sequence[ArrowColumn]) -> ArraySaid:
        hdu, nrows = self._hdu, len(rows)
        arena = compiled().Arena(sum(one.nbytes(nrows) for one in columns))
        fillings = [one.filling(nrows, arena) for one in columns]
        heap = [one for one in fillings if isinstance(one, _Lists)]
        fixed = [one for one in fillings if not isinstance(one, _Lists)]
        placed = [(field, one.cells) for one in fixed for field in one.fields()]
        if not hdu._fill_fields(rows, [field for field, _ in placed], [cells for _, cells in placed]):
            self._fill_slices(rows, fixed)
        for each in heap:
            hdu._fill(rows, [each.part(0, nrows)], scale=each.scale)
        return nrows, 0, [None], [one.array() for one in fillings]

    def _fill_slices(self, rows: Rows, fillings: Sequence[_Filling]) -> None:
        """Fill buffers by way of arrays: of columns of text, or rows of a compressed table here and there."""
        step = max(SLICE_NBYTES // max(sum(one.row_nbytes for one in fillings), 1), 1)
        step += -step % 8  # bitmaps of two slices share no byte
        for first in range(0, len(rows) if fillings else 0, step):
            piece = rows[first : first + step]
            self._hdu._fill(piece, [one.part(first, len(piece)) for one in fillings], scale=True, as_bytes=True)
            for one in fillings:
                one.settle(first, piece)


# -- what a column becomes ---------------------------------------------------------------------------------------------


class ArrowColumn:
    """What one column becomes.

    Parameters
    ----------
    cells : Cells or TextCells
    metadata : dict of str to str
        Of the field.
    """

    def __init__(self, cells: AnyCells, metadata: dict[str, str]) -> None:
        self.cells, self.name, self._metadata = cells, cells.name, metadata

    def schema(self) -> SchemaSaid:
        """Return the field."""
        cells = self.cells
        if isinstance(cells, Cells) and cells.in_heap:
            if cells.is_text:
                return self._named(_node("U"))
            dtype, _ = _numbers(cells.inner.dtype())
            return self._named(_node("+L", _lists(_node(_format(dtype)), _complex_shape(cells.inner))))
        if cells.is_text:
            return self._named(_lists(_node("u"), cells.shape))
        dtype, _ = _numbers(cells.dtype())
        return self._named(_lists(_node(_format(dtype)), (*cells.shape, *_complex_shape(cells))))

    def _named(self, node: SchemaSaid) -> SchemaSaid:
        shape, _, _, flags, children = node
        return shape, self.name.encode(), _metadata(self._metadata), flags, children

    def nbytes(self, nrows: int) -> int:
        """Return about how many bytes the buffers for a batch have; they may be more."""
        cells = self.cells
        if cells.in_heap:
            return 0
        count = nrows * prod(cells.shape)
        each = cells.width + 4 if cells.is_text else cells.dtype().itemsize
        return count * each + count // 8 + 4 * 64  # of three buffers the ends, and one more offset

    def filling(self, nrows: int, arena: Arena) -> _Filling:
        """Return buffers for a batch."""
        cells = self.cells
        if isinstance(cells, Cells) and cells.in_heap:
            return _Lists(cells, nrows, arena)
        if cells.is_text:
            return _Strings(cells, nrows, arena)
        return _Flags(cells, nrows, arena) if cells.dtype().kind == "b" else _Numbers(cells, nrows, arena)


def column_of(cells: AnyCells, cards: Cards) -> ArrowColumn:
    """Return what a column becomes, with what the header says of it."""
    number = cells.column.number if isinstance(cells, Cells) else cells.number
    if isinstance(cells, Cells):
        cells.check_scale()
        if cells.in_heap:
            cells.inner.check_scale()
    said = {key: cards.get(f"{keyword}{number}") for key, keyword in METADATA.items()}
    metadata = {key: value for key, value in said.items() if isinstance(value, str) and value}
    dtype = cells.inner.dtype() if isinstance(cells, Cells) and cells.in_heap else cells.dtype()
    if dtype.kind == "c":
        metadata["dtype"] = dtype.name  # two floats may be anything
    return ArrowColumn(cells, metadata)


def _numbers(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return the numbers of Arrow that a number of NumPy is made of, and their shape: a complex one is two."""
    return (np.dtype(f"f{dtype.itemsize // 2}"), (2,)) if dtype.kind == "c" else (dtype, ())


def _complex_shape(cells: AnyCells) -> tuple[int, ...]:
    return _numbers(cells.dtype())[1]


def _format(dtype: np.dtype[Any]) -> str:
    return "b" if dtype.kind == "b" else FORMATS[dtype.str[1:]]


def _node(shape: str, *children: SchemaSaid) -> SchemaSaid:
    return shape.encode(), b"item", None, NULLABLE, list(children)


def _lists(node: SchemaSaid, shape: Sequence[int]) -> SchemaSaid:
    """Return lists of fixed size, of as many axes as a cell has; lists of any size if it has no elements."""
    if 0 in shape:  # polars has no lists of the fixed size 0
        return _node("+l", node)
    for axis in reversed(shape):
        node = _node(f"+w:{axis}", node)
    return node


def _metadata(pairs: dict[str, str]) -> bytes | None:
    if not pairs:
        return None
    out = struct.pack("=i", len(pairs))
    for text in (part.encode() for pair in pairs.items() for part in pair):
        out += struct.pack("=i", len(text)) + text
    return out


# -- buffers -----------------------------------------------------------------------------------------------------------


class _Buffer:
    """Memory that becomes a buffer of Arrow, and an array of it as long as it is filled."""

    def __init__(self, shape: int | tuple[int, ...], dtype: DTypeLike, arena: Arena | None = None) -> None:
        kind = np.dtype(dtype)
        self.nbytes = prod((shape,) if isinstance(shape, int) else shape) * kind.itemsize
        self._block: Block = compiled().Block(self.nbytes) if arena is None else arena.block(self.nbytes)
        self.array: NDArray[Any] | None = np.ndarray(shape, kind, memoryview(self._block))

    @property
    def values(self) -> NDArray[Any]:
        """The array."""
        assert self.array is not None
        return self.array

    def given(self, nbytes: int | None = None) -> tuple[Block, int]:
        """Return the memory, and how much of it is used; the array is gone."""
        self.array = None
        return self._block, self.nbytes if nbytes is None else nbytes


class _Bitmap(_Buffer):
    """One bit for an element, the lowest of a byte first."""

    def __init__(self, nbits: int, arena: Arena | None = None) -> None:
        super().__init__(-(-nbits // 8), np.uint8, arena)
        self.nbits = nbits
        self.values[-1:] = 0  # bits behind the last stay

    def nzeros(self) -> int:
        """Return how many bits are not set."""
        return self.nbits - int(np.count_nonzero(np.unpackbits(self.values, bitorder="little")))

    def put(self, first: int, bits: NDArray[np.bool_]) -> None:
        """Set bits from ``first`` on, which 8 divides."""
        packed = np.packbits(bits, bitorder="little")
        self.values[first // 8 : first // 8 + packed.size] = packed

    def fill(self, first: int, nbits: int) -> None:
        """Set bits from ``first`` on, which 8 divides; those behind the last of them are not."""
        stop, rest = divmod(first + nbits, 8)
        self.values[first // 8 : stop] = 0xFF
        if rest:
            self.values[stop] = (1 << rest) - 1


class _Filling(ABC):
    """The buffers of one column in one batch."""

    def __init__(self, cells: AnyCells, nrows: int, arena: Arena) -> None:
        self.cells, self._nrows, self._count = cells, nrows, prod(cells.shape)
        self._nulls = [] if cells.in_heap else cells.null_fields(np.zeros((1, *cells.shape), np.bool_))
        self._valid = _Bitmap(nrows * self._count, arena) if self._nulls else None
        self._mask: NDArray[np.bool_] | None = None

    @property
    def row_nbytes(self) -> int:
        """Bytes of a row, about."""
        return self.cells.dtype(as_bytes=True).itemsize * self._count

    def fields(self) -> list[FieldArray]:
        """Return what the kernels are to do for a column that is not text."""
        valid = self._valid
        nulls = [] if valid is None else self._nulls
        return [
            *self._own_fields(),
            *(FieldArray(replace(each.field, kind=Kind.VALID), valid.values) for each in nulls if valid is not None),
        ]

    def _own_fields(self) -> list[FieldArray]:
        """Return those for the values."""
        return []

    def part(self, first: int, nrows: int) -> Part:
        """Return what is to be filled for some rows."""
        self._mask = None if self._valid is None else np.zeros((nrows, *self.cells.shape), np.bool_)
        return self.cells, self._target(first, nrows), self._mask

    @abstractmethod
    def _target(self, first: int, nrows: int) -> NDArray[Any]:
        """Return the array to be filled."""

    def settle(self, first: int, rows: Rows) -> None:
        """Take over what was filled."""
        if self._valid is not None and self._mask is not None:
            if self._mask.any():
                self._valid.put(first * self._count, ~self._mask.reshape(-1))
            else:
                self._valid.fill(first * self._count, self._mask.size)

    @abstractmethod
    def array(self) -> ArraySaid:
        """Give all buffers away."""

    def _listed(self, buffers: list[tuple[Block, int] | None], shape: Sequence[int] | None = None) -> ArraySaid:
        """Return an array, in the lists of fixed size that its cells are."""
        axes = self.cells.shape if shape is None else shape
        nnulls = 0 if self._valid is None else self._valid.nzeros()
        valid = None if self._valid is None or not nnulls else self._valid.given()
        node: ArraySaid = (self._nrows * prod(axes), nnulls, [valid, *buffers], [])
        if 0 in axes:
            return self._nrows, 0, [None, _copied(np.zeros(self._nrows + 1, np.int32))], [node]
        for axis in range(len(axes), 0, -1):
            node = (self._nrows * prod(axes[: axis - 1]), 0, [None], [node])
        return node


class _Numbers(_Filling):
    def __init__(self, cells: AnyCells, nrows: int, arena: Arena) -> None:
        super().__init__(cells, nrows, arena)
        self._values = _Buffer((nrows, *cells.shape), cells.dtype(), arena)

    def _own_fields(self) -> list[FieldArray]:
        return self.cells.fields(self._values.values, scale=True)

    def _target(self, first: int, nrows: int) -> NDArray[Any]:
        return self._values.values[first : first + nrows]

    def array(self) -> ArraySaid:
        return self._listed([self._values.given()], (*self.cells.shape, *_complex_shape(self.cells)))


class _Flags(_Filling):
    def __init__(self, cells: AnyCells, nrows: int, arena: Arena) -> None:
        super().__init__(cells, nrows, arena)
        self._bits = _Bitmap(nrows * self._count, arena)
        self._flags = self._scratch = np.zeros((0, *cells.shape), np.bool_)

    def _own_fields(self) -> list[FieldArray]:
        kinds = {Kind.LOGICAL: Kind.LOGICAL_BITMAP, Kind.BITS: Kind.BITS_BITMAP}
        of_bools = self.cells.fields(self._scratch, scale=True)
        return [FieldArray(replace(each.field, kind=kinds[each.field.kind]), self._bits.values) for each in of_bools]

    def _target(self, first: int, nrows: int) -> NDArray[Any]:
        if len(self._scratch) < nrows:  # the first slice is the largest
            self._scratch = np.empty((nrows, *self.cells.shape), np.bool_)
        self._flags = self._scratch[:nrows]
        return self._flags

    def settle(self, first: int, rows: Rows) -> None:
        super().settle(first, rows)
        self._bits.put(first * self._count, self._flags.reshape(-1))

    def array(self) -> ArraySaid:
        return self._listed([self._bits.given()])


class _Strings(_Filling):
    def __init__(self, cells: AnyCells, nrows: int, arena: Arena) -> None:
        super().__init__(cells, nrows, arena)
        self._nstrings = nrows * self._count
        self._offsets = _Buffer(self._nstrings + 1, np.int32, arena)
        self._offsets.values[0] = 0
        self._text = _Buffer(self._nstrings * cells.width, np.uint8, arena)
        self._raw = self._scratch = np.zeros((0, *cells.shape), cells.dtype(as_bytes=True))
        if not cells.width:
            self._offsets.values[...] = 0

    def _own_fields(self) -> list[FieldArray]:
        of_bytes = self.cells.fields(self._scratch, scale=True, as_bytes=True)
        offsets, text = self._offsets.values, self._text.values
        return [FieldArray(replace(each.field, kind=Kind.UTF8_32), offsets, text) for each in of_bytes]

    def _target(self, first: int, nrows: int) -> NDArray[Any]:
        if len(self._scratch) < nrows:  # the first slice is the largest
            self._scratch = np.zeros((nrows, *self.cells.shape), self._scratch.dtype)
        self._raw = self._scratch[:nrows]
        return self._raw

    def settle(self, first: int, rows: Rows) -> None:
        super().settle(first, rows)
        cells, width, count = self.cells, self.cells.width, self._count
        if not width * count:
            return
        field = FieldArray(Field(Kind.UTF8_32, 0, width, count), self._offsets.values, self._text.values)
        raw = self._raw.reshape(-1).view(np.uint8)
        faults = active().decoder(width * count, [field]).decode(raw, first)
        if faults:
            raise error_of(faults[0], cells, int(rows[faults[0].row]), raw[:0])

    def array(self) -> ArraySaid:
        used = int(self._offsets.values[self._nstrings])
        return self._listed([self._offsets.given(), self._text.given(used)])


class _Lists(_Filling):
    """Arrays in the heap: all of a batch at once."""

    def __init__(self, cells: AnyCells, nrows: int, arena: Arena) -> None:
        assert isinstance(cells, Cells)
        super().__init__(cells, nrows, arena)
        self._is_logical = cells.column.element == "L"
        if self._is_logical:  # which are neither true nor false is told by what is stored
            cells = replace(cells, column=replace(cells.column, element="B"), tnull=0)
        self.cells, self._of, self._objects = cells, cells, np.empty(nrows, object)
        self.scale = cells.tnull is None  # nulls are told by what is stored

    def _target(self, first: int, nrows: int) -> NDArray[Any]:
        return self._objects[first : first + nrows]

    def array(self) -> ArraySaid:
        if self._of.is_text:
            return self._strings()
        inner = self._of.inner
        values = np.concatenate([np.zeros(0, inner.dtype(scale=self.scale)), *self._objects])
        lengths = np.fromiter(map(len, self._objects), np.int64, self._nrows)
        valid, nnulls = None, 0
        if self._of.tnull is not None:
            mask = values == self._of.tnull if _fits(self._of.tnull, values.dtype) else np.zeros(values.shape, np.bool_)
            nnulls = int(np.count_nonzero(mask))
            valid = _bitmap(~mask) if nnulls else None
            values = values == ord("T") if self._is_logical else _scaled(inner, values)
        dtype, pair = _numbers(values.dtype)
        data = _bitmap(values) if dtype.kind == "b" else _copied(values)
        node: ArraySaid = (values.size * prod(pair), nnulls, [valid, data], [])
        if pair:
            node = (values.size, 0, [None], [node])
        return self._nrows, 0, [None, self._ends(lengths)], [node]

    def _strings(self) -> ArraySaid:
        text = "".join(self._objects).encode("ascii")
        lengths = np.fromiter(map(len, self._objects), np.int64, self._nrows)
        data = _copied(np.frombuffer(text, np.uint8))
        return self._nrows, 0, [None, self._ends(lengths), data], []

    def _ends(self, lengths: NDArray[np.int64]) -> tuple[Block, int]:
        offsets = np.zeros(self._nrows + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return _copied(offsets)


def _copied(values: NDArray[Any]) -> tuple[Block, int]:
    buffer = _Buffer(values.shape, values.dtype)
    buffer.values[...] = values
    return buffer.given()


def _bitmap(bits: NDArray[np.bool_]) -> tuple[Block, int]:
    bitmap = _Bitmap(bits.size)
    bitmap.put(0, bits)
    return bitmap.given()


def _fits(null: int, dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return limits.min <= null <= limits.max


def _scaled(cells: Cells, stored: NDArray[Any]) -> NDArray[Any]:
    """Return physical values of stored integers."""
    if cells.trivial:
        return stored
    code, size = cells.column.code, stored.itemsize
    if cells.tscal == 1 and (code, cells.tzero) in CONVENTIONS:
        unsigned = np.dtype(f"u{size}")
        flipped: NDArray[Any] = stored.view(unsigned) ^ unsigned.type(1 << (8 * size - 1))
        return flipped.view(CONVENTIONS[code, cells.tzero])
    with np.errstate(all="ignore"):  # a scale read from a file may be anything
        return stored.astype(np.float64) * as_float(cells.tscal) + as_float(cells.tzero)
