"""One file packed or unpacked: written beside, looked at again, flushed, and only then named and the original gone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

import rustfits
from rustfits_cli.checking import Different, ImageCheck, check_copy, check_sum, check_written, sum_of
from rustfits_cli.files import flush_folder, flush_to_disk, sentence
from rustfits_cli.packing import Band, Recipe, directed, pack_image
from rustfits_cli.rawcards import (
    CHECKSUM_COMMENTS,
    RawHDU,
    card_of,
    checksums_are_right,
    crc32,
    fill_of,
    header_bytes,
    keyword,
    padded,
    raw_hdu,
    with_checksums,
)
from rustfits_cli.unpacking import COVER_COMMENTARY, has_cover, unpack_image

EXACT_IN_FLOAT32 = 1 << 24  # the largest number up to which floats of 32 bits hold every integer
LEAST_NOISE, LEAST_STEP = 6.0, 2.0  # of integers that are rounded, and of their steps: fpack's -n3min and -n3ratio
SMALL_TABLE_NBYTES = 5760  # fpack copies tables of less, which would not become smaller
Check = Callable[[RawHDU], None]


class Refused(rustfits.FitsIOError):
    """What was asked for would write where nothing may be written."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done with one file.

    Attributes
    ----------
    name : str
        The file.
    output : str
        Where the result goes.
    recipe : Recipe or None
        None to unpack.
    force, delete, verify : bool
        Whether an output that is there is replaced; whether the original goes; whether the result is looked at again.
    lenient : bool or None
    """

    name: str
    output: str
    recipe: Recipe | None
    force: bool = False
    delete: bool = False
    verify: bool = True
    lenient: bool | None = None


@dataclass(slots=True)
class Done:
    """What became of one file.

    Attributes
    ----------
    name, output : str
    before, after : int
        Bytes of the two files.
    error : str
        Why nothing was done; empty if it was.
    ntables : int
        Tables that were copied as they are, though images beside them are not.
    remarks : list of str
        What the user should know.
    read : tuple of int
        What tells the file that was read from another of that name, and from itself changed.
    """

    name: str
    output: str
    before: int = 0
    after: int = 0
    error: str = ""
    ntables: int = 0
    remarks: list[str] = field(default_factory=list)
    read: tuple[int, ...] = ()


def do(task: Task, tell: Callable[[int], None] | None = None) -> Done:
    """Do one task; what goes wrong is told in the outcome, and ``tell`` is given numbers of bytes as they are read.

    The result has another name until it is whole, and, if the original is to go, until the disk holds it.
    """
    done = Done(task.name, task.output)
    try:
        output = Path(task.output)
        output = output.resolve() if output.is_symlink() else output
        refuse(task, output)
        folder = tempfile.mkdtemp(prefix=".rustfits-", dir=output.parent)
        try:
            made = Path(folder) / output.name
            with ExitStack() as stack:
                _make(task, made, done, stack, tell or (lambda _: None))
            done.before, done.after = Path(task.name).stat().st_size, made.stat().st_size
            _name(task, made, output, done)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except (rustfits.FitsError, OSError, MemoryError) as error:
        done.error = sentence(error)
    except Exception as error:
        done.error = f"rustfits met a fault of its own, {type(error).__name__}: {sentence(error)}"
    return done


def refuse(task: Task, output: Path) -> None:
    """Raise an error if the output may not be written."""
    if not Path(task.name).exists():
        raise Refused(f"{task.name}: there is no such file")
    if not output.parent.is_dir():
        raise Refused(f"{task.output}: the folder {output.parent} does not exist")
    if output.exists() and output.samefile(task.name):
        raise Refused(f"{task.output} is the file itself; choose another name")
    if output.exists() and not task.force:
        raise Refused(f"{task.output} is there already; --force replaces it")


def _make(task: Task, made: Path, done: Done, stack: ExitStack, tell: Callable[[int], None]) -> None:
    """Write the new file, and look at it again; ``done`` learns which file was read."""
    with Path(task.name).open("rb") as file:
        done.read = _identity(os.fstat(file.fileno()))
    fits = stack.enter_context(rustfits.FITS(task.name, lenient=task.lenient))
    with made.open("w+b") as out:
        work = _Work(fits, out, done, tell, verify=task.verify or task.delete)
        if task.recipe is None:
            work.unpack(strict=task.delete)
        else:
            work.pack(task.recipe)
    shutil.copymode(task.name, made)
    if task.verify or task.delete:
        with rustfits.FITS(made, lenient=task.lenient) as again:
            for index, check in work.checks:
                check(raw_hdu(again[index]))


class _Work:
    """The HDUs of one file on their way into another.

    Attributes
    ----------
    checks : list of tuple
        Index of an HDU of the new file, and what looks at it.
    """

    def __init__(
        self, fits: rustfits.FITS, out: IO[bytes], done: Done, tell: Callable[[int], None], *, verify: bool
    ) -> None:
        self._hdus, self._out, self._done = list(fits), out, done
        self._raws = [raw_hdu(hdu) for hdu in self._hdus]
        self._shift, self._verify, self._tell = 0, verify, tell
        self.checks: list[tuple[int, Check]] = []

    def pack(self, recipe: Recipe) -> None:
        """Write every HDU, images compressed."""
        for hdu, raw in zip(self._hdus, self._raws, strict=True):
            chosen = directed(hdu, recipe)
            if chosen is None or not _is_plain_image(hdu) or not recipe.images:
                table = _is_plain_table(hdu)
                if not (table and recipe.tables and chosen is not None and self._pack_table(raw)):
                    self._copy(hdu, raw)
                    self._done.ntables += table and not recipe.tables
                continue
            assert isinstance(hdu, rustfits.ImageHDU)
            if not hdu.index:
                self._shift = 1
                self._out.write(header_bytes(with_checksums(_cover(), 0, CHECKSUM_COMMENTS)))
            if chosen.rounded and self._pack_rounded(hdu, chosen):
                continue
            self._pack_image(hdu, raw, chosen)

    def _pack_rounded(self, hdu: rustfits.ImageHDU, recipe: Recipe) -> bool:
        """Write integers as quantised floats, as fpack -i2f does; return whether their noise is large enough."""
        if hdu.stored_dtype.kind == "f" or recipe.quantize is None:
            return False
        pixels = np.ma.asarray(hdu.read(mask_blank=True)) if "BLANK" in hdu.header else hdu.read()
        floats = np.ma.filled(pixels.astype(np.float32), np.nan)
        noise = rustfits.quantization_error(floats, "NOCOMPRESS").noise
        if np.abs(floats[np.isfinite(floats)]).max(initial=0) > EXACT_IN_FLOAT32:
            self._done.remarks.append(f"HDU {hdu.index} keeps every bit: its integers are too large to become floats")
            return False
        if noise < LEAST_NOISE or noise / recipe.quantize.level < LEAST_STEP:
            self._done.remarks.append(f"HDU {hdu.index} keeps every bit: its noise, {noise:.3g}, is not large enough")
            return False
        with self._aside() as file:
            if hdu.index:
                file.write_image(np.zeros(1, np.uint8))  # so that the image is an extension as it was
            made = file.write_image(floats, header=hdu.header)
            self._pack_image(made, raw_hdu(made), recipe, hdu.index)
        return True

    def unpack(self, *, strict: bool) -> None:
        """Write every HDU, compressed images as images; ``strict`` refuses wrong checksums."""
        for hdu, raw in zip(self._hdus, self._raws, strict=True):
            if not hdu.index and has_cover(self._hdus):
                self._shift = -1
                continue
            if isinstance(hdu, rustfits.CompressedImageHDU):
                intact = self._look_at_checksum(raw, strict=strict)
                self._unpack_image(hdu, raw, intact=intact, strict=strict)
                continue
            if hdu.header.get("ZTABLE") is True and isinstance(hdu, getattr(rustfits, "CompressedTableHDU", ())):
                self._look_at_checksum(raw, strict=strict)
                self._unpack_table(raw, strict=strict)
                continue
            if hdu.header.get("ZTABLE") is True:
                self._done.ntables += 1
            self._copy(hdu, raw)

    def _pack_image(self, hdu: rustfits.ImageHDU, raw: RawHDU, recipe: Recipe, index: int | None = None) -> None:
        image = ImageCheck(raw)

        def look(key: tuple[Any, ...], band: Band) -> None:
            if self._verify:
                image.look(key, band)
            self._tell(band.pixels.nbytes)

        packed = pack_image(hdu, raw, recipe, self._out, look)
        index = hdu.index if index is None else index
        self.checks.append((index + self._shift, lambda after: image.confirm(after, packed)))

    def _unpack_image(self, hdu: rustfits.CompressedImageHDU, raw: RawHDU, *, intact: bool, strict: bool) -> None:
        index = hdu.index + self._shift
        total, same = unpack_image(hdu, raw, self._out, self._tell, first=not index)
        if not same:
            why = ", though its bytes are those of its DATASUM" if intact else "; see: rustfits verify"
            what = f"HDU {hdu.index}: its pixels are not those that its ZDATASUM was made of"
            self._doubt(f"{what}{why}", strict=strict)
        self.checks.append((index, lambda after: check_sum(after, total, hdu.index)))

    def _copy(self, hdu: rustfits.HDU, raw: RawHDU) -> None:
        """Copy an HDU byte for byte."""
        self._out.seek(0, 2)
        self._out.write(header_bytes(raw.cards))
        for piece in raw.pieces():
            self._out.write(piece)
            self._tell(len(piece))
        self._out.write(fill_of(raw))
        self.checks.append((hdu.index + self._shift, lambda after: check_copy(raw, after)))

    def _pack_table(self, raw: RawHDU) -> bool:
        """Write a table compressed; return whether it is, which it is not if its bytes would not all come back."""
        if raw.data_nbytes < SMALL_TABLE_NBYTES:
            return False
        try:
            with rustfits.FITS("mem://", "w+") as file:
                made = raw_hdu(file.write_table(raw.hdu, compress=True))
                if self._verify:
                    with self._aside() as other:
                        check_copy(raw, raw_hdu(other.write_table(made.hdu)))
                self._write_table(raw.hdu.index, made, with_checksums(made.cards, sum_of(made), CHECKSUM_COMMENTS))
        except Different:
            why = "its cards or bytes would not all come back"
        except (rustfits.TableError, rustfits.CodecError, rustfits.NotSupported) as error:
            why = sentence(error)
        else:
            return True
        self._done.remarks.append(f"HDU {raw.hdu.index} stays as it is: {why}")
        return False

    def _unpack_table(self, raw: RawHDU, *, strict: bool) -> None:
        with self._aside() as file:
            try:
                made = raw_hdu(file.write_table(raw.hdu))
            except rustfits.FitsError as error:  # it names the new file, which nobody will see
                raise Different(f"HDU {raw.hdu.index}: {sentence(error).partition(' (in ')[0]}") from error
            cards, total = made.cards, sum_of(made)
            names = [keyword(card) for card in cards]
            if not checksums_are_right([card for card in cards if keyword(card) == "DATASUM"], total):
                what = f"HDU {raw.hdu.index}: its rows are not those that its ZDATASUM was made of"
                self._doubt(f"{what}; see: rustfits verify", strict=strict)
            if "CHECKSUM" in names and "DATASUM" in names and not checksums_are_right(cards, total):
                cards = with_checksums(cards, total)
            self._write_table(raw.hdu.index, made, cards)

    @contextmanager
    def _aside(self) -> Iterator[rustfits.FITS]:
        """Return a context that gives a new file for a while."""
        with (
            tempfile.TemporaryDirectory(dir=os.path.dirname(self._out.name)) as folder,
            rustfits.FITS(os.path.join(folder, "table.fits"), "w+") as file,
        ):
            yield file

    def _write_table(self, index: int, made: RawHDU, cards: list[bytes]) -> None:
        crc = 0
        self._out.seek(0, 2)
        self._out.write(header_bytes(cards))
        for piece in made.pieces():
            crc = crc32(piece, crc)
            self._out.write(piece)
        self._out.write(bytes(padded(made.data_nbytes) - made.data_nbytes))
        nbytes = made.data_nbytes
        self.checks.append((index + self._shift, lambda after: check_written(after, cards, nbytes, crc, index)))

    def _look_at_checksum(self, raw: RawHDU, *, strict: bool) -> bool:
        """Tell the user if the bytes of an HDU are not what they were; return whether DATASUM shows that they are."""
        right = checksums_are_right(raw.cards, sum_of(raw))
        if not right:
            what = f"HDU {raw.hdu.index}: its CHECKSUM or DATASUM is not that of its bytes"
            self._doubt(f"{what}; see: rustfits verify", strict=strict)
        return right and any(keyword(card) == "DATASUM" for card in raw.cards)

    def _doubt(self, what: str, *, strict: bool) -> None:
        """Tell the user that an HDU may be damaged, or raise an error if its file is to go."""
        if strict:
            raise Different(f"{what}; it may be damaged, so the original is not deleted")
        self._done.remarks.append(what)


def _is_plain_image(hdu: rustfits.HDU) -> bool:
    if not isinstance(hdu, rustfits.ImageHDU) or isinstance(hdu, rustfits.CompressedImageHDU):
        return False
    return hdu.has_data and hdu.header.get("GROUPS") is not True


def _is_plain_table(hdu: rustfits.HDU) -> bool:
    table = str(hdu.header.get("XTENSION", "")).strip() == "BINTABLE"
    return table and not isinstance(hdu, rustfits.ImageHDU) and hdu.header.get("ZTABLE") is not True


def _cover() -> list[bytes]:
    """Return the cards of the empty primary HDU that fpack writes before a compressed one."""
    return [
        card_of("SIMPLE", True, "file does conform to FITS standard"),
        card_of("BITPIX", 16, "number of bits per data pixel"),
        card_of("NAXIS", 0, "number of data axes"),
        card_of("EXTEND", True, "FITS dataset may contain extensions"),
        *(line.ljust(80).encode("ascii") for line in COVER_COMMENTARY),
    ]


def _name(task: Task, made: Path, output: Path, done: Done) -> None:
    """Give the new file its name, and take the original away if that was asked for."""
    if task.delete:
        flush_to_disk(made)
    if task.force:
        os.replace(made, output)
    else:
        try:
            os.link(made, output)  # refused if somebody else took the name meanwhile
        except FileExistsError:
            raise Refused(f"{task.output} is there already; --force replaces it") from None
        except OSError:  # a disk without links
            os.rename(made, output)
    if task.delete:
        flush_folder(output.parent)
        if _identity(os.stat(task.name)) != done.read:
            raise Refused(f"{task.name}: changed meanwhile, not deleted; {task.output} holds what it was before")
        Path(task.name).unlink()


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
