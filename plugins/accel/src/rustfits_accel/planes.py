"""Gzip members of one deflate block for each byte plane of GZIP_2, in which planes of noise are stored as they are.

Ordinary gzip (RFC 1951 and 1952) to every reader, only written with what is known of the bytes: those of one
significance are alike, and the least significant ones of most images are noise, which an encoder spends its time on for
nothing. Each plane gets Huffman codes of its own, so that the members are smaller too, and faster to inflate.
"""

from __future__ import annotations

import contextlib
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

encoder: Any = zlib  # on a platform without the faster one
with contextlib.suppress(ImportError):
    from isal import isal_zlib as encoder

LEVEL = 1
NOISY_BITS = 7.5  # entropy of a byte from which on coding it is not worth the time
SAMPLE_NBYTES = 1 << 10  # of each plane, and up to twice as much
MIN_NBYTES = 1 << 11  # of a tile: blocks have headers
MAX_STORED = 65535  # bytes of a stored block (RFC 1951, 3.2.4)
_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # no name, no time, unknown system (RFC 1952, 2.3)
_END = b"\x03\x00"  # an empty last block


def noisy_planes(tiles: NDArray[np.uint8]) -> list[list[bool]]:
    """Tell which byte planes of each tile look like noise.

    Parameters
    ----------
    tiles : (ntiles, itemsize, npixels) uint8 array
        Tiles in GZIP_2 order. Each is judged by itself, from a sample of each plane.
    """
    sample = tiles[:, :, :: max(tiles.shape[2] // SAMPLE_NBYTES, 1)]
    nplanes, size = sample.shape[0] * sample.shape[1], sample.shape[2]
    # The planes are counted all at once, each with numbers of its own.
    number = (np.arange(nplanes) << 8)[:, np.newaxis] + sample.reshape(nplanes, size)
    count = np.bincount(number.reshape(-1), minlength=nplanes << 8).reshape(nplanes, 256)
    share = count / size
    entropy = -(share * np.log2(np.maximum(share, 1 / size))).sum(axis=1)
    # A sample of few bytes looks more regular than it is (the bias of Miller and Madow).
    entropy += (np.count_nonzero(count, axis=1) - 1) / (2 * size * np.log(2))
    noisy: list[list[bool]] = (entropy > NOISY_BITS).reshape(sample.shape[:2]).tolist()
    return noisy


def gzip_planes(tile: NDArray[np.uint8], noisy: list[bool]) -> bytes:
    """Return the gzip member of one tile.

    Parameters
    ----------
    tile : (itemsize, npixels) contiguous uint8 array
    noisy : list of bool
        Which of the planes to store as they are.
    """
    parts: list[bytes | memoryview] = [_HEAD]
    coder: Any = None
    for plane, stored in zip(tile, noisy, strict=True):
        if stored:
            parts += _stored(plane.data)
            coder = None  # what was stored is no part of its window
            continue
        if coder is None:
            coder = encoder.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        parts += (coder.compress(plane.data), coder.flush(zlib.Z_SYNC_FLUSH))
    whole = tile.reshape(-1).data
    parts += (_END, encoder.crc32(whole).to_bytes(4, "little"), (len(whole) & 0xFFFFFFFF).to_bytes(4, "little"))
    return b"".join(parts)


def _stored(plane: memoryview) -> list[bytes | memoryview]:
    parts: list[bytes | memoryview] = []
    for start in range(0, len(plane), MAX_STORED):
        piece = plane[start : start + MAX_STORED]
        length = len(piece).to_bytes(2, "little")
        parts += (b"\0", length, bytes(byte ^ 0xFF for byte in length), piece)
    return parts
