"""Rows and columns by key, and rows one after another."""

import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tablefiles import card, table

import rustfits
from rustfits import FITS, RowIndexError, TableError

fits = pytest.importorskip("astropy.io.fits", reason="astropy is the peer")
NROWS = 23


def binary_columns():
    numbers = np.random.default_rng(5)
    return [
        fits.Column("a", "J", array=np.arange(NROWS) * 3, unit="m"),
        fits.Column("b", "3E", array=numbers.normal(size=(NROWS, 3))),
        fits.Column("s", "5A", array=np.array([f"x{n}" for n in range(NROWS)])),
        fits.Column("u", "I", bzero=32768, array=np.arange(NROWS).astype("u2")),
        fits.Column("v", "PJ()", array=np.array([np.arange(n % 4) for n in range(NROWS)], dtype=object)),
    ]


def ascii_columns():
    return [
        fits.Column("a", "I8", ascii=True, array=np.arange(NROWS) * 3),
        fits.Column("f", "D25.17", ascii=True, array=np.linspace(0, 1, NROWS)),
        fits.Column("s", "A5", ascii=True, array=np.array([f"x{n}" for n in range(NROWS)])),
    ]


@pytest.fixture(scope="module", params=["binary", "ascii", "compressed"])
def hdu(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("items") / f"{request.param}.fits"
    if request.param == "ascii":
        fits.TableHDU.from_columns(ascii_columns()).writeto(path)
    else:
        fits.BinTableHDU.from_columns(binary_columns()).writeto(path)
    if request.param == "compressed":
        if shutil.which("fpack") is None:
            pytest.skip("fpack is not on PATH")
        subprocess.run(["fpack", "-table", path], check=True)
        path = path.with_name(path.name + ".fz")
    with FITS(path) as file:
        yield file[1]


def same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, np.void):
        assert found.dtype == expected.dtype
        for name in expected.dtype.names:
            same(found[name], expected[name])
    elif getattr(expected, "dtype", None) is not None and expected.dtype.hasobject:
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    else:
        np.testing.assert_array_equal(found, expected)


# -- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [0, 7, -1, NROWS - 1, -NROWS, np.int16(4), np.uint8(4)])
def test_a_number_is_a_record(hdu, row):
    everything = hdu.read()
    assert isinstance(hdu[row], np.void)
    same(hdu[row], everything[row])
    for name in hdu.colnames:
        same(hdu[name][row], everything[name][row])
    same(hdu[["s", "a"]][row], hdu.read(columns=["s", "a"])[row])


@pytest.mark.parametrize("row", [NROWS, -NROWS - 1, 10**30])
def test_a_number_beyond_the_rows_is_an_index_error(hdu, row):
    for thing in (hdu, hdu["a"], hdu["a", "s"]):
        with pytest.raises(IndexError, match="out of range") as caught:
            thing[row]
        assert isinstance(caught.value, RowIndexError)


@settings(max_examples=60, deadline=None)
@given(st.slices(NROWS) | st.lists(st.integers(-NROWS, NROWS - 1), min_size=1, max_size=9))
def test_slices_and_lists_are_those_of_numpy(file_of_items, key):
    hdu, everything = file_of_items
    rows = list(range(NROWS)[key]) if isinstance(key, slice) else list(dict.fromkeys(row % NROWS for row in key))
    if not rows:
        with pytest.raises(ValueError, match="zero rows"):
            hdu[key]
        return
    same(hdu[key], everything[rows])
    same(hdu["v"][key], everything["v"][rows])
    same(hdu["v", "u"][key], hdu.read(columns=["v", "u"])[rows])
    if isinstance(key, list):
        same(hdu[np.array(key)], everything[rows])
        same(hdu[tuple(key)], everything[rows])


@pytest.fixture(scope="module")
def file_of_items(tmp_path_factory):
    path = tmp_path_factory.mktemp("items") / "binary.fits"
    fits.BinTableHDU.from_columns(binary_columns()).writeto(path)
    with FITS(path) as file:
        yield file[1], file[1].read()


def test_names_of_all_kinds_are_one_column(hdu):
    for key in ("a", b"a", np.str_("A"), np.bytes_(b"a")):
        np.testing.assert_array_equal(hdu[key].read(), np.arange(NROWS) * 3)
    for key in (["s", "a"], ("s", "a"), np.array(["s", "a"]), np.array([b"s", b"a"]), [b"s", "a"]):
        assert hdu[key].read().dtype.names == ("s", "a")
    assert hdu[["a"]].read().dtype.names == ("a",)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ([], "empty sequence"),
        ((), "empty sequence"),
        (np.array([], int), "empty sequence"),
        ([0, "a"], "mixes column names.*all int.*all str"),
        ((0, "a"), "mixes column names"),
        (("a", slice(2)), "mixes column names"),
        (True, "no key"),
        (np.True_, "no key"),
        (1.0, "no key"),
        (None, "no key"),
        (..., "no key"),
        (bytearray(b"ab"), "no key"),
        ({0, 1}, "no key"),
        (np.array(3), "no key"),
        (np.array([[1, 2]]), "no key"),
        ([True, False], "flatnonzero"),
        (np.ones(NROWS, bool), "flatnonzero"),
        ([1.0], "neither a row number nor a name"),
        (slice(1, 1), "zero rows"),
        (slice("a", None), "slice"),
        (slice(None, None, 0), "zero"),
    ],
    ids=str,
)
def test_other_keys_are_refused(hdu, key, words):
    with pytest.raises(ValueError, match=words):
        hdu[key]
    if not isinstance(key, slice):
        with pytest.raises(ValueError, match=words):
            hdu[key] = 0


