"""Compare the kernels of table rows with fitsio and astropy, as ratios to the floor: one read of the file's bytes.

    python benchmarks/tables.py                  # 1e6 rows of 20 columns
    python benchmarks/tables.py --rows 100000 --repeats 9

The mix of columns is fixed, 110 bytes a row:

- 4 float64, 3 float32: positions, times, fluxes;
- 2 int64, 2 int32, 2 int16, 1 uint8: identifiers, counts, flags;
- 1 uint16 and 1 uint32, by their TZERO;
- 1 logical;
- 2 strings of 8 characters, all of them used, and 1 of 20, of which 4 to 20 are.

The floor is one `pread` of the bytes of all rows into a fresh array, on one thread; that of writing is one `pwrite` of
them into a file that is there. Every time is that of the call and of the memory that it returns, which is fresh. All
are taken in turn, in one process and one run, with the file in the page cache. Where other programs run, the seconds of
the processor say more than those of the clock; with two threads they are those of both. Rows are read in
pieces that fit the L2 cache and decoded from there; with two threads each does half of the rows, in pieces.

This measures the kernels and not a table of the library: they read whole rows at a known place. fitsio and astropy open
the file and read the table, as their users do; astropy's columns are copied to numbers of native byte order, as others
give them. Needs the packages rustfits-tables, fitsio and astropy.

The groups ZTABLE are of the library: the same table compressed, each column by the default of its type, in tiles of
10 MB. Their floor is that of the plain table. Tiles are decoded anew each time: nothing is kept between calls. funpack
and fpack are the programs of CFITSIO, which read a file and write another; without them they are left out.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import astropy
import astropy.io.fits
import fitsio
import machine
import numpy as np
from catalogues import MIX, THREE, mixed

import rustfits
from rustfits_tables import Field, FieldArray, Kind, TableKernels
from rustfits_tables.compiled import CompiledTableKernels

NROWS = 1_000_000
PIECE_NBYTES = 1 << 17
BLOCK = 2880


class Rows:
    """The rows of the file, where they are known to be."""

    def __init__(self, path: Path, kernels: TableKernels, nthreads: int) -> None:
        self.kernels, self.nthreads = kernels, nthreads
        with fitsio.FITS(str(path)) as file:
            header = file[1].read_header()
        self.row_nbytes, self.nrows = header["NAXIS1"], header["NAXIS2"]
        with astropy.io.fits.open(path) as file:
            self.start = file[1].fileinfo()["datLoc"]
        self.descriptor = os.open(path, os.O_RDWR)
        self.nbytes = self.row_nbytes * self.nrows

    def fields(self, wide: bool, names: tuple[str, ...] | None = None) -> dict[str, tuple[Field, str]]:
        """Return of each column its field, and the dtype of its array."""
        found, offset = {}, 0
        for name, dtype in MIX:
            width = np.dtype(dtype).itemsize
            text = (Kind.TEXT, f"U{width}") if wide else (Kind.COPY, dtype)
            kind, out = {"?": (Kind.LOGICAL, dtype), "S": text}.get(dtype[0], (Kind.SWAP, dtype))
            if dtype in ("u2", "u4"):
                kind = Kind.FLIP
            elif dtype == "u1":
                kind = Kind.COPY
            if names is None or name in names:
                found[name] = Field(kind, offset, width), out
            offset += width
        assert offset == self.row_nbytes
        return found

    def floor(self) -> np.ndarray[Any, Any]:
        """Read the bytes of all rows."""
        raw = np.empty(self.nbytes, dtype=np.uint8)
        assert os.preadv(self.descriptor, [raw], self.start) == self.nbytes
        return raw

    def in_pieces(self, work: Callable[[np.ndarray[Any, Any], int], list[Any]], writes: bool) -> None:
        """Read or write all rows in pieces, some in each thread."""
        step = max(PIECE_NBYTES // self.row_nbytes // 64 * 64, 64)

        def some(begin: int, stop: int) -> None:
            room = np.empty(step * self.row_nbytes, dtype=np.uint8)
            for first in range(begin, stop, step):
                raw = room[: (min(first + step, stop) - first) * self.row_nbytes]
                place = self.start + first * self.row_nbytes
                if not writes:
                    os.preadv(self.descriptor, [raw], place)
                assert work(raw, first) == []
                if writes:
                    os.pwritev(self.descriptor, [raw], place)

        cuts = [self.nrows * number // self.nthreads // 64 * 64 for number in range(self.nthreads)] + [self.nrows]
        threads = [threading.Thread(target=some, args=cut) for cut in itertools.pairwise(cuts[1:])]
        for thread in threads:
            thread.start()
        some(cuts[0], cuts[1])
        for thread in threads:
            thread.join()

    def structured(self, wide: bool, names: tuple[str, ...] | None = None) -> np.ndarray[Any, Any]:
        """Return a structured array of all columns, or of some."""
        fields = self.fields(wide, names)
        out = np.empty(self.nrows, dtype=[(name, dtype) for name, (_, dtype) in fields.items()])
        placed = [FieldArray(field, out[name]) for name, (field, _) in fields.items()]
        self.in_pieces(self.kernels.decoder(self.row_nbytes, placed).decode, writes=False)
        return out

    def arrow(self) -> list[FieldArray]:
        """Return the buffers of Arrow: numbers by themselves, logicals as bits, strings back to back."""
        placed = []
        share = self.nrows // self.nthreads // 64 * 64
        for field, dtype in self.fields(wide=False).values():
            if dtype[0] == "?":
                bits = Field(Kind.LOGICAL_BITMAP, field.offset)
                placed.append(FieldArray(bits, np.empty(-(-self.nrows // 8), dtype=np.uint8)))
            elif dtype[0] != "S":
                placed.append(FieldArray(field, np.empty(self.nrows, dtype=dtype)))
        strings = [field for field, dtype in self.fields(wide=False).values() if dtype[0] == "S"]
        batches = []
        for number in range(self.nthreads):  # strings of each thread are a batch
            nrows = share if number < self.nthreads - 1 else self.nrows - share * number
            batch = [
                FieldArray(
                    Field(Kind.UTF8_32, field.offset, field.size),
                    np.zeros(nrows + 1, dtype=np.int32),
                    np.empty(nrows * field.size, dtype=np.uint8),
                )
                for field in strings
            ]
            batches.append((self.kernels.decoder(self.row_nbytes, batch), share * number))
            placed += batch
        numbers = self.kernels.decoder(self.row_nbytes, placed[: len(MIX) - len(strings)])

        def work(raw: np.ndarray[Any, Any], first: int) -> list[Any]:
            decoder, begin = batches[min(first // share, self.nthreads - 1)]
            return numbers.decode(raw, first) + decoder.decode(raw, first - begin)

        self.in_pieces(work, writes=False)
        return placed

    def write(self, table: np.ndarray[Any, Any]) -> None:
        """Write all columns."""
        placed = [FieldArray(field, table[name]) for name, (field, _) in self.fields(wide=False).items()]
        self.in_pieces(self.kernels.encoder(self.row_nbytes, placed).encode, writes=True)

    def write_floor(self, raw: np.ndarray[Any, Any]) -> None:
        """Write the bytes of all rows."""
        assert os.pwritev(self.descriptor, [raw], self.start) == self.nbytes


def with_fitsio(path: Path, columns: tuple[str, ...] | None = None) -> np.ndarray[Any, Any]:
    with fitsio.FITS(str(path)) as file:
        return file[1].read(columns=columns)


def with_astropy(path: Path, columns: tuple[str, ...] | None = None) -> dict[str, np.ndarray[Any, Any]]:
    with astropy.io.fits.open(path, memmap=False) as file:
        data = file[1].data
        names = columns or data.names
        return {name: native(np.asarray(data[name])) for name in names}


def native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.astype(array.dtype.newbyteorder("="))


def write_fitsio(path: Path, table: np.ndarray[Any, Any]) -> None:
    with fitsio.FITS(str(path), "rw") as file:
        file[1].write(table)


def read_compressed(path: Path, nthreads: int, columns: tuple[str, ...] | None = None) -> np.ndarray[Any, Any]:
    rustfits.set_num_threads(nthreads)
    with rustfits.FITS(path) as file:
        hdu = file[1]
        assert isinstance(hdu, rustfits.CompressedTableHDU)
        return hdu.read(columns=columns)


def write_compressed(path: Path, nthreads: int, table: np.ndarray[Any, Any]) -> None:
    rustfits.set_num_threads(nthreads)
    with rustfits.FITS(path, "w+") as file:
        file.write_table(table, compress=True)


def with_program(out: Path, program: str, *arguments: str) -> None:
    """Run a program of CFITSIO, which replaces no file."""
    out.unlink(missing_ok=True)
    command = [program, *arguments[:-1], "-O", str(out), arguments[-1]]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)


def compressed_workloads(path: Path, table: np.ndarray[Any, Any]) -> dict[str, dict[str, Callable[[], Any]]]:
    """Return what is timed of compressed tables, but for the floor."""
    coded, new, other = path.with_suffix(".fz"), path.with_suffix(".new"), path.with_suffix(".other")
    write_compressed(coded, 2, table)
    assert same(table, read_compressed(coded, 2))

    def each(work: Callable[..., Any], file: Path, *arguments: Any) -> dict[str, Callable[[], Any]]:
        return {
            f"rustfits, {number} thread{'s' * (number > 1)}": partial(work, file, number, *arguments)
            for number in (1, 2)
        }

    unpack = {"funpack": partial(with_program, other, "funpack", str(coded))} if shutil.which("funpack") else {}
    pack = {"fpack": partial(with_program, other, "fpack", "-table", str(path))} if shutil.which("fpack") else {}
    return {
        "ZTABLE, all": each(read_compressed, coded) | unpack,
        "ZTABLE, 3 of 20 columns": each(read_compressed, coded, THREE),
        "ZTABLE, write": each(write_compressed, new, table) | pack,
    }


def same(table: np.ndarray[Any, Any], found: np.ndarray[Any, Any]) -> bool:
    return all(bool((table[name] == found[name].astype(table[name].dtype)).all()) for name in found.dtype.names)


def workloads(path: Path, table: np.ndarray[Any, Any]) -> dict[str, dict[str, Callable[[], Any]]]:
    """Return what is timed, by group; the first of a group is its floor."""
    kernels = {"compiled": CompiledTableKernels(), "numpy": TableKernels()}
    one, two = Rows(path, kernels["compiled"], 1), Rows(path, kernels["compiled"], 2)
    plain = Rows(path, kernels["numpy"], 1)
    raw = one.floor()
    others = tuple(name for name, dtype in MIX if dtype[0] != "S")
    for rows in (one, two, plain):
        assert same(table, rows.structured(wide=True))
        assert same(table, rows.structured(wide=False))
    assert same(table, with_fitsio(path))

    def each(work: str, *arguments: Any) -> dict[str, Callable[[], Any]]:
        named = {"kernels, 1 thread": one, "kernels, 2 threads": two, "NumPy forms": plain}
        return {name: partial(getattr(rows, work), *arguments) for name, rows in named.items()}

    floor = {"floor": one.floor}
    return {
        "all, strings as bytes": floor
        | each("structured", False)
        | {"fitsio": partial(with_fitsio, path), "astropy": partial(with_astropy, path)},
        "all, strings as U": floor | each("structured", True),
        "without strings": floor
        | each("structured", False, others)
        | {"fitsio": partial(with_fitsio, path, others), "astropy": partial(with_astropy, path, others)},
        "3 of 20 columns": floor
        | each("structured", False, THREE)
        | {"fitsio": partial(with_fitsio, path, THREE), "astropy": partial(with_astropy, path, THREE)},
        "Arrow buffers": floor | each("arrow"),
        "write": {"floor": partial(one.write_floor, raw)}
        | each("write", table)
        | {"fitsio": partial(write_fitsio, path, table)},
        **{group: floor | works for group, works in compressed_workloads(path, table).items()},
    }


def measure(works: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[tuple[float, float]]]:
    """Return the seconds of each by the clock and of the processor, taken in turn."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for repeat in range(repeats + 1):
        for name, work in works.items():
            begin, used = time.perf_counter(), time.process_time()
            result = work()
            taken = time.perf_counter() - begin, time.process_time() - used
            del result
            if repeat:  # the first is to warm up
                seconds[name].append(taken)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=NROWS)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", default="", help="groups whose name holds this")
    chosen = parser.parse_args()
    about = ", ".join(f"{name} {value}" for name, value in machine.describe().items())
    print(f"{about}; fitsio {fitsio.__version__}, astropy {astropy.__version__}, numpy {np.__version__}")
    with tempfile.TemporaryDirectory(prefix="rustfits-tables-") as folder:
        path, table = Path(folder) / "table.fits", mixed(chosen.rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitsio.write(str(path), table, clobber=True)
            groups = workloads(path, table)
        print(
            f"{chosen.rows} rows of {len(MIX)} columns; milliseconds, best and median; over the floor, by clock and CPU"
        )
        for group, works in groups.items():
            if chosen.only not in group:
                continue
            seconds = measure(works, chosen.repeats)
            floor = [statistics.median(times) for times in zip(*seconds["floor"], strict=True)]
            print(group)
            for name, times in seconds.items():
                clock, used = zip(*times, strict=True)
                ratios = [statistics.median(kind) / least for kind, least in zip((clock, used), floor, strict=True)]
                said = f"{min(clock) * 1e3:9.1f}{statistics.median(clock) * 1e3:9.1f}{ratios[0]:8.2f}{ratios[1]:8.2f}"
                print(f"  {name:20}{said}", flush=True)


if __name__ == "__main__":
    main()
