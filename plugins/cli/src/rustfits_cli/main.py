"""The commands; what they do stands in the modules beside this one."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import click

import rustfits
from rustfits_cli.describe import describe
from rustfits_cli.files import Failures, drop_output, each_file, expand, fill_closed_streams, reading, sentence
from rustfits_cli.image import complete_file
from rustfits_cli.show import add_row, console, new_table, one_line, write_json
from rustfits_cli.verify import CHECKS, Outcome, exit_code
from rustfits_cli.verify import verify as verify_file

# Commands that stand in modules of their own, loaded when they are called or explained.
MODULES = {
    "bench": "bench.bench",
    "completion": "completion.command",
    "checksum": "headers.checksum",
    "copy": "copying.copy_hdus",
    "cutout": "cutout.cutout",
    "diff": "diff.diff",
    "header": "headers.header",
    "pack": "pack.pack",
    "preview": "previewing.preview",
    "salvage": "salvage.salvage",
    "set": "headers.set_keywords",
    "stats": "stats.stats",
    "table": "printing.table_command",
    "unpack": "pack.unpack",
}
BROKEN = 70  # exit code of a fault of rustfits itself, as BSD's sysexits has it


class OwnFault(click.ClickException):
    """An error that should never have come so far, as one line."""

    exit_code = BROKEN

    def __init__(self, error: Exception) -> None:
        kind, text = type(error).__name__, sentence(error)
        super().__init__(f"rustfits met a fault of its own, {kind}: {text}; RUSTFITS_TRACEBACK=1 shows where")


class Commands(click.Group):
    """A group whose faults are one line: a damaged file is no reason for a traceback."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the program; what standard output does not take is an error too, told once."""
        fill_closed_streams()
        told = False
        try:
            try:
                return super().main(*arguments, **options)
            except SystemExit as end:
                told = bool(end.code)
                raise
            finally:
                sys.stdout.flush()
        except OSError as error:
            drop_output()
            if not told and error.errno != errno.EPIPE:
                click.echo(f"Error: {sentence(error)}", err=True)
            sys.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted([*super().list_commands(ctx), *MODULES])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return a command, loaded now if it stands in a module of its own."""
        if name not in MODULES:
            return super().get_command(ctx, name)
        module, _, own = MODULES[name].partition(".")
        command: click.Command = getattr(import_module(f"rustfits_cli.{module}"), own)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what goes wrong becomes one line on standard error and an exit code above 0."""
        try:
            return super().invoke(ctx)
        except (rustfits.FitsError, OSError, MemoryError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # click ends quietly when `head` has seen enough
            raise click.ClickException(sentence(error)) from error
        except click.ClickException as error:
            error.message = one_line(error.message)  # type: ignore[misc]  # names of files are in it
            raise
        except (click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("RUSTFITS_TRACEBACK"):
                raise
            raise OwnFault(error) from error


lenient_option = click.option(
    "--lenient/--strict",
    "lenient",
    default=None,
    help="Read past stray bytes and a damaged end of FILE; or refuse any stray byte. Neither: only where they matter.",
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(rustfits.__version__, prog_name="rustfits")
def main() -> None:
    """Look into FITS files, check and change them, pack and unpack them, cut and preview their images.

    The exit code is 0 if all is well, 1 after a fault, 2 for arguments that are not understood; verify and diff say
    more with theirs.
    """


@main.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="rustfits-demo.png",
    show_default=True,
    help="Where the preview goes.",
)
def demo(output: Path) -> None:
    """Pack a real image with every installed codec, read it back and check every pixel.

    The exit code is 1 if a pixel is wrong or an installed codec does not work.
    """
    import tempfile

    from rustfits_cli.demo import read_m13, try_every_codec
    from rustfits_cli.preview import write_preview

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
    click.echo(f"preview: {one_line(output.resolve())}")
    faults = [result.codec for result in results if result.wrong or result.broken]
    if faults:
        raise click.ClickException(f"these codecs failed: {', '.join(faults)}")
    if all(result.refusal for result in results):
        raise click.ClickException("no codec could hold the image")


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_file)
@click.option("--columns", is_flag=True, help="Also list the columns of every table.")
@click.option("--quantization", is_flag=True, help="Also tell how floats were rounded.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON list, an object for each FILE.")
@lenient_option
@click.pass_context
def info(
    ctx: click.Context,
    files: tuple[str, ...],
    *,
    columns: bool,
    quantization: bool,
    as_json: bool,
    lenient: bool | None,
) -> None:
    """List the HDUs of each FILE, - for standard input; no codec is needed for it.

    The exit code is 1 if a FILE cannot be read, or something damaged follows the HDUs that are listed, unless
    --lenient is given.
    """
    failures = Failures()
    found: list[dict[str, Any]] = []
    for file in each_file(files, headings=not as_json):
        with failures.kept(file):
            with reading(file, lenient) as fits:
                described, damage = [describe(hdu) for hdu in fits.hdus], fits.damage
                more = columns_of(fits) if columns else {}
                steps = quantization_of(fits) if quantization else []
            found.append({"filename": file, "hdus": [line.to_dict() for line in described]})
            if damage is not None:
                found[-1]["damage"] = " ".join(str(damage).split())
            if not as_json:
                show_descriptions(described)
                show_columns(more)
                show_quantization(steps)
            if quantization:
                found[-1]["quantization"] = steps
            if columns:
                found[-1]["columns"] = {title: [list(cells) for cells in lines] for title, lines in more.items()}
            if damage is not None:
                if not lenient:
                    raise damage
                click.echo(f"damage: {one_line(damage)}", err=as_json)
    if as_json:
        write_json(found)
    failures.exit(ctx)


def show_descriptions(described: list[Any]) -> None:
    """Print a line for each HDU, and why pixels cannot be read."""
    table = new_table("index", "name", "kind", "shape", "dtype", "codec", "tiles", "ratio", right=slice(7, 8))
    for line in described:
        add_row(table, line.index, line.name, line.kind, line.shape, line.dtype, line.codec, line.tiles, line.ratio)
    console().print(table)
    for remark in dict.fromkeys(line.remark for line in described if line.remark):
        click.echo(rustfits.printable(remark))


def columns_of(fits: rustfits.FITS) -> dict[str, list[tuple[str, ...]]]:
    """Return the columns of every table, as lines of a table each."""
    from rustfits_cli.table import describe_columns, is_table

    tables = [hdu for hdu in fits.hdus if is_table(hdu)]
    return {f"HDU {hdu.index} {hdu.extname or ''}".strip(): list(describe_columns(hdu)) for hdu in tables}


def quantization_of(fits: rustfits.FITS) -> list[dict[str, Any]]:
    """Return how the floats of each compressed image were rounded."""
    from rustfits_cli.quantization import quantizations

    return quantizations(fits)


def show_quantization(found: list[dict[str, Any]]) -> None:
    """Print a line for each compressed image of floats."""
    if found:
        from rustfits_cli.quantization import COLUMNS, cells

        table = new_table(*COLUMNS, right=slice(5, 8))
        for one in found:
            add_row(table, *cells(one))
        click.echo()
        console().print(table)


def show_columns(columns: dict[str, list[tuple[str, ...]]]) -> None:
    """Print a line for each column of each table."""
    for title, lines in columns.items():
        click.echo(f"\n{rustfits.printable(title)}:")
        table = new_table("column", "name", "format", "dim", "unit", "null", "codec", "description", right=slice(1))
        for cells in lines:
            add_row(table, *cells)
        console().print(table)


@main.command()
def codecs() -> None:
    """List the installed compression algorithms; none of them is loaded."""
    table = new_table("name", "distribution", "version")
    for name, source in rustfits.codecs().items():
        add_row(table, name, source.distribution, source.version)
    console().print(table)


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_file)
@click.option("--decode/--no-decode", default=True, show_default=True, help="Also decode every pixel.")
@click.option("-q", "--quiet", is_flag=True, help="One line for each FILE.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON list, an object for each FILE.")
@lenient_option
@click.pass_context
def verify(
    ctx: click.Context, files: tuple[str, ...], *, decode: bool, quiet: bool, as_json: bool, lenient: bool | None
) -> None:
    """Look for damage in every HDU of each FILE: structure, checksums, tiles that cannot be decoded.

    The exit code is 0 if nothing is wrong, 1 if something is, and 2 if something could not be read.
    """
    outcomes = []
    for file in expand(files):
        outcome = verify_file(file, decode=decode, lenient=lenient)
        outcomes.append(outcome)
        if not as_json:
            show_outcome(outcome, quiet=quiet)
    if as_json:
        write_json([outcome.to_dict() for outcome in outcomes])
    ctx.exit(exit_code(outcomes))


@main.command()
@click.argument("file", shell_complete=complete_file)
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
    click.echo(rustfits.printable(f"{file} {done}; the journal is {f'now {aside}' if aside else 'used up'}"))


def show_outcome(outcome: Outcome, *, quiet: bool) -> None:
    """Print what was found out about one file: a table and what it does not say, unless ``quiet``, and the summary."""
    rows = [] if quiet else list(outcome.rows())
    if rows:
        table = new_table("index", "name", *CHECKS)
        for row in rows:
            add_row(table, *row)
        console().print(table)
    for remark in () if quiet else outcome.remarks():
        click.echo(rustfits.printable(remark))
    click.echo(rustfits.printable(outcome.summary), err=outcome.report is None)
