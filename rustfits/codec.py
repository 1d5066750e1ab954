"""What a codec is: its parameters, its abilities, and the two batches it works on."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

import numpy as np
from numpy.typing import NDArray

from rustfits.errors import InvalidParameter, TileDecodeError, TileEncodeError, UnsupportedPixels

API_VERSION = 1

Int64s = NDArray[np.int64]
Parameter = int | float | bool | str
Fault = TypeVar("Fault", TileDecodeError, TileEncodeError)


@dataclass(frozen=True, slots=True)
class TileBatch:
    """Compressed tiles of one image, as read from its heap.

    Attributes
    ----------
    data : (nbytes,) uint8 array
        Heap bytes that hold every tile of the batch; read-only.
    start, length : (ntiles,) int64 array
        Tile ``i`` is ``data[start[i] : start[i] + length[i]]``, in bytes.
    shape : (ntiles, ndim) int64 array
        Pixels along each axis of a tile, numpy order; tiles at an image edge are smaller.
    row : (ntiles,) int64 array
        Table row of each tile, from 0; names the tile in errors.
    """

    data: NDArray[np.uint8]
    start: Int64s
    length: Int64s
    shape: Int64s
    row: Int64s

    @property
    def npixels(self) -> Int64s:
        """Pixels of each tile, ``(ntiles,)`` int64."""
        npixels: Int64s = self.shape.prod(axis=1, dtype=np.int64)
        return npixels


@dataclass(frozen=True, slots=True)
class PixelBatch:
    """Tiles of one image, still to be compressed.

    Attributes
    ----------
    pixels : (total,) array
        Pixels of all tiles, back to back, each tile in C order; native byte order.
    shape : (ntiles, ndim) int64 array
        Pixels along each axis of a tile, numpy order.
    row : (ntiles,) int64 array
        Table row of each tile, from 0.
    """

    pixels: NDArray[Any]
    shape: Int64s
    row: Int64s

    @property
    def npixels(self) -> Int64s:
        """Pixels of each tile, ``(ntiles,)`` int64."""
        npixels: Int64s = self.shape.prod(axis=1, dtype=np.int64)
        return npixels


@dataclass(frozen=True, slots=True)
class EncodedTiles:
    """Compressed tiles, back to back.

    Attributes
    ----------
    data : (length.sum(),) uint8 array
        The bytes of all tiles, in the order of the batch, with nothing between them.
    length : (ntiles,) int64 array
        Bytes of each tile.
    """

    data: NDArray[np.uint8]
    length: Int64s


def raise_first_fault(algorithm: str, row: Int64s, status: NDArray[np.int32], reasons: Mapping[int, str]) -> None:
    """Raise `TileDecodeError` for the first tile whose kernel status is not 0."""
    faults = np.flatnonzero(status)
    if faults.size:
        first = int(faults[0])
        code = int(status[first])
        raise TileDecodeError(algorithm, int(row[first]), reasons.get(code, f"fault {code}"))


@dataclass_transform(kw_only_default=True, frozen_default=True)
@dataclass(frozen=True, kw_only=True, repr=False)
class TileCodec:
    """Base of every codec: the parameters a user passes, what `hdu.compression` returns, and what does the work.

    A subclass becomes a frozen dataclass by itself; its annotated attributes are keyword-only parameters. A simple
    codec defines `decode_tile` and `encode_tile`; a fast one takes whole batches in `decode` and `encode`.

    Parameters
    ----------
    tile_shape : sequence of int, optional
        Pixels along each axis of a tile, numpy order; None leaves it to `default_tile_shape`.
    heap_format : {'P', 'Q'}
        Width of the descriptors: 32 or 64 bits (FITS 4.0, section 7.3.5).

    Attributes
    ----------
    zcmptype : str
        Value of the keyword ZCMPTYPE (FITS 4.0, section 10.4), in upper case.
    pixel_dtypes : tuple of str
        Stored pixels the algorithm holds, of "u1", "i2", "i4", "i8", "f4", "f8" (floats: without loss).
    quantizable : bool
        Whether the algorithm may hold floats quantised to "i4".
    negative : bool
        Whether it holds negative numbers, which the unsigned conventions need.
    tile_ndim : int or None
        Axes longer than one pixel that a tile must have; None for any number.
    min_tile_axis : int
        Fewest pixels along each of those axes.
    descriptor_type : {'B', 'I'}
        Unit of the element count in descriptors: bytes or 16-bit words.
    api_version : int
        Version of this contract that the codec was written for.
    """

    zcmptype: ClassVar[str]
    pixel_dtypes: ClassVar[tuple[str, ...]] = ("u1", "i2", "i4")
    quantizable: ClassVar[bool] = True
    negative: ClassVar[bool] = True
    tile_ndim: ClassVar[int | None] = None
    min_tile_axis: ClassVar[int] = 1
    descriptor_type: ClassVar[str] = "B"
    api_version: ClassVar[int] = API_VERSION

    tile_shape: Sequence[int] | None = None
    heap_format: str = "P"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True, repr=False)(cls)

    def __post_init__(self) -> None:
        # The only conversions: a list or array becomes a tuple, 'q' becomes 'Q'; equality and hash need them.
        object.__setattr__(self, "tile_shape", _as_tile_shape(self.tile_shape))
        object.__setattr__(self, "heap_format", _as_heap_format(self.heap_format))

    def __repr__(self) -> str:
        shown = []
        for field in fields(self):
            if field.repr:
                value = getattr(self, field.name)
                shown.append(f"{field.name}={list(value) if isinstance(value, tuple) else value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    # -- what the header says -------------------------------------------------------------------------------------

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Parameter], **common: Any) -> Self:
        """Build the codec from the ZNAMEn/ZVALn pairs of a header.

        Parameters
        ----------
        parameters : mapping of str to int, float, bool or str
            ZVALn by ZNAMEn, names in upper case. Unknown names are to be ignored.
        **common
            `tile_shape` and `heap_format`, to be passed on to the constructor.

        Raises
        ------
        InvalidParameter
            If a parameter has a value that no stream can have been written with.
        """
        return cls(**common)

    def parameters(self, pixel: np.dtype[Any]) -> dict[str, Parameter]:
        """Return the ZNAMEn/ZVALn pairs to write, in order, for stored pixels of dtype ``pixel``."""
        return {}

    def decoded_dtype(self, pixel: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype that `decode` produces and `encode` takes for stored pixels of dtype ``pixel``.

        Equal to ``pixel`` unless the streams hold wider numbers; the core converts, and checks the range.
        """
        return pixel

    # -- which images it holds ------------------------------------------------------------------------------------

    def default_tile_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the tile to use when the user names none: one image row (FITS 4.0, section 10.1.1, ZTILEn)."""
        return (1,) * (len(shape) - 1) + (max(shape[-1], 1),)

    def check_image(
        self, shape: tuple[int, ...], tile_shape: tuple[int, ...], dtype: np.dtype[Any], quantized: bool
    ) -> None:
        """Refuse an image that the algorithm cannot hold, before anything is written.

        Parameters
        ----------
        shape, tile_shape : tuple of int
            Image and nominal tile, numpy order, of equal length.
        dtype : dtype
            What the user sees, unsigned conventions ("i1", "u2", "u4", "u8") included.
        quantized : bool
            Whether floats are to be quantised first.

        Raises
        ------
        UnsupportedPixels
            If the algorithm has no room for such numbers.
        InvalidParameter
            If the shape or the tile breaks one of its limits, or floats need a `Quantize`.
        """
        if dtype.kind == "f":
            self._check_floats(dtype.str[1:], quantized)
            return
        stored = "u1" if dtype.itemsize == 1 else f"i{dtype.itemsize}"
        if stored not in self.pixel_dtypes:
            width = "64-bit" if dtype.itemsize == 8 else f"{8 * dtype.itemsize}-bit"
            raise UnsupportedPixels(f"{self.zcmptype} cannot hold {width} integers; use GZIP_1 or GZIP_2")
        if not self.negative and dtype.str[1:] in ("i1", "u2", "u4", "u8"):
            raise UnsupportedPixels(
                f"{self.zcmptype} cannot hold {dtype} pixels, which are stored as negative numbers "
                "too; use RICE_1 or GZIP_2"
            )

    def _check_floats(self, stored: str, quantized: bool) -> None:
        if quantized and not self.quantizable:
            raise UnsupportedPixels(f"{self.zcmptype} cannot hold float pixels; use RICE_1 or GZIP_2")
        if not quantized and stored not in self.pixel_dtypes:
            if not self.quantizable:
                raise UnsupportedPixels(f"{self.zcmptype} cannot hold float pixels; use RICE_1 or GZIP_2")
            raise InvalidParameter(
                "compress",
                self.zcmptype,
                "cannot hold unquantized float pixels; pass quantize=Quantize(...), or use GZIP_2, which is lossless",
            )

    # -- the work -------------------------------------------------------------------------------------------------

    def decode(self, batch: TileBatch, out: NDArray[Any]) -> None:
        """Decode every tile of ``batch`` into ``out``.

        Called from several threads at once; must not change the codec. A damaged tile leaves its own pixels
        unspecified and the others whole.

        Parameters
        ----------
        batch : TileBatch
        out : (batch.npixels.sum(),) contiguous array of `decoded_dtype`
            Tiles back to back, each in C order, native byte order.

        Raises
        ------
        TileDecodeError
            For the first damaged tile, after all others are decoded.
        """
        fault: TileDecodeError | None = None
        stop = 0
        for start, length, shape, row in zip(
            batch.start.tolist(), batch.length.tolist(), batch.shape.tolist(), batch.row.tolist(), strict=True
        ):
            begin, stop = stop, stop + int(np.prod(shape, dtype=np.int64))
            try:
                self.decode_tile(batch.data[start : start + length], out[begin:stop].reshape(shape))
            except ValueError as error:
                fault = fault or _as_fault(TileDecodeError, self.zcmptype, row, error)
        if fault is not None:
            raise fault

    def encode(self, batch: PixelBatch) -> EncodedTiles:
        """Encode every tile of ``batch``.

        Called from several threads at once; must not change the codec.

        Parameters
        ----------
        batch : PixelBatch
            Pixels of `decoded_dtype`.

        Returns
        -------
        EncodedTiles

        Raises
        ------
        TileEncodeError
            For the first tile whose pixels the algorithm cannot hold.
        """
        blobs = []
        stop = 0
        for shape, row in zip(batch.shape.tolist(), batch.row.tolist(), strict=True):
            begin, stop = stop, stop + int(np.prod(shape, dtype=np.int64))
            try:
                blobs.append(self.encode_tile(batch.pixels[begin:stop].reshape(shape)))
            except ValueError as error:
                raise _as_fault(TileEncodeError, self.zcmptype, row, error) from error
        length = np.fromiter(map(len, blobs), dtype=np.int64, count=len(blobs))
        return EncodedTiles(np.frombuffer(b"".join(blobs), dtype=np.uint8), length)

    def decode_tile(self, data: NDArray[np.uint8], out: NDArray[Any]) -> None:
        """Decode one tile; the two-method form of a codec.

        Parameters
        ----------
        data : (nbytes,) uint8 array
            The tile's bytes; read-only.
        out : array of the tile's shape, `decoded_dtype`
            To be filled whole.

        Raises
        ------
        ValueError
            If the bytes are damaged, in any way; the core adds the place.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither decode nor decode_tile")

    def encode_tile(self, pixels: NDArray[Any]) -> bytes:
        """Return the compressed bytes of one tile, an array of its shape and `decoded_dtype`."""
        raise NotImplementedError(f"{type(self).__name__} defines neither encode nor encode_tile")


def _as_fault(kind: type[Fault], algorithm: str, row: int, error: ValueError) -> Fault:
    if isinstance(error, kind):
        return error
    fault = kind(algorithm, row, str(error) or type(error).__name__)
    fault.__cause__ = error
    return fault


def _as_tile_shape(tile_shape: object) -> tuple[int, ...] | None:
    if tile_shape is None:
        return None
    if isinstance(tile_shape, str | bytes) or not isinstance(tile_shape, Sequence | np.ndarray):
        raise TypeError(f"tile_shape must be None or a sequence of positive ints, not {tile_shape!r}")
    axes = tuple(operator.index(axis) for axis in tile_shape)
    if not axes or min(axes) <= 0:
        raise InvalidParameter("tile_shape", axes, "must have positive entries, one per image axis")
    return axes


def _as_heap_format(heap_format: object) -> str:
    if not isinstance(heap_format, str):
        raise TypeError(f"heap_format must be 'P' or 'Q', not {heap_format!r}")
    if heap_format.upper() not in ("P", "Q"):
        raise InvalidParameter("heap_format", heap_format, "must be 'P' or 'Q'")
    return heap_format.upper()