@pytest.mark.parametrize("key", ["a", ["a"], None, 1.5, ..., (0, "a"), b"a", [True], []], ids=str)
def test_columns_take_row_keys_alone(hdu, key):
    for columns in (hdu["a"], hdu["a", "s"]):
        with pytest.raises(ValueError, match=r"key of columns|mixes|no key|empty sequence|neither"):
            columns[key]
        with pytest.raises(ValueError, match=r"key of columns|mixes|no key|empty sequence|neither"):
            columns[key] = 0


@pytest.mark.parametrize("key", [True, False, np.True_])
def test_a_bool_is_no_row(hdu, key):
    for columns in (hdu["a"], hdu["a", "s"]):
        with pytest.raises(ValueError, match="bool"):
            columns[key]


def test_columns_are_looked_for_when_they_are_read(hdu):
    unknown, twice = hdu["nothing"], hdu["a", "A"]
    for act in (unknown.read, lambda: unknown[0], lambda: list(unknown), lambda: np.asarray(unknown)):
        with pytest.raises(TableError, match="unknown column name 'nothing'"):
            act()
    for act in (twice.read, lambda: twice[0], lambda: list(twice), lambda: np.asarray(twice)):
        with pytest.raises(TableError, match="duplicate column"):
            act()


def test_columns_say_what_they_are(hdu):
    prefix = "Ascii" if isinstance(hdu, rustfits.AsciiTableHDU) else ""
    kind = "Compressed" if isinstance(hdu, rustfits.CompressedTableHDU) else prefix
    assert repr(hdu["a"]) == f"<{prefix}TableColumn 'a' of HDU #1>"
    assert repr(hdu["a", "u"]) == f'<{prefix}TableColumns ["a", "u"] of HDU #1>'
    assert type(hdu["a"]).__name__ == f"{kind}SingleColumnSubset"
    assert type(hdu["a", "u"]).__name__ == f"{kind}ColumnSubset"
    for columns in (hdu["a"], hdu["a", "u"]):
        with pytest.raises(TypeError):
            len(columns)


def test_columns_read_as_the_table_does(hdu):
    some = slice(20, 3, -4)
    same(hdu["a"].read(rows=some), hdu.read_column("a", rows=some))
    same(hdu["s", "a"].read(rows=[3, -1]), hdu.read(rows=[3, -1], columns=["s", "a"]))
    if isinstance(hdu, rustfits.CompressedTableHDU):
        with pytest.raises(NotImplementedError, match="TNULL masking"):
            hdu["a"].read(mask_null=True)
    else:
        assert isinstance(hdu["a"].read(mask_null=True), np.ma.MaskedArray)
        assert isinstance(hdu["a", "s"].read(mask_null=True), np.ma.MaskedArray)
    if isinstance(hdu, rustfits.AsciiTableHDU):
        assert hdu["s"].read(as_bytes=True)[0] == b"x0   "
    else:
        assert hdu["u"].read(scale=False)[0] == -32768
        assert hdu["u", "a"].read(scale=False)["u"][1] == -32767
        with pytest.raises(TypeError):
            hdu["s"].read(as_bytes=True)


def test_columns_are_arrays_for_numpy(hdu):
    assert np.asarray(hdu["a"]).tolist() == hdu.read_column("a").tolist()
    assert np.asarray(hdu["a"], "f4").dtype == np.float32
    assert np.asarray(hdu).dtype == hdu.dtype
    assert np.mean(hdu["a"]) == hdu.read_column("a").mean()
    same(np.asarray(hdu["s", "a"]), hdu.read(columns=["s", "a"]))
    for thing in (hdu, hdu["a"]):
        with pytest.raises(ValueError, match="without a copy"):
            np.array(thing, copy=False)
    assert [str(text) for text in hdu["s"]] == hdu.read_column("s").tolist()
    assert len(list(hdu["a", "s"])) == NROWS


def test_items_cannot_be_deleted(hdu):
    with pytest.raises(NotImplementedError, match="can't delete item"):
        del hdu[0]


def test_a_name_that_needs_escapes_is_shown_escaped():
    hdu = table([("1J", 'a"b'), ("1J", "c")], bytes(8))
    assert repr(hdu['a"b', "c"]) == '<TableColumns ["a\\"b", "c"] of HDU #1>'


