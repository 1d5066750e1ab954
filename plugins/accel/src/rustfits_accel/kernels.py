"""The kernels of `rustfits.plugin.Kernels` in compiled form, with the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rustfits.plugin import (
    EncodedTiles,
    InvalidParameter,
    Kernels,
    effective_level,
    method_number,
    random_starts,
    random_table,
    row_lengths,
)
from rustfits_accel import _kernel
from rustfits_accel.planes import MIN_NBYTES, gzip_planes, noisy_planes

try:
    import deflate as libdeflate
except ImportError:  # a platform without that package: the standard library serves
    libdeflate = None  # type: ignore[assignment]

ISAS = ("portable", "avx2")  # by number
DEFAULT_LEVEL = 6
# The lowest level of libdeflate, hence the fastest, whose files of images are no more than 3 % larger than zlib's
# at the level asked for. Measured on tiles of all images at hand, in the byte orders of GZIP_1 and GZIP_2.
LEVELS = (0, 2, 2, 2, 3, 3, 5, 6, 7, 8)
_LARGE = 1 << 31  # deflate counts bytes in 32 bits, and so are the pixels of a row counted here


def choose_isa(wanted: str | None, best: int) -> int:
    """Return the number of the instruction set to use: the best one, or the one that RUSTFITS_ACCEL_KERNEL names.

    Raises
    ------
    InvalidParameter
        If there is none of that name, or this machine lacks it.
    """
    usable = ISAS[: best + 1]
    if not wanted:
        return best
    if wanted.lower() not in usable:
        raise InvalidParameter("RUSTFITS_ACCEL_KERNEL", wanted, f"must be one of {', '.join(usable)} on this machine")
    return usable.index(wanted.lower())


class CompiledKernels(Kernels):
    """Kernels in C, and gzip by libdeflate and ISA-L.

    Parameters
    ----------
    isa : int, optional
        The widest instruction set to use: 0 for portable C, 1 for AVX2; None for the widest the machine has. The
        bits never depend on it.
    """

    name: ClassVar[str] = "accel"

    def __init__(self, isa: int | None = None) -> None:
        best: int = _kernel.best_isa()
        self.isa = best if isa is None else min(isa, best)

    def inflate_tile(self, stream: memoryview, out: NDArray[np.uint8]) -> None:
        """Inflate one stream into ``out``; as in `Kernels`, whose form settles whatever is out of the ordinary."""
        if libdeflate is not None and 0 < out.size < _LARGE:
            try:
                whole = libdeflate.gzip_decompress(stream, out.size)
            except (ValueError, libdeflate.DeflateError):
                pass  # damaged, of several members, or zlib's format: the other form decides, and says why
            else:
                if len(whole) == out.size:
                    out.data[:] = whole
                    return
        super().inflate_tile(stream, out)

    def deflate_tile(self, data: memoryview, level: int) -> bytes | bytearray:
        """Return one gzip member, for images no more than 3 % larger than what zlib makes at that level."""
        if libdeflate is None:
            return super().deflate_tile(data, level)
        return libdeflate.gzip_compress(data, LEVELS[level])

    def deflate_planes(
        self, data: NDArray[np.uint8], nbytes: NDArray[np.int64], itemsize: int, level: int | None
    ) -> EncodedTiles:
        """Deflate tiles grouped by significance; as in `Kernels`. Without a level, one block for each byte plane."""
        if level is not None:
            return self.deflate(data, nbytes, level)
        members: list[bytes | bytearray] = []
        stop = 0
        first = np.flatnonzero(np.r_[True, nbytes[1:] != nbytes[:-1]]).tolist() if nbytes.size else []
        for begin, end in zip(first, [*first[1:], nbytes.size], strict=True):  # tiles of one size at a time
            length = int(nbytes[begin])
            start, stop = stop, stop + (end - begin) * length
            tiles = data[start:stop].reshape(end - begin, itemsize, length // itemsize)
            if length < MIN_NBYTES:
                members += [self.deflate_tile(tile.reshape(-1).data, DEFAULT_LEVEL) for tile in tiles]
            else:
                members += map(gzip_planes, tiles, noisy_planes(tiles))
        return joined(members)

    def shuffle(self, data: NDArray[np.uint8], nbytes: NDArray[np.int64], itemsize: int, out: NDArray[Any]) -> None:
        """Group the bytes of each tile by significance; as in `Kernels`."""
        _kernel.shuffle(data, nbytes, itemsize, False, out)

    def unshuffle(self, data: NDArray[np.uint8], nbytes: NDArray[np.int64], itemsize: int, out: NDArray[Any]) -> None:
        """Undo `shuffle`; as in `Kernels`."""
        _kernel.shuffle(data, nbytes, itemsize, True, out)

    def dequantize(
        self,
        stored: NDArray[np.int32],
        npixels: NDArray[np.int64],
        scale: NDArray[np.float64],
        zero: NDArray[np.float64],
        row: NDArray[np.int64],
        *,
        method: str,
        zdither0: int,
        null: NDArray[np.int64] | None,
        out: NDArray[Any],
    ) -> None:
        """Turn the stored integers of a batch into floats; as in `Kernels`."""
        table, starts = random_table(), random_starts()
        seed = (int(zdither0) - 1) % table.size
        number = method_number(method)
        _kernel.dequantize(stored, npixels, scale, zero, row, null, table, starts, seed, number, self.isa, out)

    def quantize(
        self,
        pixels: NDArray[Any],
        shape: NDArray[np.int64],
        row: NDArray[np.int64],
        *,
        level: float,
        method: str,
        zdither0: int,
        out: NDArray[np.int32],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Turn the floats of a batch into integers; as in `Kernels`."""
        if pixels.size >= _LARGE:
            return super().quantize(pixels, shape, row, level=level, method=method, zdither0=zdither0, out=out)
        number = method_number(method)
        level = effective_level(level)
        table, starts = random_table(), random_starts()
        seed = (int(zdither0) - 1) % table.size
        npixels, lengths = shape.prod(axis=1, dtype=np.int64), row_lengths(shape)
        scale, zero = np.empty(len(shape)), np.empty(len(shape))
        flags = np.empty(len(shape), dtype=np.uint8)
        _kernel.quantize(
            pixels, npixels, lengths, row, level, table, starts, seed, number, self.isa, out, scale, zero, flags
        )
        return scale, zero, flags.view(np.bool_)


def joined(members: Sequence[bytes | bytearray]) -> EncodedTiles:
    """Return the compressed tiles of a batch as one array with their lengths."""
    lengths = np.fromiter(map(len, members), dtype=np.int64, count=len(members))
    return EncodedTiles(np.frombuffer(b"".join(members), dtype=np.uint8), lengths)
