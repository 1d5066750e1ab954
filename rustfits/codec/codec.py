"""What a codec is: its parameters, its abilities, and the work it does on batches of tiles."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, Self, dataclass_transform

import numpy as np
from numpy.typing import NDArray

from rustfits.codec.batch import EncodedTiles, Int64s, PixelBatch, TileBatch, raise_first_fault
from rustfits.errors import (
    FitsError,
    InvalidParameter,
    ParameterOverflow,
    PluginError,
    TileDecodeError,
    TileEncodeError,
    UnsupportedPixels,
)

__all__ = [
    "API_VERSION",
    "EncodedTiles",
    "Int64s",
    "Parameter",
    "PixelBatch",
    "TileBatch",
    "TileCodec",
    "raise_first_fault",
]

API_VERSION = 1  # of the contract between the core and its plugins; changed when plugins must change with it

Parameter = int | float | bool | str


@dataclass_transform(kw_only_default=True, frozen_default=True)
@dataclass(frozen=True, kw_only=True, repr=False)
class TileCodec:
    """Base of every codec: the parameters a user passes, what `hdu.compression` returns, and what does the work.

    A subclass becomes a frozen dataclass by itself, without a decorator; its annotated attributes are keyword-only
    parameters. A simple codec defines `decode_tile` and `encode_tile`; a fast one takes whole batches in `decode` and
    `encode`.

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
    uncompressed : bool
        Whether its tiles are pixels as FITS stores them, which have a column of their own (FITS 4.0, section 10.1.3).
    bytewise : bool
        Whether the codec packs plain bytes: big-endian numbers give the same stream as their bytes taken as ``u1``.
    decodes_prefixes : bool
        Whether `decode` may be asked for the first pixels of tiles alone: shapes of a batch with fewer pixels than the
        tiles have, in the order of the tile. What the rest of a tile's bytes say then does not matter, nor take time.
    api_version : int
        Version of this contract that the codec was written for; 1 if the class does not say.

    Raises
    ------
    InvalidParameter
        If a value is not allowed.
    ParameterOverflow
        If a tile axis does not fit into 64 bits.
    TypeError
        If an argument has the wrong type, or is not given by keyword.
    """

    zcmptype: ClassVar[str]
    pixel_dtypes: ClassVar[tuple[str, ...]] = ("u1", "i2", "i4")
    quantizable: ClassVar[bool] = True
    negative: ClassVar[bool] = True
    tile_ndim: ClassVar[int | None] = None
    min_tile_axis: ClassVar[int] = 1
    descriptor_type: ClassVar[str] = "B"
    uncompressed: ClassVar[bool] = False
    bytewise: ClassVar[bool] = False
    decodes_prefixes: ClassVar[bool] = False
    # Not API_VERSION: a codec that says nothing must not pass for one of whatever version the core has.
    api_version: ClassVar[int] = 1

    tile_shape: Sequence[int] | None = None
    heap_format: str = "P"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True, repr=False)(cls)

    def __post_init__(self) -> None:
        # The only conversions: a list becomes a tuple, 'q' becomes 'Q', a numpy scalar what Python has. Callers may
        # pass any of them, and equality, hash and repr need one form.
        plain = {field.name: value.item() for field, value in self._items() if isinstance(value, np.generic)}
        plain["tile_shape"] = _as_tile_shape(self.tile_shape)
        plain["heap_format"] = _as_heap_format(self.heap_format)
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={list(value) if isinstance(value, tuple) else value!r}"
            for field, value in self._items()
            if field.repr
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def _items(self) -> Iterable[tuple[Field[Any], Any]]:
        return ((field, getattr(self, field.name)) for field in fields(self))

    # -- what the header says -------------------------------------------------------------------------------------

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Parameter], **common: Any) -> Self:
        """Build the codec from the ZNAMEn/ZVALn pairs of a header; by default, each parameter from that of its name.

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
        own = {field.name: field for field in _own(cls)}
        found = {name: parameters[name.upper()] for name in own if name.upper() in parameters}
        common |= {name: _as_kind(own[name].type, value) for name, value in found.items()}
        return cls(**common)

    def parameters(self, pixel: np.dtype[Any]) -> dict[str, Parameter]:
        """Return the ZNAMEn/ZVALn pairs to write, in order, for stored pixels of dtype ``pixel``.

        By default they are the parameters of the class by their names in upper case, without those that are None.
        """
        values = {field.name.upper(): getattr(self, field.name) for field in _own(type(self))}
        return {name: value for name, value in values.items() if value is not None}

    def decoded_dtype(self, pixel: np.dtype[Any]) -> np.dtype[Any]:
        """Return the dtype that `decode` produces and `encode` takes for stored pixels of dtype ``pixel``.

        Equal to ``pixel`` unless the streams hold wider numbers; the core converts, and checks the range.
        """
        return pixel

    def c_decoder(self, pixel: np.dtype[Any]) -> object | None:
        """Return a decoder that compiled code can call without Python, if there is one; None if not.

        Parameters
        ----------
        pixel : dtype
            What the pixels are decoded to, the codec's `decoded_dtype`.

        Returns
        -------
        PyCapsule named ``rustfits.decoder.1``, or None
            Points at a ``rustfits_decoder`` of the C header ``rustfits.h`` (`rustfits.get_include`), which says what it
            does: what `decode` does to a batch, but it reports the fault of a tile as a status that is not 0.
        """
        return None

    def c_resumer(self, pixel: np.dtype[Any]) -> object | None:
        """Return a decoder like that of `c_decoder` that can begin in the middle of a tile, if there is one.

        A PyCapsule named ``rustfits.resumer.1``, which points at a ``rustfits_resumer`` of ``rustfits.h``, or None.
        """
        return None

    @property
    def lossless(self) -> bool:
        """Whether decoding gives back the very pixels that were encoded."""
        return True

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
        else:
            self._check_integers(dtype)
        self._check_tiles(shape, tile_shape)

    def _check_integers(self, dtype: np.dtype[Any]) -> None:
        stored = "u1" if dtype.itemsize == 1 else f"i{dtype.itemsize}"
        if stored not in self.pixel_dtypes:
            raise UnsupportedPixels(
                f"{self.zcmptype} cannot hold {8 * dtype.itemsize}-bit integers; use GZIP_1 or GZIP_2"
            )
        if not self.negative and dtype.str[1:] in ("i1", "u2", "u4", "u8"):
            raise UnsupportedPixels(
                f"{self.zcmptype} cannot hold {dtype} pixels, which are stored as negative numbers "
                "too; use RICE_1 or GZIP_2"
            )

    def _check_floats(self, stored: str, quantized: bool) -> None:
        if not self.quantizable and (quantized or stored not in self.pixel_dtypes):
            raise UnsupportedPixels(f"{self.zcmptype} cannot hold float pixels; use RICE_1 or GZIP_2")
        if not quantized and stored not in self.pixel_dtypes:
            raise InvalidParameter(
                "compress",
                self.zcmptype,
                "must be a lossless codec, such as GZIP_2, for unquantized float pixels, or be joined by "
                "quantize=Quantize(...)",
            )

    def _check_tiles(self, shape: tuple[int, ...], tile_shape: tuple[int, ...]) -> None:
        ndim = len(shape) if self.tile_ndim is None else self.tile_ndim
        if len(shape) < ndim:
            raise InvalidParameter("image shape", shape, f"must be {ndim}-D, or more, for {self.zcmptype}")
        axes = [axis for axis, npixels in enumerate(tile_shape) if npixels > 1 or len(shape) == ndim]
        if len(axes) < ndim:  # usually the tile is one pixel long where it must not be: the check of the axis says so
            axes = list(range(len(shape) - ndim, len(shape)))
        for axis in axes if len(axes) == ndim else ():
            self._check_axis(axis, shape[axis], tile_shape[axis])
        if len(axes) != ndim or (len(shape) > ndim and min(tile_shape[axis] for axis in axes) == 1):
            allowed = f"of {self.zcmptype} must be {ndim}-D: {ndim} axes longer than 1"
            raise InvalidParameter("tile_shape", tile_shape, allowed)

    def _check_axis(self, axis: int, npixels: int, tile: int) -> None:
        least = self.min_tile_axis
        if least <= 1:
            return
        minimum = f"must have {self.zcmptype}'s minimum of {least} pixels"
        if npixels < least:
            raise InvalidParameter(f"image axis {axis}", npixels, minimum)
        if tile < least:
            raise InvalidParameter(f"tile_shape[{axis}]", tile, minimum)
        last = npixels % tile
        if npixels > tile and 0 < last < least:
            larger = tile + -(-last // (npixels // tile))
            raise InvalidParameter(
                f"tile_shape[{axis}]",
                tile,
                f"leaves a last tile of {last} pixels, fewer than {self.zcmptype}'s minimum of {least}. "
                f"Try tile_shape[{axis}]={larger}",
            )

    # -- the work -------------------------------------------------------------------------------------------------

    def most_npixels(self, nbytes: NDArray[np.int64], pixel: np.dtype[Any]) -> NDArray[np.int64] | None:
        """Return how many pixels streams can hold at most, so that larger claims are refused before they get memory.

        Parameters
        ----------
        nbytes : (n,) int64 array
            Bytes of each stream.
        pixel : dtype
            Of the pixels, as for `decoded_dtype`.

        Returns
        -------
        (n,) int64 array or None
            None, as here, if a stream of any length can hold any number.
        """
        return None

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
        PluginError
            If `decode_tile` breaks its contract.
        """
        faults: list[TileDecodeError] = []
        stop = 0
        for start, length, shape, row in zip(
            batch.start.tolist(), batch.length.tolist(), batch.shape.tolist(), batch.row.tolist(), strict=True
        ):
            begin, stop = stop, stop + math.prod(shape)
            try:
                target = out[begin:stop].reshape(shape)
                returned: object = self.decode_tile(batch.data[start : start + length], target)  # type: ignore[func-returns-value]
            except (NotImplementedError, MemoryError):
                raise
            except Exception as error:  # decoders have errors of their own: zlib.error, the OSError of bz2
                if not faults:
                    faults.append(TileDecodeError(self.zcmptype, row, str(error) or type(error).__name__))
                    faults[0].__cause__ = error
                continue
            if returned is not None and returned is not target:
                raise PluginError(
                    f"{type(self).__name__}.decode_tile of {self.zcmptype} returned {type(returned).__name__}; it must "
                    "fill the array out that it is given, as in out[...] = pixels, and return nothing"
                )
        if faults:
            raise faults.pop()  # what it holds, this frame among it, would stay in memory if a variable held it

    def decode_exactly(self, batch: TileBatch, out: NDArray[Any]) -> None:
        """Decode tiles whose streams hold numbers as wide as those of ``out``; as `decode`.

        Some writers of images keep wider or narrower numbers than the header says, which `decode` may allow for. A
        column of a compressed table is bytes, and streams of any other length are damaged.
        """
        self.decode(batch, out)

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
        blobs, stop = [], 0
        for shape, row in zip(batch.shape.tolist(), batch.row.tolist(), strict=True):
            begin, stop = stop, stop + math.prod(shape)
            try:
                blobs.append(memoryview(self.encode_tile(batch.pixels[begin:stop].reshape(shape))).cast("B"))
            except (NotImplementedError, MemoryError):
                raise
            except Exception as error:  # as in `decode`
                raise TileEncodeError(self.zcmptype, row, str(error) or type(error).__name__) from error
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
        Exception
            If the bytes are damaged, in any way; `ValueError` unless a library has its own. The core adds the place.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither decode nor decode_tile")

    def encode_tile(self, pixels: NDArray[Any]) -> bytes:
        """Encode one tile; the two-method form of a codec.

        Parameters
        ----------
        pixels : array of the tile's shape, `decoded_dtype`

        Returns
        -------
        bytes

        Raises
        ------
        ValueError
            If the algorithm cannot hold such pixels; the core adds the place.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither encode nor encode_tile")


def encoded_by(codec: TileCodec, batch: PixelBatch) -> EncodedTiles:
    """Encode tiles, and hold the codec to its contract.

    Parameters
    ----------
    codec : TileCodec
    batch : PixelBatch
        Its pixels are lent read-only: they may be the user's own.

    Raises
    ------
    TileEncodeError
        If the codec cannot hold the pixels of a tile.
    PluginError
        If what it returns is not what it must be, or it raises an error that is none of ours.
    """
    lent = batch.pixels.view()
    lent.flags.writeable = False
    try:
        tiles: object = codec.encode(PixelBatch(lent, batch.shape, batch.row))
    except (FitsError, NotImplementedError, MemoryError):
        raise
    except Exception as error:
        raise _failed(codec, "encode", error) from error
    return _checked(codec, tiles, batch.row.size)


def _checked(codec: TileCodec, tiles: object, ntiles: int) -> EncodedTiles:
    name = codec.zcmptype
    if not isinstance(tiles, EncodedTiles):
        raise PluginError(f"the codec of {name} returned no EncodedTiles, but {tiles!r:.60}")
    data: object = tiles.data
    length: object = tiles.length
    if not (isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.ndim == 1):
        raise PluginError(f"the codec of {name} returned data that are no uint8 array of one axis, but {data!r:.60}")
    if not (isinstance(length, np.ndarray) and length.dtype.kind in "iu" and length.ndim == 1):
        raise PluginError(f"the codec of {name} returned lengths that are no int64 array, but {length!r:.60}")
    if length.size != ntiles or int(length.min(initial=0)) < 0 or int(length.sum()) != data.size:
        raise broken_contract(codec, tiles, ntiles)
    return tiles


def broken_contract(codec: TileCodec, tiles: EncodedTiles, ntiles: int) -> PluginError:
    """Return the error for bytes and lengths that do not go together."""
    return PluginError(
        f"the codec of {codec.zcmptype} returned {tiles.data.size} bytes with {tiles.length.size} "
        f"lengths for {ntiles} tiles: it breaks the contract of TileCodec.encode"
    )


def decoded_by(codec: TileCodec, batch: TileBatch, out: NDArray[Any], *, exactly: bool = False) -> None:
    """Decode tiles as `TileCodec.decode`, or `TileCodec.decode_exactly`, does.

    Raises
    ------
    TileDecodeError
        For the first damaged tile.
    PluginError
        If the codec raises an error that is none of ours.
    """
    try:
        if exactly:
            codec.decode_exactly(batch, out)
        else:
            codec.decode(batch, out)
    except (FitsError, NotImplementedError, MemoryError):
        raise
    except Exception as error:
        raise _failed(codec, "decode", error) from error


def _failed(codec: TileCodec, what: str, error: Exception) -> PluginError:
    return PluginError(
        f"the codec of {codec.zcmptype} failed in {type(codec).__name__}.{what}: {type(error).__name__}: {error}"
    )


def _own(cls: type[TileCodec]) -> list[Field[Any]]:
    """Return the parameters that a codec has beside those of all codecs."""
    common = {field.name for field in fields(TileCodec)}
    return [field for field in fields(cls) if field.init and field.name not in common]


def _as_kind(annotation: object, value: Parameter) -> Parameter:
    """Return a value from a header as the type that a parameter is annotated with, if it is the same number."""
    kind = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    kind = kind.partition("|")[0].strip()
    if kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind == "float" and type(value) is int:
        return float(value)
    if kind == "bool" and type(value) is int and value in (0, 1):
        return bool(value)
    return value


def _as_tile_shape(tile_shape: object) -> tuple[int, ...] | None:
    if tile_shape is None:
        return None
    if isinstance(tile_shape, str | bytes) or not isinstance(tile_shape, Sequence | np.ndarray):
        raise TypeError(f"tile_shape must be None or a sequence of positive ints, not {tile_shape!r}")
    axes = tuple(operator.index(axis) for axis in tile_shape)
    if not axes or min(axes) <= 0:
        raise InvalidParameter("tile_shape", axes, "must have positive entries, one per image axis")
    if max(axes) >= 1 << 63:
        raise ParameterOverflow("tile_shape", axes, "must have entries below 2**63")
    return axes


def _as_heap_format(heap_format: object) -> str:
    if not isinstance(heap_format, str):
        raise TypeError(f"heap_format must be 'P' or 'Q', not {heap_format!r}")
    if heap_format.upper() not in ("P", "Q"):
        raise InvalidParameter("heap_format", heap_format, "must be 'P' or 'Q'")
    return heap_format.upper()
