"""Streams of Arrow as columns of NumPy: what polars, pyarrow, DuckDB and others give through the C interfaces."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rustfits import TableError
from rustfits_tables.arrow import compiled
from rustfits_tables.choice import active
from rustfits_tables.fields import Field, FieldArray, Kind, Reason

if TYPE_CHECKING:
    from rustfits_tables._arrow import ArrayFound, Held, SchemaFound

NUMBERS = {
    "c": "i1",
    "C": "u1",
    "s": "i2",
    "S": "u2",
    "i": "i4",
    "I": "u4",
    "l": "i8",
    "L": "u8",
    "e": "f2",
    "f": "f4",
    "g": "f8",
}
TEXTS = {"u": "i4", "z": "i4", "U": "i8", "Z": "i8"}  # formats, and their offsets
VIEWS = ("vu", "vz")
LISTS = {"+l": "i4", "+L": "i8", "+vl": "i4", "+vL": "i8"}
ADVICE = {
    "t": "times: cast them to strings, or to numbers such as MJD",
    "d": "decimals: cast them to floats",
    "n": "nothing but nulls: leave the column out",
    "+s": "structures: unnest them",
    "+m": "maps: make columns of them",
    "+u": "unions: make columns of them",
    "+r": "runs: decode them",
    "w": "bytes of fixed size: cast them to binary",
}
INLINE = 12  # bytes of a string that a view holds itself


@dataclass(slots=True)
class StreamColumns:
    """The columns of a stream.

    Attributes
    ----------
    columns : dict of str to array
        Masked where there are nulls; lists are objects, arrays of one axis.
    metadata : dict of str to dict
        Of each field: keys and values.
    """

    columns: dict[str, NDArray[Any]]
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)


def read_stream(data: Any) -> StreamColumns:
    """Read all of a stream.

    Parameters
    ----------
    data : object with ``__arrow_c_stream__``

    Raises
    ------
    TableError
        If it is no stream of tables, or a column has a type that FITS has none for.
    NotSupported
        If the compiled part of rustfits-tables is absent.
    """
    stream = compiled().Stream(data.__arrow_c_stream__())
    shape, _, _, _, fields, _ = _told(stream.schema)
    if shape != b"+s":
        raise TableError(
            f"{type(data).__name__} gives no table but a single column ({shape.decode()}); name it in a dict"
        )
    columns = [_Column(one) for one in fields]
    names = [one.name for one in columns]
    if len(set(names)) != len(names):
        raise TableError(f"columns of one name cannot be columns of a table: {names}")
    while (held := _told(stream.next)) is not None:
        _, _, offset, _, children, _ = held.said()
        length = held.said()[0]
        for column, child in zip(columns, children, strict=True):
            column.parts.append(column.type.values(_Batch(held, child), offset, length))
    return StreamColumns({one.name: one.whole() for one in columns}, {one.name: one.metadata for one in columns})


def _told(ask: Any) -> Any:
    try:
        return ask()
    except ValueError as error:
        raise TableError(f"the stream of Arrow failed: {error}") from error


class _Column:
    def __init__(self, schema: SchemaFound) -> None:
        self.name = schema[1].decode()
        self.metadata = _pairs(schema[2])
        self.type = _type_of(schema, self.name, self.metadata.get("dtype", ""))
        self.parts: list[NDArray[Any]] = []

    def whole(self) -> NDArray[Any]:
        parts = self.parts or [self.type.empty()]
        if len(parts) == 1:
            return parts[0]
        masked = any(isinstance(part, np.ma.MaskedArray) for part in parts)
        joined: NDArray[Any] = (np.ma.concatenate if masked else np.concatenate)(parts)
        return joined


def _pairs(raw: bytes) -> dict[str, str]:
    """Return the metadata of a field."""
    if not raw:
        return {}
    texts, at = [], 4
    for _ in range(2 * struct.unpack_from("=i", raw)[0]):
        (nbytes,) = struct.unpack_from("=i", raw, at)
        texts.append(raw[at + 4 : at + 4 + nbytes].decode("utf-8", "replace"))
        at += 4 + nbytes
    return dict(zip(texts[::2], texts[1::2], strict=True))


class _Batch:
    """A node of a batch, and its memory."""

    def __init__(self, held: Held, said: ArrayFound) -> None:
        self._held = held
        self.length, self.null_count, self.offset, self._addresses, children, dictionary = said
        self.children = [_Batch(held, child) for child in children]
        self.dictionary = None if dictionary is None else _Batch(held, dictionary)

    def buffer(self, number: int, dtype: str, count: int) -> NDArray[Any]:
        """Return the first elements of a buffer."""
        kind = np.dtype(dtype)
        address = self._addresses[number]
        if not count or not address:
            return np.zeros(count, kind)
        return np.ndarray(count, kind, memoryview(self._held.view(address, count * kind.itemsize)))

    @property
    def nbuffers(self) -> int:
        """How many there are."""
        return len(self._addresses)

    def nulls(self, first: int, count: int) -> NDArray[np.bool_] | None:
        """Return where nulls are from some element on; None if there are none."""
        if not self.null_count or not self._addresses or not self._addresses[0]:
            return None
        return ~_bits(self.buffer(0, "u1", -(-(first + count) // 8)), first, count)


def _bits(packed: NDArray[np.uint8], first: int, count: int) -> NDArray[np.bool_]:
    unpacked = np.unpackbits(packed, bitorder="little", count=first + count)
    return unpacked[first:].view(np.bool_)


# -- types: each turns elements of a node, from ``first`` on as its parent counts, into an array ----------------------


class _Numbers:
    def __init__(self, shape: str) -> None:
        self.dtype = np.dtype(NUMBERS[shape])

    def empty(self) -> NDArray[Any]:
        return np.zeros(0, self.dtype)

    def values(self, batch: _Batch, first: int, count: int) -> NDArray[Any]:
        first += batch.offset
        found = batch.buffer(1, self.dtype.str, first + count)[first:]
        return _masked(found, batch.nulls(first, count))


class _Flags:
    def empty(self) -> NDArray[Any]:
        return np.zeros(0, np.bool_)

    def values(self, batch: _Batch, first: int, count: int) -> NDArray[Any]:
        first += batch.offset
        packed = batch.buffer(1, "u1", -(-(first + count) // 8))
        return _masked(_bits(packed, first, count), batch.nulls(first, count))


class _Texts:
    def __init__(self, shape: str, name: str) -> None:
        self._offsets, self._name = TEXTS[shape], name

    def empty(self) -> NDArray[Any]:
        return np.zeros(0, "S1")

    def values(self, batch: _Batch, first: int, count: int) -> NDArray[Any]:
        first += batch.offset
        offsets = np.ascontiguousarray(batch.buffer(1, self._offsets, first + count + 1)[first:])
        text = batch.buffer(2, "u1", int(offsets[-1]))
        nulls = batch.nulls(first, count)
        width = max(int(np.diff(offsets).max(initial=0)), 1)
        raw = np.zeros(count * width, np.uint8)
        kind = Kind.UTF8_32 if self._offsets == "i4" else Kind.UTF8_64
        if count:
            faults = active().encoder(width, [FieldArray(Field(kind, 0, width), offsets, text)]).encode(raw, 0)
            if faults and faults[0].reason == Reason.FOREIGN:
                raise _foreign(self._name, faults[0].row, faults[0].value)
            if faults:
                raise TableError(f"column {self._name!r}: {faults[0].reason.name} in row {faults[0].row} of a batch")
        return _masked(raw.view(f"S{width}"), nulls)


class _Views:
    def __init__(self, name: str) -> None:
        self._name = name

    def empty(self) -> NDArray[Any]:
        return np.zeros(0, "S1")

    def values(self, batch: _Batch, first: int, count: int) -> NDArray[Any]:
        first += batch.offset
        views = batch.buffer(1, "u1", 16 * (first + count))[16 * first :].reshape(-1, 16)
        lengths = np.ascontiguousarray(views[:, :4]).view("i4")[:, 0]
        nulls = batch.nulls(first, count)
        if nulls is not None:
            lengths = np.where(nulls, 0, lengths)
        width = max(int(lengths.max(initial=0)), 1)
        raw = np.zeros((count, max(width, INLINE)), np.uint8)
        raw[:, :INLINE] = np.where(np.arange(INLINE) < lengths[:, None], views[:, 4:], 0)
        places = np.ascontiguousarray(views[:, 8:]).view("i4")
        sizes = batch.buffer(batch.nbuffers - 1, "i8", batch.nbuffers - 3)
        texts = [batch.buffer(2 + number, "u1", int(size)) for number, size in enumerate(sizes)]
        for row in np.flatnonzero(lengths > INLINE).tolist():
            number, begin = places[row].tolist()
            raw[row, : lengths[row]] = texts[number][begin : begin + lengths[row]]
        if raw.size and raw.max() > 0x7F:
            row, position = np.argwhere(raw > 0x7F)[0].tolist()
            raise _foreign(self._name, row, int(raw[row, position]))
        return _masked(np.ascontiguousarray(raw[:, :width]).view(f"S{width}")[:, 0], nulls)


class _Dictionary:
    """Categories: numbers of strings."""

    def __init__(self, indices: _Numbers, words: _Type) -> None:
        self._indices, self._words = indices, words

    def empty(self) -> NDArray[Any]:
        return self._words.empty()

    def values(self, batch: _Batch, first: int, count: int) -> NDArray[Any]:
        assert batch.dictionary is not None
        indices = self._indices.values(batch, first, count)
        words = self._words.values(batch.dictionary, 0, batch.dictionary.length)
        nulls = np.ma.getmaskarray(indices)
        if not len(words):
            return np.ma.MaskedArray(np.zeros(count, words.dtype), nulls)
        found = words[np.where(nulls, 0, np.ma.getdata(indices))]
        return _masked(found, nulls if nulls.any() else None)


class _Rows:
    """Lists of fixed size: more axes."""

    def __init__(self, size: int, inner: _Type) -> None:
        self._size, self._inner = size, inner

    def empty(self) -> NDArray[Any]:
        inner = self._inner.empty()
        return np.zeros((0, self._size, *inner.shape[1:]), inner.dtype)

    def values(self, batch: _Batch, first: int, count: int) -> NDArray[Any]:
        first += batch.offset
        flat = self._inner.values(batch.children[0], first * self._size, count * self._size)
        out = flat.reshape(count, self._size, *flat.shape[1:])
        nulls = batch.nulls(first, count)
        if nulls is None:
            return out
        mask = np.ma.getmaskarray(out) | nulls.reshape(-1, *(1,) * (out.ndim - 1))
        return np.ma.MaskedArray(np.ma.getdata(out), mask)


class _Pairs:
    """Lists of two floats that are complex numbers."""

    def __init__(self, inner: _Type, dtype: str) -> None:
        self._inner, self._dtype = inner, np.dtype(dtype)

    def empty(self) -> NDArray[Any]:
        return self._paired(self._inner.empty())

    def values(self, batch: _Batch, first: int, count: int) -> NDArray[Any]:
        return self._paired(self._inner.values(batch, first, count))

    def _paired(self, pairs: NDArray[Any]) -> NDArray[Any]:
        if isinstance(pairs, np.ma.MaskedArray):
            pairs = pairs.filled(np.nan)
        return np.ascontiguousarray(pairs).view(self._dtype)[..., 0]


class _Lists:
    """Lists of any size: arrays of variable length."""

    def __init__(self, shape: str, inner: _Type, name: str) -> None:
        self._offsets, self._views, self._inner, self._name = LISTS[shape], "v" in shape, inner, name

    def empty(self) -> NDArray[Any]:
        return self._split(self._inner.empty(), np.zeros(0, np.int64), np.zeros(0, np.int64))

    def values(self, batch: _Batch, first: int, count: int) -> NDArray[Any]:
        first += batch.offset
        begin = batch.buffer(1, self._offsets, first + count + (not self._views))[first:].astype(np.int64)
        size = batch.buffer(2, self._offsets, first + count)[first:].astype(np.int64) if self._views else np.diff(begin)
        begin = begin[:count]
        nulls = batch.nulls(first, count)
        if nulls is not None:  # an empty array stands for one that is missing
            size = np.where(nulls, 0, size)
        base, last = int(begin[size > 0].min(initial=0)) if (size > 0).any() else 0, int((begin + size).max(initial=0))
        return self._split(self._inner.values(batch.children[0], base, last - base), begin - base, size)

    def _split(self, flat: NDArray[Any], begin: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[Any]:
        if flat.dtype.kind in "SUO" or flat.ndim != 1:
            raise TableError(f"column {self._name!r} is of lists of lists or of strings, which FITS tables do not have")
        if isinstance(flat, np.ma.MaskedArray) and flat.dtype.kind == "f":
            flat = flat.filled(np.nan)
        out = np.empty(len(size), dtype=object)
        for row, (start, count) in enumerate(zip(begin.tolist(), size.tolist(), strict=True)):
            out[row] = flat[start : start + count]
        return out


_Type = _Numbers | _Flags | _Texts | _Views | _Dictionary | _Rows | _Pairs | _Lists


def _type_of(schema: SchemaFound, name: str, hint: str) -> _Type:
    raw, _, _, _, children, dictionary = schema
    shape = raw.decode()
    if dictionary is not None:
        return _Dictionary(_Numbers(shape), _type_of(dictionary, name, hint))
    simple = _simple_type(shape, name)
    if simple is not None:
        return simple
    if shape in LISTS:
        return _Lists(shape, _type_of(children[0], name, hint), name)
    size = re.fullmatch(r"\+w:(\d+)", shape)
    if size:
        inner = _type_of(children[0], name, hint)
        rows = _Rows(int(size[1]), inner)
        is_pair = hint in ("complex64", "complex128") and int(size[1]) == 2 and isinstance(inner, _Numbers)
        return _Pairs(rows, hint) if is_pair else rows
    advice = next((words for start, words in ADVICE.items() if shape.startswith(start)), "")
    raise TableError(
        f"column {name!r} has the type {shape!r} of Arrow, which FITS tables do not have"
        + (advice and f"; it is of {advice}")
    )


def _simple_type(shape: str, name: str) -> _Type | None:
    if shape in NUMBERS:
        return _Numbers(shape)
    if shape in TEXTS:
        return _Texts(shape, name)
    if shape in VIEWS:
        return _Views(name)
    return _Flags() if shape == "b" else None


def _masked(values: NDArray[Any], nulls: NDArray[np.bool_] | None) -> NDArray[Any]:
    return values if nulls is None or not nulls.any() else np.ma.MaskedArray(values, nulls)


def _foreign(name: str, row: int, value: int) -> TableError:
    return TableError(
        f"non-ASCII character in column {name!r}, row {row} of a batch: byte 0x{value:02X}; strings of FITS are ASCII"
    )


def field_words(metadata: dict[str, dict[str, str]], keys: Sequence[str]) -> list[dict[str, str]]:
    """Return, for each key, the words of the columns that have it."""
    return [{name: pairs[key] for name, pairs in metadata.items() if pairs.get(key)} for key in keys]
