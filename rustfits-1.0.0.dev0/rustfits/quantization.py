"""What rounding does to the pixels of an image: found out by trying it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rustfits.codec.codec import TileCodec
from rustfits.container.fitsfile import FITS
from rustfits.errors import UnsupportedPixels
from rustfits.quantize.parameters import Quantize

_SIGMA = 1.4826 / np.sqrt(2.0)  # of normal noise, in median absolute differences of two pixels


class QuantizationError(NamedTuple):
    """What an image loses when it is compressed, and what that wins.

    Attributes
    ----------
    noise : float
        Standard deviation of the noise, from differences of neighbours along the last axis; 0 if half of these are.
    largest, rms : float
        Of the differences, over all pixels that are finite before and after, in units of the noise; as they are if it
        is 0.
    ratio : float
        Bytes of the pixels by bytes of the compressed image, its header left out.
    difference : float64 array of the image's shape
        Pixels as they are read back, less those that were given; NaN where either is no number.
    """

    noise: float
    largest: float
    rms: float
    ratio: float
    difference: NDArray[np.float64]


def quantization_error(
    pixels: NDArray[Any], compress: str | TileCodec = "RICE_1", quantize: Quantize | None = None
) -> QuantizationError:
    """Compress an image in memory, read it back, and return what has changed.

    Parameters
    ----------
    pixels : array
        Of a dtype and shape that `FITS.write_image` takes.
    compress : str or TileCodec
        As in `FITS.write_image`.
    quantize : Quantize, optional
        How integers are made of floats. None keeps every bit of them, which not all codecs can.

    Returns
    -------
    QuantizationError

    Raises
    ------
    UnsupportedPixels
        If there is no pixel.
    ImageError, CodecError, TypeError
        As `FITS.write_image`.

    Examples
    --------
    >>> import numpy as np
    >>> import rustfits
    >>> sky = np.random.default_rng(1).normal(100, 5, (200, 200)).astype("f4")
    >>> found = rustfits.quantization_error(sky, "GZIP_2", rustfits.Quantize(level=4, seed=1))
    >>> print(f"{found.noise:.1f} {found.largest:.2f} {found.rms:.2f}")
    5.0 0.12 0.07
    """
    pixels = np.asanyarray(pixels)
    if not pixels.size:
        raise UnsupportedPixels(f"an image of shape {pixels.shape} has no pixel whose error could be told")
    with FITS("mem://", "w+") as file:
        hdu = file.write_image(pixels, compress=compress, quantize=quantize)
        found = hdu.read()
        nbytes = hdu.extent.data_nbytes
    with np.errstate(invalid="ignore", over="ignore"):
        difference = found.astype(np.float64) - pixels
    difference = np.where(np.isfinite(difference), difference, np.nan)
    noise = noise_of(pixels)
    away = np.abs(difference[np.isfinite(difference)]) / (noise or 1.0)
    rms = float(np.sqrt(np.mean(away**2))) if away.size else 0.0
    return QuantizationError(noise, float(away.max(initial=0.0)), rms, pixels.nbytes / max(nbytes, 1), difference)


def noise_of(pixels: NDArray[Any]) -> float:
    """Return the standard deviation of the noise, from differences of neighbours along the last axis."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.abs(np.diff(pixels.astype(np.float64), axis=-1))
    steps = steps[np.isfinite(steps)]
    return float(_SIGMA * np.median(steps)) if steps.size else 0.0
