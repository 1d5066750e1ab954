"""Whether a packed or unpacked file holds what the original holds: every card, every byte, every pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import rustfits
from rustfits_cli.packing import Band, Packed
from rustfits_cli.rawcards import COPY_NBYTES, RawHDU, crc32, keyword
from rustfits_cli.unpacking import image_cards

PIECE_NPIXELS = 1 << 15  # that are compared at once: their numbers stay in the cache of the CPU
FLOAT32_ROUNDING = 2.0**-24
_HISTORY = (b"HISTORY Image was compressed by CFITSIO", b"HISTORY   q = ", b"HISTORY 'SUBTR", b"HISTORY 'NO_DI")


class Different(rustfits.FitsIOError):
    """What was written is not what was to be written; the original stays."""


def check_copy(before: RawHDU, after: RawHDU) -> None:
    """Compare an HDU that was copied.

    Raises
    ------
    Different
        If a card or a byte differs.
    """
    index = before.hdu.index
    if before.cards != after.cards or before.data_nbytes != after.data_nbytes:
        raise Different(f"HDU {index} was copied, but its header is another one")
    if any(one != other for one, other in zip(before.pieces(), after.pieces(), strict=True)):
        raise Different(f"HDU {index} was copied, but bytes of its data are others")


def check_sum(after: RawHDU, total: int, index: int) -> None:
    """Compare the bytes of a data unit in a file with the sum of those that were written.

    Raises
    ------
    Different
        If they differ.
    """
    if sum_of(after) != total:
        raise Different(f"HDU {index}: the bytes in the new file are not those that were written")


def check_written(after: RawHDU, cards: list[bytes], nbytes: int, crc: int, index: int) -> None:
    """Compare an HDU in a file with the cards that were written, and with size and CRC of its data.

    Raises
    ------
    Different
        If they differ.
    """
    found = 0
    for piece in after.pieces():
        found = crc32(piece, found)
    if after.cards != cards or after.data_nbytes != nbytes or found != crc:
        raise Different(f"HDU {index}: the bytes in the new file are not those that were written")


def sum_of(raw: RawHDU) -> int:
    """Return the sum of the bytes of a data unit, its DATASUM."""
    total = rustfits.Datasum()
    for piece in raw.pieces():
        total.update(piece)
    return total.value


class ImageCheck:
    """What looks at an image while it is packed, and then at what the file has of it.

    Each part is decoded as soon as it is encoded, and compared with its pixels: every bit, or, if quantised, within
    half a step of its tile. In the file, cards and rows are compared as bytes and the heap by its CRC, so that what it
    holds is what was decoded. The first and the last pixels of each part are read once more, through the file.

    Parameters
    ----------
    raw : RawHDU
        The original.
    """

    def __init__(self, raw: RawHDU) -> None:
        assert isinstance(raw.hdu, rustfits.ImageHDU)
        self._hdu, self._raw = raw.hdu, raw
        self._samples: list[tuple[tuple[Any, ...], NDArray[Any]]] = []

    def look(self, key: tuple[Any, ...], band: Band) -> None:
        """Compare a part with what was made of it.

        Raises
        ------
        Different
            If a pixel differs by more than it may.
        """
        pixels, found, step = band.pixels, band.made.read(scale=False), None
        if band.steps is not None:
            grid = tuple(-(-length // one) for length, one in zip(pixels.shape, band.tile, strict=True))
            step = _spread(band.steps.reshape(grid), band.tile, pixels.shape)
        if _lossy(band):
            good = pixels.dtype.kind == "f" or bool(np.isfinite(found).all())
        elif step is None:
            good = _same_bits(pixels, found)
        else:
            zeros = band.quantize is not None and band.quantize.method == "dither2"
            good = _within(pixels, found, 0.5 * step, zeros=zeros)
        if not good and step is not None and np.isinf(pixels).any():
            what = f"HDU {self._hdu.index}: it has infinite pixels"
            raise Different(f"{what}, which become NaN when floats are rounded; --lossless keeps them")
        if not good:
            raise Different(
                f"HDU {self._hdu.index}: pixels of {key} are not what they were; tell the authors of rustfits"
            )
        start, stop = key[-1].start, key[-1].stop
        for row, where in ((start, 0), (stop - 1, found.shape[0] - 1)):
            self._samples.append(((*key[:-1], slice(row, row + 1)), found[where].copy()))

    def confirm(self, after: RawHDU, packed: Packed) -> None:
        """Compare what the file has with what was looked at.

        Raises
        ------
        Different
            If a card, a byte or a pixel differs.
        """
        hdu, before, made = self._hdu, self._raw, after.hdu
        cards = image_cards(after.cards, first=keyword(before.cards[0]) == "SIMPLE")
        added = cards[len(before.cards) :]
        if cards[: len(before.cards)] != before.cards or not all(card.startswith(_HISTORY) for card in added):
            raise Different(f"HDU {hdu.index}: unpacking would not give back its cards")
        if not isinstance(made, rustfits.CompressedImageHDU) or made.shape != hdu.shape:
            raise Different(f"HDU {hdu.index}: what was made of it is no image of shape {hdu.shape}")
        nbytes, crc = len(packed.rows), 0
        if after.data_nbytes != nbytes + packed.heap_nbytes:
            raise Different(f"HDU {hdu.index}: the new file has {after.data_nbytes} bytes of it, which is not all")
        for piece in after.pieces(nbytes):
            crc = crc32(piece, crc)
        if b"".join(after.pieces(0, nbytes)) != packed.rows or crc != packed.heap_crc:
            raise Different(f"HDU {hdu.index}: the bytes in the new file are not those that were written")
        samples = made.read_many([key for key, _ in self._samples], scale=False)
        for found, (key, pixels) in zip(samples, self._samples, strict=True):
            if not _same_bits(found.reshape(pixels.shape), pixels):
                raise Different(f"HDU {hdu.index}: pixels of {key} are read in another way than they were written")


def _same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether pixels are the same to the last bit; in pieces, so that the answers stay in the CPU's cache."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    ones, others = (np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in (one, other))
    for start in range(0, ones.size, COPY_NBYTES):
        ours, theirs = ones[start : start + COPY_NBYTES], others[start : start + COPY_NBYTES]
        if not ours.size % 8:  # bytes of a whole piece are compared eight at a time
            ours, theirs = ours.view(np.uint64), theirs.view(np.uint64)
        if not (ours == theirs).all():
            return False
    return True


def _lossy(band: Band) -> bool:
    """Return whether HCOMPRESS was told to lose more than a bound says."""
    return bool(getattr(band.codec, "scale", 0))


def _spread(values: NDArray[np.float64], tile: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return a number of each tile as an array that broadcasts to the pixels."""
    for axis, (length, pixels) in enumerate(zip(tile, shape, strict=True)):
        if values.shape[axis] > 1 and length > 1:
            values = np.repeat(values, length, axis=axis).take(range(pixels), axis=axis)
    return values


