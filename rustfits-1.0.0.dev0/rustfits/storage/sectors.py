"""The sectors of a file: what a write that is cut short leaves whole, each either old or new.

A kill stops a write at the border of a page, a power cut at that of a sector of 512 bytes. So bytes are told apart by
sectors, counted from the start of the file; what lies beyond its end counts as zeros. A hash for each takes a tenth of
the time of writing it.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

SECTOR_NBYTES, HASH_NBYTES = 512, 8
Hashes: TypeAlias = NDArray[np.uint64]

_WORDS = SECTOR_NBYTES // 8
_DTYPE, _HALF = np.dtype("<u8"), np.uint64(32)
_AT_A_TIME = 1 << 10  # sectors hashed at a time, so that what is done to them stays in the cache


def sector_hashes(data: bytes | bytearray | memoryview) -> Hashes:
    """Return a hash of 64 bits of each sector.

    The sum of its 64-bit numbers times odd factors, so that any one number that differs is seen. The upper half of each
    is mixed into its lower half before: a difference in the top byte alone would reach only the top byte of the sum.

    Parameters
    ----------
    data : bytes-like of whole sectors

    Returns
    -------
    (n,) uint64 array
    """
    words, factors, half = np.frombuffer(data, _DTYPE).reshape(-1, _WORDS), _factors(), _HALF
    if len(words) <= _AT_A_TIME:
        return np.asarray((words ^ (words >> half)).dot(factors))
    hashes, mixed = np.empty(len(words), "<u8"), np.empty((_AT_A_TIME, _WORDS), "<u8")
    for start in range(0, len(words), _AT_A_TIME):
        piece = words[start : start + _AT_A_TIME]
        part = np.right_shift(piece, half, out=mixed[: len(piece)])
        np.einsum("ij,j->i", np.bitwise_xor(piece, part, out=part), factors, out=hashes[start : start + len(piece)])
    return hashes


def sectors_of(start: int, stop: int) -> tuple[int, int]:
    """Return the first byte of the sector that holds byte ``start``, and that after the one that ends at ``stop``."""
    return start // SECTOR_NBYTES * SECTOR_NBYTES, -(-stop // SECTOR_NBYTES) * SECTOR_NBYTES


def _factors() -> Hashes:
    """Return odd numbers that look random: SplitMix64 of 1, 2, 3, ... (Steele, Lea and Flood 2014)."""
    if not _FACTORS:
        mixed = np.arange(1, _WORDS + 1, dtype="<u8") * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        _FACTORS.append((mixed ^ (mixed >> np.uint64(31))) | np.uint64(1))
    return _FACTORS[0]


_FACTORS: list[Hashes] = []  # made when first needed: who only reads does without
