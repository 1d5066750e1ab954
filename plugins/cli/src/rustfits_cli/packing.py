"""Images into compressed images, as fpack makes them: the same cards, rows and heaps, in bands of bounded size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from math import prod
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

import rustfits
from rustfits_cli.rawcards import (
    CHECKSUM_COMMENTS,
    COPY_NBYTES,
    RawHDU,
    card_of,
    crc32,
    header_bytes,
    keyword,
    padded,
    raw_hdu,
    renamed,
    with_checksums,
)

BAND_NBYTES = 16 << 20  # of pixels that are encoded at once: each band costs some milliseconds, whatever its size
HUGE_NBYTES = 1 << 31  # of pixels, from which on offsets in the heap need 64 bits
NULL = -2147483647  # the integer that stands for NaN, CFITSIO's
FPACK_GZIP_LEVEL = 1
SEEDS = 10_000  # of the table of random numbers (FITS 4.0, section 10.2.1): ZDITHER0 is 1 to 10000
VARIABLE = "data format of field: variable length array"
PARAMETER_COMMENTS = {
    "BLOCKSIZE": ("compression block size", "pixels per block"),
    "BYTEPIX": ("bytes per pixel (1, 2, 4, or 8)", "bytes per pixel (1, 2, 4, or 8)"),
    "SCALE": ("HCOMPRESS scale factor", "HCOMPRESS scale factor"),
    "SMOOTH": ("HCOMPRESS smooth option", "HCOMPRESS smooth option"),
}
COLUMNS = ("COMPRESSED_DATA", "ZSCALE", "ZZERO", "GZIP_COMPRESSED_DATA", "UNCOMPRESSED_DATA")
FALLBACKS = COLUMNS[3:]

CODECS = {
    "RICE_1": "RICE_1",
    "RICE": "RICE_1",
    "GZIP_1": "GZIP_1",
    "GZIP": "GZIP_2",
    "GZIP_2": "GZIP_2",
    "PLIO_1": "PLIO_1",
    "PLIO": "PLIO_1",
    "HCOMPRESS_1": "HCOMPRESS_1",
    "HCOMPRESS": "HCOMPRESS_1",
    "NOCOMPRESS": "NOCOMPRESS",
}
LOSSLESS = ("GZIP_1", "GZIP_2", "NOCOMPRESS")  # of floats
QUANTIZERS = {
    "SUBTRACTIVE_DITHER_1": "dither1",
    "SUBTRACTIVE_DITHER_2": "dither2",
    "NO_DITHER": "no_dither",
}

_RENAMED = re.compile("SIMPLE|BITPIX|NAXIS[0-9]*|EXTEND|BLOCKED|PCOUNT|GCOUNT")
_SPECIAL = {"XTENSION": "ZTENSION", "CHECKSUM": "ZHECKSUM", "DATASUM": "ZDATASUM"}
_METHODS = {"dither1": "SUBTRACTIVE_DITHER_1", "dither2": "SUBTRACTIVE_DITHER_2", "no_dither": "NO_DITHER"}
_METHOD_COMMENTS = {"no_dither": "No dithering during quantization"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How images are packed.

    Attributes
    ----------
    codec : TileCodec
        Its tile shape is None for the usual one; axes in numpy order, 0 for the usual length, -1 for the whole axis.
    tile : tuple of int or None
    quantize : Quantize or None
        Of floats; None keeps every bit.
    tables, images : bool
        Whether tables and images are compressed.
    rounded : bool
        Whether integers become floats, and are quantised, where their noise is large.
    """

    codec: Any
    tile: tuple[int, ...] | None
    quantize: rustfits.Quantize | None
    tables: bool = False
    images: bool = True
    rounded: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """One part of an image and what was made of it, while both are in memory.

    Attributes
    ----------
    pixels : array
        As they are stored.
    made : CompressedImageHDU
        Of these pixels alone, in memory.
    tile : tuple of int
    codec : TileCodec
    quantize : Quantize or None
    steps : (ntiles,) float64 array or None
        Quantum of each tile, 0 where every bit was kept; None if nothing was quantised.
    """

    pixels: NDArray[Any]
    made: rustfits.CompressedImageHDU
    tile: tuple[int, ...]
    codec: Any
    quantize: rustfits.Quantize | None
    steps: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written of one image.

    Attributes
    ----------
    rows : bytes
        Of the table.
    heap_nbytes, heap_crc : int
        Size of the heap, and what `zlib.crc32` makes of it.
    """

    rows: bytes
    heap_nbytes: int
    heap_crc: int


def pack_image(
    hdu: rustfits.ImageHDU,
    raw: RawHDU,
    recipe: Recipe,
    out: IO[bytes],
    look: Callable[[tuple[Any, ...], Band], None],
) -> Packed:
    """Write the compressed image of ``hdu`` at the end of ``out``.

    Parameters
    ----------
    hdu : ImageHDU
    raw : RawHDU
        Of ``hdu``.
    recipe : Recipe
    out : file
    look : callable
        Is shown each part, under its key in ``hdu``, and raises what it finds wrong. Memory holds the pixels and the
        compressed bytes then, so that nothing is read again for it.

    Raises
    ------
    ImageError, CodecError
        If the codec cannot hold the image.
    """
    codec, quantize = fitted(hdu, recipe)
    ntiles = prod(-(-length // one) for length, one in zip(hdu.shape, codec.tile_shape, strict=True))
    table, first = _Table(out, hdu, raw, codec, ntiles), 0
    for key, tile in bands(hdu, codec.tile_shape):
        (pixels,) = hdu.read_many([key], scale=False)
        pixels = pixels.reshape(pixels.shape[-len(tile) :])
        with rustfits.FITS("mem://", "w+") as file:
            made = file.write_image(pixels, compress=replace(codec, tile_shape=tile), quantize=_seeded(quantize, first))
            header = made.header
            if quantize is not None and not first:
                quantize = replace(quantize, seed=int(header.get("ZDITHER0", 1)))
            steps = table.add(raw_hdu(made), pixels, quantize)
            made.set_tile_cache_size(0)  # each tile is read once, if at all
            look(key, Band(pixels, made, tile, codec, quantize, steps))
            first += int(header["NAXIS2"])
    return table.finish(quantize)


def fitted(hdu: rustfits.ImageHDU, recipe: Recipe) -> tuple[Any, rustfits.Quantize | None]:
    """Return codec and quantisation for one image, with the tile shape that it gets."""
    codec, shape = recipe.codec, hdu.shape
    quantize = recipe.quantize if hdu.stored_dtype.kind == "f" else None
    usual = codec.default_tile_shape(shape)
    if recipe.tile is not None:
        given = (*(1,) * (len(shape) - len(recipe.tile)), *recipe.tile)[-len(shape) :]
        usual = tuple(
            length if axis < 0 else min(axis, length) or one
            for axis, length, one in zip(given, shape, usual, strict=True)
        )
    huge = hdu.size * hdu.stored_dtype.itemsize >= HUGE_NBYTES
    return replace(codec, tile_shape=usual, heap_format="Q" if huge else "P"), quantize


def directed(hdu: rustfits.HDU, recipe: Recipe) -> Recipe | None:
    """Return the recipe as FZ keywords of the header change it, as for fpack; None if FZALGOR says NONE."""
    header = hdu.header
    name = str(header.get("FZALGOR", "")).strip().upper()
    if name == "NONE":
        return None
    # Floats of which every bit is to be kept are not given to a codec that cannot: what was asked for goes first.
    kept = recipe.quantize is None and isinstance(hdu, rustfits.ImageHDU) and hdu.stored_dtype.kind == "f"
    if name in CODECS and not (kept and CODECS[name] not in LOSSLESS):
        recipe = replace(recipe, codec=codec_named(CODECS[name], scale=header.get("FZHSCALE", 0)))
    tile = re.findall(r"-?\d+", str(header.get("FZTILE", "")))
    if tile:
        recipe = replace(recipe, tile=tuple(int(length) for length in reversed(tile)))
    if recipe.quantize is not None:
        method = str(header.get("FZQMETHD", "")).strip().upper()
        level = header.get("FZQVALUE")
        if method in QUANTIZERS:
            recipe = replace(recipe, quantize=replace(recipe.quantize, method=QUANTIZERS[method]))
        if isinstance(level, int | float) and level and recipe.quantize is not None:
            recipe = replace(recipe, quantize=replace(recipe.quantize, level=float(level)))
    return recipe


def codec_named(name: str, *, scale: float = 0, gzip_level: int | None = None) -> Any:
    """Return a codec by the name of its algorithm.

    Gzip has the level of fpack, if not told otherwise; but where rustfits-accel codes each byte plane of GZIP_2 by
    itself, that is both faster and smaller than any level.
    """
    if name == "HCOMPRESS_1":
        return rustfits.Hcompress1(scale=int(scale))
    classes = {"RICE_1": "Rice1", "PLIO_1": "Plio1", "NOCOMPRESS": "NoCompress"}
    if name in classes:
        return getattr(rustfits, classes[name])()
    if gzip_level is None and not (name == "GZIP_2" and find_spec("rustfits_accel")):
        gzip_level = FPACK_GZIP_LEVEL
    return getattr(rustfits, {"GZIP_1": "Gzip1", "GZIP_2": "Gzip2"}[name])(level=gzip_level)


def bands(hdu: rustfits.ImageHDU, tile: tuple[int, ...]) -> Iterator[tuple[tuple[Any, ...], tuple[int, ...]]]:
    """Yield parts of an image that hold whole tiles, as a key and the shape of their tiles.

    Leading axes of one pixel are left out of that shape, so that parts can be cut along the first axis that is longer.
    """
    shape = hdu.shape
    first = next((axis for axis, length in enumerate(shape) if length > 1), 0)
    first = min(first, max(0, len(shape) - 2))
    nbytes = max(1, prod(shape[first + 1 :]) * hdu.stored_dtype.itemsize * tile[first])
    step = tile[first] * max(1, BAND_NBYTES // nbytes)
    for start in range(0, shape[first], step):
        yield (slice(None),) * first + (slice(start, min(start + step, shape[first])),), tuple(tile[first:])


def _seeded(quantize: rustfits.Quantize | None, first: int) -> rustfits.Quantize | None:
    """Return the quantisation of a band whose first tile has a row of its own: the dither goes on as in one piece."""
    if quantize is None or not first or isinstance(quantize.seed, str):
        return quantize
    return replace(quantize, seed=(max(quantize.seed, 1) - 1 + first) % SEEDS + 1)


class _Table:
    """Rows and heap of one compressed image on their way to a file.

    The heap is written as it comes, behind the room that header and rows will need as far as that is known. More is
    needed only if nulls, or tiles that cannot be quantised, come up later: then the heap moves at the end.
    """

    def __init__(self, out: IO[bytes], hdu: rustfits.ImageHDU, raw: RawHDU, codec: Any, ntiles: int) -> None:
        self._out, self._hdu, self._raw, self._codec, self._ntiles = out, hdu, raw, codec, ntiles
        self._rows: list[dict[str, NDArray[Any]]] = []
        self._forms: dict[str, str] = {}
        self._parameters: list[tuple[str, Any]] = []
        self._nbytes, self._has_nulls = 0, False
        self._start, self._heap = out.seek(0, 2), 0
        self._sum, self._crc = rustfits.Datasum(), 0

    def add(self, made: RawHDU, pixels: NDArray[Any], quantize: rustfits.Quantize | None) -> NDArray[np.float64] | None:
        """Take the tiles of a band, an HDU in memory; return the quantum of each."""
        header = made.hdu.header
        if pixels.dtype.kind == "f" and not self._has_nulls:
            self._has_nulls = _has_nulls(pixels)
        nrows, width = int(header["NAXIS2"]), int(header["NAXIS1"])
        heap = int(header.get("THEAP", nrows * width))
        names = [str(header[f"TTYPE{number}"]) for number in range(1, int(header["TFIELDS"]) + 1)]
        forms = {name: str(header[f"TFORM{number}"]) for number, name in enumerate(names, start=1)}
        columns = [(name, *_element(form)) for name, form in forms.items()]
        rows = np.frombuffer(b"".join(made.pieces(0, nrows * width)), columns, nrows)
        kept = {}
        for name, form in forms.items():
            values = rows[name].copy()
            if values.ndim == 2:  # a length and an offset
                if name in FALLBACKS and not values[:, 0].any():
                    continue
                values[:, 1] = np.where(values[:, 0] > 0, values[:, 1] + self._nbytes, 0)
            kept[name] = values
            self._forms.setdefault(name, form)
        if not self._rows:
            numbers = [number for number in range(1, 100) if f"ZNAME{number}" in header]
            self._parameters = [(str(header[f"ZNAME{number}"]), header[f"ZVAL{number}"]) for number in numbers]
            self._heap = self._out.seek(self._heap_start(quantize))
        self._rows.append(kept)
        for piece in made.pieces(heap):
            self._sum.update(piece)
            self._crc = crc32(piece, self._crc)
            self._out.write(piece)
        self._nbytes += made.data_nbytes - heap
        return kept["ZSCALE"].astype(np.float64) if "ZSCALE" in kept else None

    def _order(self) -> list[str]:
        return [name for name in COLUMNS if name in self._forms]

    def _dtype(self) -> np.dtype[Any]:
        return np.dtype([(name, *_element(self._forms[name])) for name in self._order()])

    def _heap_start(self, quantize: rustfits.Quantize | None) -> int:
        """Return where the heap begins by what is known by now."""
        cards = self._cards(np.zeros(0, self._dtype()), quantize)
        return self._start + _nbytes_of(cards) + self._ntiles * self._dtype().itemsize

    def finish(self, quantize: rustfits.Quantize | None) -> Packed:
        """Write header and rows."""
        table = np.zeros(self._ntiles, self._dtype())
        first = 0
        for rows in self._rows:
            stop = first + len(rows[self._order()[0]])
            for name, values in rows.items():
                table[name][first:stop] = values
            first = stop
        cards, rows_of_bytes, out = self._cards(table, quantize), table.tobytes(), self._out
        heap = self._start + _nbytes_of(cards) + len(rows_of_bytes)
        if heap != self._heap:
            move(out, self._heap, heap, self._nbytes)
        out.seek(heap + self._nbytes)
        nbytes = len(rows_of_bytes) + self._nbytes
        out.write(bytes(padded(nbytes) - nbytes))
        total = rustfits.Datasum()
        total.update(rows_of_bytes)
        total.add(self._sum.value)  # rows fill words, as their numbers have 4 or 8 bytes
        out.seek(self._start)
        out.write(header_bytes(with_checksums(cards, total.value, CHECKSUM_COMMENTS)))
        out.write(rows_of_bytes)
        out.seek(0, 2)
        return Packed(rows_of_bytes, self._nbytes, self._crc)

    def _cards(self, table: NDArray[Any], quantize: rustfits.Quantize | None) -> list[bytes]:
        """Return the cards as fpack has them, in its order; without checksums."""
        order, raw, codec = self._order(), self._raw, self._codec
        cards = [
            card_of("XTENSION", "BINTABLE", "binary table extension"),
            card_of("BITPIX", 8, "8-bit bytes"),
            card_of("NAXIS", 2, "2-dimensional binary table"),
            card_of("NAXIS1", table.dtype.itemsize, "width of table in bytes"),
            card_of("NAXIS2", len(table), "number of rows in table"),
            card_of("PCOUNT", self._nbytes, "size of special data area"),
            card_of("GCOUNT", 1, "one data group (required keyword)"),
            card_of("TFIELDS", len(order), "number of fields in each row"),
        ]
        for number, name in enumerate(order, start=1):
            form, comment = "1D", "data format of field: 8-byte DOUBLE"
            if table[name].ndim == 2:
                letters = re.sub(r"\(.*| ", "", self._forms[name])
                form, comment = f"{letters}({table[name][:, 0].max(initial=0)})", VARIABLE
            cards.append(card_of(f"TTYPE{number}", name, f"label for field {number:3}"))
            cards.append(card_of(f"TFORM{number}", form, comment))
        cards.append(card_of("ZIMAGE", True, "extension contains compressed image"))
        for axis, length in enumerate(reversed(codec.tile_shape), start=1):
            cards.append(card_of(f"ZTILE{axis}", length, "size of tiles to be compressed"))
        dithered = quantize is not None and quantize.method == "dither2"
        name = "RICE_ONE" if dithered and codec.zcmptype == "RICE_1" else codec.zcmptype
        cards.append(card_of("ZCMPTYPE", name, "compression algorithm"))
        if quantize is not None and self._has_nulls:
            cards.append(card_of("ZBLANK", NULL, "null value in the compressed integer array"))
        for number, (parameter, value) in enumerate(self._parameters, start=1):
            of_name, of_value = PARAMETER_COMMENTS.get(parameter, ("", ""))
            cards.append(card_of(f"ZNAME{number}", parameter, of_name))
            number_of = float(value) if parameter == "SCALE" else value  # CFITSIO has a float there
            cards.append(card_of(f"ZVAL{number}", number_of, of_value))
        if not any(keyword(card) == "EXTNAME" for card in raw.cards):
            cards.append(card_of("EXTNAME", "COMPRESSED_IMAGE"))
        cards += [compressed_name(card) for card in raw.cards]
        return cards + self._quantized_cards(quantize)

    def _quantized_cards(self, quantize: rustfits.Quantize | None) -> list[bytes]:
        if quantize is None:
            lossless = card_of("ZQUANTIZ", "NONE", "Lossless compression without quantization")
            return [lossless] if self._hdu.stored_dtype.kind == "f" else []
        comment = _METHOD_COMMENTS.get(quantize.method, "Pixel Quantization Algorithm")
        card = card_of("ZQUANTIZ", _METHODS[quantize.method], comment)
        level = f"HISTORY   q = {quantize.level:f} / quantized level scaling parameter"
        cards = [
            card,
            b"HISTORY Image was compressed by CFITSIO using scaled integer quantization:".ljust(80),
            level.encode("ascii").ljust(80),
            (b"HISTORY " + card[10:]).ljust(80)[:80],
        ]
        if quantize.method != "no_dither":
            cards.append(card_of("ZDITHER0", quantize.seed, "dithering offset when quantizing floats"))
        return cards


def compressed_name(card: bytes) -> bytes:
    """Return a card of an image as the compressed image keeps it."""
    name = keyword(card)
    if _RENAMED.fullmatch(name):
        return renamed(card, f"Z{name}")
    return renamed(card, _SPECIAL[name]) if name in _SPECIAL else card


def move(file: IO[bytes], start: int, target: int, nbytes: int) -> None:
    """Move bytes of a file towards its end, the last ones first."""
    for stop in range(nbytes, 0, -COPY_NBYTES):
        begin = max(0, stop - COPY_NBYTES)
        file.seek(start + begin)
        piece = file.read(stop - begin)
        file.seek(target + begin)
        file.write(piece)


def _nbytes_of(cards: list[bytes]) -> int:
    """Return the size of a header when CHECKSUM and DATASUM are added."""
    return len(header_bytes([*cards, b" " * 80, b" " * 80]))


def _has_nulls(pixels: NDArray[Any]) -> bool:
    """Return whether there are pixels that are coded as NaN is: infinite ones too."""
    with np.errstate(all="ignore"):
        if np.isfinite(np.add.reduce(pixels, axis=None)):  # one of them would make the sum such a number
            return False
        return not bool(np.isfinite([pixels.min(), pixels.max()]).all())


def _element(form: str) -> tuple[str, tuple[int, ...]]:
    """Return the dtype and shape of a cell of a table of tiles."""
    if "P" in form or "Q" in form:
        return (">i4" if "P" in form else ">i8"), (2,)
    return ">f8", ()
