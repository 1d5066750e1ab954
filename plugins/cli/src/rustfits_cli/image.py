"""Find the image a command speaks of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem
from numpy.typing import NDArray

import rustfits


def complete_file(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave the names of files to the shell."""
    return [CompletionItem(incomplete, type="file")]


def complete_codec(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of codecs that begin so."""
    return [name for name in rustfits.codecs() if name.startswith(incomplete.upper())]


def rounding(level: float | None, compress: str | None) -> rustfits.Quantize | None:
    """Return how floats are rounded by --level before they go into a codec; None if every bit is kept."""
    if level is not None and not compress:
        raise click.UsageError("--level goes with --compress: it says how floats are rounded before")
    return rustfits.Quantize(level=level, seed="checksum") if level else None


def complete_hdu(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return names and numbers of the HDUs of the file that stands before."""
    from rustfits_cli.describe import describe

    files = ctx.params.get("file") or ctx.params.get("files") or ctx.args
    given = files if isinstance(files, str) else (*files, "")[0]
    try:
        with rustfits.FITS(given) as fits:
            described = [describe(hdu) for hdu in fits.hdus]
    except (rustfits.FitsError, OSError, TypeError):
        return []
    names = [line.name for line in described if line.name] + [line.index for line in described]
    return [name for name in names if name.upper().startswith(incomplete.upper())]


def hdus_option(help: str) -> Callable[[Any], Any]:
    """Return the option ``--hdu``, which may be given several times, as the argument ``keys``."""
    return click.option("--hdu", "keys", multiple=True, metavar="HDU", shell_complete=complete_hdu, help=help)


hdu_option = click.option(
    "--hdu",
    "key",
    metavar="HDU",
    shell_complete=complete_hdu,
    help="Number, NAME or NAME,VERSION, as info prints them; the first image that has data if not given.",
)


def pick_hdu(fits: rustfits.FITS, key: str) -> rustfits.HDU:
    """Return the HDU that a number, a name (EXTNAME), or "name,version" (EXTVER) means.

    Raises
    ------
    HDUNotFound
        If there is no such HDU.
    """
    return fits[int(key)] if key.lstrip("-").isdecimal() else fits[key]


def pick_image(fits: rustfits.FITS, key: str | None) -> rustfits.ImageHDU:
    """Return the image that ``key`` names: number, name, "name,version", or None: the first with data.

    Raises
    ------
    HDUNotFound
        If there is no such HDU.
    ImageError
        If it is not an image.
    """
    if key is None:
        for hdu in fits:
            if isinstance(hdu, rustfits.ImageHDU) and hdu.has_data:
                return hdu
        raise rustfits.HDUNotFound(f"no image with data in {fits.filename}; see: rustfits info")
    hdu = pick_hdu(fits, key)
    if not isinstance(hdu, rustfits.ImageHDU):
        raise rustfits.ImageError(f"HDU {key} of {fits.filename} is not an image; see: rustfits info")
    return hdu


def plane(hdu: rustfits.ImageHDU) -> NDArray[Any]:
    """Return the first two-dimensional plane of an image; an image of one axis becomes one row.

    Raises
    ------
    ImageError
        If the image has no pixels.
    """
    if not hdu.has_data:
        raise rustfits.ImageError(f"HDU {hdu.index} has no pixels")
    pixels: NDArray[Any] = hdu[(0,) * max(hdu.ndim - 2, 0)] if hdu.ndim > 2 else hdu.read()
    return pixels.reshape(-1, pixels.shape[-1])
