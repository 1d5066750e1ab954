"""The work that is not a codec's: gzip streams, byte shuffles, dequantising.

`Kernels` holds the NumPy and standard-library forms. A package may offer faster ones through the hook
`rustfits_kernels`; they must give the same bits. Whoever needs kernels asks `rustfits.codec.choice.active`.
"""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rustfits.codec.batch import EncodedTiles, Int64s, PixelBatch, QuantizedTiles, TileBatch, equal_tiles
from rustfits.codec.inflate import inflate_exactly
from rustfits.errors import TileDecodeError
from rustfits.quantize.dither import DITHER_2, NO_DITHER, ZERO_PIXEL, Dither, method_number, random_table, runs
from rustfits.quantize.noise import row_lengths
from rustfits.quantize.quantum import dequantize_piece, effective_level, find_quantum, quantize_tile
from rustfits.storage import watch

if TYPE_CHECKING:
    from rustfits.codec.readers import BoxReader, HeapBytes, PlainImage, TiledImage, TileIndex, TileKeeper

Float64s = NDArray[np.float64]
Bytes = NDArray[np.uint8]

_GZIP = zlib.MAX_WBITS | 16
_DEFAULT_LEVEL = 6


class Kernels:
    """The core's forms of the kernels, one call a batch.

    A subclass may replace any of them, with the same results bit for bit (`deflate`: with bytes that inflate to the
    same). All are called from several threads at once. Arrays are contiguous and of native byte order.

    Attributes
    ----------
    name : str
        What to call this set of kernels where it is shown.
    """

    name: ClassVar[str] = "numpy"

    # -- boxes ------------------------------------------------------------------------------------------------------

    def box_reader(self, image: TiledImage, tiles: TileIndex, heap: HeapBytes, keeper: TileKeeper) -> BoxReader | None:
        """Return what reads boxes of a compressed image in one step, from the key to the pixels; None if nothing does.

        It does what the core's form, `rustfits.tiles.boxes.Boxes`, does: it finds the tiles of the box, takes those
        that are cached, asks whether to keep the others, reads and decodes them, makes floats of quantised ones, and
        copies the pixels to their places. Results, errors and what is cached are the same.

        Parameters
        ----------
        image : TiledImage
        tiles : TileIndex
        heap : HeapBytes
        keeper : TileKeeper

        Returns
        -------
        BoxReader or None
            Used until a tile of the image changes.
        """
        return None

    def raster_reader(self, image: PlainImage) -> BoxReader | None:
        """Return what reads small boxes of an uncompressed image in one step; None if nothing does.

        Parameters
        ----------
        image : PlainImage

        Returns
        -------
        BoxReader or None
            Used as long as the image stays where it is.
        """
        return None

    # -- files ----------------------------------------------------------------------------------------------------

    @staticmethod
    def unchanged(descriptor: int, size: int, mtime_ns: int) -> bool:
        """Tell whether an open file has a size, in bytes, and a time of modification; False too if it cannot be told.

        Every read of a file asks, so a compiled form is called without anything in between.
        """
        return watch.is_unchanged(descriptor, size, mtime_ns)

    # -- gzip -----------------------------------------------------------------------------------------------------

    def inflate(
        self, algorithm: str, batch: TileBatch, nbytes: Int64s, out: Bytes, *, itemsize: int = 1, shuffled: bool = False
    ) -> None:
        """Inflate every tile of a batch.

        Parameters
        ----------
        algorithm : str
            Name of the codec, for errors.
        batch : TileBatch
            Each tile is a gzip stream (RFC 1952) of one or more members, or a zlib stream (RFC 1950). Bytes after
            the member that completes the tile are ignored, as CFITSIO ignores them.
        nbytes : (ntiles,) int64 array
            Bytes that each tile must give. No more memory than this is asked for, whatever the stream promises.
        out : (nbytes.sum(),) uint8 array
            Filled with the tiles, back to back. A damaged tile leaves its own bytes unspecified.
        itemsize : int
            Bytes of a pixel, which are big-endian in the streams and native in ``out``.
        shuffled : bool
            Whether they are grouped in the streams, as by `shuffle`.

        Raises
        ------
        TileDecodeError
            For the first damaged tile, after all others are done; the reason begins with "decompression".
        """
        faults: list[TileDecodeError] = []
        data = batch.data.data
        stop = 0
        for start, length, expected, row in zip(
            batch.start.tolist(), batch.length.tolist(), nbytes.tolist(), batch.row.tolist(), strict=True
        ):
            begin, stop = stop, stop + expected
            try:
                self.inflate_tile(data[start : start + length], out[begin:stop], itemsize, shuffled)
            except (ValueError, zlib.error) as error:
                if not faults:
                    faults.append(TileDecodeError(algorithm, row, f"decompression failed: {error}"))
                    faults[0].__cause__ = error
        if faults:
            raise faults.pop()  # as `TileCodec.decode` does

    def inflate_tile(self, stream: memoryview, out: Bytes, itemsize: int, shuffled: bool) -> None:
        """Inflate one stream into ``out``; what `inflate` calls for each tile.

        Parameters
        ----------
        stream : memoryview of bytes
            A gzip or zlib stream, as `inflate` describes it.
        out : (nbytes,) uint8 array
            Must be filled exactly.
        itemsize, shuffled
            As for `inflate`.

        Raises
        ------
        ValueError, zlib.error
            If the stream is damaged, ends early, or gives more or fewer bytes.
        """
        given = np.empty_like(out) if shuffled and itemsize > 1 else out
        inflate_exactly(stream, given)
        if given is not out:
            out.reshape(-1, itemsize)[...] = given.reshape(itemsize, -1).T
        if sys.byteorder == "little" and itemsize > 1:
            out.view(f"u{itemsize}").byteswap(inplace=True)

    def deflate(self, data: Bytes, nbytes: Int64s, level: int | None) -> EncodedTiles:
        """Deflate every tile of a batch into one gzip member.

        Parameters
        ----------
        data : (nbytes.sum(),) uint8 array
            Bytes of all tiles, back to back.
        nbytes : (ntiles,) int64 array
            Bytes of each tile.
        level : int or None
            0 to 9. None leaves it to the kernels: 6 in these, a faster encoder in others.
        """
        level = _DEFAULT_LEVEL if level is None else level
        view = data.data
        members: list[bytes | bytearray] = []
        stop = 0
        for expected in nbytes.tolist():
            begin, stop = stop, stop + expected
            members.append(self.deflate_tile(view[begin:stop], level))
        return _join_tiles(members)

    def deflate_planes(self, data: Bytes, nbytes: Int64s, itemsize: int, level: int | None) -> EncodedTiles:
        """Deflate tiles whose bytes were grouped by `shuffle`; as `deflate`, for pixels of ``itemsize`` bytes.

        With a level of None, kernels may make use of what is known of such bytes.
        """
        return self.deflate(data, nbytes, level)

    def deflate_tile(self, data: memoryview, level: int) -> bytes | bytearray:
        """Return one gzip member that names neither file nor time, so that equal tiles give equal bytes."""
        return zlib.compress(data, level, wbits=_GZIP)

    # -- the byte order of GZIP_2 -----------------------------------------------------------------------------------

    def shuffle(self, pixels: NDArray[Any], npixels: Int64s, out: Bytes) -> None:
        """Group the big-endian bytes of each tile by significance, as GZIP_2 stores them.

        Parameters
        ----------
        pixels : (npixels.sum(),) array
            Pixels of all tiles, back to back.
        npixels : (ntiles,) int64 array
            Pixels of each tile.
        out : (pixels.nbytes,) uint8 array
            Filled; must not share memory with ``pixels``. (FITS 4.0, section 10.4.2)
        """
        itemsize = pixels.itemsize
        data = pixels.astype(pixels.dtype.newbyteorder(">"), copy=False).view(np.uint8)
        for begin, stop, ntiles, each in equal_tiles(npixels):
            block = slice(begin * itemsize, stop * itemsize)
            grouped = data[block].reshape(ntiles, each, itemsize).transpose(0, 2, 1)
            out[block].reshape(ntiles, itemsize, each)[...] = grouped

    # -- quantised floats -------------------------------------------------------------------------------------------

    def dequantize(self, tiles: QuantizedTiles, dither: Dither, out: NDArray[Any]) -> None:
        """Turn the stored integers of a batch into floats, with the bits that CFITSIO gives.

        Parameters
        ----------
        tiles : QuantizedTiles
        dither : Dither
        out : (npixels.sum(),) float32 or float64 array
            Filled.

        Raises
        ------
        InvalidParameter
            If the method is none of the three. (FITS 4.0, section 10.2)
        """
        method_number(dither.method)
        table = None if dither.method == NO_DITHER else random_table()
        stored, stop = tiles.stored, 0
        with np.errstate(all="ignore"):  # a scale read from a file may be anything
            for tile, length in enumerate(tiles.npixels.tolist()):
                begin, stop = stop, stop + length
                row = int(tiles.row[tile])
                for start, end, entry in runs(row, dither.zdither0, length):  # pieces that stay in the cache
                    numbers = None if table is None else table[entry : entry + end - start]
                    piece = slice(begin + start, begin + end)
                    dequantize_piece(stored[piece], numbers, tiles.scale[tile], tiles.zero[tile], out[piece])
                if dither.method == DITHER_2:
                    out[begin:stop][stored[begin:stop] == ZERO_PIXEL] = 0.0
                if tiles.null is not None:
                    out[begin:stop][stored[begin:stop] == tiles.null[tile]] = np.nan

    def quantize(
        self, batch: PixelBatch, level: float, dither: Dither, out: NDArray[np.int32]
    ) -> tuple[Float64s, Float64s, NDArray[np.bool_]]:
        """Turn the floats of a batch into integers, with the bits that CFITSIO gives.

        Parameters
        ----------
        batch : PixelBatch
            Of float32 or float64 pixels; NaN and infinities become nulls.
        level : float
            Positive: quanta per standard deviation of a tile's noise. Negative: minus the quantum. 0 stands for 4.
        dither : Dither
        out : (npixels.sum(),) int32 array
            Filled, but for tiles that cannot be quantised, where it is unspecified. Nulls are -2147483647.

        Returns
        -------
        scale, zero : (ntiles,) float64 array
            ZSCALE and ZZERO of each tile; 0.0 where it cannot be quantised.
        quantized : (ntiles,) bool array
            False for a tile to be stored without loss: one pixel, no noise, or a range beyond 32 bits.

        Raises
        ------
        InvalidParameter
            If the method is none of the three. (FITS 4.0, section 10.2)
        """
        method_number(dither.method)
        level, shape = effective_level(level), batch.shape
        scale, zero = np.zeros(len(shape)), np.zeros(len(shape))
        quantized = np.zeros(len(shape), dtype=np.bool_)
        stop = 0
        with np.errstate(all="ignore"):  # pixels may be anything
            for tile, row_length in enumerate(row_lengths(shape).tolist()):
                begin, stop = stop, stop + int(shape[tile].prod())
                part = batch.pixels[begin:stop]
                good = np.isfinite(part)
                quantum = find_quantum(part, None if good.all() else good, row_length, level, dither.method)
                if quantum is not None:
                    scale[tile], zero[tile], quantized[tile] = quantum.scale, quantum.zero, True
                    quantize_tile(part, good, quantum, out[begin:stop], row=int(batch.row[tile]), dither=dither)
        return scale, zero, quantized

    # -- pixels that are moved within memory ------------------------------------------------------------------------

    def gather(self, target: NDArray[Any], source: NDArray[Any]) -> None:
        """Copy pixels of an image, which is larger than the cache, to tiles, which are not.

        Parameters
        ----------
        target : array
            Filled.
        source : array of the same shape
            Pixels of any dtype, which are converted as an assignment does; shares no memory with ``target``.
        """
        target[...] = source

    def scatter(self, target: NDArray[Any], source: NDArray[Any]) -> None:
        """Copy pixels of tiles to their places in an image that is larger than the cache, which may be passed by.

        Parameters
        ----------
        target : array
            Filled.
        source : array of the same dtype and shape
            Shares no memory with ``target``.
        """
        target[...] = source

    def to_native(self, target: NDArray[Any], source: NDArray[Any]) -> None:
        """Convert big-endian pixels to those of this machine, past the cache: the image is larger.

        Parameters
        ----------
        target : array
            Filled.
        source : array of the same shape, big-endian
            Shares no memory with ``target``.
        """
        target[...] = source


def _join_tiles(members: list[bytes | bytearray]) -> EncodedTiles:
    """Return the compressed tiles of a batch as one array with their lengths."""
    length = np.fromiter(map(len, members), dtype=np.int64, count=len(members))
    return EncodedTiles(np.frombuffer(b"".join(members), dtype=np.uint8), length)
