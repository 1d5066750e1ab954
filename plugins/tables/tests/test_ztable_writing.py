"""Compressed tables that we write are, after any edits, what a plain table is after the same; and for funpack too.

`RUSTFITS_ZTABLE_CASES` sets the number of random tables.
"""

import os

import numpy as np
import pytest
from test_ztable_reading import same
from ztablefiles import needs, numbers_of, run, strings_of

import rustfits

NCASES = int(os.environ.get("RUSTFITS_ZTABLE_CASES", "160"))
STEP = 20
DTYPES = ("u1", "i2", "i4", "i8", "f4", "f8", "c8", "c16", "?", "u2", "u4", "u8", "S3", "U11")
INNER = ("u1", "i2", "i4", "i8", "f4", "f8", "c8", "c16", "?", "U")
# funpack fails on strings in the heap, on complex columns that are GZIP_2, and on those of type M whatever they are.
UNPACKED_INNER = [kind for kind in INNER if kind not in ("U", "c16")]
UNPACKED_DTYPES = [kind for kind in DTYPES if kind != "c16"]
ALGORITHMS = {
    "u1": ("GZIP_1", "RICE_1"),
    **dict.fromkeys(("i2", "i4", "u2", "u4"), ("GZIP_1", "GZIP_2", "RICE_1")),
    **dict.fromkeys(("i8", "u8", "f4", "f8", "c8", "c16"), ("GZIP_1", "GZIP_2")),
}

astropy_fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")
pytest.importorskip("rustfits_rice", reason="plugin not installed: rustfits-rice")
pytestmark = pytest.mark.filterwarnings("ignore")


class Schema:
    """Random columns: what `write_table` is told of them, and rows for them."""

    def __init__(self, random, *, inner=INNER, dtypes=DTYPES, complex_shuffled=True):
        self.random, self.fields, self.options = random, [], {"var_dtypes": {}, "bit_columns": []}
        self.compress = {}
        for number in range(int(random.integers(1, 9))):
            name = f"c{number}"
            if random.integers(0, 4) == 0 and inner:
                kind = str(random.choice(inner))
                self.options["var_dtypes"][name] = kind
                self.fields.append((name, "O", ()))
            else:
                kind = str(random.choice(dtypes))
                shape = ((), (), (3,), (2, 3))[random.integers(0, 4)]
                self.fields.append((name, kind, shape))
                if kind == "?" and random.integers(0, 2):
                    self.options["bit_columns"].append(name)
            allowed = ALGORITHMS.get(kind)
            if kind[0] == "c" and not complex_shuffled:
                allowed = ("GZIP_1",)
            if allowed and random.integers(0, 2):
                self.compress[name] = str(random.choice(allowed))
        self.options["heap_format"] = str(random.choice(["P", "q"]))
        self.units = {"c0": "Jy"}

    def rows(self, nrows):
        random, out = self.random, {}
        for name, kind, shape in self.fields:
            if kind == "O":
                out[name] = self.cells(self.options["var_dtypes"][name], nrows)
            elif kind[0] in "SU":
                out[name] = strings_of(random, int(kind[1:]), (nrows, *shape)).astype(kind)
            elif kind == "?":
                out[name] = random.integers(0, 2, (nrows, *shape)).astype(bool)
            else:
                out[name] = numbers_of(random, kind, (nrows, *shape))
        return out

    def structured(self, nrows):
        columns = self.rows(nrows)
        out = np.zeros(nrows, dtype=[(name, kind, shape) for name, kind, shape in self.fields])
        for name, column in columns.items():
            out[name] = column
        return out

    def cells(self, kind, nrows):
        out = np.empty(nrows, dtype=object)
        for row in range(nrows):
            length = int(self.random.integers(0, 30))
            if kind == "U":
                out[row] = "".join(map(chr, self.random.integers(0x21, 0x7F, length)))
            elif kind == "?":
                out[row] = self.random.integers(0, 2, length).astype(bool)
            else:
                out[row] = numbers_of(self.random, kind, (length,))
        return out


def write_both(path, schema, nrows, ztilelen):
    """Write the same rows compressed and plain, in two files; each has another HDU behind the table."""
    data = schema.rows(nrows)
    files = []
    for suffix, more in ((".z", {"compress": schema.compress or True, "ztilelen": ztilelen}), (".p", {})):
        file = rustfits.FITS(path.with_suffix(suffix), "w+")
        file.write_table(data, extname="T", units=schema.units, **schema.options, **more)
        file.write_image(np.arange(100, dtype="i4"))
        files.append(file)
    return files


def change(hdu, action, arguments):
    """Make one change; returns the type of the error, if it is refused."""
    try:
        if action == "append":
            hdu.append(arguments)
        elif action == "appending":
            with hdu.appending():
                for rows in arguments:
                    hdu.append(rows)
        elif action == "write":
            hdu.write(arguments)
        elif action == "put":
            key, value = arguments
            hdu[key] = value
        elif action == "column":
            name, rows, value = arguments
            if rows is None:
                hdu[name] = value
            else:
                hdu[name][rows] = value
        else:
            hdu.repack()
    except rustfits.TableError as error:
        return type(error)
    return None


