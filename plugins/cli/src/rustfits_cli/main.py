"""The commands; what they do stands in the modules beside this one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

import rustfits
from rustfits_cli.conditions import parse as parse_condition
from rustfits_cli.cutout import parse_section, write_cutout
from rustfits_cli.demo import read_m13, try_every_codec
from rustfits_cli.describe import describe
from rustfits_cli.formats import write_csv, write_json_lines, write_text
from rustfits_cli.image import pick_image, plane
from rustfits_cli.preview import write_preview
from rustfits_cli.table import Rows, describe_columns, is_table, pick_table, split_name
from rustfits_cli.verify import CHECKS, Outcome, exit_code
from rustfits_cli.verify import verify as verify_file

FORMATS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
TERMINAL_NROWS = 40  # what a screen holds
PIPE_WIDTH = 200  # columns for a table that goes to a file or a pipe, where nothing says how wide it may be


class Commands(click.Group):
    """A group whose faults are one line: a damaged file is no reason for a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; `FitsError` and `OSError` become exit code 1 and one line on standard error."""
        try:
            return super().invoke(ctx)
        except (rustfits.FitsError, OSError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # click ends quietly when `head` has seen enough
            raise click.ClickException(" ".join(str(error).split())) from error


lenient_option = click.option(
    "--lenient/--strict",
    "lenient",
    default=None,
    help="Read past stray bytes and a damaged end of FILE; or refuse any stray byte. Neither: only where they matter.",
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(rustfits.__version__, prog_name="rustfits")
def main() -> None:
    """Look into FITS files, check them, print their tables, cut and preview their images."""


@main.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("rustfits-demo.png"),
    show_default=True,
    help="Where the preview goes.",
)
def demo(output: Path) -> None:
    """Pack a real image with every installed codec, read it back and check every pixel.

    The exit code is 1 if a pixel is wrong or an installed codec does not work.
    """
    pixels, header = read_m13()
    height, width = pixels.shape
    click.echo(f"M13, {width} x {height} pixels of {pixels.dtype}; rustfits {rustfits.__version__}")
    with tempfile.TemporaryDirectory(prefix="rustfits-demo-") as folder:
        results = list(try_every_codec(pixels, header, Path(folder)))
    table = new_table("codec", "ratio", "write MB/s", "read MB/s", "largest error", "", right=slice(1, 5))
    for result in results:
        if result.refusal:
            add_row(table, result.codec, "", "", "", "", result.refusal)
            continue
        verdict = f"{result.wrong} PIXELS WRONG" if result.wrong else "every pixel right"
        add_row(
            table,
            result.codec,
            f"{result.ratio:.2f}",
            f"{result.write_rate:.0f}",
            f"{result.read_rate:.0f}",
            f"{result.largest_error:g}",
            verdict,
        )
    console().print(table)
    write_preview(output, pixels)
    click.echo(f"preview: {output.resolve()}")
    faults = [result.codec for result in results if result.wrong or result.broken]
    if faults:
        raise click.ClickException(f"these codecs failed: {', '.join(faults)}")
    if all(result.refusal for result in results):
        raise click.ClickException("no codec could hold the image")


@main.command()
@click.argument("file")
@click.option("--columns", "with_columns", is_flag=True, help="Also list the columns of every table.")
@lenient_option
def info(file: str, *, with_columns: bool, lenient: bool | None) -> None:
    """List the HDUs of FILE; no codec is needed for it.

    The exit code is 1 if something damaged follows the HDUs that are listed, unless --lenient is given.
    """
    with rustfits.FITS(file, lenient=lenient) as fits:
        described, damage = [describe(hdu) for hdu in fits.hdus], fits.damage
        tables = [hdu for hdu in fits.hdus if with_columns and is_table(hdu)]
        columns = {f"HDU {hdu.index} {hdu.extname or ''}".strip(): describe_columns(hdu) for hdu in tables}
    table = new_table("index", "name", "kind", "shape", "dtype", "codec", "tiles", "ratio", right=slice(7, 8))
    for line in described:
        add_row(table, line.index, line.name, line.kind, line.shape, line.dtype, line.codec, line.tiles, line.ratio)
    console().print(table)
    for remark in dict.fromkeys(line.remark for line in described if line.remark):
        click.echo(remark)
    for title, lines in columns.items():
        click.echo(f"\n{printable(title)}:")
        table = new_table("column", "name", "format", "dim", "unit", "null", "codec", "description", right=slice(1))
        for cells in lines:
            add_row(table, *cells)
        console().print(table)
    if damage is not None:
        if not lenient:
            raise damage
        click.echo(f"damage: {' '.join(str(damage).split())}")


@main.command()
def codecs() -> None:
    """List the installed compression algorithms; none of them is loaded."""
    table = new_table("name", "distribution", "version")
    for name, source in rustfits.codecs().items():
        add_row(table, name, source.distribution, source.version)
    console().print(table)


@main.command("table")
@click.argument("name", metavar="FILE[HDU]")
@click.option("--columns", "-c", help="Names with commas between them; all columns if not given.")
@click.option("--rows", "-r", metavar="A:B", help="Rows as in Python: 0:100, -20:, ::10, 7.")
@click.option("--where", "-w", metavar="CONDITION", help="Of those rows the ones with, say: mag < 12.5 and ok == true")
@click.option(
    "--format",
    "-f",
    "form",
    type=click.Choice(["text", "csv", "json", "parquet"]),
    help="text is aligned; json is an object in each line; parquet needs pyarrow. By the name of OUTPUT if not given.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Standard output if not given.")
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it is there.")
@click.option("--all", "every", is_flag=True, help="Show all rows on a terminal too.")
@lenient_option
def table_command(
    name: str,
    *,
    columns: str | None,
    rows: str | None,
    where: str | None,
    form: str | None,
    output: Path | None,
    overwrite: bool,
    every: bool,
    lenient: bool | None,
) -> None:
    """Print rows of a table of FILE.

    HDU is an index, a name (EXTNAME) or "name,version"; the first table if not given. Values that are missing (TNULL)
    are empty, in JSON null, as are numbers there that are not finite. A terminal is shown 40 rows, and the columns that
    fit; a pipe or a file all of them.
    """
    file, key = split_name(name)
    form = form or FORMATS.get(output.suffix if output else "", "text")
    comparisons = [] if where is None else parse_condition(where)
    names = [] if columns is None else [one.strip() for one in columns.split(",") if one.strip()]
    if output is not None:
        check_output(file, output)
        if output.exists() and not overwrite:
            raise click.ClickException(f"{output} is there already; --overwrite replaces it")
    elif form == "parquet":
        raise click.UsageError("parquet is no text: name a file with --output")
    with rustfits.FITS(file, lenient=lenient) as fits:
        wanted = Rows(pick_table(fits, key), names, rows, comparisons)
        if form == "parquet" and output is not None:
            click.echo(f"table: {output.resolve()} ({wanted.write_parquet(output)} rows)")
        elif output is not None:
            with new_text(output) as out:
                print_rows(wanted, form, out, terminal=False, every=True)
            click.echo(f"table: {output.resolve()}")
        else:
            print_rows(wanted, form, sys.stdout, terminal=sys.stdout.isatty(), every=every)


def print_rows(rows: Rows, form: str, out: IO[str], *, terminal: bool, every: bool) -> None:
    """Write rows as text of some format; what a terminal is not shown is told on standard error."""
    if form == "csv":
        write_csv(rows.pieces(), out, shown=terminal)
    elif form == "json":
        write_json_lines(rows.pieces(), out)
    else:
        width = shutil.get_terminal_size().columns if terminal else None
        most = None if every or not terminal else TERMINAL_NROWS
        left_out = write_text(rows.pieces(), out, width, most, rows.nrows)
        if left_out:
            click.echo(left_out, err=True)


@contextmanager
def new_text(output: Path) -> Iterator[IO[str]]:
    """Open a text file that takes its name when it is whole."""
    output = output.resolve()
    with tempfile.TemporaryDirectory(prefix=".rustfits-", dir=output.parent) as folder:
        made = Path(folder) / output.name
        with made.open("w", encoding="utf-8", newline="") as out:
            yield out
        os.replace(made, output)


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--decode/--no-decode", default=True, show_default=True, help="Also decode every pixel.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON list, an object for each FILE.")
@lenient_option
@click.pass_context
def verify(ctx: click.Context, files: tuple[str, ...], *, decode: bool, as_json: bool, lenient: bool | None) -> None:
    """Look for damage in every HDU of each FILE: structure, checksums, tiles that cannot be decoded.

    The exit code is 0 if nothing is wrong, 1 if something is, and 2 if something could not be read.
    """
    outcomes = []
    for file in files:
        outcome = verify_file(file, decode=decode, lenient=lenient)
        outcomes.append(outcome)
        if not as_json:
            show_outcome(outcome)
    if as_json:
        click.echo(json.dumps([outcome.to_dict() for outcome in outcomes], indent=2))
    ctx.exit(exit_code(outcomes))


@main.command()
@click.argument("file")
@click.argument("section")
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--hdu", "key", help="Index or EXTNAME; the first image that has data if not given.")
@click.option("--compress", help="Name of a codec, such as GZIP_2; not compressed if not given.")
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it is there.")
@lenient_option
def cutout(
    file: str,
    section: str,
    output: Path,
    *,
    key: str | None,
    compress: str | None,
    overwrite: bool,
    lenient: bool | None,
) -> None:
    """Write a SECTION of an image of FILE to OUTPUT, its coordinates shifted along.

    SECTION is written as in Python, in numpy order: 100:200,50:80
    """
    check_output(file, output)
    if output.exists() and not overwrite:
        raise click.ClickException(f"{output} is there already; --overwrite replaces it")
    with rustfits.FITS(file, lenient=lenient) as fits:
        shape = write_cutout(pick_image(fits, key), parse_section(section), output, compress)
    click.echo(f"cutout: {output.resolve()} ({' x '.join(map(str, shape))})")


@main.command()
@click.argument("file")
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--hdu", "key", help="Index or EXTNAME; the first image that has data if not given.")
@click.option("--size", type=click.IntRange(min=1), default=1024, show_default=True, help="Longest side, in pixels.")
@lenient_option
def preview(file: str, output: Path, *, key: str | None, size: int, lenient: bool | None) -> None:
    """Write a PNG of an image of FILE to OUTPUT; of a cube, its first plane."""
    check_output(file, output)
    with rustfits.FITS(file, lenient=lenient) as fits:
        pixels = plane(pick_image(fits, key))
    width, height = write_preview(output, pixels, longest=size)
    click.echo(f"preview: {output.resolve()} ({width} x {height})")


@main.command()
@click.argument("file")
@click.option("--apply", "how", flag_value="apply", help="Write back what the journal saved.")
@click.option("--discard", "how", flag_value="discard", help="Take FILE as it is; the journal is set aside.")
def recover(file: str, how: Literal["apply", "discard"] | None) -> None:
    """Decide about the journal beside FILE that a killed writer left.

    Opening FILE recovers it by itself where the journal is proven to be its own. Where that cannot be proven, look at
    FILE first: --apply makes it what it was before the change that was cut short.
    """
    if how is None:
        raise click.UsageError("say --apply or --discard")
    aside = rustfits.recover(file, how)
    done = "is as it was before the change" if how == "apply" else "stays as it is"
    click.echo(f"{file} {done}" + (f"; the journal is now {aside}" if aside else "; the journal is used up"))


def show_outcome(outcome: Outcome) -> None:
    """Print what was found out about one file: a table, what it does not say, and the summary."""
    rows = list(outcome.rows())
    if rows:
        table = new_table("index", "name", *CHECKS)
        for row in rows:
            add_row(table, *row)
        console().print(table)
    for remark in outcome.remarks():
        click.echo(printable(remark))
    click.echo(printable(outcome.summary), err=outcome.report is None)


def check_output(file: str, output: Path) -> None:
    """Refuse to write over what is read, under whatever name."""
    if output.exists() and Path(file).exists() and output.samefile(file):
        raise click.ClickException(f"OUTPUT is {file} itself, whose other pixels would be lost; name another file")


def console() -> Console:
    """Return where tables go; wide where nobody looks, so that no cell is cut."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def new_table(*columns: str, right: slice = slice(0)) -> Table:
    """Return an empty table; ``right`` says which columns hold numbers."""
    table = Table(box=None, pad_edge=False)
    numbers = set(range(len(columns))[right])
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number in numbers else "left", overflow="fold")
    return table


def add_row(table: Table, *cells: str) -> None:
    """Add cells as they are: names from a file may look like markup, or hold control characters."""
    table.add_row(*(Text(printable(cell)) for cell in cells))


def printable(text: str) -> str:
    """Return text without what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)
