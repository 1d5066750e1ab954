"""ZDATASUM and ZHECKSUM: the checksums of the image that a compressed one stands for (FITS 4.0, section 10.1.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.hdu.checksum import ALL_ONES, ZEROS, datasum, encode, fold, parse_datasum
from rustfits.header.cards import Cards
from rustfits.pixels.sections import Section, full_section
from rustfits.tiles.zimage import TileTable

DATASUM_COMMENT = "checksum of uncompressed data"
CHECKSUM_COMMENT = "checksum of equivalent uncompressed HDU"

_SLAB_NBYTES = 4 << 20
_COPIED = ("BSCALE", "BZERO", "BLANK", "EXTNAME", "EXTVER")


def data_sum(table: TileTable, read: Callable[[Section], NDArray[Any]]) -> int:
    """Return the DATASUM of the image if it were not compressed; errors as ``read``.

    Parameters
    ----------
    table : TileTable
    read : callable
        Returns the stored pixels of a section.
    """
    return datasum(_slabs(table, read))


def header_sum(cards: Cards, table: TileTable, data: int, checksum: str) -> int:
    """Return the sum of the header of the image if it were not compressed, CHECKSUM being ``checksum``."""
    shape = table.grid.shape
    entries: list[tuple[str, object]] = [
        ("XTENSION", "IMAGE"),
        ("BITPIX", table.bitpix),
        ("NAXIS", len(shape)),
        *((f"NAXIS{axis}", npixels) for axis, npixels in enumerate(reversed(shape), start=1)),
        ("PCOUNT", 0),
        ("GCOUNT", 1),
    ]
    header = Cards.build(entries)
    for keyword in _COPIED:
        if keyword in cards:
            header.adopt(cards, keyword)
    header.set("DATASUM", str(data))
    header.set("CHECKSUM", checksum)
    return datasum([header.encode()])


def checksum_of(cards: Cards, table: TileTable, data: int) -> str:
    """Return ZHECKSUM for an image with DATASUM ``data``."""
    return encode(fold(header_sum(cards, table, data, ZEROS) + data))


def verified(cards: Cards, table: TileTable, data: int) -> bool:
    """Tell whether ZHECKSUM and ZDATASUM are right for an image with DATASUM ``data``."""
    value = cards.get("ZHECKSUM")
    if not isinstance(value, str) or len(value) != len(ZEROS) or parse_datasum(cards.get("ZDATASUM")) != data:
        return False
    return fold(header_sum(cards, table, data, value) + data) in (0, ALL_ONES)


def _slabs(table: TileTable, read: Callable[[Section], NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Yield the stored pixels in file order, big-endian, a few rows of tiles at a time."""
    shape, tile = table.grid.shape, table.grid.tile
    if 0 in shape:
        return
    nbytes = tile[0] * prod(shape[1:]) * table.stored.itemsize
    step = max(_SLAB_NBYTES // nbytes, 1) * tile[0]
    whole = full_section(shape)
    for start in range(0, shape[0], step):
        section = type(whole)((start, *whole.start[1:]), (min(step, shape[0] - start), *shape[1:]), whole.step)
        pixels = read(section)
        yield np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder(">"))
