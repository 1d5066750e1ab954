"""The command `stats`: what the pixels of images are like."""

from __future__ import annotations

import sys
from typing import Any

import click
import numpy as np

import rustfits
from rustfits_cli.cutout import parse_section
from rustfits_cli.files import Failures, expand, reading
from rustfits_cli.headers import files_argument, lenient_option
from rustfits_cli.image import hdus_option, pick_image
from rustfits_cli.parts import without_nulls
from rustfits_cli.show import add_row, console, new_table, write_json

COLUMNS = ("npixels", "nulls", "min", "max", "mean", "median", "std", "noise")


@click.command()
@files_argument
@hdus_option("Number, NAME or NAME,VERSION; several are allowed. All images if not given.")
@click.option("--section", help="Only of these pixels, as for cutout: 100:200,50:80")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON list.")
@lenient_option
@click.pass_context
def stats(
    ctx: click.Context,
    /,
    *,
    files: tuple[str, ...],
    keys: tuple[str, ...],
    section: str | None,
    as_json: bool,
    lenient: bool | None,
) -> None:
    """Show numbers of the pixels of each image: least, largest, mean, median, standard deviation, noise.

    NaN and BLANK are counted as nulls, and left out. noise is 1.4826 times the median distance from the median.
    """
    slices = parse_section(section) if section else ()
    failures = Failures()
    found: list[dict[str, Any]] = []
    names = expand(files)
    for file in names:
        with failures.kept(file), reading(file, lenient) as fits:
            if keys:
                images = [pick_image(fits, key) for key in keys]
            else:
                images = [hdu for hdu in fits if isinstance(hdu, rustfits.ImageHDU) and hdu.has_data]
            if not images:
                click.echo(f"{rustfits.printable(file)}: no image with pixels", err=True)
            for hdu in images:
                place = {"filename": file, "index": hdu.index, "name": hdu.extname or ""}
                found.append(place | numbers(hdu, slices))
    if as_json:
        write_json(found)
    elif found:
        alone = len(names) == 1 and sys.stdout.isatty()  # a line of a terminal holds the numbers, and little more
        table = new_table("file", "HDU", "name", *COLUMNS, right=slice(3, 11))
        for one in found:
            cells = [f"{one[key]:.6g}" if isinstance(one[key], float) else str(one[key]) for key in COLUMNS]
            add_row(table, "" if alone else one["filename"], str(one["index"]), one["name"], *cells)
        console().print(table)
    failures.exit(ctx)


def numbers(hdu: rustfits.ImageHDU, section: tuple[slice, ...]) -> dict[str, Any]:
    """Return the numbers of an image, or of a section of it."""
    pixels = hdu[section] if section else hdu.read()
    if not pixels.size:
        raise rustfits.ImageError(f"the section holds no pixel of an image of shape {hdu.shape}")
    good = without_nulls(hdu, pixels)
    found: dict[str, Any] = {"npixels": int(pixels.size), "nulls": int(pixels.size - good.size)}
    if not good.size:
        return found | dict.fromkeys(COLUMNS[2:], float("nan"))
    with np.errstate(over="ignore", invalid="ignore"):
        median = float(np.median(good))
        noise = 1.4826 * float(np.median(np.abs(good - np.float64(median))))
        ends = [float(end) if good.dtype.kind == "f" else int(end) for end in (good.min(), good.max())]
        mean, std = float(good.mean(dtype=np.float64)), float(good.std(dtype=np.float64))
    return found | {"min": ends[0], "max": ends[1], "mean": mean, "median": median, "std": std, "noise": noise}
