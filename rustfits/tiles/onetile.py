"""What the table says of a single tile, in plain numbers: for one, arrays take longer than all the rest."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from rustfits.heap.bintable import ELEMENT_NBYTES, Column
from rustfits.tiles.decode import TileDecoder, TileEntries

_DESCRIPTORS = {"P": struct.Struct(">ii"), "Q": struct.Struct(">qq")}
_NUMBERS = {
    "B": struct.Struct(">B"),
    "I": struct.Struct(">h"),
    "J": struct.Struct(">i"),
    "K": struct.Struct(">q"),
    "E": struct.Struct(">f"),
    "D": struct.Struct(">d"),
}


def entry_of(decoder: TileDecoder, row: int) -> TileEntries | None:
    """Return what the table says of one tile, if nothing is wrong with it.

    Parameters
    ----------
    decoder : TileDecoder
    row : int
        Table row, from 0.

    Returns
    -------
    TileEntries or None
        None if something is out of the ordinary: `TileDecoder.entries` then says what.
    """
    table = decoder.table
    raw, quantization = decoder.row_bytes(row), table.quantization
    found = _place(decoder, raw)
    if found is None:
        return None
    source, start, length = found
    numbers = None
    if quantization is not None:
        scale, zero, null = [_number(raw, each) for each in (quantization.scale, quantization.zero, quantization.null)]
        if scale is None or zero is None or null is None or not -(1 << 63) <= null < 1 << 63:
            return None
        numbers = np.array([scale], np.float64), np.array([zero], np.float64), np.array([null], np.int64)
    return TileEntries(
        np.array([row]), np.array([source], dtype=np.int8), np.array([start]), np.array([length]), numbers
    )


def _place(decoder: TileDecoder, raw: bytearray) -> tuple[int, int, int] | None:
    """Return the source, the place in the heap and the bytes of a tile."""
    table = decoder.table
    for source, column in enumerate(table.sources):
        if column is None:
            continue
        if column.repeat != 1:
            return None
        count, start = _DESCRIPTORS[column.code].unpack_from(raw, column.offset)
        if not count:
            continue
        length = count * ELEMENT_NBYTES[column.element]
        good = count > 0 and start >= 0 and start + length <= table.layout.heap_nbytes
        return (source, start, length) if good and decoder.there(start + length) else None
    return None


def _number(raw: bytearray, place: Column | float) -> Any:
    if not isinstance(place, Column):
        return place
    form = _NUMBERS.get(place.code)
    return None if form is None else form.unpack_from(raw, place.offset)[0]
