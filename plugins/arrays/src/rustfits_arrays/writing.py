"""Dask arrays as images: their tiles are encoded by the workers, and written by one process in their order."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

import dask
import dask.array as da
import numpy as np
from dask.callbacks import Callback

import rustfits
from rustfits.plugin import ImageTiles, write_tiles

Deliver = Callable[[int, Any], None]


def write(
    path: str | os.PathLike[str],
    array: da.Array,
    *,
    compress: Any = None,
    quantize: rustfits.Quantize | None = None,
    mode: Literal["w+", "x", "r+"] = "w+",
    extname: str | None = None,
    extver: int | None = None,
    blank: int | None = None,
    header: Any = None,
    checksum: bool = False,
) -> None:
    """Write a Dask array as an image; the file is the one that `FITS.write_image` would write of the computed array.

    The workers compute blocks of whole tiles and encode them; this process writes them in the order of the table. The
    file is as before, or has the whole image: an error in a task, or a process that is killed, leaves no part of it.

    Parameters
    ----------
    path : str or os.PathLike
        On the disk of this process; workers need not see it.
    array : dask.array.Array
        Chunks that end inside of tiles are made others, which may cost more than the writing.
    compress, quantize, extname, extver, blank, header
        As in `FITS.write_image`.
    mode : {'w+', 'x', 'r+'}
        'w+' writes the file anew; 'x' too, but replaces none; 'r+' appends the image to what is there.
    checksum : bool
        Whether to write checksums, as `add_checksum` does; those of a compressed image take the decoding of it all.

    Raises
    ------
    ImageError
        If the array has no axes, or chunks of unknown size; if it cannot be written so.
    CodecError, HeaderError, TypeError
        If there can be no such image.
    FitsIOError
        If the file cannot be written.
    Exception
        Whatever a task raises. After any of these the file is as it was.
    """
    if not array.ndim or np.isnan(array.shape).any():
        raise rustfits.ImageError(
            f"an array of shape {array.shape} cannot be written: an image has axes of known lengths, which "
            "compute_chunk_sizes() finds out"
        )
    options: dict[str, Any] = {"extname": extname, "extver": extver, "blank": blank, "header": header}
    with rustfits.FITS(path, mode) as fits, fits.transaction():
        if not array.size:
            fits.write_image(array.compute(), compress=compress, quantize=quantize, **options)
        else:
            if quantize is not None and quantize.seed == "checksum":
                quantize = _seeded(array, compress, quantize)
            fits.create_image_hdu(array.dtype, array.shape, compress=compress, quantize=quantize, **options)
            _fill(fits[-1], array, compress, quantize)
        if checksum:
            fits[-1].add_checksum()


def _seeded(array: da.Array, compress: Any, quantize: rustfits.Quantize) -> rustfits.Quantize:
    """Return the parameters with the seed that comes of the first tile, which is computed for it."""
    with rustfits.FITS("mem://", "w+") as fits:
        fits.create_image_hdu(array.dtype, array.shape, compress=compress, quantize=quantize)
        tiles = ImageTiles(fits[-1].header.tostring().encode())
    first = array[tuple(slice(0, size) for size in tiles.tile_shape)].compute()
    return replace(quantize, seed=tiles.checksum_seed(first))


def _fill(hdu: Any, array: da.Array, compress: Any, quantize: rustfits.Quantize | None) -> None:
    """Compute all blocks of an array, encoded if the image is compressed, and write them."""
    if not isinstance(hdu, rustfits.CompressedImageHDU):
        starts = _starts(array.chunks)
        shapes = itertools.product(*array.chunks)
        boxes = [
            tuple(slice(first, first + size) for first, size in zip(start, shape, strict=True))
            for start, shape in zip(starts, shapes, strict=True)
        ]
        _compute(array.to_delayed().ravel().tolist(), lambda number, block: hdu.__setitem__(boxes[number], block))
        return
    tiles = ImageTiles(hdu.header.tostring().encode(), hdu.compression, quantize)
    array = array.rechunk(whole_tiles(array.chunks, tiles.tile_shape))
    shared = dask.delayed(
        tiles, name=f"image-tiles-{dask.base.tokenize(tiles.header, compress, quantize)}", traverse=False
    )
    encode = dask.delayed(_encode, pure=True)
    starts = _starts(array.chunks)
    blocks = [encode(shared, block, start) for block, start in zip(array.to_delayed().ravel(), starts, strict=True)]
    in_band = len(blocks) // array.numblocks[0]
    bands = _Bands(lambda batches: write_tiles(hdu, batches), in_band)
    _compute(blocks, bands.deliver)


def _encode(tiles: ImageTiles, pixels: Any, start: Sequence[int]) -> Any:
    return tiles.encode(pixels, start)


class _Bands:
    """Puts encoded blocks in the order of the image: those that begin in one row go together, after those above.

    Parameters
    ----------
    write : callable
        Writes the tiles of a band.
    in_band : int
        Blocks of each band.
    """

    def __init__(self, write: Callable[[list[Any]], None], in_band: int) -> None:
        self._write, self._in_band = write, in_band
        self._waiting: dict[int, dict[int, Any]] = {}
        self._next = 0

    def deliver(self, number: int, batches: Any) -> None:
        """Take the encoded tiles of a block, and write what is complete and next."""
        self._waiting.setdefault(number // self._in_band, {})[number] = batches
        while len(self._waiting.get(self._next, ())) == self._in_band:
            band = self._waiting.pop(self._next)
            self._write([batch for block in sorted(band) for batch in band[block]])
            self._next += 1


def whole_tiles(chunks: Sequence[Sequence[int]], tile: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return chunks that are about the given ones, but begin and end between tiles."""
    return tuple(_aligned(lengths, step) for lengths, step in zip(chunks, tile, strict=True))


