"""One library in one process, for tables: JSON requests in by lines, JSON answers out. Started by `table_files.py`."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import catalogues
import numpy as np

CHUNKS = 10  # pieces in which rows are appended
SLICE = slice(2, 3)  # of fifths of the rows


class Floor:
    """One read, or one write, of the bytes that a file's rows take, on one thread."""

    version = "-"

    def read(self, path: str, **_: Any) -> Any:
        out = np.empty(Path(path).stat().st_size, dtype=np.uint8)
        with open(path, "rb", buffering=0) as file:
            file.readinto(out)
        return out

    columns = one_by_one = rows = heap = packed = arrow = read

    def write(self, path: str, data: Any, **_: Any) -> None:
        data = data if isinstance(data, np.ndarray) else data["id"]
        with open(path, "wb", buffering=0) as file:
            file.write(np.ascontiguousarray(data).view(np.uint8))

    append = pack = from_arrow = write

    def write_heap(self, path: str, data: Any, **_: Any) -> None:
        with open(path, "wb", buffering=0) as file:
            file.write(np.concatenate(list(data["flux"])).view(np.uint8))


class Rustfits:
    """This library and the other of its name: one interface."""

    def __init__(self) -> None:
        import rustfits

        self.library = rustfits
        self.version = rustfits.__version__

    def read(self, path: str, **options: Any) -> Any:
        with self.library.FITS(path) as file:
            return file[1].read(**options)

    heap = packed = read

    def columns(self, path: str, names: list[str]) -> Any:
        return self.read(path, columns=names)

    def one_by_one(self, path: str, names: list[str]) -> Any:
        with self.library.FITS(path) as file:
            table = file[1]
            return [table.read_column(name, as_bytes=table.dtype[name].kind in "SU") for name in names]

    def rows(self, path: str, begin: int, stop: int) -> Any:
        return self.read(path, rows=slice(begin, stop))

    def write(self, path: str, data: Any, **options: Any) -> None:
        with self.library.FITS(path, "w+") as file:
            file.write_table(data, **options)

    def append(self, path: str, data: Any) -> None:
        pieces = np.array_split(data, CHUNKS)
        with self.library.FITS(path, "w+") as file:
            file.write_table(pieces[0])
            for piece in pieces[1:]:
                file[1].append(piece)

    def write_heap(self, path: str, data: Any) -> None:
        self.write(path, data, var_dtypes={"flux": "f4"})

    def pack(self, path: str, data: Any) -> None:
        self.write(path, data, compress=True)

    def arrow(self, path: str) -> Any:
        with self.library.FITS(path) as file:
            return file[1].to_arrow()

    def from_arrow(self, path: str, data: Any) -> None:
        self.write(path, data)


class Fitsio:
    """CFITSIO, through fitsio."""

    def __init__(self) -> None:
        import fitsio

        self.library = fitsio
        self.version = f"{fitsio.__version__} (CFITSIO {fitsio.cfitsio_version()})"

    def read(self, path: str, **options: Any) -> Any:
        with self.library.FITS(path) as file:
            return file[1].read(**options)

    def heap(self, path: str) -> Any:
        with self.library.FITS(path, vstorage="object") as file:
            return file[1].read()

    def columns(self, path: str, names: list[str]) -> Any:
        return self.read(path, columns=names)

    def one_by_one(self, path: str, names: list[str]) -> Any:
        with self.library.FITS(path) as file:
            return [file[1].read_column(name) for name in names]

    def rows(self, path: str, begin: int, stop: int) -> Any:
        with self.library.FITS(path) as file:
            return file[1][begin:stop]

    def write(self, path: str, data: Any) -> None:
        with self.library.FITS(path, "rw", clobber=True) as file:
            file.write(data)

    def append(self, path: str, data: Any) -> None:
        pieces = np.array_split(data, CHUNKS)
        with self.library.FITS(path, "rw", clobber=True) as file:
            file.write(pieces[0])
            for piece in pieces[1:]:
                file[1].append(piece)

    def write_heap(self, path: str, data: Any) -> None:
        with self.library.FITS(path, "rw", clobber=True) as file:
            file.write(data)


