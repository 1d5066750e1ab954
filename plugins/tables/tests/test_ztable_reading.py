"""Compressed tables that fpack makes are read as the tables that they were, and as funpack and its peers have them.

`RUSTFITS_ZTABLE_CASES` sets the number of random tables.
"""

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from tablefiles import table
from ztablefiles import choose_codecs, fits, needs, numbers_of, packed, random_table, run, strings_of

import rustfits
from rustfits_tables import Field, FieldArray, Kind, active

DATA = Path(__file__).parents[3] / "tests" / "data"
NCASES = int(os.environ.get("RUSTFITS_ZTABLE_CASES", "160"))
STEP = 20

pytest.importorskip("rustfits_rice", reason="plugin not installed: rustfits-rice")
pytestmark = [needs("fpack"), needs("funpack"), pytest.mark.filterwarnings("ignore")]


def same(one, other):
    if one.dtype == object:
        return len(one) == len(other) and all(map(same, map(np.asarray, one), map(np.asarray, other)))
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def answer(call):
    """What a call returns, or the type of its error."""
    try:
        return call()
    except rustfits.TableError as error:
        return type(error)


def check_same(plain, coded, random):
    assert coded.colnames == plain.colnames
    assert len(coded) == len(plain)
    assert coded.units == plain.units
    some = [int(row) for row in random.integers(-plain.nrows, plain.nrows, 20)]
    for name in plain.colnames:
        for scale in (True, False):
            for rows in (None, (slice(3, None, 2), slice(None, None, -1), some)[random.integers(0, 3)]):
                left = answer(lambda: plain.read_column(name, rows=rows, scale=scale))  # noqa: B023
                right = answer(lambda: coded.read_column(name, rows=rows, scale=scale))  # noqa: B023
                if isinstance(left, type):
                    assert left is right, name
                else:
                    assert same(left, right), (name, rows, scale, coded.compression[name])


@pytest.mark.parametrize("first", range(0, NCASES, STEP))
def test_every_value_is_that_of_the_table_before_fpack(first, tmp_path):
    compressed = 0
    for seed in range(first, first + STEP):
        hdu, random = random_table(seed)
        choose_codecs(hdu, random)
        plain, coded = packed(hdu, tmp_path)
        with rustfits.FITS(plain) as left, rustfits.FITS(coded) as right:
            compressed += isinstance(right[1], rustfits.CompressedTableHDU)
            check_same(left[1], right[1], random)
    assert compressed > STEP // 2


@pytest.mark.parametrize("seed", range(1000, 1020))
def test_it_is_what_funpack_makes_of_it(seed, tmp_path):
    fitsio = pytest.importorskip("fitsio", reason="peer not installed: fitsio")
    # funpack fails on strings in the heap, on complex columns that are GZIP_2, and on all of type M.
    hdu, random = random_table(seed, heap="LBIJKEDC", letters="LXBIJKEDCA")
    choose_codecs(hdu, random)
    for number in range(1, hdu.header["TFIELDS"] + 1):
        if hdu.header[f"TFORM{number}"][-1] == "C":
            hdu.header[f"FZALG{number}"] = "GZIP_1"
    _, coded = packed(hdu, tmp_path)
    run("funpack", "-O", tmp_path / "u.fits", coded)
    table = fitsio.FITS(str(tmp_path / "u.fits"))[1]
    with (
        rustfits.FITS(coded) as file,
        rustfits.FITS(tmp_path / "u.fits") as unpacked,
        fits.open(tmp_path / "u.fits") as peer,
    ):
        check_same(unpacked[1], file[1], random)
        for number, name in enumerate(file[1].colnames):
            letter = peer[1].columns[number].format.lstrip("0123456789")[0]
            found = file[1].read_column(name)
            nulled = peer[1].columns[number].null not in (None, "")
            if letter in "IJKEDBL":
                np.testing.assert_array_equal(found, np.asarray(peer[1].data[name]).reshape(found.shape), name)
                if not nulled:  # fitsio has something else in place of nulls
                    np.testing.assert_array_equal(found, table[name][:].reshape(found.shape), name)
            elif letter == "A":
                assert [text.strip() for text in found.ravel()] == [text.strip() for text in table[name][:].ravel()]


