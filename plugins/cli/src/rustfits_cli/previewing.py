"""The command `preview`: a picture of an image, or of all images of a mosaic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import rustfits
from rustfits_cli.files import check_output, new_file
from rustfits_cli.image import complete_file, hdu_option, pick_image, plane
from rustfits_cli.preview import FORMATS, MAPS, STRETCHES, Look, contact_sheet, draw, parse_limits


@click.command()
@click.argument("file", shell_complete=complete_file)
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
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
@click.option("--lenient/--strict", "lenient", default=None, help="As for info.")
def preview(
    *,
    file: str,
    output: Path,
    key: str | None,
    every: bool,
    size: int,
    enlarge: bool,
    stretch: str,
    limits: str,
    colours: str,
    invert: bool,
    lenient: bool | None,
) -> None:
    """Draw an image of FILE into OUTPUT, a PNG or JPEG by its name; of a cube, its first plane.

    The first row is at the bottom, as astronomers draw it. Pixels without a value are black.
    """
    check_output(file, output)
    if output.suffix.lower() not in FORMATS:
        raise click.ClickException(f"{output}: a picture is called {', '.join(FORMATS)}")
    look = Look(stretch, parse_limits(limits), colours, invert=invert)
    with rustfits.FITS(file, lenient=lenient) as fits:
        if every:
            images = [hdu for hdu in fits if isinstance(hdu, rustfits.ImageHDU) and hdu.has_data]
            if not images:
                raise click.ClickException(f"no image with data in {file}")
            picture: Any = contact_sheet([(plane(hdu), title(hdu)) for hdu in images], look, size)
        else:
            picture = draw(plane(pick_image(fits, key)), look, size, enlarge=enlarge)
    with new_file(output) as made:
        picture.save(made, format=FORMATS[output.suffix.lower()], **({"quality": 92} if picture.mode != "P" else {}))
    click.echo(f"preview: {output.resolve()} ({picture.width} x {picture.height})")


def title(hdu: rustfits.ImageHDU) -> str:
    """Return what to write below an image."""
    name = hdu.extname or ""
    if name in ("", "COMPRESSED_IMAGE"):
        return f"HDU {hdu.index}"
    return f"{hdu.index} {name}" + (f",{hdu.extver}" if hdu.extver != 1 else "")
