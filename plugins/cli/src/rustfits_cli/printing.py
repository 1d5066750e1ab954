"""The command `table`: rows of a table as text, CSV, JSON or Parquet."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from rustfits_cli.conditions import parse as parse_condition
from rustfits_cli.files import check_output, reading
from rustfits_cli.formats import write_csv, write_json_lines, write_text
from rustfits_cli.headers import lenient_option
from rustfits_cli.image import complete_file, complete_hdu
from rustfits_cli.show import one_line
from rustfits_cli.table import Rows, pick_table, split_name

FORMATS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
TERMINAL_NROWS = 40  # what a screen holds


@click.command("table")
@click.argument("name", metavar="FILE[HDU]", shell_complete=complete_file)
@click.option("--hdu", "key", metavar="HDU", shell_complete=complete_hdu, help="The same as in brackets.")
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
    key: str | None,
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

    HDU is an index, a name (EXTNAME) or "name,version"; the first table if not given. FILE may be - for standard
    input. Values that are missing (TNULL)
    are empty, in JSON null, as are numbers there that are not finite. A terminal is shown 40 rows, and the columns that
    fit; a pipe or a file all of them.
    """
    file, named = split_name(name)
    if key is not None and named is not None:
        raise click.UsageError("the HDU stands in brackets or behind --hdu, not both")
    key = named if key is None else key
    form = form or FORMATS.get(output.suffix if output else "", "text")
    comparisons = [] if where is None else parse_condition(where)
    names = [] if columns is None else [one.strip() for one in columns.split(",") if one.strip()]
    folded = [one.upper() for one in names]
    twice = [one for number, one in enumerate(names) if one.upper() in folded[:number]]
    if twice:
        raise click.ClickException(f"--columns has duplicate names: {', '.join(twice)}; case does not count")
    if output is not None:
        check_output(file, output, overwrite=overwrite)
    elif form == "parquet":
        raise click.UsageError("parquet is no text: name a file with --output")
    with reading(file, lenient) as fits:
        table = pick_table(fits, key)
        if not table.colnames:
            click.echo(one_line(f"HDU {table.index} of {file} is a table without columns: nothing to print"), err=True)
            return
        wanted = Rows(table, names, rows, comparisons)
        if form == "parquet" and output is not None:
            click.echo(f"table: {one_line(output.resolve())} ({wanted.write_parquet(output)} rows)")
        elif output is not None:
            with new_text(output) as out:
                print_rows(wanted, form, out, terminal=False, every=True)
            click.echo(f"table: {one_line(output.resolve())}")
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
