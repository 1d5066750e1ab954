"""The command `salvage`: a new file of all that is sound in a damaged one, with a report of what is not."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from math import prod
from pathlib import Path
from typing import IO, Any

import click
import numpy as np

import rustfits
from rustfits_cli.files import check_output, new_file, sentence
from rustfits_cli.image import complete_file
from rustfits_cli.rawcards import BLOCK, card_of, header_bytes, padded
from rustfits_cli.show import one_line, write_json

_STREAMS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ": "lzma",
    b"\x28\xb5\x2f\xfd": "zstd -d",
    b"\x1f\x9d": "uncompress",
}  # first bytes of files that are compressed as a whole; the module that reads them, or the program
_PIECE_NBYTES = 1 << 16
_WINDOW = 1024 * BLOCK  # of a file, looked through for headers at a time
_AS_TEXT = bytes(
    byte if 0x20 <= byte <= 0x7E else ord("_") for byte in range(256)
)  # of a header, as lenient=True reads
COVER = header_bytes([card_of("SIMPLE", True), card_of("BITPIX", 8), card_of("NAXIS", 0), card_of("EXTEND", True)])


@dataclass(frozen=True, slots=True)
class Found:
    """What became of one HDU, or of bytes that are none.

    Attributes
    ----------
    what : str
        Its place, and its name if it has one.
    state : str
        'whole': copied byte for byte. 'doubtful': likewise, but a checksum is wrong, or it could not be looked at.
        'mended': the parts that are lost are marked, or left out. 'lost': not in the new file.
    said : str
        What was found.
    """

    what: str
    state: str
    said: str


class Part(io.RawIOBase):
    """A part of a file behind some other bytes, and fill where the file has ended.

    Parameters
    ----------
    path : Path
    head : bytes
        What comes first.
    start, nbytes : int
        The part of the file that follows.
    fill : bytes
        One byte.
    """

    def __init__(self, path: Path, head: bytes, start: int, nbytes: int, fill: bytes = b"\0") -> None:
        self._fill = fill
        self._file = path.open("rb")
        self._head, self._start, self._nbytes, self._at = head, start, nbytes, 0
        self.name = str(path)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a byte."""
        self._at = offset + (0, self._at, len(self._head) + self._nbytes)[whence]
        return self._at

    def tell(self) -> int:
        """Return the byte that is read next."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return some bytes, as many as are asked for up to the end."""
        left = len(self._head) + self._nbytes - self._at
        size = left if size < 0 else max(min(size, left), 0)
        first = self._head[self._at : self._at + size]
        self._file.seek(self._start + max(self._at - len(self._head), 0))
        found = first + self._file.read(size - len(first))
        self._at += size
        return found.ljust(size, self._fill)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


@click.command("salvage")
@click.argument("file", type=click.Path(path_type=Path), shell_complete=complete_file)
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def salvage(ctx: click.Context, *, file: Path, output: Path, overwrite: bool, as_json: bool) -> None:
    """Write the new file OUTPUT of all that is sound in a damaged FILE, which is not changed.

    Tiles that cannot be decoded and pixels behind the end of the file become NaN, BLANK, or 0 in integers without one;
    rows of tables that cannot be read are left out; HDUs behind a damaged header are looked for. The exit code is 0 if
    all was whole, else 1.
    """
    check_output(str(file), output, overwrite=overwrite)
    with new_file(output) as made, rustfits.FITS(made, "w+") as new, unpacked(file) as (plain, fault):
        found = [replace(one, said=one.said.replace(str(plain), str(file))) for one in salvaged(plain, new)]
        found += [Found("stream", "lost", fault)] if fault else []
        if not len(new):
            raise click.ClickException(
                f"{file}: there is no sound HDU in it: {found[-1].said if found else 'it is empty'}"
            )
    if as_json:
        write_json({"filename": str(file), "output": str(output), "hdus": [asdict(one) for one in found]})
    else:
        for one in found:
            click.echo(one_line(f"{one.what}: {one.state}: {one.said}"))
        click.echo(f"salvage: {one_line(output.resolve())}")
    ctx.exit(int(any(one.state != "whole" for one in found)))


