"""A section of an image as a file of its own, with its coordinates."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import rustfits
from rustfits_cli.files import check_output, new_file, options_named, reading
from rustfits_cli.image import complete_codec, complete_file, hdu_option, pick_image, rounding
from rustfits_cli.show import one_line

REFERENCE_PIXEL = re.compile(r"CRPIX([1-9])[A-Z]?")


def parse_section(text: str) -> tuple[slice, ...]:
    """Return the slices of a section such as ``100:200,50:80``; one number is one row, and keeps its axis.

    Raises
    ------
    ImageError
        If the text is not a section; the message shows one.
    """
    slices = []
    for part in text.strip("[] ").split(","):
        found = re.fullmatch(r"\s*(-?\d+)?\s*(:)?\s*(-?\d+)?\s*", part)
        if found is None or not part.strip():
            raise rustfits.ImageError(f"section {text!r} is not understood; write it as 100:200,50:80, numpy order")
        start, colon, stop = found.groups()
        if colon is None:
            stop = None if start == "-1" else int(start) + 1
        slices.append(slice(start and int(start), stop and int(stop) if colon else stop))
    return tuple(slices)


def write_cutout(
    hdu: rustfits.ImageHDU,
    section: tuple[slice, ...],
    output: Path,
    compress: str | None,
    quantize: rustfits.Quantize | None = None,
) -> Any:
    """Write a section of ``hdu`` to a new file; reference pixels (CRPIXn) move along.

    Parameters
    ----------
    hdu : ImageHDU
        Physical values are taken: the scaling of the source is not carried over.
    section : tuple of slice
        At most one for each axis, numpy order, without steps.
    output : Path
        File to make, or to replace.
    compress : str or None
        Name of an algorithm.
    quantize : Quantize, optional
        How floats are rounded before.

    Returns
    -------
    tuple of int
        Shape of what was written.

    Raises
    ------
    ImageError
        If the section is empty or has more axes than the image.
    """
    pixels = hdu[section]
    if not pixels.size:
        raise rustfits.ImageError(f"the section holds no pixel of an image of shape {hdu.shape}")
    start = [part.indices(length)[0] for part, length in zip(section, hdu.shape, strict=False)]
    start += [0] * (hdu.ndim - len(start))
    pixels, blank = _nulls(hdu, pixels)
    with options_named(), new_file(output) as made, rustfits.FITS(made, "w+") as file:
        file.write_image(
            pixels,
            extname=hdu.extname,
            compress=compress,
            quantize=quantize if pixels.dtype.kind == "f" else None,
            blank=blank,
            header=_keywords(hdu.header, start),
        )
    return pixels.shape


@click.command()
@click.argument("file", shell_complete=complete_file)
@click.argument("words", nargs=-1, required=True, metavar="[SECTION] OUTPUT")
@hdu_option
@click.option(
    "--at",
    "positions",
    multiple=True,
    metavar="ROW,COLUMN",
    help="Cut around this pixel, from 0, in numpy order; several are allowed.",
)
@click.option(
    "--sky",
    "skies",
    multiple=True,
    metavar="LON,LAT",
    help="Cut around this place in degrees, by the WCS of the header; needs astropy.",
)
@click.option(
    "--list",
    "listed",
    type=click.Path(exists=True, dir_okay=False),
    help="A file of positions, one a line: as --at, or, with --list-sky, as --sky.",
)
@click.option("--list-sky", is_flag=True, help="The positions of --list are degrees on the sky.")
@click.option(
    "--size",
    default="64",
    show_default=True,
    metavar="N or N,N",
    help="Pixels of a cutout around a position: rows, columns.",
)
@click.option("--fill", type=float, help="Pixel value beyond the edge; NaN for floats if not given.")
@click.option(
    "--compress", shell_complete=complete_codec, help="Name of a codec, such as GZIP_2; not compressed if not given."
)
@click.option(
    "--level", type=float, help="With --compress: floats become steps of noise/LEVEL; every bit if not given."
)
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it is there.")
@click.option("--lenient/--strict", "lenient", default=None, help="As for info.")
def cutout(
    *,
    file: str,
    words: tuple[str, ...],
    key: str | None,
    positions: tuple[str, ...],
    skies: tuple[str, ...],
    listed: str | None,
    list_sky: bool,
    size: str,
    fill: float | None,
    compress: str | None,
    level: float | None,
    overwrite: bool,
    lenient: bool | None,
) -> None:
    """Write a SECTION of an image of FILE to OUTPUT, or cutouts around positions, their coordinates shifted along.

    SECTION is written as in Python, in numpy order: 100:200,50:80. Cutouts around several positions become one file
    with an HDU for each, in their order; what lies beyond the edge is filled.
    """
    around = bool(positions or skies or listed)
    if len(words) != (1 if around else 2):
        raise click.UsageError("give SECTION and OUTPUT, or positions (--at, --sky, --list) and OUTPUT alone")
    output = Path(words[-1])
    check_output(file, output, overwrite=overwrite)
    quantize = rounding(level, compress)
    with reading(file, lenient) as fits:
        hdu = pick_image(fits, key)
        if not around:
            shape = write_cutout(hdu, parse_section(words[0]), output, compress, quantize)
            click.echo(f"cutout: {one_line(output.resolve())} ({' x '.join(map(str, shape))})")
            return
        places = [parse_pair(text) for text in positions]
        sky = [parse_pair(text) for text in skies]
        if listed is not None:
            (sky if list_sky else places).extend(read_pairs(listed))
        places += sky_to_pixels(hdu, sky) if sky else []
        shape = parse_size(size)
        write_cutouts(hdu, places, shape, output, compress=compress, quantize=quantize, fill=fill)
    click.echo(f"cutout: {one_line(output.resolve())} ({len(places)} of {' x '.join(map(str, shape))})")


def parse_pair(text: str) -> tuple[float, float]:
    """Return two numbers, with a comma or blanks between them.

    Raises
    ------
    ImageError
        If the text is something else.
    """
    try:
        one, other = map(float, text.replace(",", " ").split())
    except ValueError:
        raise rustfits.ImageError(f"position {text!r} is not understood; write two numbers: 100,250") from None
    if not (np.isfinite(one) and np.isfinite(other)):
        raise rustfits.ImageError(f"position {text!r} is nowhere: its numbers must be finite")
    return one, other


def parse_size(text: str) -> tuple[int, int]:
    """Return rows and columns; errors as `parse_pair`."""
    found = re.fullmatch(r"([1-9][0-9]*)(?:,([1-9][0-9]*))?", text.strip())
    if found is None:
        raise rustfits.ImageError(f"size {text!r} is not understood; write 64 or 64,100: rows, columns")
    return int(found[1]), int(found[2] or found[1])


def read_pairs(path: str) -> list[tuple[float, float]]:
    """Return the positions in a text file; empty lines and those that begin with # are left out."""
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    return [parse_pair(line) for line in lines if line.strip() and not line.lstrip().startswith("#")]


