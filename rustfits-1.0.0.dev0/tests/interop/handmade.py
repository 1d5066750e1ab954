"""Compressed images put together byte by byte, without help of any FITS library, and headers of files edited so."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

BLOCK = 2880
NBYTES = {"B": 1, "I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "P": 8, "Q": 16}


def card(keyword: str, value: Any) -> bytes:
    """Return the 80 bytes of one card; a string stands in quotes, any other text is taken as it is."""
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        text = f"'{value:<8}'"
    else:
        text = f"{value!r:>20}".upper()
    return f"{keyword:<8}= {text}".ljust(80).encode("ascii")


def padded(raw: bytes, filler: bytes = b"\0") -> bytes:
    return raw + filler * (-len(raw) % BLOCK)


def header(cards: Mapping[str, Any]) -> bytes:
    return padded(b"".join(card(*each) for each in cards.items()) + b"END".ljust(80), b" ")


PRIMARY = header({"SIMPLE": True, "BITPIX": 8, "NAXIS": 0, "EXTEND": True})


def image_cards(zcmptype: str, bitpix: int, shape: Sequence[int], tile: Sequence[int] | None) -> dict[str, Any]:
    """Return the Z keywords of an image; shapes in numpy order."""
    cards: dict[str, Any] = {"ZIMAGE": True, "ZCMPTYPE": zcmptype, "ZBITPIX": bitpix, "ZNAXIS": len(shape)}
    cards |= {f"ZNAXIS{axis}": npixels for axis, npixels in enumerate(reversed(shape), start=1)}
    if tile is not None:
        cards |= {f"ZTILE{axis}": npixels for axis, npixels in enumerate(reversed(tile), start=1)}
    return cards


class Table:
    """A binary table with a heap, filled cell by cell.

    Parameters
    ----------
    columns : mapping of str to str
        TFORMn by TTYPEn, such as ``{"COMPRESSED_DATA": "1PB", "ZSCALE": "1D"}``.
    nrows : int
    """

    def __init__(self, columns: Mapping[str, str], nrows: int) -> None:
        self.columns, self.nrows = dict(columns), nrows
        self.cells: dict[str, list[Any]] = {name: [(0, 0)] * nrows for name in columns}
        self.heap = b""

    def add(self, data: bytes) -> int:
        """Put bytes at the end of the heap; return where."""
        start = len(self.heap)
        self.heap += data
        return start

    def put(self, column: str, row: int, data: bytes) -> None:
        """Put bytes at the end of the heap, and point a cell at them."""
        self.point(column, row, len(data), self.add(data))

    def point(self, column: str, row: int, nbytes: int, start: int) -> None:
        """Point a cell at bytes of the heap."""
        unit = NBYTES[self.columns[column].lstrip("01")[1]]
        assert nbytes % unit == 0
        self.cells[column][row] = (nbytes // unit, start)

    def fill(self, column: str, values: Sequence[float]) -> None:
        self.cells[column] = list(values)

    def _row(self, row: int) -> bytes:
        raw = b""
        for name, form in self.columns.items():
            code, cell = form.lstrip("01")[0], self.cells[name][row]
            kind = {"P": ">i4", "Q": ">i8", "B": ">u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
            raw += np.array(cell, dtype=kind[code]).tobytes()
        return raw

    def structure(self, gap: int) -> dict[str, Any]:
        width = sum(NBYTES[form.lstrip("01")[0]] for form in self.columns.values())
        cards = {"XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS1": width, "NAXIS2": self.nrows}
        cards |= {"PCOUNT": gap + len(self.heap), "GCOUNT": 1, "TFIELDS": len(self.columns)}
        for number, (name, form) in enumerate(self.columns.items(), start=1):
            largest = max((cell[0] for cell in self.cells[name]), default=0) if form.lstrip("01")[0] in "PQ" else None
            cards[f"TTYPE{number}"] = name
            cards[f"TFORM{number}"] = form if largest is None else f"{form}({largest})"
        if gap:
            cards["THEAP"] = width * self.nrows + gap
        return cards

    def file(self, cards: Mapping[str, Any], *, gap: int = 0) -> bytes:
        """Return the whole file, an empty primary HDU first; ``gap`` bytes of rubbish lie before the heap."""
        rows = b"".join(self._row(row) for row in range(self.nrows))
        return PRIMARY + header({**self.structure(gap), **cards}) + padded(rows + b"\xa5" * gap + self.heap)


def tiles_of(pixels: np.ndarray, tile: Sequence[int]) -> list[np.ndarray]:
    """Cut an image into tiles, in the order of the table rows."""
    corners = np.ndindex(*(-(-npixels // length) for npixels, length in zip(pixels.shape, tile, strict=True)))
    return [
        pixels[tuple(slice(k * length, (k + 1) * length) for k, length in zip(corner, tile, strict=True))]
        for corner in corners
    ]


def gzipped(tile: np.ndarray, dtype: str | None = None) -> bytes:
    """Return the GZIP_1 stream of a tile, its numbers as wide as ``dtype`` says."""
    return gzip.compress(tile.astype(np.dtype(dtype or tile.dtype).newbyteorder(">")).tobytes(), 1, mtime=0)


def shuffled(tile: np.ndarray, dtype: str | None = None) -> bytes:
    """Return the GZIP_2 stream of a tile."""
    raw = tile.astype(np.dtype(dtype or tile.dtype).newbyteorder(">"))
    return gzip.compress(np.frombuffer(raw.tobytes(), "u1").reshape(-1, raw.itemsize).T.tobytes(), 1, mtime=0)


def bitpix(dtype: Any) -> int:
    dtype = np.dtype(dtype)
    return (-8 if dtype.kind == "f" else 8) * dtype.itemsize


def ntiles(shape: Sequence[int], tile: Sequence[int]) -> int:
    return prod(-(-npixels // length) for npixels, length in zip(shape, tile, strict=True))


def headers(raw: bytes) -> list[tuple[int, int]]:
    """Return where the header of each HDU of a file starts and ends; data units as their headers say."""
    found, start = [], 0
    while start < len(raw):
        stop = start
        values: dict[str, int] = {}
        while True:
            block = raw[stop : stop + BLOCK]
            stop += BLOCK
            for place in range(0, BLOCK, 80):
                line = block[place : place + 80]
                text = line[10:].split(b"/")[0].strip()
                if line[8:10] == b"= " and text.lstrip(b"-").isdigit():
                    values[line[:8].decode().strip()] = int(text)
            if any(block[place : place + 8] == b"END     " for place in range(0, BLOCK, 80)):
                break
        found.append((start, stop))
        npixels = prod(values[f"NAXIS{axis}"] for axis in range(1, values["NAXIS"] + 1)) if values["NAXIS"] else 0
        nbytes = abs(values["BITPIX"]) // 8 * (npixels + values.get("PCOUNT", 0)) if npixels else 0
        start = stop + nbytes + -nbytes % BLOCK
    return found


def edited(raw: bytes, hdu: int = 1, /, **changes: Any) -> bytes:
    """Return a file with cards changed or added, or removed where the value is None; nothing else is touched."""
    start, stop = headers(raw)[hdu]
    cards = [raw[place : place + 80] for place in range(start, stop, 80)]
    end = next(number for number, line in enumerate(cards) if line[:8] == b"END     ")
    cards = cards[:end]
    for keyword, value in changes.items():
        name = keyword.ljust(8).encode("ascii")
        here = [number for number, line in enumerate(cards) if line[:8] == name]
        if value is None:
            cards = [line for number, line in enumerate(cards) if number not in here]
        elif here:
            cards[here[0]] = card(keyword, value)
        else:
            cards.append(card(keyword, value))
    return raw[:start] + padded(b"".join(cards) + b"END".ljust(80), b" ") + raw[stop:]


def random_numbers() -> np.ndarray:
    """Return the 10000 numbers that dither takes from (FITS 4.0, appendix I), from their definition."""
    seed, numbers = 1, []
    for _ in range(10000):
        seed = 16807 * seed % 2147483647
        numbers.append(seed / 2147483647)
    return np.array(numbers, dtype="f4")


_RANDOM = random_numbers()


def dequantized(stored: np.ndarray, row: int, method: str, scale: float, zero: float, seed: int, null: int):
    """Return the floats of one tile, of table row ``row`` from 0, as doubles (FITS 4.0, section 10.2.1)."""
    offsets = np.full(stored.size, 0.5)
    if method.startswith("SUBTRACTIVE"):
        which = (row + seed - 1) % 10000
        place = int(500 * _RANDOM[which])
        for pixel in range(stored.size):
            offsets[pixel] = _RANDOM[place]
            place += 1
            if place == 10000:
                which = (which + 1) % 10000
                place = int(500 * _RANDOM[which])
    values = (stored.ravel().astype("f8") - offsets + 0.5) * scale + zero
    if method == "SUBTRACTIVE_DITHER_2":
        values[stored.ravel() == -2147483646] = 0.0
    values[stored.ravel() == null] = np.nan
    return values.reshape(stored.shape)
