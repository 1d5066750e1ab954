"""Arrays in the heap, tables of characters, nulls, and many rows on several threads."""

import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tablefiles import card, table

import rustfits
from rustfits import TableError, TruncatedFile

STORED = {"B": ">u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "C": ">c8", "M": ">c16"}


def in_heap(form, pairs, heap, code="P", **cards):
    """Return a table of one column whose descriptors are ``pairs``."""
    rows = np.array(pairs, ">i4" if code == "P" else ">i8").tobytes()
    width = 8 if code == "P" else 16
    return table([(form, "v")], rows + heap, len(pairs), row_nbytes=width, PCOUNT=len(heap), **cards)


# -- arrays in the heap ---------------------------------------------------------------------------------------------


@settings(max_examples=80)
@given(
    st.sampled_from(sorted(STORED)),
    st.sampled_from("PQ"),
    st.lists(st.integers(0, 5), min_size=1, max_size=8),
    st.integers(0, 9),
    st.randoms(use_true_random=False),
)
def test_cells_are_the_numbers_in_the_heap(element, code, counts, gap, random):
    """Out of order, overlapping, and after a gap."""
    dtype = np.dtype(STORED[element])
    numbers = np.frombuffer(random.randbytes(dtype.itemsize * 12), dtype)
    starts = [random.randrange(12 - count + 1) for count in counts]
    pairs = [(count, start * dtype.itemsize) for count, start in zip(counts, starts, strict=True)]
    table_nbytes = len(pairs) * (8 if code == "P" else 16)
    heap = bytes(gap) + numbers.tobytes()
    values = in_heap(f"1{code}{element}(5)", pairs, heap, code, THEAP=table_nbytes + gap).read_column("v")
    for cell, count, start in zip(values, counts, starts, strict=True):
        assert cell.dtype == dtype.newbyteorder("=")
        assert cell.tobytes() == numbers[start : start + count].astype(cell.dtype).tobytes()
        assert cell.base is None  # nobody else sees a change of it


def test_strings_logicals_and_bits_of_any_length():
    heap = b"hello\0x  \xb0TF\0\xa5\x80"
    text = in_heap("1PA(9)", [(5, 0), (0, 99), (9, 0), (3, 2)], heap)
    assert text.read_column("v").tolist() == ["hello", "", "hello", "llo"]
    assert text.read_column("v", as_bytes=True).tolist() == [b"hello", b"", b"hello\0x  ", b"llo"]
    with pytest.raises(TableError, match=r"non-ASCII byte 0xB0 at position 1 of column 'v', row 1.*as_bytes"):
        in_heap("1PA", [(1, 0), (2, 8)], heap).read()
    logicals = in_heap("1PL(3)", [(3, 10), (1, 11)], heap).read()["v"]
    assert [cell.tolist() for cell in logicals] == [[True, False, False], [False]]
    bits = in_heap("1PX(9)", [(9, 13), (3, 13)], heap).read_column("v")
    assert [cell.astype(int).tolist() for cell in bits] == [[1, 0, 1, 0, 0, 1, 0, 1, 1], [1, 0, 1]]


def test_arrays_in_the_heap_are_scaled():
    heap = np.array([-32768, 0, 32767], ">i2").tobytes()
    assert in_heap("1PI(3)", [(3, 0)], heap, TZERO1=32768).read_column("v")[0].tolist() == [0, 32768, 65535]
    halves = in_heap("1PI(3)", [(3, 0)], heap, TSCAL1=0.5, TZERO1=1)
    assert halves.read_column("v")[0].tolist() == [-16383, 1, 16384.5]
    assert halves.read_column("v", scale=False)[0].tolist() == [-32768, 0, 32767]
    with pytest.raises(TableError, match="complex"):
        in_heap("1PC", [(0, 0)], heap, TSCAL1=2).read()


def test_a_descriptor_that_has_no_cell_has_no_arrays():
    hdu = table([("0PE", "v"), ("1B", "a")], b"\1\2", 2)
    assert [cell.tolist() for cell in hdu.read()["v"]] == [[], []]


BAD = [(-1, 0), (3, 1), (1, 9), (2**31 - 1, 0)]


@pytest.mark.parametrize("pair", BAD)
@pytest.mark.parametrize("code", "PQ")
def test_descriptors_outside_of_the_heap_are_refused(pair, code):
    hdu = in_heap(f"1{code}I(2)", [(2, 0), pair], b"\0\1\0\2", code)
    with pytest.raises(TableError, match=rf"column 'v', row 1: the descriptor says {pair[0]} elements.* 4 bytes"):
        hdu.read()
    assert hdu.read(rows=[0])["v"][0].tolist() == [1, 2]


@settings(max_examples=100)
@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1), st.sampled_from("XLABIJKEDCM"))
def test_no_descriptor_of_64_bits_reads_what_is_not_there(count, offset, element):
    hdu = in_heap(f"1Q{element}", [(count, offset)], bytes(4), "Q")
    try:
        (cell,) = hdu.read_column("v")
    except TableError:
        return
    nbytes = -(-count // 8) if element == "X" else count * np.dtype(STORED.get(element, "u1")).itemsize
    assert len(cell) in (count, 0)
    assert count == 0 or 0 <= offset <= 4 - nbytes


def test_a_heap_that_is_cut_off_costs_no_memory():
    hdu = table([("1PD", "v")], np.array([2**30, 0], ">i4").tobytes(), PCOUNT=2**34)
    with pytest.raises(TruncatedFile):
        hdu.read()


def test_columns_not_asked_for_are_not_looked_up_in_the_heap():
    rows = np.array([7, 99, 99], ">i4").tobytes()
    hdu = table([("1J", "a"), ("1PE(3)", "v")], rows)
    assert hdu.dtype == np.dtype([("a", "i4"), ("v", "O")])
    assert hdu.read(columns=["a"])["a"].tolist() == [7]
    with pytest.raises(TableError, match="'v'"):
        hdu.read()


def test_arrays_in_the_heap_are_those_of_astropy(tmp_path):
    fits = pytest.importorskip("astropy.io.fits", reason="astropy is the peer")
    random = np.random.default_rng(5)
    cells = [random.normal(size=n) for n in random.integers(0, 40, 300)]
    arrays = np.empty(300, object)
    arrays[:] = cells
    columns = [fits.Column("a", "J", array=np.arange(300)), fits.Column("v", "PD()", array=arrays)]
    columns.append(fits.Column("w", "QI()", array=[(cell * 9).astype("i2") for cell in cells]))
    path = tmp_path / "x.fits"
    fits.BinTableHDU.from_columns(columns).writeto(path)
    some = [299, 3, 4, 5, 17]
    with rustfits.FITS(path) as file:
        values, few = file[1].read(), file[1].read(rows=some)
        for row, cell in enumerate(cells):
            assert values["v"][row].tobytes() == cell.tobytes()
            assert values["w"][row].tolist() == (cell * 9).astype("i2").tolist()
        assert [cell.tolist() for cell in few["v"]] == [cells[row].tolist() for row in some]


# -- nulls ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", "BIJK")
def test_stored_nulls_are_masked_whatever_the_scale(code):
    stored = np.array([5, 6, 5, 7], STORED[code])
    for cards in ({}, {"TSCAL1": 0.5}, {"TZERO1": {"B": -128, "I": 2**15, "J": 2**31, "K": 2**63}[code]}):
        hdu = table([(f"2{code}", "a"), (f"0{code}", "b")], stored.tobytes(), 2, TNULL1=5, **cards)
        values = hdu.read(mask_null=True)
        assert values["a"].mask.tolist() == [[True, False], [True, False]]
        assert (values["a"].data == hdu.read()["a"]).all()
        assert hdu.read_column("a", mask_null=True, scale=False).mask.tolist() == [[True, False], [True, False]]


@pytest.mark.parametrize(("form", "null"), [("1E", 5), ("1I", None), ("1I", 10**30), ("1I", 70000)])
def test_what_has_no_nulls_is_not_masked(form, null):
    hdu = table([(form, "a")], bytes(2 * (4 if form == "1E" else 2)), 2, **({} if null is None else {"TNULL1": null}))
    values = hdu.read(mask_null=True)
    assert not np.ma.getmaskarray(values["a"]).any()


def test_nulls_of_any_length_are_not_masked_but_refused():
    hdu = in_heap("1PI(2)", [(2, 0)], b"\0\1\0\2", TNULL1=1)
    with pytest.raises(TableError, match="variable-length"):
        hdu.read(mask_null=True)
    assert hdu.read()["v"][0].tolist() == [1, 2]


# -- tables of characters -------------------------------------------------------------------------------------------


def ascii_table(columns, rows, **cards):
    """Return an ASCII table; ``columns`` are (name, TBCOL, TFORM) triples."""
    text = {}
    for number, (name, first, form) in enumerate(columns, start=1):
        text |= {f"TTYPE{number}": name, f"TBCOL{number}": first, f"TFORM{number}": form}
    data = "".join(rows).encode("latin-1")
    structure = {"XTENSION": "TABLE", "BITPIX": 8, "NAXIS": 2, "NAXIS1": len(rows[0]) if rows else 0}
    structure |= {"NAXIS2": len(rows), "PCOUNT": 0, "GCOUNT": 1, "TFIELDS": len(columns)}
    header = "".join(card(key, value) for key, value in (structure | text | cards).items()) + "END"
    primary = (card("SIMPLE", True) + card("BITPIX", 8) + card("NAXIS", 0) + "END").ljust(2880)
    raw = primary + header.ljust(-(-len(header) // 2880) * 2880)
    return rustfits.FITS.from_bytes(raw.encode() + data.ljust(-(-len(data) // 2880) * 2880))[1]


def test_fields_are_read_wherever_they_lie():
    rows = ["  12 1.5D+03 123456abc  ", "     -2.5E-1       " + "     ", "  -7      3.   9999 x   "]
    assert {len(row) for row in rows} == {24}
    columns = [("I", 1, "I4"), ("D", 6, "D8.1"), ("F", 14, "F6.2"), ("A", 20, "A5")]
    hdu = ascii_table(columns, rows)
    assert hdu.read()["I"].tolist() == [12, 0, -7]
    assert hdu.read_column("d").tolist() == [1500, -0.25, 3]
    assert hdu.read_column("F").tolist() == [np.float32(1234.56), 0, np.float32(99.99)]
    assert ascii_table([("G", 14, "F6.9")], rows).read_column("G").tolist() == [123456e-9, 0, 9999e-9]
    assert hdu.read_column("A").tolist() == ["abc", "", " x"]
    assert hdu.read_column("A", as_bytes=True).tolist() == [b"abc  ", b"     ", b" x   "]
    assert hdu.read(rows=[-1, 0], columns=["A", "I"]).tolist() == [(" x", -7), ("abc", 12)]


def test_text_that_means_no_value_is_masked_and_zero_otherwise():
    hdu = ascii_table([("I", 1, "I4"), ("A", 5, "A3")], [" ---abc", "  12---", "   0   "], TNULL1="---", TNULL2="---")
    values = hdu.read(mask_null=True)
    assert values["I"].mask.tolist() == [True, False, False]
    assert values["A"].mask.tolist() == [False, True, False]
    assert hdu.read_column("I").tolist() == [0, 12, 0]


def test_numbers_of_characters_are_scaled():
    rows = ["-9223372036854775808", "                   0", " 9223372036854775807"]
    assert ascii_table([("u", 1, "I20")], rows, TZERO1=2**63).read_column("u").tolist() == [0, 2**63, 2**64 - 1]
    hdu = ascii_table([("x", 1, "I4"), ("y", 5, "F4.1")], ["   2 1.5", "  -3 2.5"], TSCAL1=0.5, TZERO1=1, TZERO2=10)
    assert hdu.read().tolist() == [(2, 11.5), (-0.5, 12.5)]
    assert hdu.read(scale=False).tolist() == [(2, 1.5), (-3, 2.5)]


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("I4", "1 2", r"column 'x', row 1: ' 1 2' is no number; its format is I4"),
        ("F4.1", "abc", r"row 1: ' abc' is no number"),
        ("I22", "99999999999999999999", "beyond the range"),
        ("D9.1", "1E999", "beyond the range"),
        ("A4", "\xb5", "non-ASCII byte 0xB5 at position 3 of column 'x', row 1"),
    ],
)
def test_a_field_that_cannot_be_read_is_named(form, text, said):
    width, one = int(form[1:].split(".")[0]), "1." if form[0] in "DF" else "1"
    hdu = ascii_table(
        [("x", 1, form), ("ok", width + 1, "A1")],
        [one.rjust(width) + "y", text.rjust(width) + "y"],
    )
    with pytest.raises(TableError, match=said):
        hdu.read()
    assert hdu.read(rows=[0])["x"].tolist() in ([1], ["   1"])
    assert hdu.read_column("ok").size == 2


def test_a_format_or_a_place_that_means_nothing_refuses_its_column_alone():
    columns = [("a", 1, "I2"), ("b", 9, "I2"), ("c", 0, "I2"), ("d", 1, "Z9"), ("e", 3, "A2")]
    hdu = ascii_table(columns, ["12xy"])
    assert (hdu.read_column("a").tolist(), hdu.read_column("e").tolist()) == ([12], ["xy"])
    for name, said in (("b", "TBCOL2 is 9"), ("c", "TBCOL3 is 0"), ("d", "TFORM4 is 'Z9'")):
        with pytest.raises(rustfits.HeaderError, match=said):
            hdu.read_column(name)
    assert "d  TFORM 'Z9'" in repr(hdu)


def test_tables_of_characters_are_those_of_astropy(tmp_path):
    fits = pytest.importorskip("astropy.io.fits", reason="astropy is the peer")
    random = np.random.default_rng(6)
    columns = [
        fits.Column("id", "I12", ascii=True, array=random.integers(-(2**31), 2**31, 500)),
        fits.Column("name", "A7", ascii=True, array=random.integers(0, 10**6, 500).astype("U7")),
        fits.Column("wide", "D25.17", ascii=True, array=random.normal(size=500)),
        fits.Column("flux", "E15.7", ascii=True, array=random.normal(size=500) * 1e9),
    ]
    path = tmp_path / "x.fits"
    fits.TableHDU.from_columns(columns).writeto(path)
    with fits.open(path) as peer, rustfits.FITS(path) as file:
        values = file[1].read()
        for name in ("id", "wide"):
            assert values[name].tolist() == peer[1].data[name].tolist()
        assert values["name"].tolist() == np.char.rstrip(peer[1].data["name"]).tolist()
        assert values["flux"].tolist() == peer[1].data["flux"].astype("f4").tolist()


# -- many rows ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nthreads", [1, 3])
def test_rows_in_many_pieces_are_those_of_the_file(tmp_path, nthreads):
    dtype = np.dtype([("a", ">i4"), ("b", ">f8", (3,)), ("s", "S5"), ("x", "u1")])
    nrows = 100_003
    random = np.random.default_rng(7)
    rows = np.zeros(nrows, dtype)
    rows["a"], rows["b"], rows["x"] = random.integers(-9, 9, nrows), random.normal(size=(nrows, 3)), 0b10100000
    rows["s"] = random.integers(0, 99999, nrows).astype("S5")
    path = tmp_path / "x.fits"
    columns = [("1J", "a"), ("3D", "b"), ("5A", "s"), ("3X", "x")]
    path.write_bytes(table(columns, rows.tobytes(), nrows)._file.content())
    some = random.permutation(nrows)[:50_000]
    before = rustfits.get_num_threads()
    rustfits.set_num_threads(nthreads)
    try:
        with rustfits.FITS(path) as file:
            values, few = file[1].read(), file[1].read(rows=some)
            backwards = file[1].read_column("a", rows=slice(None, None, -1))
    finally:
        rustfits.set_num_threads(before)
    assert (values["a"] == rows["a"]).all()
    assert (values["b"] == rows["b"]).all()
    assert (values["s"] == np.char.decode(rows["s"])).all()
    assert (values["x"] == [True, False, True]).all()
    assert (few["a"] == rows["a"][some]).all()
    assert (few["s"] == values["s"][some]).all()
    assert (backwards == rows["a"][::-1]).all()


def test_the_row_of_an_error_is_the_first_of_its_column_whatever_the_threads():
    rows = np.full((200_000, 4), ord("a"), "u1")
    rows[[70_001, 150_000]] = 0xE9
    hdu = table([("4A", "s")], rows.tobytes(), len(rows))
    with pytest.raises(TableError, match="row 70001;"):
        hdu.read()


# -- files that others change, and damaged ones -----------------------------------------------------------------------


def test_rows_of_a_table_are_of_one_state(tmp_path):
    path = tmp_path / "x.fits"
    content = table([("1J", "A"), ("4A", "B")], bytes(8000), 1000)._file.content()
    path.write_bytes(content)
    long_ago = time.time_ns() - 10**11  # at rest: the clock of the file system has gone on since
    os.utime(path, ns=(0, long_ago))
    with rustfits.FITS(path) as fits:
        hdu = fits[1]
        assert (hdu.read(columns=["A"])["A"] == 0).all()
        start = len(content) - 8640
        path.write_bytes(content[:start] + np.ones(2000, ">i4").tobytes() + content[start + 8000 :])
        assert (hdu.read_column("A") == 1).all()
        path.write_bytes(content[:-2880])
        with pytest.raises(rustfits.FitsError):
            hdu.read_column("A")


def test_checksums_are_verified_before_the_first_row_is_read():
    data = Path(__file__).resolve().parents[3] / "tests" / "data"
    with rustfits.FITS(data / "memtest.fits", checksum=True) as fits:
        name = fits[1].colnames[0]
        with pytest.raises(rustfits.ChecksumError, match="164082298"):
            fits[1].read(columns=[name])


def test_tables_travel_to_other_processes(tmp_path):
    path = tmp_path / "x.fits"
    path.write_bytes(table([("2J", "a"), ("3A", "b")], b"12345678abc" * 5, 5)._file.content())
    with rustfits.FITS(path) as fits:
        sent, rows = pickle.dumps(fits[1]), fits[1].read()
    assert (pickle.loads(sent).read() == rows).all()


@pytest.mark.parametrize(
    ("form", "text"), [("E13.5", "2455197.62345"), ("E17.7", "2455197.6234567"), ("F12.4", "2455197.6234")]
)
def test_no_digit_of_a_field_of_characters_is_lost(form, text, tmp_path):
    fitsio = pytest.importorskip("fitsio", reason="fitsio is the peer")
    path = tmp_path / "x.fits"
    width = int(form[1:].split(".")[0])
    path.write_bytes(ascii_table([("t", 1, form)], [text.rjust(width)])._file.content())
    with rustfits.FITS(path) as file:
        assert file[1].read()["t"].tolist() == fitsio.read(path, ext=1)["t"].tolist() == [float(text)]