def _within(pixels: NDArray[Any], found: NDArray[Any], half: NDArray[np.float64], *, zeros: bool) -> bool:
    """Tell whether pixels are as near as half a step, nulls and, if asked for, zeros exactly where they were."""
    step = max(1, PIECE_NPIXELS * pixels.shape[0] // pixels.size)
    away = np.empty((step, *pixels.shape[1:]), pixels.dtype)
    for start in range(0, pixels.shape[0], step):
        rows = slice(start, start + step)
        bound = half[rows] if half.shape[0] > 1 else half
        if not _piece_within(pixels[rows], found[rows], bound, away, zeros=zeros):
            return False
    return True


def _piece_within(
    pixels: NDArray[Any], found: NDArray[Any], half: NDArray[np.float64], away: NDArray[Any], *, zeros: bool
) -> bool:
    if zeros and (found[pixels == 0] != 0).any():
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        away = np.subtract(found, pixels, out=away[: len(pixels)])
        bound = (half * (1 + 1e-6)).astype(pixels.dtype)
        if half.shape[-1] == 1:  # one tile a row: its extremes say all, and NaN is within no bound
            most, least = away.max(axis=-1, keepdims=True), away.min(axis=-1, keepdims=True)
            if ((most <= bound) & (least >= -bound)).all():
                return True
        near = np.abs(away, out=away) <= bound
    if near.all():
        return True
    far = ~near
    was, now = pixels[far].astype(np.float64), found[far].astype(np.float64)
    most_away = np.broadcast_to(half, pixels.shape)[far] * (1 + 1e-6)
    rounding = FLOAT32_ROUNDING if pixels.dtype.itemsize == 4 else 2.0**-52
    with np.errstate(invalid="ignore"):
        near = np.abs(now - was) <= most_away + 2 * rounding * np.abs(was)
    return bool((near | (was == now) | (np.isnan(was) & np.isnan(now))).all())
