"""The kernels of `rustfits.plugin.Kernels` in compiled form, with the same bits."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rustfits.plugin import (
    EncodedTiles,
    Kernels,
    effective_level,
    method_number,
    random_starts,
    random_table,
    row_lengths,
)
from rustfits_accel import _kernel
from rustfits_accel._cut import MAX_NDIM, Cutter
from rustfits_accel._raster import MAX_NDIM as MAX_RASTER_NDIM
from rustfits_accel._raster import RasterCutter

if TYPE_CHECKING:
    from rustfits.plugin import (
        BoxReader,
        Dither,
        HeapBytes,
        PixelBatch,
        PlainImage,
        QuantizedTiles,
        TiledImage,
        TileIndex,
        TileKeeper,
    )

try:
    import deflate as libdeflate
except ImportError:  # a platform without that package: the standard library serves
    libdeflate = None  # type: ignore[assignment]

ISAS = ("portable", "avx2", "avx512")  # by number
DEFAULT_LEVEL = 6
# The lowest level of libdeflate, hence the fastest, whose files of images are no more than 3 % larger than zlib's
# at the level asked for. Measured on tiles of all images at hand, in the byte orders of GZIP_1 and GZIP_2.
LEVELS = (0, 2, 2, 2, 3, 3, 5, 6, 7, 8)
MIN_NBYTES = 1 << 11  # of a tile whose planes have blocks of their own, which have headers
_LARGE = 1 << 31  # deflate counts bytes in 32 bits, and so are the pixels of a row counted here


class CompiledKernels(Kernels):
    """Kernels in C, and gzip by libdeflate.

    Parameters
    ----------
    isa : int, optional
        The widest instruction set to use: 0 for portable C, 1 for AVX2, 2 for AVX-512; None for the widest the
        machine has. The bits never depend on it.
    """

    name: ClassVar[str] = "accel"

    if os.name == "posix":
        unchanged = staticmethod(_kernel.unchanged)

    def __init__(self, isa: int | None = None) -> None:
        best: int = _kernel.best_isa()
        self.isa = best if isa is None else min(isa, best)

    def box_reader(self, image: TiledImage, tiles: TileIndex, heap: HeapBytes, keeper: TileKeeper) -> BoxReader | None:
        """Return what reads boxes of a compressed image; as in `Kernels`."""
        if len(image.shape) > MAX_NDIM:
            return None
        dithering = None if image.dither is None else self._dithering(image.dither)
        return Cutter(image, tiles, heap, keeper, dithering)

    def raster_reader(self, image: PlainImage) -> BoxReader | None:
        """Return what reads boxes of an uncompressed image; as in `Kernels`."""
        return RasterCutter(image) if len(image.shape) <= MAX_RASTER_NDIM else None

    def gather(self, target: NDArray[Any], source: NDArray[Any]) -> None:
        """Copy pixels to where they lie tile by tile; as in `Kernels`, whose form does what is not mere copying."""
        if source.dtype != target.dtype or not _kernel.gather(source, target):
            super().gather(target, source)

    def scatter(self, target: NDArray[Any], source: NDArray[Any]) -> None:
        """Copy pixels of tiles to their places, past the cache if there is a way; as in `Kernels`."""
        if source.dtype != target.dtype or not _kernel.scatter(source, target):
            super().scatter(target, source)

    def to_native(self, target: NDArray[Any], source: NDArray[Any]) -> None:
        """Convert big-endian pixels, past the cache if there is a way; as in `Kernels`."""
        together = target.flags.c_contiguous and source.flags.c_contiguous
        if together and target.itemsize in (2, 4, 8) and source.dtype == target.dtype.newbyteorder(">"):
            given, taken = (each.reshape(-1).view(np.uint8) for each in (source, target))
            if _kernel.to_pixels_past(given, target.itemsize, self.isa, taken):
                return
        super().to_native(target, source)

    def inflate_tile(self, stream: memoryview, out: NDArray[np.uint8], itemsize: int, shuffled: bool) -> None:
        """Inflate one stream into ``out``; as in `Kernels`, whose form settles whatever is out of the ordinary."""
        if libdeflate is not None and 0 < out.size < _LARGE:
            try:
                whole = libdeflate.gzip_decompress(stream, out.size)
            except (ValueError, libdeflate.DeflateError):
                pass  # damaged, of several members, or zlib's format: the other form decides, and says why
            else:
                if len(whole) == out.size:
                    _kernel.to_pixels(whole, itemsize, shuffled, out)
                    return
        super().inflate_tile(stream, out, itemsize, shuffled)

    def deflate_tile(self, data: memoryview, level: int) -> bytes | bytearray:
        """Return one gzip member, for images no more than 3 % larger than what zlib makes at that level."""
        if libdeflate is None:
            return super().deflate_tile(data, level)
        return libdeflate.gzip_compress(data, LEVELS[level])

    def deflate_planes(
        self, data: NDArray[np.uint8], nbytes: NDArray[np.int64], itemsize: int, level: int | None
    ) -> EncodedTiles:
        """Deflate tiles grouped by significance; as in `Kernels`.

        Without a level each byte plane has codes of its own, and files of images are no more than 3 % larger than those
        of zlib at level 6; most are smaller.
        """
        if level is not None:
            return self.deflate(data, nbytes, level)
        small = nbytes < MIN_NBYTES
        stops = np.cumsum(nbytes)
        parts = []
        for tiles in np.split(np.arange(nbytes.size), np.flatnonzero(np.diff(small)) + 1):
            lengths = nbytes[tiles]
            here = data[stops[tiles[0]] - lengths[0] : stops[tiles[-1]]] if tiles.size else data
            if tiles.size and small[tiles[0]]:
                parts.append(self.deflate(here, lengths, DEFAULT_LEVEL))
            else:
                parts.append(self._gzip_planes(here, lengths, itemsize))
        if len(parts) == 1:
            return parts[0]
        return EncodedTiles(
            np.concatenate([part.data for part in parts]), np.concatenate([part.length for part in parts])
        )

    def _gzip_planes(self, data: NDArray[np.uint8], nbytes: NDArray[np.int64], itemsize: int) -> EncodedTiles:
        """Deflate tiles plane by plane; those with strings that come again the common way, where that is smaller."""
        members, lengths, repeats = _kernel.gzip_planes(data, nbytes, checksums(data, nbytes), itemsize)
        if not repeats.any():
            return EncodedTiles(members, lengths)
        stops, ends = np.cumsum(nbytes).tolist(), np.cumsum(lengths).tolist()
        kept: list[bytes | bytearray | memoryview] = []
        for tile, length in enumerate(lengths.tolist()):
            kept.append(members.data[ends[tile] - length : ends[tile]])
            if repeats[tile]:
                other = self.deflate_tile(data.data[stops[tile] - int(nbytes[tile]) : stops[tile]], DEFAULT_LEVEL)
                kept[tile] = min(kept[tile], other, key=len)
        sizes = np.fromiter(map(len, kept), dtype=np.int64, count=len(kept))
        return EncodedTiles(np.frombuffer(b"".join(kept), dtype=np.uint8), sizes)

    def shuffle(self, pixels: NDArray[Any], npixels: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
        """Group the bytes of each tile by significance; as in `Kernels`."""
        _kernel.shuffle(pixels.view(np.uint8), npixels * pixels.itemsize, pixels.itemsize, out)

    def dequantize(self, tiles: QuantizedTiles, dither: Dither, out: NDArray[Any]) -> None:
        """Turn the stored integers of a batch into floats; as in `Kernels`."""
        _kernel.dequantize(
            tiles.stored, tiles.npixels, tiles.scale, tiles.zero, tiles.row, tiles.null, *self._dithering(dither), out
        )

    def quantize(
        self, batch: PixelBatch, level: float, dither: Dither, out: NDArray[np.int32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Turn the floats of a batch into integers; as in `Kernels`."""
        if batch.pixels.size >= _LARGE:
            return super().quantize(batch, level, dither, out)
        lengths, quanta = row_lengths(batch.shape), effective_level(level)
        scale, zero = np.empty(len(batch.shape)), np.empty(len(batch.shape))
        flags = np.empty(len(batch.shape), dtype=np.uint8)
        dithering = self._dithering(dither)
        _kernel.quantize(batch.pixels, batch.npixels, lengths, batch.row, quanta, *dithering, out, scale, zero, flags)
        return scale, zero, flags.view(np.bool_)

    def _dithering(self, dither: Dither) -> tuple[NDArray[np.float32], NDArray[np.int64], int, int, int]:
        """Return what the compiled forms take: random numbers, where runs begin, the first of them, method, and ISA."""
        table, starts = random_table(), random_starts()
        return table, starts, (int(dither.zdither0) - 1) % table.size, method_number(dither.method), self.isa


def checksums(data: NDArray[np.uint8], nbytes: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return the CRC-32 of each tile."""
    crc32 = zlib.crc32 if libdeflate is None else libdeflate.crc32
    view, stop = data.data, 0
    found = np.empty(nbytes.size, dtype=np.uint32)
    for tile, length in enumerate(nbytes.tolist()):
        begin, stop = stop, stop + length
        found[tile] = crc32(view[begin:stop])
    return found
