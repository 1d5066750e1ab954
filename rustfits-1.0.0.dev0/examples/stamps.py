"""Cut a stamp around each of the brightest stars of a compressed image, and keep them as a compressed cube.

python examples/stamps.py IMAGE.fits.fz STAMPS.fits.fz
"""

from __future__ import annotations

import sys

import numpy as np

import rustfits

HALF = 8  # a stamp is 17 pixels wide
NSTARS = 20


def span(center: int) -> slice:
    """Return the pixels of a stamp along one axis."""
    return slice(center - HALF, center + HALF + 1)


def brightest(pixels: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Return row and column of the brightest pixels that are at least a stamp apart, away from the edges."""
    left = np.nan_to_num(pixels.astype("f8"), nan=-np.inf)
    left[:HALF] = left[-HALF:] = left[:, :HALF] = left[:, -HALF:] = -np.inf
    found = []
    while len(found) < count and np.isfinite(left.max()):
        row, column = divmod(int(left.argmax()), left.shape[1])
        found.append((row, column))
        left[max(row - 2 * HALF, 0) : row + 2 * HALF, max(column - 2 * HALF, 0) : column + 2 * HALF] = -np.inf
    return found


def main(source: str, target: str) -> None:
    """Read ``source``, write ``target``."""
    with rustfits.FITS(source) as fits:
        image = next(hdu for hdu in fits if isinstance(hdu, rustfits.ImageHDU) and hdu.has_data)
        stars = brightest(image.read(), NSTARS)
        stamps = np.stack(
            [image[row - HALF : row + HALF + 1, column - HALF : column + HALF + 1] for row, column in stars]
        )
        header = image.header
    with rustfits.FITS(target, "w+") as fits:
        # One tile for each stamp: reading one stamp then decodes one tile.
        cube = fits.write_image(stamps, extname="STAMPS", compress=rustfits.Gzip2(tile_shape=(1, *stamps.shape[1:])))
        if "EQUINOX" in header:
            cube.header["EQUINOX"] = header["EQUINOX"]
        for number, (row, column) in enumerate(stars, 1):
            cube.header[f"POS{number}"] = (f"{column + 1},{row + 1}", "[pixel] x,y of the star in the image, from 1")
    print(f"{len(stars)} stamps in {target}")


if __name__ == "__main__":
    main(*sys.argv[1:])
