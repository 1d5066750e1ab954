"""Pixels of an uncompressed image: section <-> bytes of its data unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rustfits.codec.choice import active, in_time
from rustfits.errors import TruncatedFile
from rustfits.limits import MAX_IMAGE_GAP_NBYTES, MAX_NBYTES
from rustfits.parallel.memory import PAST_NBYTES, empty
from rustfits.parallel.threads import run, scratch
from rustfits.pixels.scaling import Scaling
from rustfits.pixels.sections import Section
from rustfits.storage.base import UNCHECKED_NBYTES, Storage

if TYPE_CHECKING:
    from rustfits.codec.kernels import Kernels
    from rustfits.codec.readers import BoxReader

FEW_ROWS, FEW_NPIXELS = 256, 1 << 16  # of a section whose rows are read one by one, if they are far apart
WRITE_NBYTES = 1 << 20  # bytes made ready and written at a time: more than it needs for the cache, fewer calls in all


class Layout(NamedTuple):
    """Where the pixels of a section lie, as blocks of the same form; all numbers are pixels, not bytes.

    Attributes
    ----------
    start : (nblocks,) int64 array
        First pixel of each block, counted from the first of the image; ascending.
    counts, strides : tuple of int
        Pixels along each axis of a block, and the distance between them.
    """

    start: NDArray[np.int64]
    counts: tuple[int, ...]
    strides: tuple[int, ...]

    def span(self, count: int) -> int:
        """Pixels from the first to the last of ``count`` along the first axis, all of the later axes included."""
        last = (count - 1) * self.strides[0]
        for number, stride in zip(self.counts[1:], self.strides[1:], strict=True):
            last += (number - 1) * stride
        return last + 1


class Piece(NamedTuple):
    """What is moved at once: the same part of several blocks.

    Attributes
    ----------
    start : (nblocks,) int64 array
        First byte of each part, from the start of the file.
    nbytes : int
        Bytes from the first to the last pixel of a part.
    counts, strides : tuple of int
        As in `Layout`, for the part; strides in bytes.
    where : tuple of slice
        Which blocks, and which part of the first axis of each.
    """

    start: NDArray[np.int64]
    nbytes: int
    counts: tuple[int, ...]
    strides: tuple[int, ...]
    where: tuple[slice, slice]

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return self.start.size * self.nbytes

    @property
    def dense(self) -> bool:
        """Whether there is nothing but wanted pixels in each part."""
        return prod(self.counts) * self.strides[-1] == self.nbytes

    def pixels(self, buffer: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
        """View the wanted pixels in a buffer that holds the parts back to back; shape ``(nblocks, *counts)``."""
        shape, strides = (self.start.size, *self.counts), (self.nbytes, *self.strides)
        return np.ndarray(shape, dtype, buffer.data, strides=strides)


class Raster:
    """The data unit of an uncompressed image.

    Parameters
    ----------
    storage : Storage
    start : int
        First byte of the data unit.
    shape : tuple of int
        Numpy order.
    stored : dtype
        Of the pixels, native byte order.
    """

    def __init__(self, storage: Storage, start: int, shape: tuple[int, ...], stored: np.dtype[Any]) -> None:
        self._storage, self.start, self.shape, self._stored = storage, start, shape, stored
        self._strides = pixel_strides(shape)
        self._big_endian = stored.newbyteorder(">")

        self._looked = False  # for a reader of boxes
        self._box_reader: BoxReader | None = None

    def check(self, section: Section) -> None:
        """Raise `TruncatedFile` if the file ends before the section does."""
        needed = self._stop(section)
        if needed > self._storage.size():
            raise TruncatedFile(
                f"{self._storage.name} has {self._storage.size()} bytes, but the pixels asked for reach to byte "
                f"{needed}: the file is truncated"
            )

    def read(self, section: Section, scaling: Scaling) -> NDArray[Any]:
        """Return the pixels of a section, which may be empty.

        Parameters
        ----------
        section : Section
        scaling : Scaling
            What to do to the stored numbers.

        Returns
        -------
        C-contiguous array of ``scaling.dtype`` and shape ``section.count``

        Raises
        ------
        TruncatedFile
            Before much memory is asked for.
        """
        # Integers in a key make it none that kernels know, but it selects a box all the same.
        box = self.cut(section.key) if section.dropped else None
        return self.read_many([section], scaling)[0] if box is None else scaling.scaled(box)

    def cut(self, key: object) -> NDArray[Any] | None:
        """Return the stored pixels of a box by the kernels' short way; None leaves ``hdu[key]`` to `read`."""
        if not self._looked:
            self._look_for_reader()
        reader = self._box_reader
        return None if reader is None else reader(key)

    def _look_for_reader(self) -> None:
        kernels = in_time()
        if kernels is not None:
            self._looked, self._box_reader = True, self._reader_of(kernels)

    def _reader_of(self, kernels: Kernels) -> BoxReader | None:
        from rustfits.codec.readers import PlainImage

        stop, descriptor = self.start + prod(self.shape) * self._stored.itemsize, self._storage.descriptor
        if descriptor < 0 or not self.shape or stop > MAX_NBYTES:
            return None
        return kernels.raster_reader(
            PlainImage(self.shape, self._stored, descriptor, self.start, max_nrows=FEW_ROWS, max_npixels=FEW_NPIXELS)
        )

    def read_many(self, sections: Sequence[Section], scaling: Scaling) -> list[NDArray[Any]]:
        """Return the pixels of many sections; small ones are read together. As `read`."""
        max_nbytes = self._storage.chunk_nbytes
        arrays: list[NDArray[Any]] = []
        batches: list[list[tuple[Piece, NDArray[Any]]]] = []
        room = 0
        for section in sections:
            arrays.append(self._allocate(section, scaling))
            if section.empty:
                continue
            layout = lay_out(section, self._strides, self._big_endian.itemsize, max_nbytes)
            blocks = arrays[-1].reshape(layout.start.size, *layout.counts)
            for piece in self._pieces(layout, max_nbytes):
                if piece.total > room:
                    batches.append([])
                    room = max_nbytes
                batches[-1].append((piece, blocks[piece.where]))
                room -= piece.total
        if len(batches) > 1 and self._storage.fetches_ahead:
            self._storage.prefetch(*_ranges([piece for batch in batches for piece, _ in batch]))
        past = any(array.nbytes >= PAST_NBYTES for array in arrays)
        run(lambda batch: self._fill(batch, scaling, past), batches, npixels=sum(array.size for array in arrays))
        return arrays

    def _allocate(self, section: Section, scaling: Scaling) -> NDArray[Any]:
        # A few pixels are not worth another call to the system: reading them finds the end of the file too.
        if section.npixels * scaling.dtype.itemsize > UNCHECKED_NBYTES or self._stop(section) > MAX_NBYTES:
            self.check(section)
        return empty(section.count, scaling.dtype)

    def _fill(self, batch: list[tuple[Piece, NDArray[Any]]], scaling: Scaling, past: bool) -> None:
        """Read pieces, in one request, and convert their pixels, past the cache where that is wanted."""
        if len(batch) == 1:
            piece, out = batch[0]
            if self._big_endian.itemsize == out.itemsize == 1 and piece.dense and out.flags.c_contiguous:
                self._fetch([piece], out.reshape(-1).view(np.uint8))
                if scaling.convention:
                    scaling.apply(out.view(scaling.stored), out)
                return
        buffer = scratch("raster", sum([piece.total for piece, _ in batch]), np.uint8)
        self._fetch([piece for piece, _ in batch], buffer)
        stop = 0
        for piece, out in batch:
            begin, stop = stop, stop + piece.total
            _convert(piece.pixels(buffer[begin:stop], self._big_endian), scaling, out, past=past)

    def write(self, section: Section, values: NDArray[Any], scaling: Scaling) -> None:
        """Write the pixels of a section, which may be empty; between them no byte changes. Inside `changing`.

        Parameters
        ----------
        section : Section
        values : array of shape ``section.count``, or 0-d
            What `Scaling.convert` takes, checked; a single value fills the section.
        scaling : Scaling
        """
        if section.empty:
            return
        layout = lay_out(section, self._strides, self._big_endian.itemsize, WRITE_NBYTES)
        form = (layout.start.size, *layout.counts)
        blocks = values.reshape(form) if values.ndim else np.broadcast_to(values, form)
        for piece in self._pieces(layout, WRITE_NBYTES):
            buffer = scratch("raster", piece.total, np.uint8)
            if not piece.dense:
                self._fetch([piece], buffer)
            piece.pixels(buffer, self._big_endian)[...] = scaling.convert(blocks[piece.where])
            self._storage.write_many(piece.start.tolist(), buffer.reshape(-1, piece.nbytes))

    def _stop(self, section: Section) -> int:
        """Return the first byte after the last pixel of a section."""
        if section.empty:
            return 0
        last = 0
        for stop, stride in zip(section.stop, self._strides, strict=True):
            last += (stop - 1) * stride
        return self.start + (last + 1) * self._big_endian.itemsize

    def _fetch(self, pieces: list[Piece], buffer: NDArray[np.uint8]) -> None:
        """Read the parts of all pieces, holes included, back to back."""
        if len(pieces) == pieces[0].start.size == 1:
            self._storage.read_into(int(pieces[0].start[0]), buffer)
            return
        self._storage.read_ranges(*_ranges(pieces), buffer)

    def _pieces(self, layout: Layout, max_nbytes: int) -> Iterator[Piece]:
        """Cut the blocks into pieces of about ``max_nbytes``, in the order of the pixels of each block."""
        itemsize = self._big_endian.itemsize
        strides = tuple(stride * itemsize for stride in layout.strides)
        start = self.start + layout.start * itemsize
        inner = layout.span(1) * itemsize
        most = min(max((max_nbytes - inner) // strides[0] + 1, 1), layout.counts[0])
        for first in range(0, layout.counts[0], most):
            count = min(most, layout.counts[0] - first)
            nbytes = layout.span(count) * itemsize
            nblocks = max(max_nbytes // nbytes, 1)
            for block in range(0, start.size, nblocks):
                yield Piece(
                    start[block : block + nblocks] + first * strides[0],
                    nbytes,
                    (count, *layout.counts[1:]),
                    strides,
                    (slice(block, block + nblocks), slice(first, first + count)),
                )


def _ranges(pieces: list[Piece]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return start and length of all parts of pieces."""
    start = np.concatenate([piece.start for piece in pieces])
    return start, np.repeat([piece.nbytes for piece in pieces], [piece.start.size for piece in pieces])


def lay_out(section: Section, strides: tuple[int, ...], itemsize: int, max_nbytes: int) -> Layout:
    """Find the blocks of an image that a section, which is not empty, is made of.

    Axes are joined from the last one on as long as the holes between their pixels are worth reading.

    Parameters
    ----------
    section : Section
    strides : tuple of int
        Of the image, as of `pixel_strides`.
    itemsize : int
        Bytes per pixel.
    max_nbytes : int
        Blocks of more bytes are joined no further, unless there are no holes at all.

    Returns
    -------
    Layout
    """
    axes = [(1, 1)]  # count and stride, last axis first; those without holes between them are one
    for count, step, stride in zip(section.count[::-1], section.step[::-1], strides[::-1], strict=True):
        if axes[-1][0] * axes[-1][1] == step * stride:
            axes[-1] = (axes[-1][0] * count, axes[-1][1])
        elif count > 1:
            axes.append((count, step * stride))
    span, nblock_axes = axes[0][0], 1
    for count, stride in axes[1:]:
        if (stride - span) * itemsize > MAX_IMAGE_GAP_NBYTES or span * itemsize > max_nbytes:
            break
        span += (count - 1) * stride
        nblock_axes += 1
    start = np.array(
        [sum(first * stride for first, stride in zip(section.start, strides, strict=True))], dtype=np.int64
    )
    for count, stride in axes[: nblock_axes - 1 : -1]:
        start = (start[:, np.newaxis] + np.arange(count, dtype=np.int64) * stride).reshape(-1)
    block = axes[nblock_axes - 1 :: -1]
    return Layout(start, tuple([count for count, _ in block]), tuple([stride for _, stride in block]))


def pixel_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the pixels from one to the next along each axis of an image of shape ``shape``, as unbounded ints."""
    strides = [1]
    for npixels in shape[:0:-1]:
        strides.append(strides[-1] * npixels)
    return tuple(strides[::-1])


def _convert(pixels: NDArray[Any], scaling: Scaling, out: NDArray[Any], *, past: bool = False) -> None:
    """Scale big-endian pixels into the result while they are in the cache."""
    if scaling.trivial and past:
        active().to_native(out, pixels)
    elif scaling.trivial:
        out[...] = pixels  # what kernels do too
    elif scaling.convention:
        stored = out.view(scaling.stored)
        stored[...] = pixels
        scaling.apply(stored, out)
    else:
        scaling.apply(pixels.astype(scaling.stored), out)
