"""The command `copy`: HDUs of files into one new file, compressed or uncompressed on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

import rustfits
from rustfits_cli.files import check_output, expand, new_file, options_named, reading
from rustfits_cli.headers import lenient_option
from rustfits_cli.image import complete_codec, complete_file, pick_hdu, rounding
from rustfits_cli.packing import CODECS, codec_named
from rustfits_cli.show import one_line
from rustfits_cli.unpacking import has_cover

_WITH_HDU = re.compile(r"(.+)\[([^\[\]]+)\]")


@click.command("copy")
@click.argument("files", nargs=-1, required=True, metavar="FILE[HDU]...", shell_complete=complete_file)
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--decompress", is_flag=True, help="Write compressed images and tables as plain ones.")
@click.option(
    "--compress",
    metavar="CODEC",
    shell_complete=complete_codec,
    help="Compress plain images, such as with GZIP_2; floats keep every bit, so RICE_1 and others need --level.",
)
@click.option("--tables", is_flag=True, help="Compress plain tables, with or without --compress.")
@click.option("--level", type=float, help="With --compress: floats become steps of noise/LEVEL.")
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it is there.")
@lenient_option
def copy_hdus(
    *,
    files: tuple[str, ...],
    output: Path,
    decompress: bool,
    compress: str | None,
    tables: bool,
    level: float | None,
    overwrite: bool,
    lenient: bool | None,
) -> None:
    """Copy HDUs of one or more FILEs into the new file OUTPUT, byte for byte if nothing else is asked for.

    HDU is a number, NAME or NAME,VERSION: "x.fits[SCI,2]"; all of them without. Several are x.fits[0] x.fits[2].
    """
    if (compress or tables) and decompress:
        raise click.UsageError("--compress and --tables exclude --decompress")
    codec = None
    if compress:
        if compress.upper() not in CODECS:
            raise click.BadParameter(f"{compress} is none of {', '.join(CODECS)}", param_hint="--compress")
        codec = codec_named(CODECS[compress.upper()])
    quantize = rounding(level, compress)
    wanted = list(sources(files))
    for file, _ in wanted:
        check_output(file, output, overwrite=overwrite)
    count = 0
    with new_file(output) as made, rustfits.FITS(made, "w+") as new:
        for file, key in wanted:
            with reading(file, lenient) as fits:
                every = without_cover(list(fits)) if decompress else list(fits)
                for hdu in [pick_hdu(fits, key)] if key is not None else every:
                    copy_hdu(new, hdu, codec, quantize, decompress=decompress, tables=tables)
                    count += 1
    click.echo(f"copy: {one_line(output.resolve())} ({count} HDUs)")


def sources(files: tuple[str, ...]) -> Iterator[tuple[str, str | None]]:
    """Yield each file and the key of its HDU; a file that has that very name is meant as it is."""
    for name in files:
        found = _WITH_HDU.fullmatch(name)
        if found is not None and not Path(name).exists():
            yield from ((file, found[2].strip()) for file in expand([found[1]]))
        else:
            yield from ((file, None) for file in expand([name]))


def without_cover(hdus: list[rustfits.HDU]) -> list[rustfits.HDU]:
    """Return HDUs without an empty first one that stands there only because a compressed primary image follows."""
    return hdus[1:] if has_cover(hdus) else hdus


def copy_hdu(
    new: rustfits.FITS,
    hdu: rustfits.HDU,
    codec: Any,
    quantize: rustfits.Quantize | None,
    *,
    decompress: bool,
    tables: bool,
) -> None:
    """Append one HDU to a new file."""
    compressed = isinstance(hdu, rustfits.CompressedImageHDU)
    plain = isinstance(hdu, rustfits.ImageHDU) and not compressed and hdu.has_data
    if decompress and isinstance(hdu, getattr(rustfits, "CompressedTableHDU", ())):
        new.write_table(hdu)
        return
    if tables and not hdu.header.get("ZTABLE") and isinstance(hdu, getattr(rustfits, "TableHDU", ())):
        new.write_table(hdu, compress=True)
        return
    if not (decompress and compressed and hdu.has_data) and not (codec is not None and plain):
        new.append(hdu)
        return
    assert isinstance(hdu, rustfits.ImageHDU)
    header = hdu.header
    # Integers by a convention of BZERO are what they mean; with any other scaling the stored numbers are copied.
    convention = hdu.dtype.kind != "f" or hdu.stored_dtype.kind == "f"
    scaling: dict[str, Any] = {}
    if not convention:
        scaling = {"bscale": header.get("BSCALE", 1), "bzero": header.get("BZERO", 0)}
    blank = header.get("ZBLANK", header.get("BLANK"))
    if isinstance(blank, int) and hdu.stored_dtype.kind != "f":
        scaling["blank"] = blank + int(header.get("BZERO", 0)) if convention else blank
    pixels = hdu.read(scale=convention)
    if codec is not None and pixels.dtype.kind == "f":
        scaling["quantize"] = quantize
    with options_named():
        new.write_image(pixels, compress=codec, header=header, **scaling)
