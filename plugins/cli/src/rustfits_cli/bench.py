"""The command `bench`: every codec and setting on the user's own image."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
from numpy.typing import NDArray

import rustfits
from rustfits_cli.files import check_output, new_file, reading
from rustfits_cli.headers import lenient_option
from rustfits_cli.image import complete_file, hdu_option, pick_image
from rustfits_cli.packing import CODECS, LOSSLESS, codec_named
from rustfits_cli.show import add_row, console, new_table, one_line, write_json

NREPEATS = 3
LONG_SECONDS = 0.3  # of calls after which another one says hardly more
LEVELS = (16.0, 8.0, 4.0, 2.0)
COLUMNS = ("codec", "setting", "ratio", "write MB/s", "read MB/s", "largest error", "rms error", "")
T = TypeVar("T")


@click.command()
@click.argument("file", shell_complete=complete_file)
@hdu_option
@click.option(
    "--plot",
    "picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw the ratio against speed and error, as SVG or PNG by its name.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON list.")
@lenient_option
def bench(*, file: str, key: str | None, picture: Path | None, as_json: bool, lenient: bool | None) -> None:
    """Compress an image of FILE with every codec and setting: ratio, speed, and errors in units of its noise.

    The noise is that of differences of neighbours. Rates are of pixels, files opened and closed, the best of three
    unless they take long.
    """
    if picture is not None:
        check_output(file, picture)
        if picture.suffix.lower() not in (".svg", ".png"):
            raise click.ClickException(f"{picture}: a plot is called .svg or .png")
    with reading(file, lenient) as fits:
        hdu = pick_image(fits, key)
        pixels = hdu.read()
        if pixels.dtype.kind == "f" and hdu.stored_dtype.kind != "f":
            pixels = hdu.read(scale=False)
    with tempfile.TemporaryDirectory(prefix="rustfits-bench-") as folder:
        wanted = list(settings(pixels.dtype))
        found = []
        for number, (codec, quantize) in enumerate(wanted):
            show_progress(f"{number} of {len(wanted)} settings are done")
            found.append(measured(pixels, codec, quantize, Path(folder)))
        show_progress("")
    title = f"{' x '.join(map(str, pixels.shape))} pixels of {pixels.dtype}"
    noise = next((one["noise"] for one in found if "noise" in one), None)
    title += f", noise {noise:.6g}" if noise is not None else ""
    if picture is not None:
        from rustfits_cli.plot import plot

        with new_file(picture) as made:
            plot(found, f"{one_line(Path(file).name)}: {title}").save(made, picture.suffix.lower())
    if as_json:
        write_json(found)
        return
    click.echo(title)
    table = new_table(*COLUMNS, right=slice(2, 7))
    for one in found:
        if "refusal" in one:
            add_row(table, one["codec"], one["setting"], "", "", "", "", "", one["refusal"])
            continue
        rates = (f"{one['ratio']:.2f}", f"{one['write']:.0f}", f"{one['read']:.0f}")
        add_row(table, one["codec"], one["setting"], *rates, f"{one['largest']:.3g}", f"{one['rms']:.3g}", "")
    console().print(table)
    if picture is not None:
        click.echo(f"plot: {one_line(picture.resolve())}")


def show_progress(text: str) -> None:
    """Show how far the work is, in a line of a terminal that the next text replaces."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{text}", nl=False, err=True)


def settings(dtype: np.dtype[Any]) -> Iterator[tuple[str, rustfits.Quantize | None]]:
    """Yield what is tried: of integers every codec, of floats those that keep every bit, and steps of the noise."""
    names = [name for name in rustfits.codecs() if name in CODECS]
    if dtype.kind != "f":
        yield from ((name, None) for name in names)
        return
    yield from ((name, None) for name in names if name in LOSSLESS)
    for level in LEVELS:
        quantize = rustfits.Quantize(level=level, seed="checksum")
        yield from ((name, quantize) for name in names if name in ("RICE_1", "HCOMPRESS_1", "GZIP_2"))


def measured(pixels: NDArray[Any], codec: str, quantize: rustfits.Quantize | None, folder: Path) -> dict[str, Any]:
    """Return what one codec does with the pixels; errors are in units of the noise, or of pixels if there is none."""
    path = folder / "x.fits"
    found: dict[str, Any] = {"codec": codec, "setting": f"level {quantize.level:g}" if quantize else "every bit"}

    def write() -> None:
        with rustfits.FITS(path, "w+") as file:
            file.write_image(pixels, compress=codec_named(codec), quantize=quantize)

    def read() -> NDArray[Any]:
        with rustfits.FITS(path) as file:
            return file.image(1).read()

    try:
        write_seconds, _ = best_of(write)
    except (rustfits.CodecError, rustfits.ImageError) as error:
        return found | {"refusal": one_line(error)}
    read_seconds, _ = best_of(read)
    lost = rustfits.quantization_error(pixels, codec_named(codec), quantize)
    megabytes = pixels.nbytes / 1e6
    return found | {
        "ratio": lost.ratio,
        "write": megabytes / write_seconds,
        "read": megabytes / read_seconds,
        "largest": lost.largest,
        "rms": lost.rms,
        "noise": lost.noise,
    }


def best_of(work: Callable[[], T]) -> tuple[float, T]:
    """Return the shortest time in seconds of a few calls, one if it is long, and what the last one returned."""
    seconds: list[float] = []
    while len(seconds) < NREPEATS and sum(seconds) < LONG_SECONDS:
        begin = time.perf_counter()
        outcome = work()
        seconds.append(time.perf_counter() - begin)
    return min(seconds), outcome
