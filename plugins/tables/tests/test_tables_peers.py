"""Rows of files that others write, with random columns, are what those read; and others read the rows that we write."""

import numpy as np
import pytest
from schemas import COMPILED, NUMPY

from rustfits_tables import Field, FieldArray, Kind

fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
fits = pytest.importorskip("astropy.io.fits", reason="peer not installed: astropy")

KERNELS = pytest.mark.parametrize("kernels", [NUMPY, COMPILED], ids=["numpy", "compiled"])
DTYPES = ("u1", "i2", "i4", "i8", "f4", "f8", "c8", "c16", "?", "u2", "u4", "S1", "S7", "S23")


def random_table(seed):
    numbers = np.random.default_rng(seed)
    nrows, columns = int(numbers.integers(1, 60)), []
    for number in range(numbers.integers(1, 12)):
        shape = ((), (), (3,), (2, 3))[numbers.integers(0, 4)]
        columns.append((f"c{number}", DTYPES[numbers.integers(0, len(DTYPES))], shape))
    table = np.zeros(nrows, dtype=columns)
    for name, dtype, shape in columns:
        count = int(np.prod(shape, dtype=int)) * nrows
        if dtype[0] == "S":
            width = int(dtype[1:])
            letters = numbers.integers(0x21, 0x7F, (count, width), dtype=np.uint8)
            letters[np.arange(width) >= numbers.integers(1, width + 1, (count, 1))] = 0
            letters[:, 1:-1][numbers.integers(0, 3, (count, max(width - 2, 0))) == 0] &= 0x7F
            table[name] = letters.view(dtype).reshape(nrows, *shape)
        elif dtype == "?":
            table[name] = numbers.integers(0, 2, (nrows, *shape))
        elif dtype[0] in "fc":
            table[name] = numbers.normal(size=(nrows, *shape)) * 10.0 ** numbers.integers(-30, 30)
        else:
            limits = np.iinfo(dtype)
            table[name] = numbers.integers(limits.min, limits.max, (nrows, *shape), dtype=dtype, endpoint=True)
    return table


def fields_of(dtype, text=Kind.TEXT):
    """The fields of rows without gaps, and the dtypes of their arrays."""
    found, offset = [], 0
    for name in dtype.names:
        base, shape = dtype[name].base, dtype[name].shape
        count = int(np.prod(shape, dtype=int))
        size, kind, out = base.itemsize, Kind.SWAP, base.str[1:]
        if base.kind == "S":
            kind, out = text, f"U{size}" if text == Kind.TEXT else f"S{size}"
        elif base.kind == "b":
            kind, out = Kind.LOGICAL, "?"
        elif base.kind == "u":
            kind = Kind.COPY if size == 1 else Kind.FLIP
        elif base.kind == "c":
            size, count = size // 2, count * 2
        found.append((name, Field(kind, offset, size, count), (out, shape)))
        offset += size * count
    return found, offset


def plain(array, shape):
    """What a peer gives, strings as text without the blanks and NULs at their end that some leave."""
    array = np.asarray(array).reshape(shape)
    return np.strings.rstrip(array.astype("U")) if array.dtype.kind in "SU" else array


def raw_rows(path):
    with fits.open(path) as file:
        start, header = file[1].fileinfo()["datLoc"], file[1].header
    nrows, width = header["NAXIS2"], header["NAXIS1"]
    return np.frombuffer(path.read_bytes()[start : start + nrows * width], dtype=np.uint8).reshape(nrows, width), start


def decoded(kernels, raw, dtype):
    found, width = fields_of(dtype)
    assert width == raw.shape[1]
    out = np.zeros(len(raw), dtype=[(name, *kind) for name, _, kind in found])
    assert kernels.decoder(width, [FieldArray(field, out[name]) for name, field, _ in found]).decode(raw, 0) == []
    return out


@KERNELS
@pytest.mark.parametrize("seed", range(40))
def test_rows_that_fitsio_writes_are_read_as_it_reads_them(kernels, seed, tmp_path):
    table = random_table(seed)
    fitsio.write(str(tmp_path / "t.fits"), table)
    found = fitsio.read(str(tmp_path / "t.fits"))
    out = decoded(kernels, raw_rows(tmp_path / "t.fits")[0], table.dtype)
    for name in table.dtype.names:
        np.testing.assert_array_equal(out[name], plain(found[name], out[name].shape), name)


@KERNELS
@pytest.mark.parametrize("seed", range(40, 80))
def test_rows_that_astropy_writes_are_read_as_it_reads_them(kernels, seed, tmp_path):
    table = random_table(seed)
    fits.BinTableHDU(table).writeto(tmp_path / "t.fits")
    out = decoded(kernels, raw_rows(tmp_path / "t.fits")[0], table.dtype)
    with fits.open(tmp_path / "t.fits") as file:
        for name in table.dtype.names:
            np.testing.assert_array_equal(out[name], plain(file[1].data[name], out[name].shape), name)


