"""The commands `pack` and `unpack`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

import rustfits
from rustfits_cli.files import expand
from rustfits_cli.image import complete_codec, complete_file
from rustfits_cli.jobs import show_progress
from rustfits_cli.packing import CODECS, Recipe, codec_named
from rustfits_cli.show import one_line
from rustfits_cli.wholefile import Task, do


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that both commands have."""
    for option in reversed(
        (
            click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete_file),
            click.option("-o", "--output", help="Name of the new file, for one FILE; - is standard output."),
            click.option(
                "--folder", type=click.Path(file_okay=False), help="Where new files go; beside FILE if not given."
            ),
            click.option("--force", is_flag=True, help="Replace files that are there."),
            click.option("--delete", is_flag=True, help="Delete FILE when the disk holds the new file, verified."),
            click.option(
                "--verify/--no-verify", default=True, show_default=True, help="Read the new file again and compare."
            ),
            click.option(
                "-j",
                "--jobs",
                type=click.IntRange(min=1),
                help="Files at once; as many as there are CPUs if not given.",
            ),
            click.option("-q", "--quiet", is_flag=True, help="No progress; failures are told all the same."),
            click.option("-v", "--verbose", is_flag=True, help="Say what became of each file."),
            click.option("--lenient/--strict", "lenient", default=None, help="As for info."),
        )
    ):
        command = option(command)
    return command


@click.command()
@_common
@click.option(
    "--codec", default="RICE_1", show_default=True, shell_complete=complete_codec, help="Name of the algorithm."
)
@click.option(
    "--tile",
    metavar="N,N",
    help="Tile lengths, NAXIS1 first as for fpack; 0: as usual, -1: the whole axis. Or: rows, whole.",
)
@click.option(
    "--level", type=float, default=4.0, show_default=True, help="Of floats: steps of noise/LEVEL; 0 is --lossless."
)
@click.option(
    "--step", type=click.FloatRange(min=0, min_open=True), help="Of floats: steps of this size, in place of --level."
)
@click.option(
    "--method",
    type=click.Choice(["dither1", "dither2", "no-dither"]),
    default="dither1",
    show_default=True,
    help="How floats are rounded; dither2 keeps zeros.",
)
@click.option("--seed", default="clock", show_default=True, help="Of the dither: clock, checksum, or 1 to 10000.")
@click.option("--lossless", is_flag=True, help="Keep every bit of floats; with GZIP_2 unless --codec says otherwise.")
@click.option(
    "--scale", type=click.IntRange(min=0), default=0, show_default=True, help="Of HCOMPRESS_1: what may be lost."
)
@click.option(
    "--gzip-level",
    type=click.IntRange(0, 9),
    help="Of GZIP_1 and GZIP_2: 9 is small. Default: 1; of GZIP_2 with rustfits-accel a faster way of its own.",
)
@click.option("--tables", is_flag=True, help="Compress tables too; needs rustfits-tables.")
@click.option("--only-tables", is_flag=True, help="Compress tables, and no images.")
@click.option(
    "--round-integers",
    is_flag=True,
    help="Make floats of integers whose noise is 6 or more, and twice --level, and round them as floats.",
)
@click.option("--suffix", default=".fz", show_default=True, help="What is added to the name of FILE.")
@click.pass_context
def pack(
    ctx: click.Context,
    /,
    *,
    codec: str,
    tile: str | None,
    level: float,
    step: float | None,
    method: str,
    seed: str,
    lossless: bool,
    scale: int,
    gzip_level: int | None,
    tables: bool,
    only_tables: bool,
    round_integers: bool,
    suffix: str,
    **common: Any,
) -> None:
    """Compress the images of each FILE, as fpack does: FILE.fits becomes FILE.fits.fz, and stays.

    Integers keep every bit; floats become steps of a quarter of their noise, unless --lossless is given. HDUs without
    pixels are copied, byte for byte, and so are tables without --tables. The new file is read again and compared before
    it gets its name. A FILE of - is standard input, and goes to standard output. The exit code is 1 if a FILE failed;
    the others are done.
    """
    name = CODECS.get(codec.upper())
    if name is None:
        raise click.BadParameter(f"{codec} is none of {', '.join(CODECS)}", param_hint="--codec")
    lossless = lossless or (level == 0 and step is None)  # as for fpack -q 0
    if lossless and ctx.get_parameter_source("codec") == click.core.ParameterSource.DEFAULT:
        name = "GZIP_2"
    chosen = codec_named(name, scale=scale, gzip_level=gzip_level)
    try:
        quantize = None
        if not lossless:
            level = -step if step else level
            start = seed if seed in ("clock", "checksum") else int(seed)
            quantize = rustfits.Quantize(level=level, method=method.replace("-", "_"), seed=start)  # type: ignore
    except ValueError as error:
        raise click.BadParameter(f"{seed!r} is neither clock, checksum nor a number", param_hint="--seed") from error
    if round_integers and (lossless or step is not None):
        raise click.UsageError("--round-integers goes with --level, which says how many steps the noise is")
    recipe = Recipe(chosen, parse_tile(tile), quantize, tables or only_tables, not only_tables, round_integers)

    def name_of(file: str) -> str:
        return file if suffix and file.endswith(suffix) else file + suffix  # what is packed is not packed again

    run(ctx, name_of, recipe, **common)


