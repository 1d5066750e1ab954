"""Gzip streams whose length is known beforehand, by the standard library."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32  # zlib looks at the first bytes itself
_GZIP_MAGIC = b"\x1f\x8b"
_STEP = 4096


def inflate_exactly(stream: memoryview, out: NDArray[np.uint8]) -> None:
    """Fill an array with what a stream gives, and ask for no more memory, whatever the stream promises.

    Parameters
    ----------
    stream : memoryview of bytes
        One or more gzip members (RFC 1952), or a zlib stream (RFC 1950). Bytes after the member that fills the array
        are ignored.
    out : (nbytes,) uint8 array

    Raises
    ------
    ValueError, zlib.error
        If the stream is damaged, ends early, or gives more or fewer bytes.
    """
    room = out.data
    expected, filled = out.size, 0
    position, step = 0, len(stream)
    while True:
        member = zlib.decompressobj(_GZIP_OR_ZLIB)
        while not member.eof:
            part = stream[position : position + step]
            if not part:
                raise ValueError(f"the stream ends early, after {filled} of {expected} bytes")
            position += len(part)
            # One byte more than there is room for shows a stream that is too long, and lets the last member end.
            given = member.decompress(part, expected - filled + 1)
            if len(given) > expected - filled:
                raise ValueError(f"the stream gives more than the {expected} bytes of the tile")
            room[filled : filled + len(given)] = given
            filled += len(given)
        position -= len(member.unused_data)
        if filled == expected:
            return
        if stream[position : position + 2] != _GZIP_MAGIC:
            raise ValueError(f"the stream gives {filled} of the {expected} bytes of the tile")
        # zlib copies what follows a member: in small steps, thousands of tiny members stay cheap.
        step = _STEP