@KERNELS
@pytest.mark.parametrize("seed", range(80, 110))
def test_rows_that_are_written_are_read_by_both(kernels, seed, tmp_path):
    table, path = random_table(seed), tmp_path / "t.fits"
    fitsio.write(str(path), np.zeros_like(table))
    raw, start = raw_rows(path)
    found, width = fields_of(table.dtype, Kind.BYTES)
    out = np.zeros_like(raw)
    assert kernels.encoder(width, [FieldArray(field, table[name]) for name, field, _ in found]).encode(out, 0) == []
    with path.open("r+b") as file:
        file.seek(start)
        file.write(out.tobytes())
    back = fitsio.read(str(path))
    with fits.open(path) as file:
        for name in table.dtype.names:
            expected = plain(table[name], table[name].shape)
            np.testing.assert_array_equal(plain(back[name], expected.shape), expected, name)
            np.testing.assert_array_equal(plain(file[1].data[name], expected.shape), expected, name)


@KERNELS
@pytest.mark.parametrize("seed", range(10))
def test_bits_scaled_columns_and_nulls_are_those_of_astropy(kernels, seed, tmp_path):
    numbers, path = np.random.default_rng(seed), tmp_path / "t.fits"
    nrows, nbits = int(numbers.integers(1, 50)), int(numbers.integers(1, 30))
    bits = numbers.integers(0, 2, (nrows, nbits)).astype(bool)
    stored = numbers.integers(-5, 6, nrows).astype("i2")
    columns = [
        fits.Column("x", f"{nbits}X", array=bits),
        fits.Column("s", "I", array=stored),
        fits.Column("n", "J", null=99, array=numbers.choice([1, 99, -99], nrows)),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(path)
    fits.setval(path, "TSCAL2", value=0.25, ext=1)
    fits.setval(path, "TZERO2", value=-3.5, ext=1)
    raw, width = raw_rows(path)[0], -(-nbits // 8)
    x, s = np.zeros((nrows, nbits), dtype=bool), np.zeros(nrows)
    n, valid = np.zeros(nrows, dtype=bool), np.zeros(-(-nrows // 8), dtype=np.uint8)
    placed = [
        FieldArray(Field(Kind.BITS, 0, 1, nbits), x),
        FieldArray(Field(Kind.SCALED_I2, width, 2, scale=0.25, zero=-3.5), s),
        FieldArray(Field(Kind.NULL, width + 2, 4, null=99), n),
        FieldArray(Field(Kind.VALID, width + 2, 4, null=99), valid),
    ]
    assert kernels.decoder(width + 6, placed).decode(raw, 0) == []
    with fits.open(path) as file:
        data = file[1].data
        np.testing.assert_array_equal(x, data["x"].reshape(x.shape))
        np.testing.assert_array_equal(s, data["s"])
        np.testing.assert_array_equal(n, data["n"] == 99)
    assert (np.unpackbits(valid, bitorder="little", count=nrows) != n).all()


@KERNELS
@pytest.mark.parametrize("seed", range(10))
def test_ascii_tables_are_those_of_both(kernels, seed, tmp_path):
    numbers, path = np.random.default_rng(seed), tmp_path / "t.fits"
    nrows = int(numbers.integers(1, 80))
    values = numbers.normal(size=nrows) * 10.0 ** numbers.integers(-20, 20, nrows)
    columns = [
        fits.Column("i", "I11", array=numbers.integers(-(10**9), 10**9, nrows), ascii=True),
        fits.Column("e", "E15.7", array=values.astype("f4"), ascii=True),
        fits.Column("d", "D25.17", array=values, ascii=True),
        fits.Column("f", "F12.4", array=numbers.normal(size=nrows) * 1000, ascii=True),
        fits.Column("a", "A6", array=numbers.choice(["one", "two words"[:6], "s i x"], nrows), ascii=True),
    ]
    fits.TableHDU.from_columns(columns).writeto(path)
    raw, _ = raw_rows(path)
    with fits.open(path) as file:
        start = [file[1].header[f"TBCOL{number}"] - 1 for number in range(1, 6)]
    fields = [
        (Kind.INTEGER, 11, 0, "i8"),
        (Kind.REAL_32, 15, 7, "f4"),
        (Kind.REAL_64, 25, 17, "f8"),
        (Kind.REAL_64, 12, 4, "f8"),
        (Kind.TEXT, 6, 0, "U6"),
    ]
    placed = [
        FieldArray(Field(kind, begin, width, decimals=decimals), np.zeros(nrows, dtype=dtype))
        for begin, (kind, width, decimals, dtype) in zip(start, fields, strict=True)
    ]
    assert kernels.decoder(raw.shape[1], placed).decode(raw, 0) == []
    theirs = fitsio.read(str(path))
    with fits.open(path) as file:
        for each, name in zip(placed, "iedfa", strict=True):
            given = [plain(table[name], each.array.shape) for table in (file[1].data, theirs)]
            if name == "e":  # which astropy gives as doubles
                given = [array.astype("f4") for array in given]
            np.testing.assert_array_equal(each.array, given[0], name)
            if name in "df":  # CFITSIO's own conversion is not always the nearest
                np.testing.assert_allclose(each.array, given[1], rtol=1e-14)
            else:
                np.testing.assert_array_equal(each.array, given[1], name)
