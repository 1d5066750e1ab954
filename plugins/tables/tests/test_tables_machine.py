"""A table that is changed again and again, beside a model of it in NumPy; then others read it."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from newtables import assert_table, column, columns, schemas, structured

from rustfits import FITS
from rustfits.heap import writer

fitsio = pytest.importorskip("fitsio", reason="fitsio is the peer")

SEEDS = st.integers(0, 1 << 32)
AFTER = np.arange(2000, dtype="i2")


class TableMachine(RuleBasedStateMachine):
    """Edits of one table in a file on disk, in which an image stands before it, and perhaps one behind."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "x.fits"
        self.small, writer.SMALL_HEAP_NBYTES = writer.SMALL_HEAP_NBYTES, 64  # small heaps leave room too

    @initialize(
        schema=schemas(max_columns=4), nrows=st.integers(0, 12), seed=SEEDS, last=st.booleans(), mid=st.booleans()
    )
    def begin(self, schema, nrows, seed, last, mid):
        self.types, self.model = dict(schema.columns), schema.values(seed, nrows)
        self.last, self.number = last, 0
        with FITS(self.path, "w+") as fits:
            if mid:
                fits.write_image(np.arange(9, dtype="i4"), extname="FIRST")
            fits.write_table(self.model, extname="T", header={"OBJECT": "M13"}, **schema.options)
            if not last:
                fits.write_image(AFTER, extname="AFTER")
        self.fits = FITS(self.path, "r+")

    @property
    def hdu(self):
        return self.fits["T"]

    @property
    def nrows(self):
        return len(next(iter(self.model.values())))

    def new(self, seed, nrows, names=None):
        rng = np.random.default_rng(seed)
        return {n: column(rng, *self.types[n], nrows) for n in names or self.types}

    def dtype(self, names):
        return [(n, "O") if self.types[n][0] == "O" else (n, *self.types[n]) for n in names]

    def set_rows(self, rows, values):
        for name, cells in values.items():
            for row, value in zip(rows, cells.astype(self.model[name].dtype), strict=True):
                self.model[name][row] = value

    @rule(seed=SEEDS, nrows=st.integers(0, 30))
    def append(self, seed, nrows):
        values = self.new(seed, nrows)
        self.hdu.append(values)
        self.model = {n: np.concatenate([self.model[n], values[n].astype(self.model[n].dtype)]) for n in self.model}

    @rule(seed=SEEDS, pieces=st.lists(st.integers(0, 4), max_size=4))
    def append_in_a_context(self, seed, pieces):
        with self.hdu.appending() as hdu:
            for turn, nrows in enumerate(pieces):
                values = self.new(seed + turn, nrows)
                hdu.append(structured(values, self.dtype(values)))
                self.model = {
                    n: np.concatenate([self.model[n], values[n].astype(self.model[n].dtype)]) for n in self.model
                }

    @rule(seed=SEEDS)
    def write(self, seed):
        values = self.new(seed, self.nrows)
        self.hdu.write(values)
        self.model = {n: values[n].astype(self.model[n].dtype) for n in self.model}

    @precondition(lambda self: self.nrows)
    @rule(seed=SEEDS, data=st.data())
    def set_rows_of_a_list(self, seed, data):
        rows = data.draw(st.lists(st.integers(-self.nrows, self.nrows - 1), min_size=1, max_size=8))
        values = self.new(seed, len(rows))
        self.hdu[rows] = structured(values, self.dtype(values))
        self.set_rows(rows, values)

    @precondition(lambda self: self.nrows)
    @rule(seed=SEEDS, data=st.data())
    def set_a_slice_of_some_columns(self, seed, data):
        names = data.draw(st.lists(st.sampled_from(sorted(self.types)), min_size=1, unique=True))
        rows = slice(*sorted(data.draw(st.tuples(*[st.integers(0, self.nrows)] * 2))), data.draw(st.integers(1, 3)))
        numbers = range(self.nrows)[rows]
        values = self.new(seed, len(numbers), names)
        self.hdu[names][rows] = structured(values, self.dtype(names))
        self.set_rows(numbers, values)

    @rule(seed=SEEDS, data=st.data())
    def set_a_column(self, seed, data):
        name = data.draw(st.sampled_from(sorted(self.types)))
        values = self.new(seed, self.nrows, [name])
        self.hdu[name] = values[name]
        self.set_rows(range(self.nrows), values)

    @precondition(lambda self: self.nrows)
    @rule(seed=SEEDS, data=st.data())
    def set_a_cell(self, seed, data):
        name, row = data.draw(st.sampled_from(sorted(self.types))), data.draw(st.integers(0, self.nrows - 1))
        values = self.new(seed, 1, [name])
        self.hdu[name][row] = values[name][0]
        self.set_rows([row], values)

    @precondition(lambda self: len(self.types) < 7)
    @rule(seed=SEEDS, kind=columns(), data=st.data())
    def insert(self, seed, kind, data):
        self.number += 1
        name, place = f"new{self.number}", data.draw(st.integers(0, len(self.types)))
        dtype, shape = kind
        more = {}
        if dtype == "O":
            more = {"inner_dtype": shape, "heap_format": data.draw(st.sampled_from(["P", "Q", None]))}
        if "?" in kind:
            more["bit_packed"] = data.draw(st.booleans())
        values = column(np.random.default_rng(seed), dtype, shape, self.nrows)
        self.hdu.insert_column(name, values, position=place, unit="m", **more)
        for what, one in ((self.types, kind), (self.model, values)):
            items = list(what.items())
            items.insert(place, (name, one))
            what.clear()
            what.update(items)
        assert self.hdu.units[name] == "m"

    @precondition(lambda self: len(self.types) > 1)
    @rule(data=st.data())
    def delete(self, data):
        index = data.draw(st.integers(0, len(self.types) - 1))
        name = list(self.types)[index]
        self.hdu.delete_column(data.draw(st.sampled_from([name.upper(), index, index - len(self.types)])))
        del self.types[name], self.model[name]

    @rule(data=st.data(), several=st.booleans())
    def delete_rows(self, data, several):
        if several:
            rows = slice(*sorted(data.draw(st.tuples(*[st.integers(0, self.nrows)] * 2))), data.draw(st.integers(1, 2)))
        else:
            rows = data.draw(st.lists(st.integers(-self.nrows, self.nrows - 1), max_size=4)) if self.nrows else []
        self.hdu.delete_rows(rows)
        gone = rows if several else np.array(rows, int)
        self.model = {name: np.delete(values, gone, axis=0) for name, values in self.model.items()}

    @rule(data=st.data())
    def rename(self, data):
        self.number += 1
        index, new = data.draw(st.integers(0, len(self.types) - 1)), f"name_{self.number}"
        self.hdu.rename_column(index, new)
        old = list(self.types)[index]
        self.types = {new if name == old else name: kind for name, kind in self.types.items()}
        self.model = {new if name == old else name: values for name, values in self.model.items()}

    @rule()
    def repack(self):
        self.hdu.repack()
        pcount = self.hdu.header["PCOUNT"]
        if any(kind[0] == "O" for kind in self.types.values()):
            assert "THEAP" not in self.hdu.header
            assert pcount == sum(
                map(heap_nbytes, self.model.values(), self.types.values(), map(self.is_bits, self.types))
            )

    def is_bits(self, name):
        number = list(self.types).index(name) + 1
        return "X" in self.hdu.header[f"TFORM{number}"]

    @rule(seed=SEEDS)
    def fail_in_a_transaction(self, seed):
        before = self.path.read_bytes()
        values = self.new(seed, 3)
        try:
            with self.fits.transaction():
                self.hdu.append(values)
                self.hdu.insert_column("lost", np.zeros(self.nrows + 3, "u1"), position=0)
                self.hdu.delete_column(1)
                self.hdu.repack()
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        assert self.path.read_bytes() == before

    @rule()
    def open_again(self):
        self.fits.close()
        self.fits = FITS(self.path, "r+")

    @rule(cards=st.integers(1, 40))
    def grow_the_header(self, cards):
        self.hdu.header.update({f"KEY{n}": n for n in range(cards)})

    @invariant()
    def is_as_the_model(self):
        if not hasattr(self, "fits"):
            return
        assert_table(self.hdu, self.model)
        assert self.hdu.header["OBJECT"] == "M13"
        extent = self.hdu._extent
        fill = self.path.read_bytes()[extent.data_start + extent.data_nbytes : extent.stop]
        assert not any(fill)
        if not self.last:
            np.testing.assert_array_equal(self.fits["AFTER"].read(), AFTER)

    def teardown(self):
        writer.SMALL_HEAP_NBYTES = self.small
        if hasattr(self, "fits"):
            self.fits.close()
            with fitsio.FITS(str(self.path)) as fits:
                assert fits["T"].get_nrows() == self.nrows
                assert fits["T"].get_colnames() == list(self.types)
            with FITS(self.path, "r+") as fits:
                # CFITSIO takes PCOUNT for the size of the heap, and where that begins behind a gap, looks for the fill
                # of the last block in the HDU that follows.
                fits["T"].repack()
                gap = "THEAP" in fits["T"].header
                self.fits = fits
                self.is_as_the_model()
            if not gap:
                done = subprocess.run(["fitsverify", "-q", str(self.path)], capture_output=True, text=True, check=False)
                assert "OK" in done.stdout, done.stdout
        self.folder.cleanup()


def heap_nbytes(values, kind, is_bits):
    if kind[0] != "O":
        return 0
    if is_bits:
        return sum(-(-len(cell) // 8) for cell in values)
    return sum(len(cell) * (1 if kind[1] == "U" else np.dtype(kind[1]).itemsize) for cell in values)


TestTableMachine = TableMachine.TestCase
TestTableMachine.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