def test_bits_in_the_heap_that_fpack_loses_are_an_error(tmp_path):
    bits = np.empty(800, dtype=object)
    bits[:] = [np.ones(n % 9, bool) for n in range(800)]
    numbers = np.arange(800.0)
    with rustfits.FITS(tmp_path / "t.fits", "w+") as file:
        file.write_table({"X": bits, "D": numbers}, var_dtypes={"X": "?"}, bit_columns=["X"])
    run("fpack", "-table", tmp_path / "t.fits")
    with rustfits.FITS(tmp_path / "t.fits.fz") as file:
        assert (file[1].read_column("D") == numbers).all()
        with pytest.raises(
            rustfits.TableError, match="column 'X', row 1: the 1 elements are not in the file; CFITSIO loses"
        ):
            file[1].read_column("X")


def test_tables_of_other_programs(tmp_path):
    with rustfits.FITS(DATA / "nomtam_ztable_gzip_mixed.fits.fz") as file:
        run("funpack", "-O", tmp_path / "u.fits", DATA / "nomtam_ztable_gzip_mixed.fits.fz")
        with rustfits.FITS(tmp_path / "u.fits") as plain:
            assert same(file[1].read(), plain[1].read())
            assert same(rustfits.read(DATA / "nomtam_ztable_gzip_mixed.fits.fz", 1), plain[1].read())
    with (
        rustfits.FITS(DATA / "cta_lst_zfits_custom_codec.fits.fz") as file,
        pytest.raises(rustfits.CodecNotInstalled, match="CTA"),
    ):
        file[1].read()


def large_table(tmp_path, nrows=20_000, tile_nrows=1000):
    random = np.random.default_rng(1)
    columns = [
        fits.Column("X", "D", array=random.normal(size=nrows)),
        fits.Column("N", "J", array=np.arange(nrows)),
        fits.Column("S", "8A", array=strings_of(random, 8, (nrows,))),
        fits.Column("V", "3I", array=numbers_of(random, "i2", (nrows, 3))),
    ]
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header["FZTILELN"] = tile_nrows
    return packed(hdu, tmp_path)


class Counting(io.BytesIO):
    nbytes = 0

    def read(self, *args):
        found = super().read(*args)
        self.nbytes += len(found)
        return found

    def readinto(self, room):
        count = super().readinto(room)
        self.nbytes += count
        return count


@pytest.mark.parametrize(
    ("wanted", "share"),
    [
        ({"columns": ["N"]}, 0.03),
        ({"columns": ["X"], "rows": slice(5000, 5100)}, 0.06),
        ({"rows": [17]}, 0.08),
        ({}, 1.02),
    ],
    ids=str,
)
def test_only_the_tiles_that_are_needed_are_read(wanted, share, tmp_path):
    plain, coded = large_table(tmp_path)
    content = Counting(coded.read_bytes())
    with rustfits.FITS(content) as file, rustfits.FITS(plain) as other:
        assert file[1].colnames
        content.nbytes = 0
        assert same(file[1].read(**wanted), other[1].read(**wanted))
        assert content.nbytes < share * len(content.getbuffer())