@contextmanager
def unpacked(path: Path) -> Iterator[tuple[Path, str]]:
    """Return a context that gives a plain file of what comes out of one compressed as a whole, and why not all does.

    Raises
    ------
    click.ClickException
        If a program for other files has to uncompress it.
    LimitExceeded
        If more comes out of it than `rustfits.limits` allows.
    """
    with path.open("rb") as file:
        magic = file.read(max(map(len, _STREAMS)))
    kind = next((kind for first, kind in _STREAMS.items() if magic.startswith(first)), "")
    if not kind:
        yield path, ""
        return
    if kind not in ("gzip", "bz2", "lzma"):
        raise click.ClickException(f"{path}: uncompress it first, with {kind}; then salvage what comes out")
    with tempfile.TemporaryDirectory(prefix="rustfits-") as folder:
        plain = Path(folder) / "uncompressed.fits"  # no other name: one in .gz would be uncompressed again
        with plain.open("wb") as out, import_module(kind).open(path) as stream:
            fault = uncompress(stream, out)
        yield plain, fault


def uncompress(stream: Any, out: IO[bytes]) -> str:
    """Write what comes out of a stream; return what ended it early, or nothing."""
    nbytes = 0
    try:
        while piece := stream.read1(_PIECE_NBYTES):
            nbytes += len(piece)
            if nbytes > rustfits.limits.MAX_UNPACKED_NBYTES:
                raise rustfits.LimitExceeded(
                    f"more than {rustfits.limits.MAX_UNPACKED_NBYTES} bytes come out of it; "
                    "rustfits.limits.MAX_UNPACKED_NBYTES bounds them"
                )
            out.write(piece)
    except rustfits.LimitExceeded:
        raise
    except Exception as error:  # zlib, bz2 and lzma have errors of their own
        return f"{nbytes} bytes came out of the compressed stream, which is damaged or cut behind them: {error}"
    return ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A file from some byte on, where an extension begins, or from its first byte.

    Attributes
    ----------
    path : Path
    start, size : int
        Where the segment begins and the file ends.
    """

    path: Path
    start: int
    size: int

    def opened(self) -> rustfits.FITS:
        """Open the segment as a file, behind an empty first HDU unless it begins with the file."""
        source: Any = self.path
        if self.start:
            source = Part(self.path, COVER, self.start, self.size - self.start)
        return rustfits.FITS(source, lenient=True)

    def of_file(self, place: int) -> int:
        """Return where a byte of the opened segment lies in the file."""
        return place + self.start - BLOCK if self.start else place

    def missing(self, hdu: rustfits.HDU) -> int:
        """Return how many bytes of the data of an HDU are behind the end of the file."""
        return max(self.of_file(hdu.extent.data_start + hdu.extent.data_nbytes) - self.size, 0)

    def header(self, hdu: rustfits.HDU) -> bytes:
        """Return the header of an HDU as it is in the file."""
        own = hdu.extent
        with self.path.open("rb") as file:
            file.seek(self.of_file(own.header_start))
            return file.read(own.header_nbytes).ljust(own.header_nbytes)

    def is_text(self, hdu: rustfits.HDU) -> bool:
        """Return whether a header holds nothing but text."""
        header = self.header(hdu)
        return header == header.translate(_AS_TEXT)

    def completed(self, hdu: rustfits.HDU) -> rustfits.HDU:
        """Return the same HDU with zeros where the file has ended, and a header that is text."""
        own = hdu.extent
        first = self.of_file(own.header_start)
        header = self.header(hdu).translate(_AS_TEXT)
        head = COVER + header if first else header
        fill = b" " if hdu.header.get("XTENSION") == "TABLE" else b"\0"
        source: Any = Part(self.path, head, first + own.header_nbytes, padded(own.data_nbytes), fill)
        return rustfits.FITS(source, lenient=True)[1 if first else 0]


def salvaged(path: Path, new: rustfits.FITS) -> Iterator[Found]:
    """Copy what is sound of a file; say what became of each part."""
    size, start, number = path.stat().st_size, 0, 0
    while start < size:
        segment = Segment(path, start, size)
        try:
            fits = segment.opened()
        except rustfits.FitsError as error:
            follows = next_header(path, start + BLOCK, size)
            yield Found(f"bytes {start} to {follows}", "lost", sentence(error))
            start = follows
            continue
        with fits:
            hdus = whole_headers(segment, list(fits)[bool(start) :])
            stop, follows = end_of(segment, fits, hdus)
            overrun = bool(hdus) and follows < min(stop, size)
            for hdu in hdus[: len(hdus) - overrun]:
                yield save(new, hdu, segment, number)
                number += 1
            if overrun:
                yield Found(place(hdus[-1], number), "lost", "another HDU begins before it ends")
                number += 1
            elif fits.damage is not None and follows > stop:  # else what follows is looked at by itself
                yield Found(f"bytes {stop} to {follows}", "lost", sentence(fits.damage))
        start = follows


def whole_headers(segment: Segment, hdus: list[rustfits.HDU]) -> list[rustfits.HDU]:
    """Return the HDUs up to the first whose header runs on into another one: its END is lost."""
    for number, hdu in enumerate(hdus):
        own = hdu.extent
        first, stop = segment.of_file(own.header_start) + BLOCK, segment.of_file(own.data_start)
        if next_header(segment.path, first, stop) < stop:
            return hdus[: number + 1]
    return hdus


def end_of(segment: Segment, fits: rustfits.FITS, hdus: list[rustfits.HDU]) -> tuple[int, int]:
    """Return where the last sound HDU of a segment ends, and where there is another header to begin with."""
    after = stop = segment.start
    if hdus:
        last = hdus[-1].extent
        after = segment.of_file(last.header_start) + BLOCK
        stop = segment.of_file(last.data_start) + padded(last.data_nbytes)
    if fits.damage is None and stop <= segment.size and hdus[-1:] == list(fits)[-1:]:
        return stop, segment.size
    return stop, next_header(segment.path, max(after, segment.start + BLOCK), segment.size)


def next_header(path: Path, start: int, size: int) -> int:
    """Return the first block from ``start`` on that begins as an extension does, or ``size``, where to stop looking."""
    start = padded(start)
    with path.open("rb") as file:
        file.seek(start)
        while start < size and (window := file.read(min(_WINDOW, size - start))):
            for at in range(0, len(window), BLOCK):
                if window.startswith(b"XTENSION= '", at):
                    return start + at
            start += len(window)
    return size


def place(hdu: rustfits.HDU, number: int) -> str:
    """Return how an HDU is called in the report."""
    name = hdu.header.get("EXTNAME")
    return f"HDU {number} {name}" if isinstance(name, str) else f"HDU {number}"


def save(new: rustfits.FITS, hdu: rustfits.HDU, segment: Segment, number: int) -> Found:
    """Copy one HDU as far as it is sound; nothing of it is there if it is lost."""
    what = place(hdu, number)
    try:
        with new.transaction():
            state, said = saved(new, hdu, segment)
    except rustfits.FitsError as error:
        return Found(what, "lost", sentence(error))
    return Found(what, state, said)


def saved(new: rustfits.FITS, hdu: rustfits.HDU, segment: Segment) -> tuple[str, str]:
    """Copy one HDU; return what became of it and why."""
    missing, text = segment.missing(hdu), segment.is_text(hdu)
    rustfits.limits.check_lost(missing, hdu.extent.data_nbytes, segment.size)
    if isinstance(hdu, rustfits.CompressedImageHDU) and hdu.has_data:
        try:
            damaged = hdu.damaged_tiles()
        except rustfits.CodecNotInstalled as error:
            if missing:
                raise
            new.append(hdu if text else segment.completed(hdu))
            return "doubtful", f"copied byte for byte, but not looked at: {sentence(error)}"
        if damaged:
            itemsize = hdu.stored_dtype.itemsize
            nlost = sum(prod(tile.shape) for tile in damaged)
            rustfits.limits.check_lost(nlost * itemsize, hdu.size * itemsize, segment.size)
            mend_tiles(appended(new, hdu if text and not missing else segment.completed(hdu)), damaged)
            rows = ", ".join(str(tile.row + 1) for tile in damaged[:5])
            more = f" and {len(damaged) - 5} more" if len(damaged) > 5 else ""
            lost = f"{len(damaged)} of {hdu.n_tiles} tiles are lost (table rows {rows}{more})"
            return "mended", f"{lost}; the first: {damaged[0].reason}"
    return cut(new, hdu, segment, missing) if missing else copied(new, hdu, segment)


def cut(new: rustfits.FITS, hdu: rustfits.HDU, segment: Segment, missing: int) -> tuple[str, str]:
    """Copy an HDU whose last bytes are not in the file; errors if there is no way to do so."""
    if hdu.header.get("GROUPS") is True and not hdu.index:
        raise rustfits.TruncatedFile(f"random groups, of which the last {missing} bytes are missing")
    whole = appended(new, segment.completed(hdu))
    if isinstance(hdu, rustfits.CompressedImageHDU):
        return "mended", f"the last {missing} bytes are missing, which no tile needs"
    if isinstance(hdu, rustfits.ImageHDU):
        return "mended", f"{mend_pixels(whole, missing)} of {hdu.size} pixels are behind the end of the file"
    if not hasattr(whole, "delete_rows"):
        raise rustfits.TruncatedFile(
            f"an HDU of a kind that is not known, of which the last {missing} bytes are missing"
        )
    kept = mend_rows(whole, hdu, missing)
    return "mended", f"{kept} of {hdu.header['NAXIS2']} rows are kept, the others are behind the end of the file"


def copied(new: rustfits.FITS, hdu: rustfits.HDU, segment: Segment) -> tuple[str, str]:
    """Copy an HDU byte for byte."""
    stop = segment.of_file(hdu.extent.data_start + padded(hdu.extent.data_nbytes))
    if stop > segment.size:
        appended(new, segment.completed(hdu))
        return "mended", f"the last {stop - segment.size} bytes are missing, which only fill its last block"
    report, text = hdu.verify(), segment.is_text(hdu)
    new.append(hdu if text else segment.completed(hdu))
    if report.bad:
        said = "; ".join(f"{verdict.check}: {verdict.reason}" for verdict in report.bad)
        return "doubtful", said if text else f"{said}; bytes of the header that are no text are '_' now"
    return ("doubtful", report.unread) if report.unread else ("whole", "copied byte for byte")


def appended(new: rustfits.FITS, hdu: rustfits.HDU) -> Any:
    """Append an HDU that will be changed."""
    new.append(hdu)
    return new[len(new) - 1]


def fill_of(hdu: rustfits.ImageHDU) -> float:
    """Return the physical value that says that a pixel is lost: NaN, BLANK, or what is stored as 0."""
    blank = hdu.header.get("ZBLANK", hdu.header.get("BLANK"))
    stored = blank if isinstance(blank, int) and hdu.stored_dtype.kind != "f" else 0
    if hdu.dtype.kind == "f":
        return float("nan")
    return stored * hdu.header.get("BSCALE", 1) + hdu.header.get("BZERO", 0)  # type: ignore[no-any-return]


def mend_tiles(hdu: rustfits.CompressedImageHDU, damaged: list[rustfits.DamagedTile]) -> None:
    """Put tiles that say so in the place of those that are lost."""
    fill = fill_of(hdu)
    for tile in damaged:
        hdu[tile.section] = np.full(tile.shape, fill, dtype=hdu.dtype)
    renew_sums(hdu)


def mend_pixels(hdu: rustfits.ImageHDU, missing: int) -> int:
    """Mark the pixels that are zeros only because the file has ended; return how many."""
    nlost = -(-missing // hdu.stored_dtype.itemsize)
    row = int(np.prod(hdu.shape[1:], dtype=np.int64))
    first, part = divmod(hdu.size - nlost, row)
    fill = fill_of(hdu)
    if part:
        pixels = hdu[first : first + 1].reshape(-1)
        pixels[part:] = fill
        hdu[first : first + 1] = pixels.reshape(1, *hdu.shape[1:])
        first += 1
    if first < hdu.shape[0]:
        hdu[first:] = np.full((hdu.shape[0] - first, *hdu.shape[1:]), fill, dtype=hdu.dtype)
    renew_sums(hdu)
    return nlost


def mend_rows(hdu: Any, cut: rustfits.HDU, missing: int) -> int:
    """Take out the rows that are not all in the file; return how many are left."""
    header = cut.header
    width, nrows, heap = int(header["NAXIS1"]), int(header["NAXIS2"]), int(header.get("PCOUNT", 0))
    there = max(int(cut.extent.data_nbytes) - missing, 0)
    kept = min(there // width if width else nrows, nrows)
    hdu.delete_rows(slice(kept, nrows))  # as many as a header claims: no list has them
    damaged = unreadable(cut, 0, kept) if heap and kept else []
    if damaged:
        hdu.delete_rows(damaged)
    renew_sums(hdu)
    return kept - len(damaged)


def unreadable(table: Any, first: int, stop: int) -> list[int]:
    """Return the rows that cannot be read, of some."""
    try:
        table.read(rows=range(first, stop))
    except rustfits.FitsError:
        if stop - first == 1:
            return [first]
        middle = (first + stop) // 2
        return unreadable(table, first, middle) + unreadable(table, middle, stop)
    return []


def renew_sums(hdu: rustfits.HDU) -> None:
    """Write the checksums anew if there were any: those that were are of what is lost."""
    if any(keyword in hdu.header for keyword in ("CHECKSUM", "DATASUM", "ZHECKSUM", "ZDATASUM")):
        hdu.add_checksum()
