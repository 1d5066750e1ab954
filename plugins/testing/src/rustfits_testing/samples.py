"""Tiles to try a codec on, and the room to decode them into."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustfits.plugin import Int64s, PixelBatch, TileBatch

KINDS = ("noise", "smooth", "constant", "extremes")
FILLS = (0xA5, 0x5A)  # what every byte of that room is at first
GUARD = 64  # pixels on either side of the room to decode into, which must stay as they are

Shape = tuple[int, ...]


def shapes_for(tile_ndim: int | None, least: int) -> list[Shape]:
    """Return tile shapes that a codec holds.

    Parameters
    ----------
    tile_ndim : int or None
        Axes longer than one pixel; None for any number.
    least : int
        Fewest pixels along each of them.
    """
    lengths = [least, least + 1, 13 + least, 32 + least, 100]
    if tile_ndim is None:
        rows = [(length,) for length in lengths]
        return [*rows, (1, 65), (least + 2, 33), (3, 1, 17), (2, 5, 9), (least + 19, 64)]
    return [tuple(lengths[(axis + first) % 5] for axis in range(tile_ndim)) for first in range(5)]


def sample(
    stored: str, kind: str, shape: Shape, seed: int, limits: tuple[int, int] | None, *, negative: bool
) -> NDArray[Any]:
    """Return the pixels of one tile.

    Parameters
    ----------
    stored : str
        Pixel dtype, as "i2" or "f4".
    kind : str
        One of `KINDS`.
    shape : tuple of int
    seed : int
    limits : (int, int) or None
        Smallest and largest integer, where not all of the dtype serve.
    negative : bool
        Whether integers may be below 0.
    """
    random = np.random.default_rng([seed, *shape])
    npixels, dtype = prod(shape), np.dtype(stored)
    if dtype.kind == "f":
        return _floats(kind, npixels, random).astype(dtype).reshape(shape)
    least, largest = limits or (np.iinfo(dtype).min, np.iinfo(dtype).max)
    least = max(least, int(np.iinfo(dtype).min), 0 if not negative else int(np.iinfo(dtype).min))
    largest = min(largest, int(np.iinfo(dtype).max))
    if kind == "noise":
        pixels = random.integers(max(least, -100), min(largest, 100), size=npixels, endpoint=True)
    elif kind == "smooth":
        pixels = np.clip(np.arange(npixels) // 3 + max(least, -20), least, largest)
    elif kind == "constant":
        pixels = np.full(npixels, random.integers(max(least, -1000), min(largest, 1000)))
    else:
        pixels = random.choice(np.array([least, largest, max(least, -1), 0, 1]), size=npixels)
    return pixels.astype(dtype).reshape(shape)


def _floats(kind: str, npixels: int, random: np.random.Generator) -> NDArray[np.float64]:
    if kind == "noise":
        return random.normal(100, 5, size=npixels)
    if kind == "smooth":
        return np.linspace(-3, 3, npixels)
    if kind == "constant":
        return np.full(npixels, 2.5)
    values = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, 3e38])
    return random.choice(values, size=npixels)


def starts_of(length: Int64s) -> Int64s:
    """Return where tiles start that lie back to back."""
    starts: Int64s = np.cumsum(length) - length
    return starts


def batch_of(tiles: Sequence[NDArray[Any]]) -> PixelBatch:
    """Return tiles of one dtype, and of equally many axes, as a batch."""
    pixels = np.concatenate([tile.reshape(-1) for tile in tiles])
    shape = np.array([tile.shape for tile in tiles], dtype=np.int64)
    return PixelBatch(pixels, shape, np.arange(len(tiles), dtype=np.int64))


def join_tiles(blobs: Sequence[bytes], shapes: Sequence[Shape], *, gap: int = 0) -> TileBatch:
    """Return compressed tiles as a read-only batch, with ``gap`` bytes that mean nothing before each."""
    data = np.frombuffer(b"".join(b"\xff" * gap + blob for blob in blobs), dtype=np.uint8)
    length = np.array([len(blob) for blob in blobs], dtype=np.int64)
    start = starts_of(length + gap) + gap
    return TileBatch(data, start, length, np.array(shapes, dtype=np.int64), np.arange(len(blobs), dtype=np.int64))


class Guarded:
    """Room for decoded tiles amid pixels that must not change.

    Attributes
    ----------
    out : (npixels,) array
        To be decoded into.
    """

    def __init__(self, shapes: Sequence[Shape], dtype: np.dtype[Any], fill: int = FILLS[0]) -> None:
        self._shapes, self._fill = shapes, fill
        npixels = sum(map(prod, shapes))
        self._whole = np.full((npixels + 2 * GUARD) * dtype.itemsize, fill, dtype=np.uint8).view(dtype)
        self.out: NDArray[Any] = self._whole[GUARD : GUARD + npixels]

    def tiles(self) -> list[NDArray[Any]]:
        """Return the tiles, each in its shape."""
        stops = np.cumsum([prod(shape) for shape in self._shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(self.out, stops[:-1]), self._shapes, strict=True)]

    def is_intact(self) -> bool:
        """Return whether nothing outside the room was written to."""
        edges = np.concatenate([self._whole[:GUARD], self._whole[-GUARD:]])
        return bool((edges.view(np.uint8) == self._fill).all())
