"""The random numbers of subtractive dithering (FITS 4.0, section 10.2 and appendix I).

Everybody who writes or reads dithered tiles uses the same table of 10000 numbers; the tile's table row and the
keyword ZDITHER0 say where in it a tile begins, so tiles may be decoded in any order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import InvalidParameter

NRANDOM = 10000
"""Entries of the random table."""

NULL_PIXEL = -2147483647
"""The stored integer that means NaN, unless ZBLANK names another."""

ZERO_PIXEL = -2147483646
"""The stored integer that means exactly 0.0 under SUBTRACTIVE_DITHER_2."""

NO_DITHER = "NO_DITHER"
DITHER_1 = "SUBTRACTIVE_DITHER_1"
DITHER_2 = "SUBTRACTIVE_DITHER_2"
DITHER_METHODS = (NO_DITHER, DITHER_1, DITHER_2)
"""Values of ZQUANTIZ that quantised tiles can have."""


class Dither(NamedTuple):
    """How the floats of quantised tiles were dithered (FITS 4.0, section 10.2).

    Attributes
    ----------
    method : {'NO_DITHER', 'SUBTRACTIVE_DITHER_1', 'SUBTRACTIVE_DITHER_2'}
        Value of ZQUANTIZ.
    zdither0 : int
        Value of ZDITHER0; not used without dither.
    """

    method: str
    zdither0: int


_MULTIPLIER = 16807
_MODULUS = 2147483647
_LAST_SEED = 1043618065  # the standard gives it, so that an implementation can check itself


@functools.cache
def random_table() -> NDArray[np.float32]:
    """Return the random numbers, ``(10000,)`` float32 in [0, 1), read-only.

    Source: FITS 4.0, appendix I (the generator of Park and Miller, begun at 1).
    """
    seeds = np.empty(NRANDOM, dtype=np.int64)
    seed = 1
    for entry in range(NRANDOM):
        seed = _MULTIPLIER * seed % _MODULUS
        seeds[entry] = seed
    assert seed == _LAST_SEED
    table = (seeds / np.float64(_MODULUS)).astype(np.float32)
    table.setflags(write=False)
    return table


@functools.cache
def random_starts() -> NDArray[np.int64]:
    """Return where in the table a run begins, ``(10000,)`` int64, for each place the tile number can select."""
    begin: NDArray[np.int64] = np.floor(random_table() * np.float32(500)).astype(np.int64)
    begin.setflags(write=False)
    return begin


def method_number(method: str) -> int:
    """Return the place of a ZQUANTIZ value in `DITHER_METHODS`.

    Raises
    ------
    InvalidParameter
        If it is none of the three.
    """
    if method not in DITHER_METHODS:
        raise InvalidParameter("ZQUANTIZ", method, f"must be one of {', '.join(DITHER_METHODS)}")
    return DITHER_METHODS.index(method)


def first_seed(row: int, zdither0: int) -> int:
    """Return which of `random_starts` begins the first run of a tile.

    Parameters
    ----------
    row : int
        Table row of the tile, from 0.
    zdither0 : int
        Value of the keyword ZDITHER0; any integer, as it comes from a file.
    """
    return (int(row) + int(zdither0) - 1) % NRANDOM


def runs(row: int, zdither0: int, npixels: int) -> Iterator[tuple[int, int, int]]:
    """Cut the pixels of a tile where the random sequence begins anew.

    Parameters
    ----------
    row, zdither0 : int
        As for `first_seed`.
    npixels : int
        Pixels of the tile, nulls and zeros included: they use up random numbers too.

    Yields
    ------
    start, stop, entry : int
        Pixels ``start:stop`` of the tile use ``random_table()[entry : entry + stop - start]``.
    """
    begin = random_starts()
    seed = first_seed(row, zdither0)
    start = 0
    while start < npixels:
        entry = int(begin[seed])
        stop = min(start + NRANDOM - entry, npixels)
        yield start, stop, entry
        start = stop
        seed = (seed + 1) % NRANDOM


def sequence(row: int, zdither0: int, npixels: int) -> NDArray[np.float32]:
    """Return the random number of each pixel of a tile, ``(npixels,)`` float32; arguments as for `runs`."""
    table = random_table()
    numbers = np.empty(npixels, dtype=np.float32)
    for start, stop, entry in runs(row, zdither0, npixels):
        numbers[start:stop] = table[entry : entry + stop - start]
    return numbers
