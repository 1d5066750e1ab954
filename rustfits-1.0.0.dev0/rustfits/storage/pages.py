"""A checksum of bytes that are written to a disk in pages, for the records of a journal."""

from __future__ import annotations

import zlib

import numpy as np

_PAGE_NBYTES = 4096
_LONG_NBYTES = 1 << 16


def crc_of_pages(data: bytes | bytearray | memoryview, crc: int) -> int:
    """Return the CRC-32 of bytes, in which that of sums stands for long ones: theirs takes as long as writing them.

    Long data are seen as rows of 4096 bytes, a page of a disk, of 64-bit numbers; sums run along the rows and across
    them. A page that did not reach the disk changes sums of both kinds, unless it holds what it would have held, and
    any one bit changes one of each.

    Parameters
    ----------
    data : bytes-like
    crc : int
        Of what goes before.
    """
    if len(data) < _LONG_NBYTES:
        return zlib.crc32(data, crc)
    nrows = len(data) // _PAGE_NBYTES
    pages = np.frombuffer(data, "<u8", nrows * _PAGE_NBYTES // 8).reshape(nrows, -1)
    for axis in (0, 1):
        crc = zlib.crc32(pages.sum(axis=axis, dtype="<u8"), crc)
    return zlib.crc32(memoryview(data)[nrows * _PAGE_NBYTES :], crc)