def test_decoded_tiles_are_kept(tmp_path):
    plain, coded = large_table(tmp_path)
    content = Counting(coded.read_bytes())
    with rustfits.FITS(content) as file, rustfits.FITS(plain) as other:
        hdu, expected = file[1], other[1].read()
        assert hdu.tile_cache_size == 32 << 20
        assert hdu.tile_cache_used == 0
        hdu.read(rows=[1500], columns=["n"])
        assert hdu.tile_cache_used == 4 * 1000  # one tile of one column
        hdu.read(columns=["n"])
        assert hdu.tile_cache_used == 4 * 20_000
        assert same(hdu.read(), expected)
        assert hdu.tile_cache_used == 26 * 20_000
        content.nbytes = 0
        assert same(hdu.read(rows=slice(100, 15_000, 3)), expected[100:15_000:3])
        assert content.nbytes <= 20 * 64  # descriptors
        assert hdu.tile_cache_used == 26 * 20_000
        hdu.set_tile_cache_size(50_000)
        assert 0 < hdu.tile_cache_used <= 50_000
        assert same(hdu.read(), expected)
        assert 0 < hdu.tile_cache_used <= 50_000
        hdu.clear_tile_cache()
        assert hdu.tile_cache_used == 0
        hdu.set_tile_cache_size(0)
        assert same(hdu.read(), expected)
        assert hdu.tile_cache_used == 0
        with pytest.raises(OverflowError):
            hdu.set_tile_cache_size(-1)
        with pytest.raises(TypeError):
            hdu.set_tile_cache_size(1.5)


def test_arrays_are_not_those_of_the_cache(tmp_path):
    _, coded = large_table(tmp_path)
    with rustfits.FITS(coded) as file:
        first = file[1].read()
        kept = first.copy()
        first["N"] = 0
        assert same(file[1].read(), kept)
        assert first.flags.writeable


def test_many_threads_read_at_once(tmp_path):
    plain, coded = large_table(tmp_path)
    with rustfits.FITS(coded) as file, rustfits.FITS(plain) as other:
        expected, found = other[1].read(), {}
        file[1].set_tile_cache_size(100_000)

        def read(number):
            for _ in range(5):
                rows = slice(number * 1000, 20_000 - number * 700)
                found[number] = same(file[1].read(rows=rows), expected[rows])

        threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == dict.fromkeys(range(8), True)


@pytest.mark.parametrize("nthreads", [1, 3])
def test_the_number_of_threads_does_not_matter(nthreads, tmp_path):
    plain, coded = large_table(tmp_path, nrows=100_000, tile_nrows=7777)
    before = rustfits.get_num_threads()
    rustfits.set_num_threads(nthreads)
    try:
        with rustfits.FITS(coded) as file, rustfits.FITS(plain) as other:
            assert same(file[1].read(), other[1].read())
    finally:
        rustfits.set_num_threads(before)


def test_what_is_refused(tmp_path):
    _, coded = large_table(tmp_path)
    with rustfits.FITS(coded) as file:
        hdu = file[1]
        with pytest.raises(NotImplementedError, match="TNULL masking"):
            hdu.read(mask_null=True)
        with pytest.raises(NotImplementedError, match="as_bytes"):
            hdu.read_column("S", as_bytes=True)
        with pytest.raises(ValueError, match="unknown column name"):
            hdu.read(columns=["nope"])
        with pytest.raises(ValueError, match="zero rows"):
            hdu.read(rows=[])
        with pytest.raises(IndexError):
            hdu.read(rows=[20_000])


def test_what_is_said_of_it(tmp_path):
    _, coded = large_table(tmp_path)
    with rustfits.FITS(coded) as file:
        hdu = file[1]
        assert hdu.n_tiles == 20
        assert hdu.ztile_rows == 1000
        assert hdu.shape == (20_000,)
        assert hdu.compression == {"X": "GZIP_2", "N": "RICE_1", "S": "GZIP_1", "V": "GZIP_2"}
        assert hdu.dtype == np.dtype([("X", "f8"), ("N", "i4"), ("S", "U8"), ("V", "i2", (3,))])
        lines = repr(hdu).splitlines()
        assert lines[2:7] == [
            "  type: BINARY_TBL (compressed)",
            "  rows: 20000",
            "  tiles: 20",
            "  rows per tile: 1000",
            "  compression: X=GZIP_2, N=RICE_1, S=GZIP_1, V=GZIP_2",
        ]


