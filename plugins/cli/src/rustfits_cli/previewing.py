"""The command `preview`: a picture of an image, or of all images of a mosaic."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import rustfits
from rustfits_cli.files import check_output, new_file, reading
from rustfits_cli.image import complete_file, hdu_option, pick_image, plane
from rustfits_cli.preview import FORMATS, MAPS, STRETCHES, Look, contact_sheet, draw, parse_limits
from rustfits_cli.show import one_line
from rustfits_cli.terminal import WAYS, rendered, way_of


@click.command()
@click.argument("file", shell_complete=complete_file)
@click.argument("output", required=False, type=click.Path(dir_okay=False, path_type=Path))
@hdu_option
@click.option("--all", "every", is_flag=True, help="Every image of FILE, side by side, with its name.")
@click.option(
    "--size",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help="Pixels of the longest side, exactly; smaller images stay as they are unless --enlarge is given.",
)
@click.option("--enlarge", is_flag=True, help="Make small images as large as --size.")
@click.option(
    "--stretch", type=click.Choice(STRETCHES), default="asinh", show_default=True, help="From pixels to grey."
)
@click.option(
    "--limits",
    default="auto",
    show_default=True,
    metavar="auto|zscale|minmax|N%|LOW,HIGH",
    help="Which pixels are black and white; 99.5% leaves out the extremes.",
)
@click.option("--map", "colours", type=click.Choice(list(MAPS)), default="grey", show_default=True, help="Colours.")
@click.option("--invert", is_flag=True, help="Dark stars on a bright sky.")
@click.option(
    "--quantization-error",
    "level",
    type=click.FloatRange(min=0, min_open=True),
    metavar="LEVEL",
    help="Draw what steps of noise/LEVEL would change, in place of the pixels.",
)
@click.option(
    "--terminal",
    type=click.Choice(["auto", *WAYS]),
    help="Show the picture in the terminal; so without OUTPUT, if standard output is one.",
)
@click.option("--lenient/--strict", "lenient", default=None, help="As for info.")
def preview(
    *,
    file: str,
    output: Path | None,
    key: str | None,
    every: bool,
    size: int,
    enlarge: bool,
    stretch: str,
    limits: str,
    colours: str,
    invert: bool,
    level: float | None,
    terminal: str | None,
    lenient: bool | None,
) -> None:
    """Draw an image of FILE into OUTPUT, a PNG or JPEG by its name, or into the terminal; of a cube, its first plane.

    The first row is at the bottom, as astronomers draw it. Pixels without a value are black.
    """
    if output is None and terminal is None:
        if not sys.stdout.isatty():
            raise click.UsageError("name OUTPUT, a PNG or JPEG; standard output is no terminal that could show it")
        terminal = "auto"
    if output is not None:
        check_output(file, output)
        if output.suffix.lower() not in FORMATS:
            raise click.ClickException(f"{output}: a picture is called {', '.join(FORMATS)}")
    if level is not None and limits == "auto":
        limits = "minmax"
        stretch = "linear"
    look, remark = Look(stretch, parse_limits(limits), colours, invert=invert), ""
    with reading(file, lenient) as fits:
        if every:
            images = [hdu for hdu in fits if isinstance(hdu, rustfits.ImageHDU) and hdu.has_data]
            if not images:
                raise click.ClickException(f"no image with data in {file}")
            pixels = [drawn(hdu, level) for hdu in images]
            titles = [title(hdu) + alike(one, ": all {}") for hdu, one in zip(images, pixels, strict=True)]
            picture: Any = contact_sheet(list(zip(pixels, titles, strict=True)), look, size)
        else:
            image = drawn(pick_image(fits, key), level)
            picture, remark = draw(image, look, size, enlarge=enlarge), alike(image, "; every pixel is {}")
    if terminal is not None:
        click.echo(rendered(picture, way_of(os.environ) if terminal == "auto" else terminal), nl=False, color=True)
    if output is not None:
        with new_file(output) as made:  # whose name says the format: pillow then loads no other
            picture.save(made, quality=92)
        click.echo(f"preview: {one_line(output.resolve())} ({picture.width} x {picture.height}){remark}")


def drawn(hdu: rustfits.ImageHDU, level: float | None) -> NDArray[Any]:
    """Return what is drawn: pixels, or what rounding them to steps of noise/``level`` would change.

    Raises
    ------
    ImageError
        If the pixels are integers, which are not rounded.
    """
    pixels = plane(hdu)
    if level is None:
        return pixels
    if hdu.stored_dtype.kind != "f":
        raise rustfits.ImageError(f"HDU {hdu.index} has integers, which keep every bit: there is no error to draw")
    return rustfits.quantization_error(pixels, "GZIP_2", rustfits.Quantize(level=level, seed=1)).difference


def alike(pixels: NDArray[Any], said: str) -> str:
    """Return the number that all pixels are, put into ``said``: a picture of them shows nothing; else an empty text."""
    same = pixels.min() == pixels.max() or bool(np.isnan(pixels).all())
    return said.format(f"{pixels.flat[0]:g}") if same else ""


def title(hdu: rustfits.ImageHDU) -> str:
    """Return what to write below an image."""
    name = hdu.extname or ""
    if name in ("", "COMPRESSED_IMAGE"):
        return f"HDU {hdu.index}"
    return f"{hdu.index} {name}" + (f",{hdu.extver}" if hdu.extver != 1 else "")
