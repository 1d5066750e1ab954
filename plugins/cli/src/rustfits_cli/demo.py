"""Pack a real image with every installed codec, read it back, and look at every pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rustfits
from rustfits_cli.bench import best_of
from rustfits_cli.image import pick_image

# SHA-256 of the pixels (big-endian, C order) as CFITSIO reads them: the image itself is checked against other software.
M13_SHA256 = "c9c80cdcf855e99a"
SECTION = (slice(101, 229), slice(37, 251))  # crosses tiles of any shape


@dataclass(frozen=True, slots=True)
class Result:
    """What one codec did with the image.

    Attributes
    ----------
    codec : str
        ZCMPTYPE value.
    ratio : float
        Bytes of the pixels over bytes of the compressed HDU's data.
    write_rate, read_rate : float
        MB of pixels a second, best of a few tries, files opened and closed included.
    largest_error : float
        Largest difference of any pixel, read whole or as a cutout.
    wrong : int
        Pixels that differ, or are missing.
    refusal : str
        Why the codec cannot hold the image, or could not be loaded; empty if it could.
    broken : bool
        Whether the refusal is a fault of the installation, not a limit of the algorithm.
    """

    codec: str
    ratio: float = 0.0
    write_rate: float = 0.0
    read_rate: float = 0.0
    largest_error: float = 0.0
    wrong: int = 0
    refusal: str = ""
    broken: bool = False


def read_m13() -> tuple[NDArray[Any], rustfits.FITSHeader]:
    """Return the image that ships with this package, and its header.

    Raises
    ------
    OSError
        If its pixels are not those that CFITSIO reads from the same file.
    """
    with resources.as_file(resources.files("rustfits_cli.data") / "m13.fits") as path:
        pixels, header = rustfits.read(path, header=True)
    found = hashlib.sha256(pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()).hexdigest()
    if not found.startswith(M13_SHA256):
        raise OSError(f"the demo image was read wrongly: SHA-256 of its pixels {found[:16]}, expected {M13_SHA256}")
    return pixels, header


def try_every_codec(pixels: NDArray[Any], header: rustfits.FITSHeader, folder: Path) -> Iterator[Result]:
    """Yield one result for each codec that `rustfits.codecs` lists; files go to ``folder``."""
    for codec in rustfits.codecs():
        yield try_codec(codec, pixels, header, folder)


def try_codec(codec: str, pixels: NDArray[Any], header: rustfits.FITSHeader, folder: Path) -> Result:
    """Write ``pixels`` with ``codec``, read them whole and as a cutout, and compare."""
    path = folder / f"{codec}.fits"

    def write() -> None:
        with rustfits.FITS(path, "w+") as file:
            file.write_image(pixels, compress=codec, extname="M13", header=header)

    def read() -> NDArray[Any]:
        with rustfits.FITS(path) as file:
            return pick_image(file, "M13").read()

    try:
        write_seconds, _ = best_of(write)
    except (rustfits.UnsupportedPixels, rustfits.InvalidParameter, rustfits.TileEncodeError) as error:
        return Result(codec, refusal=_one_line(error))
    except rustfits.CodecError as error:
        return Result(codec, refusal=_one_line(error), broken=True)
    try:
        read_seconds, whole = best_of(read)
        with rustfits.FITS(path) as file:
            hdu = pick_image(file, "M13")
            cutout, stored = hdu[SECTION], hdu.header
            packed = stored["NAXIS1"] * stored["NAXIS2"] + stored["PCOUNT"]
    except rustfits.FitsError as error:
        return Result(codec, wrong=pixels.size, refusal=_one_line(error), broken=True)
    whole_wrong, whole_error = differences(whole, pixels)
    cutout_wrong, cutout_error = differences(cutout, pixels[SECTION])
    return Result(
        codec=codec,
        ratio=pixels.nbytes / packed,
        write_rate=pixels.nbytes / write_seconds / 1e6,
        read_rate=pixels.nbytes / read_seconds / 1e6,
        largest_error=max(whole_error, cutout_error),
        wrong=whole_wrong + cutout_wrong,
    )


def differences(found: NDArray[Any], expected: NDArray[Any]) -> tuple[int, float]:
    """Return how many pixels differ and the largest difference; all and infinity for another shape or dtype."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return expected.size, float("inf")
    difference = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    return int(np.count_nonzero(difference)), float(difference.max(initial=0.0))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