def test_bits_and_offsets_for_arrow_are_those_of_the_plain_table(tmp_path):
    plain, coded = large_table(tmp_path, nrows=2003, tile_nrows=37)  # tiles end within bytes of a bitmap
    with rustfits.FITS(coded) as file, rustfits.FITS(plain) as other:
        found = []
        for hdu in (other[1], file[1]):
            number, text = hdu._facts.chosen(["N", "S"])
            valid, offsets = np.zeros(251, dtype=np.uint8), np.zeros(2004, dtype=np.int32)
            letters = np.zeros(8 * 2003, dtype=np.uint8)
            fields = [
                FieldArray(Field(Kind.VALID, number.column.offset, 4, null=1000), valid),
                FieldArray(Field(Kind.UTF8_32, text.column.offset, 8), offsets, letters),
            ]
            reader = hdu._tiles() if hdu is file[1] else hdu._reader()
            if hdu is file[1]:
                reader.read_fields(range(2003), fields, [number, text])
            else:
                for field, _owner in zip(fields, (number, text), strict=True):
                    for first in range(0, 2003, 8):  # in order, on one thread
                        rows = range(first, min(first + 8, 2003))
                        raw = np.frombuffer(plain_rows(plain, hdu, rows), dtype=np.uint8)
                        active().decoder(hdu._facts.row_nbytes, [field]).decode(raw, first)
            found.append((valid, offsets, letters))
        for left, right in zip(*found, strict=True):
            np.testing.assert_array_equal(left, right)
        assert found[0][1][-1] > 2003


def plain_rows(path, hdu, rows):
    width, start = hdu._facts.row_nbytes, hdu._extent.data_start
    return path.read_bytes()[start + rows.start * width : start + rows.stop * width]


@pytest.mark.parametrize("descriptor", ["P", "Q"])
def test_tiles_that_were_not_compressed_and_descriptors_of_both_widths(descriptor):
    numbers = np.arange(10, dtype=">i4")
    pairs = np.array([[24, 0], [16, 24]], dtype=">i4" if descriptor == "P" else ">i8")
    cards = {"ZTABLE": True, "ZTILELEN": 6, "ZNAXIS1": 4, "ZNAXIS2": 10, "ZPCOUNT": 0}
    data = pairs.tobytes() + numbers.tobytes()
    hdu = table(
        [(f"1{descriptor}B(24)", "n")],
        data,
        nrows=2,
        row_nbytes=pairs.nbytes // 2,
        **(cards | {"ZFORM1": "1J", "ZCTYP1": "NOCOMPRESS", "PCOUNT": 40}),
    )
    assert type(hdu) is rustfits.CompressedTableHDU
    assert hdu.read()["n"].tolist() == list(range(10))
    assert hdu.compression == {"n": "NOCOMPRESS"}


@pytest.mark.parametrize("seed", range(4))
def test_sums_that_fpack_keeps_are_right(seed, tmp_path):
    hdu, random = random_table(seed)
    choose_codecs(hdu, random)
    with rustfits.FITS(packed(hdu, tmp_path)[1]) as file:
        report = file[1].verify()
        assert [report[name].status for name in ("DATASUM", "CHECKSUM", "ZDATASUM", "ZHECKSUM", "tiles")] == ["ok"] * 5
        assert file[1].verify_datasum() is True
        assert file[1].verify_checksum() is True


def test_a_heap_that_fpack_puts_behind_the_end_is_refused(tmp_path):
    count = np.arange(800) % 9
    pairs = np.stack([count, 4 * (np.cumsum(count) - count)], axis=1).astype(">i4")
    heap = np.concatenate([np.arange(n, dtype=">i4") for n in count])
    data = pairs.tobytes() + bytes(2880) + heap.tobytes()
    where = {"PCOUNT": 2880 + heap.nbytes, "THEAP": pairs.nbytes + 2880}
    hdu = table([("1PJ(8)", "V")], data, nrows=800, row_nbytes=8, **where)
    assert [len(cell) for cell in hdu.read_column("V", rows=[0, 8, 799])] == [0, 8, 799 % 9]
    (tmp_path / "t.fits").write_bytes(hdu._file.content())
    run("fpack", "-table", tmp_path / "t.fits")
    with rustfits.FITS(tmp_path / "t.fits.fz") as file, pytest.raises(rustfits.FitsError, match=r"THEAP|heap"):
        file[1].read()
