"""What commands have in common: the files they are given, faults as sentences, new files that take their name whole."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rustfits import FITS

from rustfits_cli.show import one_line

_SENTENCES = {
    errno.ENOENT: "there is no such file or folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EISDIR: "this is a folder, not a file",
    errno.EACCES: "this may not be read or written; see its permissions",
    errno.EPERM: "this may not be changed; see its permissions",
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the disk is read-only",
    errno.EBADF: "standard input or output is closed",
}


def fill_closed_streams() -> None:
    """Give standard streams that are closed a file that refuses: else the next file opened would be one of them.

    What is read or written there becomes an `OSError`; what is told on standard error is dropped.
    """
    for number, (name, flags, mode) in enumerate(
        (("stdin", os.O_WRONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w"))
    ):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                if os.open(os.devnull, flags) == number:
                    setattr(sys, name, os.fdopen(number, mode, closefd=False))


def drop_output() -> None:
    """Let nobody have what is left of standard output, which Python would try to write once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def expand(files: Sequence[str]) -> list[str]:
    """Return the files that names and patterns (``*``, ``?``, ``[...]``) mean, each once, in their order.

    Raises
    ------
    click.ClickException
        If a pattern fits no file.
    """
    from glob import glob, has_magic

    found: list[str] = []
    for name in files:
        names = [name]
        if has_magic(name) and "://" not in name and not Path(name).exists():
            names = sorted(glob(name, recursive=True))
            if not names:
                raise click.ClickException(f"{name}: no file fits this pattern")
        found += names
    return list(dict.fromkeys(found))


def sentence(error: BaseException) -> str:
    """Return what went wrong as one line: the library's text, or that of the system without its numbers."""
    from rustfits import FitsError

    if isinstance(error, FitsError):
        return one_line(error)
    if isinstance(error, OSError) and error.errno in _SENTENCES and str(error).startswith("[Errno"):
        where = f"{error.filename}: " if error.filename else ""
        return one_line(f"{where}{_SENTENCES[error.errno]}")
    if isinstance(error, OSError) and error.errno and error.strerror:
        return one_line(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return one_line(error)


_OPTIONS = {"compress must": "--compress must", "quantize=Quantize(...)": "--level", "fill_value=": "--fill"}


@contextmanager
def options_named() -> Iterator[None]:
    """Return a context in which an error that names an argument names the option that stands for it."""
    from rustfits import ImageError, InvalidParameter

    try:
        yield
    except (ImageError, InvalidParameter) as error:
        text = sentence(error)
        for argument, option in _OPTIONS.items():
            text = text.replace(argument, option)
        raise click.ClickException(text) from error


def each_file(files: Sequence[str], headings: bool = True) -> Iterator[str]:
    """Yield files; with several, each under its name."""
    several = expand(files)
    for number, name in enumerate(several):
        if headings and len(several) > 1:
            click.echo(f"{'' if not number else os.linesep}{one_line(name)}:")
        yield name


def named(name: str, why: str) -> str:
    """Return why a file failed as one line that has its name."""
    name, why = one_line(name), one_line(why)
    return why if name in why else f"{name}: {why}"


class Failures:
    """Files that a command could not do; the others are done all the same.

    Attributes
    ----------
    failed : dict of str
        Name of a file, and why.
    """

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}

    @contextmanager
    def kept(self, name: str) -> Iterator[None]:
        """Return a context in which an error is told at once, and kept."""
        from rustfits import FitsError

        try:
            yield
        except click.ClickException as error:
            self.add(name, error.format_message())
        except (FitsError, OSError, MemoryError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            self.add(name, sentence(error))

    def add(self, name: str, why: str) -> None:
        """Keep a failure, and tell it."""
        self.failed[name] = why
        sys.stdout.flush()
        click.echo(f"Error: {named(name, why)}", err=True)

    def exit(self, ctx: click.Context, code: int = 1) -> None:
        """End with ``code`` if something failed."""
        if self.failed:
            ctx.exit(code)


@contextmanager
def reading(name: str, lenient: bool | None = None) -> Iterator[FITS]:
    """Return a context that gives a file that is only read; ``-`` is standard input, which is put aside as a whole."""
    import rustfits

    if name != "-":
        with rustfits.FITS(name, lenient=lenient) as fits:
            yield fits
        return
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(prefix="rustfits-") as folder:
        path = Path(folder) / "standard input"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        raw = io.FileIO(path)
        raw.name = path.name  # as messages call it
        with io.BufferedReader(raw) as opened, rustfits.FITS(opened, lenient=lenient) as fits:
            yield fits


@contextmanager
def new_file(output: Path, *, flush: bool = False) -> Iterator[Path]:
    """Return a context that gives a path beside ``output``, which takes its name at the end; a link stays a link.

    Parameters
    ----------
    output : Path
    flush : bool
        Whether the disk is to keep the bytes, and then the name, before the context ends.
    """
    import tempfile

    output = output.resolve()
    with tempfile.TemporaryDirectory(prefix=".rustfits-", dir=output.parent, ignore_cleanup_errors=True) as folder:
        made = Path(folder) / output.name
        yield made
        if flush:
            flush_to_disk(made)
        os.replace(made, output)
    if flush:
        flush_folder(output.parent)


def flush_to_disk(path: Path) -> None:
    """Wait until the disk holds the bytes of a file."""
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(path: Path) -> None:
    """Wait until the disk holds the names in a folder, where the system can say so."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network disks cannot; their servers keep names by themselves
    finally:
        os.close(handle)


def check_output(file: str, output: Path, *, overwrite: bool = True) -> None:
    """Refuse to write over what is read, under whatever name, and, unless told to, over what is there."""
    if not output.resolve().parent.is_dir():
        raise click.ClickException(f"{output}: the folder {output.resolve().parent} does not exist")
    if output.exists() and Path(file).exists() and output.samefile(file):
        raise click.ClickException(f"OUTPUT is {file} itself, whose other pixels would be lost; name another file")
    if output.exists() and not overwrite:
        raise click.ClickException(f"{output} is there already; --overwrite replaces it")