class Astropy:
    """astropy.io.fits; columns in native byte order and in memory, as the others return them."""

    def __init__(self) -> None:
        import astropy
        from astropy.io import fits

        self.library = fits
        self.version = astropy.__version__

    def read(self, path: str, names: list[str] | None = None, rows: slice = slice(None)) -> Any:
        with self.library.open(path, memmap=False) as file:
            data = file[1].data
            found = {name: np.asarray(data[name])[rows] for name in names or data.names}
            return {name: array.astype(array.dtype.newbyteorder("=")) for name, array in found.items()}

    def columns(self, path: str, names: list[str]) -> Any:
        return self.read(path, names)

    def rows(self, path: str, begin: int, stop: int) -> Any:
        return self.read(path, rows=slice(begin, stop))

    def heap(self, path: str) -> Any:
        with self.library.open(path, memmap=False) as file:
            return [np.asarray(cell) for cell in file[1].data["flux"]]

    def write(self, path: str, data: Any) -> None:
        self.library.BinTableHDU(data).writeto(path, overwrite=True)

    def write_heap(self, path: str, data: Any) -> None:
        flux = self.library.Column("flux", "PE()", array=data["flux"])
        table = [self.library.Column("id", "J", array=data["id"]), flux]
        self.library.BinTableHDU.from_columns(table).writeto(path, overwrite=True)


class Torchfits:
    """CFITSIO and maps of files, through torchfits; columns as tensors."""

    def __init__(self) -> None:
        import torchfits

        self.library = torchfits
        self.version = torchfits.__version__

    def read(self, path: str, **options: Any) -> Any:
        return self.library.read(path, hdu=1, **options)

    def columns(self, path: str, names: list[str]) -> Any:
        return self.read(path, columns=names)

    def rows(self, path: str, begin: int, stop: int) -> Any:
        return self.read(path, start_row=begin + 1, num_rows=stop - begin)

    def arrow(self, path: str) -> Any:
        return self.library.table.read(path)


def input_of(library: Any, request: dict[str, Any], kept: dict[Any, Any]) -> Any:
    """Return what is to be written; made once for a kind of table."""
    as_arrow = request["operation"] == "from_arrow" and not isinstance(library, Floor)
    key = request["table"], request["nrows"], as_arrow
    if key not in kept:
        kept.clear()
        data = getattr(catalogues, request["table"])(request["nrows"])
        if as_arrow:
            data = _as_arrow(data)
        kept[key] = data
    return kept[key]


def _as_arrow(table: np.ndarray[Any, Any]) -> Any:
    import pyarrow as pa

    columns = {}
    for name in table.dtype.names or ():
        array = table[name]
        columns[name] = pa.array(np.char.decode(array).tolist() if array.dtype.kind == "S" else array.copy())
    return pa.table(columns)


@contextlib.contextmanager
def without_gc() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def answer(library: Any, request: dict[str, Any], kept: dict[Any, Any]) -> dict[str, Any]:
    """Do what a request asks; the seconds cover opening, the work and closing, and nothing else."""
    path, operation, nrows = request["path"], request["operation"], request["nrows"]
    work: Callable[..., Any] = getattr(library, operation, None) or _cannot(operation)
    arguments: dict[str, Any] = {}
    if operation in ("columns", "one_by_one"):
        arguments["names"] = request["names"]
    elif operation == "rows":
        arguments |= {"begin": nrows // 5 * SLICE.start, "stop": nrows // 5 * SLICE.stop}
    elif request["writes"]:
        arguments["data"] = input_of(library, request, kept)
        Path(path).unlink(missing_ok=True)
    with without_gc():
        begin, spent = time.perf_counter(), time.process_time()
        found = work(path, **arguments)
        seconds, spent = time.perf_counter() - begin, time.process_time() - spent
        outcome = {"seconds": seconds, "cpu_seconds": spent, "nbytes": os.stat(path).st_size}
        del found
    return outcome


def _cannot(operation: str) -> Callable[..., Any]:
    raise NotImplementedError(f"it has no {operation}")


def main() -> None:
    """Serve until standard input ends."""
    warnings.simplefilter("ignore")
    library = globals()[sys.argv[1]]()
    print(json.dumps({"version": library.version, "numpy": np.__version__}), flush=True)
    kept: dict[Any, Any] = {}
    for line in sys.stdin:
        try:
            outcome = answer(library, json.loads(line), kept)
        except Exception as error:
            outcome = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