def random_change(schema, random, nrows):
    action = str(random.choice(["append", "append", "appending", "write", "put", "put", "column", "column", "repack"]))
    if action == "append":
        return action, schema.rows(int(random.integers(0, 40)))
    if action == "appending":
        return action, [schema.structured(int(random.integers(1, 20))) for _ in range(random.integers(1, 4))]
    if action == "write":
        return action, schema.rows(nrows)
    some = [int(row) for row in random.integers(-nrows, nrows, random.integers(1, 9))] if nrows else []
    if action == "put" and nrows:
        first = int(random.integers(0, nrows))
        key = [first, slice(first, None, 2), some][random.integers(0, 3)]
        count = 1 if isinstance(key, int) else len(range(nrows)[key]) if isinstance(key, slice) else len(key)
        return action, (key, schema.structured(count))
    if action == "column" and nrows:
        name = schema.fields[random.integers(0, len(schema.fields))][0]
        rows = [None, some, slice(0, None, 3)][random.integers(0, 3)]
        count = nrows if rows is None else len(rows) if isinstance(rows, list) else len(range(nrows)[rows])
        return action, (name, rows, schema.rows(count)[name])
    return "repack", None


def check_both(coded, plain):
    assert coded.nrows == plain.nrows
    assert coded.dtype == plain.dtype
    left, right = coded.read(), plain.read()
    for name in left.dtype.names:
        assert same(left[name], right[name]), name
    assert coded.header["NAXIS2"] == coded.n_tiles == -(-coded.nrows // coded.ztile_rows)
    assert "THEAP" not in coded.header


@pytest.mark.parametrize("first", range(0, NCASES, STEP))
def test_edits_are_those_of_a_plain_table(first, tmp_path):
    for seed in range(first, first + STEP):
        random = np.random.default_rng(seed)
        schema = Schema(random)
        nrows, length = int(random.choice([0, 1, 5, 40, 64])), int(random.choice([1, 3, 16, 50]))
        coded, plain = write_both(tmp_path / "t", schema, nrows, length)
        for _ in range(random.integers(1, 6)):
            action, arguments = random_change(schema, random, plain[1].nrows)
            results = [change(file[1], action, arguments) for file in (coded, plain)]
            assert results[0] is results[1], (seed, action, results)
            check_both(coded[1], plain[1])
        coded[1].repack()
        check_both(coded[1], plain[1])
        size = len(coded.to_bytes())
        coded[1].repack()
        assert len(coded.to_bytes()) == size
        for file in (coded, plain):
            assert (file[2].read() == np.arange(100)).all()
            file.close()
        with rustfits.FITS(tmp_path / "t.z") as again, rustfits.FITS(tmp_path / "t.p") as other:
            check_both(again[1], other[1])


@needs("funpack")
@needs("fitsverify")
@pytest.mark.parametrize("first", range(0, NCASES // 4, STEP))
def test_funpack_restores_what_was_written(first, tmp_path):
    fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    for seed in range(5000 + first, 5000 + first + STEP):
        random = np.random.default_rng(seed)
        schema = Schema(random, inner=UNPACKED_INNER, dtypes=UNPACKED_DTYPES, complex_shuffled=False)
        coded, plain = write_both(tmp_path / "t", schema, int(random.choice([1, 5, 64])), int(random.choice([1, 16])))
        for _ in range(random.integers(0, 3)):
            action, arguments = random_change(schema, random, plain[1].nrows)
            for file in (coded, plain):
                change(file[1], action, arguments)
        coded[1].add_checksum()
        assert coded[1].verify_checksum() is True
        assert coded[1].verify_datasum() is True
        for file in (coded, plain):
            file.close()
        (tmp_path / "u.fits").unlink(missing_ok=True)
        run("funpack", "-O", tmp_path / "u.fits", tmp_path / "t.z")
        for path in ("t.z", "u.fits"):
            assert "0 warning(s) and 0 error(s)" in run("fitsverify", tmp_path / path)
        with rustfits.FITS(tmp_path / "u.fits") as unpacked, rustfits.FITS(tmp_path / "t.p") as other:
            left, right = unpacked[1].read(), other[1].read()
            assert unpacked[1].verify_checksum() is True
            bits = schema.options["bit_columns"]
            for name, kind, _ in schema.fields:
                assert same(left[name], right[name]) or (kind == "O" and name in bits), name
            peer = fitsio.FITS(str(tmp_path / "u.fits"))[1].read()
            for name, kind, _ in schema.fields:
                if kind[0] in "iuf":
                    np.testing.assert_array_equal(peer[name].reshape(right[name].shape), right[name], name)


@needs("funpack")
@pytest.mark.parametrize("nrows", [0, 1, 100])
def test_rows_follow_the_single_tile_of_a_table_without_ztilelen(nrows, tmp_path):
    rows = np.zeros(nrows + 50, dtype=[("a", "i4"), ("b", "f8")])
    rows["a"] = rows["b"] = np.arange(nrows + 50)
    path = tmp_path / "t.fits"
    with rustfits.FITS(path, "w+") as file:
        file.write_table(rows[:nrows], compress=True)
    path.write_bytes(path.read_bytes().replace(b"ZTILELEN=", b"COMMENT  "))
    with rustfits.FITS(path, "r+") as file:
        assert "ZTILELEN" not in file[1].header
        file[1].append(rows[nrows : nrows + 30])
        file[1].append(rows[nrows + 30 :])
    with rustfits.FITS(path, "r+") as file:
        assert (file[1].read() == rows).all()
        file[1].write(rows[::-1])
    with rustfits.FITS(path) as file:
        assert (file[1].read() == rows[::-1]).all()
    run("funpack", "-O", tmp_path / "plain.fits", path)
    assert list(map(tuple, astropy_fits.getdata(tmp_path / "plain.fits"))) == rows[::-1].tolist()