@click.command()
@_common
@click.option("--suffix", default=".fz", show_default=True, help="What is taken off the name of FILE.")
@click.pass_context
def unpack(ctx: click.Context, /, *, suffix: str, **common: Any) -> None:
    """Uncompress the images and tables of each FILE, as funpack does: FILE.fits.fz becomes FILE.fits, and stays.

    Cards come back as they were before; an empty first HDU stays if somebody has put cards into it. The exit code is 1
    if a FILE failed; the others are done.
    """

    def name_of(file: str) -> str:
        return file[: -len(suffix)] if suffix and file.endswith(suffix) else file

    run(ctx, name_of, None, **common)


def parse_tile(text: str | None) -> tuple[int, ...] | None:
    """Return tile lengths in numpy order.

    Raises
    ------
    click.BadParameter
        If the text is no list of numbers.
    """
    if text is None or text == "rows":
        return None
    try:
        lengths = [-1] * 6 if text == "whole" else [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is not understood; write 100,100 or whole", param_hint="--tile") from None
    if any(length < -1 for length in lengths):
        raise click.BadParameter("a tile has no negative length but -1", param_hint="--tile")
    return tuple(reversed(lengths))


def run(
    ctx: click.Context,
    name_of: Callable[[str], str],
    recipe: Recipe | None,
    *,
    files: Sequence[str],
    output: str | None,
    folder: str | None,
    force: bool,
    delete: bool,
    verify: bool,
    jobs: int | None,
    quiet: bool,
    verbose: bool,
    lenient: bool | None,
) -> None:
    """Make tasks of files, do them, and tell what failed."""
    names = list(files) if files == ("-",) else expand(files)
    if output is not None and (len(names) > 1 or folder is not None):
        raise click.UsageError("--output names one new file: it goes with one FILE and without --folder")
    if names == ["-"] or output == "-":
        if delete:
            raise click.UsageError("--delete is not for pipes: nothing tells whether the other end has kept the bytes")
        pipe(names[0], output, recipe, force=force, verify=verify, lenient=lenient)
        return
    tasks = []
    for name in names:
        target = output or name_of(name)
        if folder is not None:
            target = os.path.join(folder, os.path.basename(target))
        if target == name:
            raise click.UsageError(f"{name}: the new file needs another name; give --output, --folder or --suffix")
        tasks.append(Task(name, target, recipe, force, delete, verify, lenient))
    _refuse_to_meet(tasks)
    done = show_progress(tasks, jobs or cpus(), quiet=quiet, verbose=verbose)
    failed = [each for each in done if each.error]
    if failed and len(done) > 1:
        click.echo(f"{len(failed)} of {len(done)} files failed:", err=True)
        for each in failed:
            click.echo(f"  {one_line(each.name)}", err=True)
    if failed:
        ctx.exit(1)


def _refuse_to_meet(tasks: Sequence[Task]) -> None:
    """Raise an error if two FILEs would become one, or one would be replaced by what another becomes."""
    targets = [os.path.realpath(task.output) for task in tasks]
    if len(set(targets)) < len(targets):
        raise click.UsageError("several FILEs would become one; without --folder each goes beside its own")
    read = {os.path.realpath(task.name): task.name for task in tasks}
    for task, target in zip(tasks, targets, strict=True):
        if target in read and target != os.path.realpath(task.name):
            raise click.UsageError(f"{task.name} would become {task.output}, which is a FILE too; give one at a time")


def cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return rustfits.get_num_threads()


def pipe(
    name: str, output: str | None, recipe: Recipe | None, *, force: bool, verify: bool, lenient: bool | None
) -> None:
    """Read from standard input, or write to standard output; both ends are whole files on the way."""
    with tempfile.TemporaryDirectory(prefix="rustfits-") as folder:
        if name == "-":
            name = os.path.join(folder, "standard input")
            with open(name, "wb") as file:
                while piece := sys.stdin.buffer.read(1 << 20):
                    file.write(piece)
        to_pipe = output in (None, "-")
        target = os.path.join(folder, "standard output") if to_pipe or output is None else output
        done = do(Task(name, target, recipe, force, False, verify, lenient))
        for remark in done.remarks:
            click.echo(one_line(remark), err=True)
        if done.error:
            raise click.ClickException(done.error.replace(f"{folder}/", ""))
        if to_pipe:
            with Path(target).open("rb") as made:
                while piece := made.read(1 << 20):
                    sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