def _aligned(lengths: Sequence[int], tile: int) -> tuple[int, ...]:
    size = sum(lengths)
    ends = {min(round(int(end) / tile) * tile, size) for end in np.cumsum(lengths[:-1])} - {0}
    return tuple(np.diff([0, *sorted(ends | {size})]).tolist())


def _starts(chunks: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """Return where each block begins, in the order of the blocks."""
    return itertools.product(*(itertools.accumulate(lengths[:-1], initial=0) for lengths in chunks))


def _compute(blocks: Sequence[Any], deliver: Deliver) -> None:
    """Compute blocks, and deliver each, with its number, as soon as it is there, so that nobody keeps all of them."""
    client = getattr(dask.base.get_scheduler(collections=blocks), "__self__", None)
    if client is not None and hasattr(client, "scatter"):
        _by_cluster(client, blocks, deliver)
    else:
        _by_this_machine(blocks, deliver)


def _by_cluster(client: Any, blocks: Sequence[Any], deliver: Deliver) -> None:
    """Let the workers of a cluster keep what is not wanted yet: they can spill it to their disks."""
    futures = client.compute(list(blocks))
    try:
        for number in range(len(futures)):
            deliver(number, futures[number].result())
            futures[number] = None
    finally:
        # Not cancelled: that forgets the keys for whoever else wants them, and for the next who computes the same
        # array, which may be waited for without end.
        for future in filter(None, futures):
            future.release()


def _by_this_machine(blocks: Sequence[Any], deliver: Deliver) -> None:
    """Take each block from the scheduler, which would keep it, when it is done."""
    missing = {block.key: number for number, block in enumerate(blocks)}

    def done(key: Any, result: Any, dsk: Any, state: dict[str, Any], worker: Any) -> None:
        del dsk, worker
        number = missing.pop(key, None)
        if number is not None:
            state["cache"][key] = None
            deliver(number, result)

    with Callback(posttask=done):
        results: Iterable[Any] = dask.compute(*blocks)
    for block, result in zip(blocks, results, strict=True):  # a scheduler of somebody else may call nobody
        if block.key in missing:
            deliver(missing.pop(block.key), result)
