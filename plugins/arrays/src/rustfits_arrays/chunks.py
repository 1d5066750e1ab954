"""How an image is cut into chunks: whole tiles, of a sensible size, and no slivers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

CHUNK_NBYTES = 32 << 20  # of pixels: a task of a fraction of a second, a few of which fit in the memory of any worker

SLIVER = 4  # times that a chunk is longer than one which is not worth a task


def tile_chunks(
    shape: Sequence[int], tile: Sequence[int] | None, itemsize: int, nbytes: int = CHUNK_NBYTES
) -> tuple[tuple[int, ...], ...]:
    """Return the lengths of chunks along each axis.

    Parameters
    ----------
    shape : sequence of int
        Pixels of the image along each axis, numpy order.
    tile : sequence of int or None
        Of a full tile; None if there are no tiles: then chunks are whole rows of pixels, as far as they can be.
    itemsize : int
        Bytes of a pixel.
    nbytes : int
        Bytes of a chunk, about: rather than one that is a sliver there are fewer along the axis, which are longer.

    Returns
    -------
    tuple of tuple of int
        For each axis: equal ones, multiples of the tile, but for the last, which is no longer than the others.

    Examples
    --------
    >>> tile_chunks((10_000, 10_000), (256, 256), 2, 8 << 20)
    ((2048, 2048, 2048, 2048, 1808), (2048, 2048, 2048, 2048, 1808))
    >>> tile_chunks((4096, 4100), (1, 4096), 2, 8 << 20)  # the second column of tiles has four pixels in a row
    ((820, 820, 820, 820, 816), (4100,))
    """
    if 0 in shape:
        return tuple((size,) for size in shape)
    room = max(nbytes // itemsize, 1)
    least = [1] * len(shape) if tile is None else [min(each, size) for each, size in zip(tile, shape, strict=True)]
    bounds, chunk = list(shape), list(least)
    cut: list[tuple[int, ...]] = []
    for axis in reversed(range(len(shape))):
        # Without tiles what lies side by side in the file comes first.
        step = max(room // prod(chunk), 1) if tile is None else _grown(bounds, chunk, room)[axis]
        cut.insert(0, _cut(shape[axis], step, least[axis]))
        bounds[axis] = chunk[axis] = cut[0][0]  # what is longer than was meant leaves less room to the others
    return tuple(cut)


def _grown(shape: Sequence[int], tile: Sequence[int], room: int) -> list[int]:
    """Return a multiple of a tile of about ``room`` pixels, as long along all axes as far as can be."""
    chunk = list(tile)
    while True:
        # Along the shortest axis first; along the slow one if several are, as its tiles lie together in the file.
        open_axes = [axis for axis in range(len(shape)) if chunk[axis] < shape[axis]]
        fitting = [axis for axis in open_axes if prod(chunk) // chunk[axis] * _longer(chunk, tile, axis) <= room]
        if not fitting:
            return chunk
        axis = min(fitting, key=lambda axis: chunk[axis])
        chunk[axis] = _longer(chunk, tile, axis)


def _longer(chunk: Sequence[int], tile: Sequence[int], axis: int) -> int:
    """Return the next length of a chunk along an axis: a tile more, or a tenth."""
    return chunk[axis] + max(chunk[axis] // 10 // tile[axis], 1) * tile[axis]


def _cut(size: int, step: int, tile: int) -> tuple[int, ...]:
    """Cut an axis into chunks of ``step`` at most, if they are whole tiles, as equally long as can be."""
    ntiles = -(-size // tile)
    number = -(-ntiles // max(step // tile, 1))
    while number > 1:
        most = -(-ntiles // number) * tile
        last = size - (-(-size // most) - 1) * most
        if SLIVER * last >= most:
            break
        number -= 1
    most = -(-ntiles // number) * tile
    return tuple(min(most, size - first) for first in range(0, size, most))