def sky_to_pixels(hdu: rustfits.ImageHDU, places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return rows and columns of places on the sky.

    Raises
    ------
    ImageError
        If astropy is not installed, or the header has no coordinates, or a place has no pixel.
    """
    try:
        from astropy.wcs import WCS
    except ImportError:
        raise rustfits.ImageError("coordinates on the sky need the package astropy; try: pip install astropy") from None
    wcs = WCS(hdu.image_header.to_astropy()).celestial
    if wcs.naxis != 2:
        raise rustfits.ImageError(f"HDU {hdu.index} has no coordinates on the sky (CTYPE1, CTYPE2, ...)")
    columns, rows = wcs.all_world2pix([place[0] for place in places], [place[1] for place in places], 0)
    if not (np.isfinite(columns).all() and np.isfinite(rows).all()):
        raise rustfits.ImageError("a place on the sky has no pixel in the projection of the image")
    return [(float(row), float(column)) for row, column in zip(rows, columns, strict=True)]


def write_cutouts(
    hdu: rustfits.ImageHDU,
    places: list[tuple[float, float]],
    shape: tuple[int, int],
    output: Path,
    *,
    compress: str | None,
    quantize: rustfits.Quantize | None,
    fill: float | None,
) -> None:
    """Write boxes around positions as HDUs of one new file.

    Raises
    ------
    ImageError
        If the image has not two axes, but for leading ones of one pixel, or a box of integers leaves it and there is
        no value to fill.
    """
    lead = hdu.ndim - 2
    if lead < 0 or any(length != 1 for length in hdu.shape[:lead]):
        raise rustfits.ImageError(f"positions are for images of two axes; HDU {hdu.index} has shape {hdu.shape}")
    value: Any = fill
    if fill is not None and hdu.dtype.kind in "iu":
        if fill != int(fill):
            raise rustfits.ImageError(f"--fill {fill:g} is no {hdu.dtype} number")
        value = int(fill)
    with options_named():
        boxes = hdu.cutouts([(*(0,) * lead, *place) for place in places], (*(1,) * lead, *shape), fill_value=value)
    with options_named(), new_file(output) as made, rustfits.FITS(made, "w+") as file, file.transaction():
        for number, (box, place) in enumerate(zip(boxes, places, strict=True), start=1):
            corner = [math.ceil(at - length / 2) for at, length in zip(place, shape, strict=True)]
            start = [0] * lead + corner
            pixels, blank = _nulls(hdu, box)
            header = _keywords(hdu.header, start)
            name = hdu.extname if len(boxes) == 1 else hdu.extname or "CUTOUT"
            version = None if len(boxes) == 1 else number
            file.write_image(
                np.ascontiguousarray(pixels),
                extname=name,
                extver=version,
                compress=compress,
                quantize=quantize if pixels.dtype.kind == "f" else None,
                blank=blank,
                header=header,
            )


def _nulls(hdu: rustfits.ImageHDU, pixels: NDArray[Any]) -> tuple[NDArray[Any], int | None]:
    """Return the pixels and the null value to write: NaN where physical values are floats."""
    header = hdu.header
    blank = header.get("ZBLANK", header.get("BLANK"))
    if not isinstance(blank, int) or hdu.stored_dtype.kind == "f":
        return pixels, None
    scale, zero = header.get("BSCALE", 1), header.get("BZERO", 0)
    if pixels.dtype.kind != "f":
        return pixels, blank + int(zero)
    return np.where(pixels == blank * scale + zero, np.nan, pixels), None


def _keywords(header: rustfits.FITSHeader, start: list[int]) -> dict[str, Any]:
    """Return the header of an image, with the reference pixels of a part of it that begins at ``start``."""
    keywords = header.to_dict()
    for key, entry in keywords.items():
        found = REFERENCE_PIXEL.fullmatch(key)
        if found and int(found[1]) <= len(start) and isinstance(entry["value"], int | float):
            entry["value"] -= start[-int(found[1])]
    return keywords