# -- iteration --------------------------------------------------------------------------------------------------------


def test_rows_come_one_after_another(hdu):
    rows, everything = iter(hdu), hdu.read()
    assert len(rows) == NROWS
    for number, row in enumerate(rows):
        assert isinstance(row, np.void)
        same(row, everything[number])
        assert len(rows) == NROWS - number - 1
    assert list(rows) == []


@pytest.mark.parametrize("chunksize", [1, 5, NROWS, NROWS + 1, 2**70])
def test_chunks_are_all_rows(hdu, chunksize):
    chunks = hdu.iter(chunksize=chunksize)
    assert len(chunks) == -(-NROWS // chunksize)
    found = list(chunks)
    assert len(chunks) == 0
    assert all(len(chunk) == chunksize for chunk in found[:-1])
    same(np.concatenate(found), hdu.read())


def test_iterators_are_independent_and_pick_columns(hdu):
    one, other = hdu.iter(chunksize=4, columns=["s", "A"]), iter(hdu)
    assert next(one).dtype.names == ("s", "a")
    next(other)
    assert (len(one), len(other)) == (5, NROWS - 1)
    if isinstance(hdu, rustfits.TableHDU):
        assert next(hdu.iter(scale=False))["u"] == -32768


@pytest.mark.parametrize(
    ("chunksize", "kind"), [(0, ValueError), (-3, ValueError), (1.0, TypeError), ("4", TypeError), (True, TypeError)]
)
def test_other_sizes_of_chunks_are_refused_at_once(hdu, chunksize, kind):
    with pytest.raises(kind, match="positive integer" if chunksize == 0 else None):
        hdu.iter(chunksize=chunksize)


def test_columns_of_an_iterator_are_checked_at_once(hdu):
    for columns, words in ((["x"], "unknown"), ([], "empty"), (["a", "a"], "duplicate")):
        with pytest.raises(TableError, match=words):
            hdu.iter(columns=columns)


def test_no_rows_are_no_records():
    hdu = table([("1J", "a")], nrows=0, row_nbytes=4)
    assert list(hdu) == []
    assert list(hdu.iter(chunksize=3)) == []
    assert len(hdu.iter(chunksize=3)) == 0


def test_arrays_in_the_heap_are_read_in_bounded_pieces():
    """The first rows hold nothing, later ones much: pieces are cut by what rows hold, not by how many they are."""
    from rustfits_tables.iteration import Pieces

    lengths = [0] * 50 + [1000] * 10 + [0] * 5
    rows = np.array([(length, 0) for length in lengths], ">i4")
    hdu = table([("1PD(1000)", "v")], rows.tobytes() + bytes(8000), len(lengths), row_nbytes=8, PCOUNT=8000)
    ranges = list(Pieces(hdu, nbytes=20_000).selections())
    assert [row for rows in ranges for row in rows] == list(range(len(lengths)))
    for rows in ranges:
        assert len(rows) == 1 or sum(8 * lengths[row] + 128 for row in rows) <= 20_000
    assert [len(row["v"]) for row in hdu] == lengths


@pytest.mark.skipif(sys.platform != "linux", reason="sparse files, and the peak of memory, as Linux has them")
def test_a_file_much_larger_than_memory_is_iterated(tmp_path):
    path, nrows, width = tmp_path / "events.fits", 200_000, 10_000
    cards = {"XTENSION": "BINTABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS1": width, "NAXIS2": nrows, "PCOUNT": 0}
    cards |= {"GCOUNT": 1, "TFIELDS": 2, "TFORM1": "1D", "TTYPE1": "TIME", "TFORM2": f"{width - 8}B", "TTYPE2": "REST"}
    header = "".join(card(key, value) for key, value in cards.items()) + "END"
    primary = (card("SIMPLE", True) + card("BITPIX", 8) + card("NAXIS", 0) + "END").ljust(2880)
    with path.open("wb") as file:
        file.write((primary + header.ljust(2880)).encode())
        file.seek((nrows - 1) * width, os.SEEK_CUR)
        file.write(np.array(7.5, ">f8").tobytes())
        file.truncate(-(-(5760 + nrows * width) // 2880) * 2880)
    program = f"""
        import resource, rustfits
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with rustfits.FITS({str(path)!r}) as fits:
            total, count = 0.0, 0
            for row in fits[1]:
                total, count = total + float(row["TIME"]), count + 1
                if count == 20_000:
                    break
            times = [chunk["TIME"].sum() for chunk in fits[1].iter(chunksize=1000, columns=["TIME"])]
            whole = sum(len(chunk) for chunk in fits[1].iter(chunksize=500))
        print(total, sum(times), whole, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, capture_output=True, text=True)
    first, last, count, kilobytes = map(float, out.stdout.split())
    assert (first, last, count) == (0, 7.5, nrows)
    assert kilobytes < 100_000
