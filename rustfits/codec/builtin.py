"""The codecs of the core: GZIP_1, GZIP_2 and NOCOMPRESS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rustfits.codec.batch import TileBatch
from rustfits.codec.choice import active
from rustfits.codec.codec import EncodedTiles, Parameter, PixelBatch, TileCodec
from rustfits.codec.hookspecs import hookimpl
from rustfits.errors import InvalidParameter, ParameterOverflow, TileDecodeError

# The numbers that a stream may hold in place of those of the image, by their width in bytes.
INTEGERS = {1: "u1", 2: "i2", 4: "i4"}
FLOATS = {4: "f4", 8: "f8"}
MAX_DEFLATE_RATIO = 1032  # two bits of a stream stand for 258 bytes at most


class Gzip1(TileCodec):
    """Gzip of big-endian pixels (FITS 4.0, section 10.4.2).

    Parameters
    ----------
    tile_shape : sequence of int, optional
        Pixels along each axis of a tile, numpy order; default one image row.
    heap_format : {'P', 'Q'}
        Width of the descriptors.
    level : int, optional
        Effort of the encoder, 0 to 9; files do not keep it. None is 6. With the package accel a level is a promise
        about sizes, which a faster encoder keeps: of images, no more than 3 % larger than what zlib makes of them. For
        GZIP_2 it then takes None for leave to code each byte plane by itself and to store those of noise.

    Raises
    ------
    InvalidParameter
        If a value is not allowed.
    ParameterOverflow
        If ``level`` is negative.
    TypeError
        If an argument has the wrong type.
    """

    zcmptype: ClassVar[str] = "GZIP_1"
    pixel_dtypes: ClassVar[tuple[str, ...]] = ("u1", "i2", "i4", "i8", "f4", "f8")
    bytewise: ClassVar[bool] = True
    shuffled: ClassVar[bool] = False

    level: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        level, allowed = self.level, "must be None or an int in 0..=9"
        if level is None:
            return
        if not isinstance(level, int) or isinstance(level, bool):
            raise TypeError(f"level {allowed}; got {level!r}")
        if level < 0:
            raise ParameterOverflow("level", level, allowed)
        if level > 9:
            raise InvalidParameter("level", level, allowed)

    def parameters(self, pixel: np.dtype[Any]) -> dict[str, Parameter]:
        """Return nothing: a stream can be decoded without knowing the effort that was made."""
        return {}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Parameter], **common: Any) -> Self:
        """Build the codec; no parameter counts."""
        return cls(**common)

    def most_npixels(self, nbytes: NDArray[np.int64], pixel: np.dtype[Any]) -> NDArray[np.int64]:
        """Return how many pixels streams can hold at most; see `TileCodec.most_npixels`."""
        width = min(FLOATS if pixel.kind == "f" else INTEGERS)  # some hold other numbers than those of the image
        return nbytes * MAX_DEFLATE_RATIO // width

    def decode(self, batch: TileBatch, out: NDArray[Any]) -> None:
        """Decode every tile; see `TileCodec.decode`."""
        try:
            self.decode_exactly(batch, out)
        except TileDecodeError:
            self._decode_other_widths(batch, out)

    def encode(self, batch: PixelBatch) -> EncodedTiles:
        """Encode every tile; see `TileCodec.encode`."""
        pixels = batch.pixels
        nbytes = batch.npixels * pixels.itemsize
        if self.shuffled and pixels.itemsize > 1:
            planes = np.empty(pixels.nbytes, dtype=np.uint8)
            active().shuffle(pixels, batch.npixels, planes)
            return active().deflate_planes(planes, nbytes, pixels.itemsize, self.level)
        return active().deflate(_big_endian_bytes(pixels), nbytes, self.level)

    def decode_exactly(self, batch: TileBatch, out: NDArray[Any]) -> None:
        """Decode tiles whose streams hold pixels as wide as those of ``out``; see `TileCodec.decode_exactly`."""
        size, nbytes = out.itemsize, batch.npixels * out.itemsize
        active().inflate(self.zcmptype, batch, nbytes, out.view(np.uint8), itemsize=size, shuffled=self.shuffled)

    def _decode_other_widths(self, batch: TileBatch, out: NDArray[Any]) -> None:
        """Decode one tile at a time, each with the width that its stream turns out to have.

        Early CFITSIO gzipped every integer tile at 32 bits, and some writers keep single precision of an f8 image;
        the present CFITSIO takes the width from the length.
        """
        faults: list[TileDecodeError] = []
        stop = 0
        for tile, npixels in enumerate(batch.npixels.tolist()):
            begin, stop = stop, stop + npixels
            one = slice(tile, tile + 1)
            single = TileBatch(batch.data, batch.start[one], batch.length[one], batch.shape[one], batch.row[one])
            try:
                self._decode_any_width(single, out[begin:stop])
            except TileDecodeError as error:
                faults = faults or [error]
        if faults:
            raise faults.pop()  # no variable of this frame, which it holds, is to hold it

    def _decode_any_width(self, single: TileBatch, out: NDArray[Any]) -> None:
        try:
            self.decode_exactly(single, out)
            return
        except TileDecodeError as error:
            faults = [error]
        for itemsize, number in (FLOATS if out.dtype.kind == "f" else INTEGERS).items():
            if itemsize == out.itemsize:
                continue
            values = np.empty(out.size, dtype=number)
            try:
                self.decode_exactly(single, values)
            except TileDecodeError:
                continue
            with np.errstate(all="ignore"):  # a number too large for single precision is infinite in it
                kept = values.astype(out.dtype)
            if out.dtype.kind != "f" and (kept.astype(values.dtype) != values).any():
                reason = f"decompression gives {values.dtype} pixels beyond the range of the image's {out.dtype}"
                raise TileDecodeError(self.zcmptype, int(single.row[0]), reason)
            out[...] = kept
            return
        raise faults.pop()


class Gzip2(Gzip1):
    """Gzip of pixels whose bytes are grouped by significance first (FITS 4.0, section 10.4.2).

    Parameters and errors are those of `Gzip1`.
    """

    zcmptype: ClassVar[str] = "GZIP_2"
    bytewise: ClassVar[bool] = False
    shuffled: ClassVar[bool] = True


class NoCompress(TileCodec):
    """Big-endian pixels as they are (FITS 4.0, section 10.4, table 36).

    They go into the column UNCOMPRESSED_DATA, where CFITSIO looks for them; those of 64-bit integers, which it cannot
    read at all, into COMPRESSED_DATA, where astropy does. Either is read.

    Parameters
    ----------
    tile_shape : sequence of int, optional
        Pixels along each axis of a tile, numpy order; default one image row.
    heap_format : {'P', 'Q'}
        Width of the descriptors.
    """

    zcmptype: ClassVar[str] = "NOCOMPRESS"
    pixel_dtypes: ClassVar[tuple[str, ...]] = ("u1", "i2", "i4", "i8", "f4", "f8")
    uncompressed: ClassVar[bool] = True
    bytewise: ClassVar[bool] = True

    def most_npixels(self, nbytes: NDArray[np.int64], pixel: np.dtype[Any]) -> NDArray[np.int64]:
        """Return how many pixels there are; see `TileCodec.most_npixels`."""
        return nbytes // pixel.itemsize

    def decode_tile(self, data: NDArray[np.uint8], out: NDArray[Any]) -> None:
        """Copy one tile; see `TileCodec.decode_tile`."""
        if data.size != out.nbytes:
            raise ValueError(f"{data.size} bytes, where the tile has {out.nbytes}")
        out[...] = data.view(out.dtype.newbyteorder(">")).reshape(out.shape)

    def encode(self, batch: PixelBatch) -> EncodedTiles:
        """Encode every tile; see `TileCodec.encode`."""
        return EncodedTiles(_big_endian_bytes(batch.pixels), batch.npixels * batch.pixels.itemsize)


class BuiltinPlugin:
    """A plugin of the core: what the module that an entry point names is for others."""

    def __init__(self, codec: type[TileCodec]) -> None:
        self.codec = codec

    @hookimpl
    def rustfits_register_codec(self) -> type[TileCodec]:
        """Return the codec class."""
        return self.codec


PLUGINS = {codec.zcmptype: BuiltinPlugin(codec) for codec in (Gzip1, Gzip2, NoCompress)}


def _big_endian_bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of the pixels as FITS stores them; a new array, or the same one where they are stored so."""
    stored = pixels.astype(pixels.dtype.newbyteorder(">"), copy=False)
    return stored.reshape(-1).view(np.uint8)
