"""Whether a packed or unpacked file holds what the original holds: every card, every byte, every pixel."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

import rustfits
from rustfits_cli.packing import Packed, bands
from rustfits_cli.rawhdu import RawHDU, Sum, keyword, pieces
from rustfits_cli.unpacking import image_cards

PIECE_NPIXELS = 1 << 15  # that are compared at once: their numbers stay in the cache of the CPU
FLOAT32_ROUNDING = 2.0**-24
_HISTORY = (b"HISTORY Image was compressed by CFITSIO", b"HISTORY   q = ", b"HISTORY 'SUBTR", b"HISTORY 'NO_DI")


class Different(rustfits.FitsIOError):
    """What was written is not what was to be written; the original stays."""


def check_copy(original: IO[bytes], before: RawHDU, made: IO[bytes], after: RawHDU, index: int) -> None:
    """Compare an HDU that was copied.

    Raises
    ------
    Different
        If a card or a byte differs.
    """
    if before.cards != after.cards or before.data_nbytes != after.data_nbytes:
        raise Different(f"HDU {index} was copied, but its header is another one")
    pairs = zip(
        pieces(original, before.data_start, before.data_nbytes),
        pieces(made, after.data_start, after.data_nbytes),
        strict=True,
    )
    if any(one != other for one, other in pairs):
        raise Different(f"HDU {index} was copied, but bytes of its data are others")


def check_sum(made: IO[bytes], after: RawHDU, total: int, index: int) -> None:
    """Compare the bytes of a data unit in a file with the sum of those that were written.

    Raises
    ------
    Different
        If they differ.
    """
    found = Sum()
    for piece in pieces(made, after.data_start, after.data_nbytes):
        found.add(piece)
    if found.value != total:
        raise Different(f"HDU {index}: the bytes in the new file are not those that were written")


def check_image(hdu: rustfits.ImageHDU, before: RawHDU, made: rustfits.HDU, after: RawHDU, packed: Packed) -> None:
    """Compare an image with what was made of it: every bit, or, if quantised, within half a step of its tile.

    Raises
    ------
    Different
        If a card or a pixel differs by more.
    """
    cards = image_cards(after.cards, first=keyword(before.cards[0]) == "SIMPLE")
    added = len(cards) - len(before.cards)
    same = cards[: len(before.cards)] == before.cards
    if not same or not all(card.startswith(_HISTORY) for card in cards[len(before.cards) :]) or added < 0:
        raise Different(f"HDU {hdu.index}: unpacking would not give back its cards")
    if not isinstance(made, rustfits.CompressedImageHDU) or made.shape != hdu.shape:
        raise Different(f"HDU {hdu.index}: what was made of it is no image of shape {hdu.shape}")
    made.set_tile_cache_size(0)  # each tile is read once
    tile = packed.codec.tile_shape
    first = 0
    for key, part in bands(hdu, tile):
        (pixels,) = hdu.read_many([key], scale=False)
        (found,) = made.read_many([key], scale=False)
        pixels, found = (array.reshape(array.shape[-len(part) :]) for array in (pixels, found))
        step = None
        if packed.steps is not None:
            grid = tuple(-(-length // one) for length, one in zip(pixels.shape, part, strict=True))
            ntiles = int(np.prod(grid))
            step = _spread(packed.steps[first : first + ntiles].reshape(grid), part, pixels.shape)
            first += ntiles
        if _lossy(packed):
            good = bool(np.isfinite(found).all()) or pixels.dtype.kind == "f"
        elif step is None:
            bits = f"u{pixels.dtype.itemsize}"
            good = pixels.dtype == found.dtype and np.array_equal(pixels.view(bits), found.view(bits))
        else:
            good = _within(
                pixels, found, 0.5 * step, zeros=packed.quantize is not None and packed.quantize.method == "dither2"
            )
        if not good and step is not None and np.isinf(pixels).any():
            what = f"HDU {hdu.index}: it has infinite pixels"
            raise Different(f"{what}, which become NaN when floats are rounded; --lossless keeps them")
        if not good:
            raise Different(f"HDU {hdu.index}: pixels of {key} are not what they were; tell the authors of rustfits")


def _lossy(packed: Packed) -> bool:
    """Return whether HCOMPRESS was told to lose more than a bound says."""
    return bool(getattr(packed.codec, "scale", 0))


def _spread(values: NDArray[np.float64], tile: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return a number of each tile as an array that broadcasts to the pixels."""
    for axis, (length, pixels) in enumerate(zip(tile, shape, strict=True)):
        if values.shape[axis] > 1 and length > 1:
            values = np.repeat(values, length, axis=axis).take(range(pixels), axis=axis)
    return values


def _within(pixels: NDArray[Any], found: NDArray[Any], half: NDArray[np.float64], *, zeros: bool) -> bool:
    """Tell whether pixels are as near as half a step, nulls and, if asked for, zeros exactly where they were."""
    step = max(1, PIECE_NPIXELS * pixels.shape[0] // pixels.size)
    for start in range(0, pixels.shape[0], step):
        rows = slice(start, start + step)
        bound = half[rows] if half.shape[0] > 1 else half
        if not _piece_within(pixels[rows], found[rows], bound, zeros=zeros):
            return False
    return True


def _piece_within(pixels: NDArray[Any], found: NDArray[Any], half: NDArray[np.float64], *, zeros: bool) -> bool:
    if zeros and (found[pixels == 0] != 0).any():
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        away = np.subtract(found, pixels)
        np.abs(away, out=away)
        near = away <= (half * (1 + 1e-6)).astype(pixels.dtype)
    if near.all():
        return True
    far = ~near
    was, now = pixels[far].astype(np.float64), found[far].astype(np.float64)
    most = np.broadcast_to(half, pixels.shape)[far] * (1 + 1e-6)
    rounding = FLOAT32_ROUNDING if pixels.dtype.itemsize == 4 else 2.0**-52
    with np.errstate(invalid="ignore"):
        near = np.abs(now - was) <= most + 2 * rounding * np.abs(was)
    return bool((near | (was == now) | (np.isnan(was) & np.isnan(now))).all())
